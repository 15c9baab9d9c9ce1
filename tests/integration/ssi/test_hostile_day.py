"""The connector on a day on which everything goes wrong, between a real simulator and a real Kafka.

What was published is what the simulator put on the sockets, record by record and in order; what nobody could decode is a dead
letter; and what was withheld is in gaps, share for share. Two feeds, of which one or the other is killed, give the union, once.
"""

import asyncio
import itertools
import logging
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from connectors.ssi import service
from connectors.ssi.core import backoff
from connectors.ssi.core.backoff import SsiBackoff
from connectors.ssi.core.decode import decode
from connectors.ssi.simulator.core.journal import SentLine
from connectors.ssi.simulator.core.truth import ConnectionStatus, SimulatorStatus, Truth
from connectors.ssi.simulator.server import simulator
from pipelines.core import foreign_shard, index_shard, price_shard
from pipelines.core.frames import Shard
from pipelines.core.terms import Offers
from schemas.calendar import at
from schemas.kinds import is_from_ssi
from schemas.position import Partition, Position
from schemas.structs import ForeignRecord, Frame, LedgerEntry, TradeEvent, TradeRecord
from schemas.topics import MARKET_FOREIGN, MARKET_TRADES, RECORD_TOPICS, SSI_FOREIGN, SSI_INDICES, SSI_STATUS, SSI_TICKS
from stock_tracker.ports import free_port
from stock_tracker.verify.core.against_truth import altered_counters
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.core.ledger import LedgerReport, TrueCounters, compare_ledger
from stock_tracker.verify.core.published import Epoch, Published
from stock_tracker.verify.core.records import LostWithConnection, RecordsReport, compare_records
from stock_tracker.verify.core.tape import PrintKey, TapeReport, TruePrint, compare_tape
from stock_tracker.verify.sent import sent_by
from tests.builders import offers
from tests.integration.ssi.test_ssi_connector import (
    DAY,
    SECRET,
    SHARDS,
    Connector,
    Topics,
    a_market,
    ask,
    connected,
    order,
    standing,
    status_of,
)
from tests.patience import reached
from tests.proof import PROVING, usually

pytestmark = pytest.mark.kafka

FOLDS = {
    SSI_TICKS.name: price_shard.fold_frame,
    SSI_FOREIGN.name: foreign_shard.fold_frame,
    SSI_INDICES.name: index_shard.fold_frame,
}
logger = logging.getLogger(__name__)

SCALE = float(os.environ["SCALE"]) if os.environ.get("SCALE") else None
HOURS = 3 * 3_600
"""How long a proof may take, in seconds: it has to end on a machine that does much else."""
NOTHING_LOST = LostWithConnection()
SECOND_MS = 1_000
HALF_A_MINUTE_MS = 30 * SECOND_MS
Frames = list[tuple[str, int, Frame]]
"""Topic, partition and frame, in the order of each partition."""


@pytest.fixture
def board(kafka: str, topics: str) -> Iterator[Topics]:
    board = Topics(kafka, topics)
    yield board
    board.close()


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure the shortest pause is taken, and it does not grow: a minute of this market is a second."""
    monkeypatch.setattr(backoff, "LONGEST_S", backoff.FIRST_S)
    monkeypatch.setattr(service, "SsiBackoff", lambda *_: SsiBackoff(lambda: 0.0))


def plain(record: Any) -> str:
    """A record as text, without the time at which it was received."""
    fields = msgspec.to_builtins(record)
    fields.pop("recv_us", None)
    return msgspec.json.encode(fields).decode()


def by_symbol(records: list[Any]) -> dict[tuple[str, str], list[str]]:
    """The records of each kind of each symbol, in their order."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record in records:
        found[type(record).__name__, record.symbol].append(plain(record))
    return found


def published(frames: Frames) -> list[list[Any]]:
    """What came of each connection, in their order."""
    epochs: dict[int, list[Any]] = defaultdict(list)
    for _, _, frame in sorted(frames, key=lambda one: (one[2].epoch, one[0], one[1], one[2].seq)):
        epochs[frame.epoch] += [record for record in frame.records if is_from_ssi(record)]
    return [epochs[epoch] for epoch in sorted(epochs)]


async def sent_on(port: int, connection: int) -> list[SentLine]:
    body = await ask(port, f"sent?connection={connection}")
    return [msgspec.json.decode(line, type=SentLine) for line in body.splitlines()]


async def is_connected(port: int, connector: "Connector | Process") -> bool:
    """Whether a connection is open, and subscribed, as far as the simulator knows."""
    connector.check()
    connections = (await status_of(port)).connections
    return bool(connections) and connections[-1].ended is None and connections[-1].subscribed_ms is not None


async def stands(port: int, connector: "Connector | Process") -> bool:
    connector.check()
    return (await status_of(port)).state in ("held", "finished")


async def all_is_received(
    port: int, connector: "Connector | Process", board: Topics, look: Callable[[int], None] = lambda _: None
) -> None:
    """Play to the day's end, and wait until the connector has all that was put on the connection that is open then.

    Whenever the market stands ``look`` is called with the market time.
    """

    async def it_is() -> bool:
        connector.check()
        status, told = await status_of(port), board.last_status()
        last = status.connections[-1] if status.connections else None
        return (
            status.state == "finished"
            and last is not None
            and last.ended is None
            and told is not None
            and told.connects == len(status.connections)
            and told.received >= last.records
        )

    while (status := await status_of(port)).state != "finished":
        await reached(lambda: is_connected(port, connector), "a connection for the next fault to strike")
        # Faults have whole and half minutes: the market stands before each until the connector is back from the last.
        goal_ms = ((status.market_ms + SECOND_MS) // HALF_A_MINUTE_MS + 1) * HALF_A_MINUTE_MS - SECOND_MS
        await order(port, f"resume?until={goal_ms}")
        await reached(lambda: stands(port, connector), "the market to stand again")
        look(goal_ms)
    await reached(it_is, "the connector to have it all")


@dataclass
class Folded:
    """What the folds made of the frames, and what of the truth reached them."""

    trades: list[tuple[EventPosition, TradeEvent]] = field(default_factory=list)
    entries: list[tuple[EventPosition, LedgerEntry]] = field(default_factory=list)
    prints: dict[PrintKey, EventPosition] = field(default_factory=dict)
    foreign: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By symbol, the highest counters of the trading day."""


def folded(frames: Iterable[tuple[str, int, Frame]]) -> Folded:
    """Fold the frames of all three topics, as the pipelines do."""
    states: dict[tuple[str, int], dict[bytes, bytes]] = defaultdict(dict)
    offered: dict[str, Offers] = {topic.name: offers(topic) for topic in RECORD_TOPICS}
    result = Folded()
    for offset, (topic, partition, frame) in enumerate(frames):
        position = Position(topic, partition, offset)
        for idx, record in enumerate(frame.records):
            if isinstance(record, TradeRecord) and record.volume:
                key = (record.symbol, record.total_volume, record.volume)
                result.prints.setdefault(key, EventPosition(position, idx))
            elif isinstance(record, ForeignRecord) and record.trading_day == DAY:
                bought, sold = result.foreign.get(record.symbol, (0, 0))
                result.foreign[record.symbol] = (max(bought, record.bought), max(sold, record.sold))
        shard = Shard.of("any", partition, SHARDS)
        made = FOLDS[topic](frame, position, shard, states[topic, partition], offers=offered[topic])
        for output in made.outputs:
            if output.topic is MARKET_TRADES:
                events = MARKET_TRADES.decode(output.value).events
                result.trades += [(EventPosition(position, idx), event) for idx, event in enumerate(events)]
            elif output.topic is MARKET_FOREIGN:
                entries = MARKET_FOREIGN.decode(output.value).events
                result.entries += [(EventPosition(position, idx), entry) for idx, entry in enumerate(entries)]
    return result


def tape_of(made: Folded, truth: Truth, lost: LostWithConnection) -> TapeReport:
    prints = [
        TruePrint(line.symbol, line.ts_ms, line.due_ms, line.price, line.last_vol, line.total_vol, line.connections)
        for line in truth.prints
    ]
    return compare_tape(prints, made.prints, made.trades, lost.prints, {})


def ledger_of(made: Folded, truth: Truth, lost: LostWithConnection) -> LedgerReport:
    steps = [
        TrueCounters(s.symbol, s.ts_ms, s.bought, s.sold, s.bought_value, s.sold_value, s.connections) for s in truth.foreign
    ]
    return compare_ledger(steps, made.foreign, made.entries, lost.foreign, altered_counters(truth.affected))


def records_of(board: Topics, url: str, status: SimulatorStatus) -> RecordsReport:
    """Compare, record by record, what was put on the connections with what was published of them; nothing is held meanwhile."""
    published, offsets = Published(), Counter[Partition]()
    for topic, number, frame in board.frames():
        partition = Partition(topic, number)
        published.see(partition, offsets[partition], frame)
        offsets[partition] += 1
    for offset, letter in enumerate(board.dead_letters()):
        published.reject(letter, offset)
    told = (SSI_STATUS.decode(message.value()) for message in board.messages(SSI_STATUS))
    connects = {Epoch(one.feed, one.epoch): one.connects for one in told}

    def again(partition: Partition) -> Iterator[tuple[int, Frame]]:
        return enumerate(frame for topic, number, frame in board.frames() if Partition(topic, number) == partition)

    return compare_records(status, published, sent_by(url), again, connects)


def never_two_at_a_time(connections: list[ConnectionStatus]) -> bool:
    return all(
        before.closed_ms is not None and before.closed_ms <= after.opened_ms for before, after in itertools.pairwise(connections)
    )


@pytest.mark.timeout(usually(900, proving=HOURS))
async def test_a_hostile_day_is_published_record_by_record(kafka: str, topics: str, board: Topics) -> None:
    """Short: the first half hour of trading, in which most of it happens. Long: the day, in which all of it does.

    ``SCALE`` makes it a day of that part of the true size, played as fast as the connector reads.
    """
    begins = usually(time(9, 13), proving=time(8, 57))
    day = a_market(
        start=begins,
        end=usually(time(9, 31), proving=time(15, 40)),
        speed=60.0 if SCALE is None else "max",
        scale=0.05 if SCALE is None else SCALE,
        faults="hostile",
        keep_alive_s=2.0,
    )
    async with standing(day, begins) as port:
        async with connected(port, kafka, topics) as connector:
            await all_is_received(port, connector, board)
        told = await what_was_told(port, board)
        status = told.status
        sent = [await sent_on(port, connection.id) for connection in status.connections] if SCALE is None else None
    everything_is_there(told, board)
    if sent is not None:
        cut_short = {one.connection for one in told.records.excused}
        is_the_same_in_other_words(list(board.frames()), status.connections, sent, cut_short)


@dataclass
class Told:
    """What the simulator told after a day, and how it compares with what was published."""

    status: SimulatorStatus
    truth: Truth
    records: RecordsReport


async def what_was_told(port: int, board: Topics) -> Told:
    status, truth = await status_of(port), Truth.load(await ask(port, "truth"))
    # In a thread: the simulator that is asked may run in this one.
    return Told(status, truth, await asyncio.to_thread(records_of, board, f"http://127.0.0.1:{port}", status))


def everything_is_there(told: Told, board: Topics) -> None:
    """Everything went wrong, and what was published is what was sent."""
    status, truth, records = told.status, told.truth, told.records
    assert never_two_at_a_time(status.connections)
    struck = Counter(fault.fault for fault in truth.faults if fault.connections or fault.requests or fault.records)
    assert struck >= Counter(("drop", "close", "shutdown", "silence", "refuse", "reply", "slow", "malformed", "odd_message"))
    effects = Counter(line.effect for line in truth.affected)
    assert all(effects[effect] for effect in ("withheld", "garbled", "repeated", "late", "altered"))

    assert records.differences == []
    unread = records.count("unread")
    said = "%d things put on %d connections, %d published, %d unread, %d dead letters"
    logger.info(said, records.put, len(status.connections), records.published, unread, len(board.dead_letters()))
    logger.info("%s", "; ".join(map(str, records.excused)))
    assert records.put == records.published + unread
    assert unread <= sum(connection.put - connection.read for connection in status.connections if connection.ended)
    letters, malformed = len(board.dead_letters()), sum(connection.malformed for connection in status.connections)
    assert malformed - unread <= letters <= malformed
    assert malformed > usually(10, proving=100)
    made = folded(board.frames())
    ledger = ledger_of(made, truth, records.lost)
    assert ledger.differences == []
    assert ledger.not_judged, "a fault began counters again"
    report = tape_of(made, truth, records.lost)
    assert report.differences == []
    assert report.withheld > usually(20, proving=200)
    assert report.missed_volume > 0


def is_the_same_in_other_words(
    frames: Frames, connections: list[ConnectionStatus], sent: list[list[SentLine]], cut_short: set[int]
) -> None:
    """Compare once more, by symbol and without any help of the verification's, the connections that were read to their end."""
    of_epochs = published(frames)
    assert len(of_epochs) == len(connections)
    for connection, lines, records in zip(connections, sent, of_epochs, strict=True):
        readable = [line.argument for line in lines if line.state in ("good", "altered") and line.argument is not None]
        assert len(readable) == connection.records
        if connection.id not in cut_short:
            assert by_symbol(records) == by_symbol([decode(argument) for argument in readable]), f"connection {connection.id}"


class Process:
    """A process that can be killed, and says how much memory it takes."""

    def __init__(self, log: Path, *command: str, **environ: str) -> None:
        self._log = log
        with log.open("wb") as file:
            argv = (sys.executable, "-m", *command)
            self._process = subprocess.Popen(argv, env={**os.environ, **environ}, stdout=subprocess.DEVNULL, stderr=file)

    def check(self) -> None:
        """Fail if it has ended by itself."""
        if self._process.poll() is not None:
            pytest.fail(f"a process ended: {self._log.read_text()[-2_000:]}")

    @property
    def memory_mb(self) -> float:
        """What it has in memory now, in megabytes."""
        self.check()
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def end(self) -> None:
        """Have it end in order."""
        self._process.terminate()
        self._process.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def a_connector(port: int, bootstrap: str, prefix: str, home: Path, feed: str = "a", command: Sequence[str] = ()) -> Process:
    """A connector of the simulator at ``port``; by another ``command`` than its own if that is given."""
    base = f"http://127.0.0.1:{port}/"
    environ = {
        "SSI_CONSUMER_ID": "me", "SSI_CONSUMER_SECRET": SECRET, "SSI_API_URL": base, "SSI_STREAM_URL": base,
        "SSI_CLOCK": f"{base}sim/clock", "SSI_FEED": feed, "KAFKA_BOOTSTRAP": bootstrap, "TOPIC_PREFIX": prefix,
        "STOCK_TRACKER_HOME": str(home),
    }  # fmt: skip
    return Process(home / f"connector-{feed}.log", *(command or ("stock_tracker", "ssi", "run")), **environ)


TRADING = (9, 10, 11, 13, 14, 15)
"""Hours of the day in which the feed says something."""


class Memory:
    """How much memory processes take while a day goes on."""

    def __init__(self, **processes: Process) -> None:
        self._processes = processes
        self._seen: list[tuple[int, dict[str, float]]] = []

    def look(self, market_ms: int) -> None:
        self._seen.append((market_ms, {name: process.memory_mb for name, process in self._processes.items()}))

    def is_flat(self) -> bool:
        """Whether none takes a tenth more at the end than it took at most from 10:00 to 10:30: it is warm by then."""
        (_, last), flat = self._seen[-1], True
        for name, at_the_end in last.items():
            warm = max(seen[name] for ms, seen in self._seen if at(DAY, 10) <= ms < at(DAY, 10, 30))
            hours = [max(seen[name] for ms, seen in self._seen if at(DAY, hour) <= ms < at(DAY, hour + 1)) for hour in TRADING]
            said = "%s: %.0f MB at most from 10:00 to 10:30, %.0f MB at the end; at most in the hours from %s: %s"
            logger.info(said, name, warm, at_the_end, TRADING, [round(most) for most in hours])
            flat = flat and at_the_end <= 1.1 * warm
        return flat


@pytest.mark.skipif(not PROVING, reason="a day of true size takes a quarter of an hour: make prove-hostile")
@pytest.mark.timeout(HOURS)
async def test_a_hostile_day_of_true_size_takes_no_more_memory_at_its_end(
    kafka: str, topics: str, board: Topics, tmp_path: Path
) -> None:
    """The simulator and the connector are processes of their own, and the day goes as fast as the connector reads."""
    port, scale = free_port(), 1.0 if SCALE is None else SCALE
    day = ("--seed", "7", "--date", str(DAY), "--start", "08:57", "--end", "15:40", "--scale", f"{scale:g}", "--speed", "max")
    said = {"SIM_CONSUMER_ID": "me", "SIM_CONSUMER_SECRET": SECRET, "SIM_KEEP_ALIVE_S": "2", "SIM_CACHE": ""}
    command = ("stock_tracker", "ssi", "simulate", "--port", str(port), *day, "--faults", "hostile", "--wait")
    simulated = Process(tmp_path / "simulator.log", *command, **said)
    processes = [simulated]

    async def it_listens() -> bool:
        simulated.check()
        try:
            await order(port, f"resume?until={at(DAY, 8, 57)}")
        except aiohttp.ClientError:
            return False
        return True

    try:
        await reached(it_listens, "the simulator's start")
        impatient = ("tests.integration.ssi.impatient_connector",)
        processes.append(connector := a_connector(port, kafka, topics, tmp_path, command=impatient))
        memory = Memory(connector=connector, simulator=simulated)
        await all_is_received(port, connector, board, memory.look)
        flat = memory.is_flat()
        connector.end()
        told = await what_was_told(port, board)
    finally:
        for process in processes:
            process.kill()
    everything_is_there(told, board)
    assert flat


async def test_two_feeds_of_which_one_is_killed_in_turn_give_the_union_once(
    kafka: str, topics: str, board: Topics, tmp_path: Path
) -> None:
    day = a_market(start=time(9, 15), end=time(15, 40), speed=10.0, wait_for_client=False)
    async with simulator(day) as port:
        await order(port, "hold")
        feeds = {feed: a_connector(port, kafka, topics, tmp_path, feed) for feed in "ab"}

        async def both_listen() -> bool:
            for feed in feeds.values():
                feed.check()
            open_ones = [connection for connection in (await status_of(port)).connections if connection.ended is None]
            return len([connection for connection in open_ones if connection.records]) == 2

        async def all_is_published() -> bool:
            open_ones = [connection for connection in (await status_of(port)).connections if connection.ended is None]
            told = [status.received for feed in feeds if (status := board.last_status(feed)) is not None]
            return sorted(told) == sorted(connection.records for connection in open_ones)

        try:
            await reached(both_listen, "both feeds")
            for feed in "ab" * usually(1, proving=10):
                await order(port, "resume")
                begun_ms = (await status_of(port)).market_ms
                feeds[feed].kill()

                async def has_traded(since_ms: int = begun_ms) -> bool:
                    return (await status_of(port)).market_ms > since_ms + 60_000

                await reached(has_traded, "trading without one of the feeds")
                feeds[feed] = a_connector(port, kafka, topics, tmp_path, feed)
                await reached(both_listen, "both feeds")
            await order(port, "hold")
            await reached(all_is_published, "everything that was sent")
            truth = Truth.load(await ask(port, "truth"))
        finally:
            for process in feeds.values():
                process.kill()

    made = folded(list(board.frames()))
    tape, ledger = tape_of(made, truth, NOTHING_LOST), ledger_of(made, truth, NOTHING_LOST)
    assert (tape.differences, ledger.differences) == ([], [])
    assert tape.booked == tape.sent > 200
    assert ledger.entries > 50
    assert board.dead_letters() == []
