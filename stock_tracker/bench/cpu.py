"""CPU of each stage that a record passes, in this process and without a broker: decode, folds, the gateway's rows.

What Kafka's clients, the broker and ClickHouse cost is not in it: the whole system is measured by ``benchmarks/bench_chain.py``.
Every stage's output is counted, and has to be the same in each round.
"""

import cProfile
import gc
import json
import pstats
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from connectors.ssi.core.hub_client import HubClient, Publish
from connectors.ssi.core.market_clock import FeedClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import MarketSize
from connectors.ssi.simulator.core.records import SimulatedRecord
from gateway.core.board import Board
from gateway.core.events import recents
from gateway.core.limits import ClientLimits
from gateway.core.rows import SOURCES, change_of
from gateway.core.status import Connectors
from gateway.core.subscriber import Close, Subscriber
from gateway.core.wire import numbered
from gateway.fanout import Client, Fanout
from pipelines.catalogue import CATALOGUE
from schemas.position import Position
from schemas.topics import EVENT_TOPICS, RECORD_TOPICS, encode
from schemas.units import MonotonicMs, TradingDay, UnixUs
from stock_tracker.bench.core.paced_day import FeedRate, PacedDay, cached, first_records, paced_day
from stock_tracker.bench.core.results import BenchFigure, HotSpot, HotSpots, Measured
from stock_tracker.bench.folding import FoldedPipeline, TopicMessage
from stock_tracker.bench.machine import Stopwatch, folder_of_run, loop_us
from stock_tracker.distribution import PACKAGES
from stock_tracker.errors import NotMeasured

DAY: Final = TradingDay(20261123)
SEED: Final = 7
SHARDS: Final = 3
SCALE: Final = 0.3
RATE: Final = 5_000
"""Records a market second: a burst."""
RECORDS: Final = 24_000
ROUNDS: Final = 3
IN_A_MESSAGE: Final = 8
"""Records in a message of the hub."""
CHANNELS: Final = "X-TRADE:ALL,X-QUOTE:ALL,R:ALL,MI:ALL"
CLIENTS: Final = 10
THROTTLE_MS: Final = 500
ROWS_AN_INTERVAL: Final = 400
HOT: Final = 12
"""Functions in the table of hot spots."""


class HubText(NamedTuple):
    """A message of the hub, and when it is due."""

    text: bytes
    now_us: UnixUs


class Corpus(NamedTuple):
    """What is measured on: the same records in every round, run and machine."""

    before: list[HubText]
    """What a subscription is answered with: not measured."""
    texts: list[HubText]
    records: int


class Round(NamedTuple):
    """What one round came to."""

    us: dict[str, float]
    """Microseconds of CPU by stage, each a record, event or row of its own."""
    units: dict[str, int]
    """How many of these there were."""
    counts: dict[str, int]
    """What came out, by topic."""
    seconds: float
    """CPU of all stages."""


def corpus(records: int = RECORDS) -> Corpus:
    """Make it.

    Args:
        records: How many are measured.
    """
    size = MarketSize.of(SCALE, None, "index")
    paced = paced_day(DAY, SEED, Random, size, [FeedRate(records / RATE, RATE)])
    measured = first_records(paced, records)
    if len(measured) != records:
        raise NotMeasured(f"the day has {len(measured)} records of {records}")
    return Corpus(_texts(_snapshot(paced), at_ms=measured[0].due_ms), _texts(measured), records)


def _snapshot(paced: PacedDay) -> list[SimulatedRecord]:
    """The last record of each kind and symbol before the trading."""
    last: dict[tuple[str, str], SimulatedRecord] = {}
    for record in cached(paced):
        if f"{record.channel}:ALL" in CHANNELS.split(","):
            last[record.channel, str(record.listing.symbol)] = record
    return list(last.values())


def _texts(records: Sequence[SimulatedRecord], at_ms: int | None = None) -> list[HubText]:
    texts = []
    for first in range(0, len(records), IN_A_MESSAGE):
        some = records[first : first + IN_A_MESSAGE]
        body = ",".join(map(wire.encode, some))
        now_us = UnixUs((at_ms if at_ms is not None else some[-1].due_ms) * 1_000)
        texts.append(HubText(f'{{"C":"d-1","M":[{body}]}}'.encode(), now_us))
    return texts


class _Connector:
    """What the connector does with the hub's messages, between its socket and its producer."""

    def __init__(self) -> None:
        self._outbox = Outbox(1_000_000, 1_000_000_000)
        self._stream = RecordStream("a", SHARDS, FeedClock(), self._outbox, CHANNELS)
        self._hub = HubClient("http://127.0.0.1/", CHANNELS)
        self._begun = False

    def take(self, texts: Sequence[HubText]) -> list[TopicMessage]:
        """The frames that the messages come to."""
        names = {topic.name for topic in RECORD_TOPICS}
        made: list[TopicMessage] = []
        for text, now_us in texts:
            if not self._begun:
                self._stream.begin(now_us)
                self._begun = True
            self._stream.keep(text, now_us)
            for action in self._hub.receive(text, MonotonicMs(now_us // 1_000)):
                if isinstance(action, Publish):
                    self._stream.publish(action.arguments, now_us)
            self._stream.tick(now_us, "up")
            self._drain(names, made)
        self._stream.flush()
        self._drain(names, made)
        return made

    @property
    def dead_letters(self) -> int:
        """What it could not use."""
        return self._stream.dead_letters

    def _drain(self, names: set[str], made: list[TopicMessage]) -> None:
        while (outgoing := self._outbox.take()) is not None:
            if outgoing.topic in names:
                made.append(TopicMessage(outgoing.topic, outgoing.partition.number, outgoing.value))


def connector_frames(given: Corpus) -> list[TopicMessage]:
    """The frames of a whole corpus, in their order."""
    connector = _Connector()
    return [*connector.take(given.before), *connector.take(given.texts)]


class _Reads:
    """A client's socket that takes everything."""

    writable = True

    def __init__(self) -> None:
        self.messages = 0

    def write(self, payloads: Sequence[bytes]) -> int:
        """Take frames of text."""
        self.messages += len(payloads)
        return sum(map(len, payloads))

    def write_bodies(self, first: int, bodies: Sequence[bytes]) -> int:
        """Take messages without their numbers."""
        return self.write([numbered(n, body) for n, body in enumerate(bodies, first)])


class _Gateway:
    """The gateway's board and ten clients that watch all of it, without a socket."""

    def __init__(self) -> None:
        board = Board()
        board.begin("0123abcd")
        self._fanout = Fanout(board, recents(), Connectors(), ClientLimits(), lambda: 0, str)
        self._fanout.complete()
        self.outlets = [_Reads() for _ in range(CLIENTS)]
        for outlet in self.outlets:
            client = Client(Subscriber(board, self._fanout.recents, self._fanout.limits, 0), outlet, _stays, 0)
            self._fanout.join(client)
            sub = {"op": "sub", "ch": "px", "sym": ["*"], "throttle_ms": THROTTLE_MS}
            self._fanout.receive(client, encode(sub).decode())
        self._offsets: Counter[tuple[str, int]] = Counter()

    def take(self, messages: Sequence[TopicMessage]) -> int:
        """Put rows onto the board, and deliver what changed after some hundred of them; how many rows."""
        sources = {source.topic.name: source for source in SOURCES}
        changes = []
        rows = 0
        for message in messages:
            source = sources[message.topic]
            offset = self._offsets[message.topic, message.partition]
            self._offsets[message.topic, message.partition] += 1
            position = Position(message.topic, message.partition, offset)
            changes.append(change_of(source, position, source.topic.decode(message.value)))
            if len(changes) == ROWS_AN_INTERVAL:
                rows += self._deliver(changes)
                changes = []
        return rows + self._deliver(changes)

    def _deliver(self, changes: list[Any]) -> int:
        self._fanout.apply(changes)
        for _ in self._fanout.flush(THROTTLE_MS):
            pass
        return len(changes)


def _stays(close: Close) -> None:
    raise NotMeasured(f"a client was sent away: {close.reason}")


def run(given: Corpus, home: Path, profiler: cProfile.Profile | None = None) -> Round:
    """One round: everything anew, and each stage over the whole output of the one before."""
    connector = _Connector()
    warm = connector.take(given.before)
    us: dict[str, float] = {}
    units: dict[str, int] = {}
    total = 0.0

    def timed(name: str, work: Callable[[], Any], count: Callable[[Any], int]) -> Any:
        nonlocal total
        if profiler is not None:
            profiler.enable()
        begun = time.process_time()
        done = work()
        seconds = time.process_time() - begun
        if profiler is not None:
            profiler.disable()
        units[name] = count(done)
        us[name] = seconds / max(units[name], 1) * 1e6
        total += seconds
        return done

    frames = timed("decode", lambda: connector.take(given.texts), lambda _: given.records)
    counts: Counter[str] = Counter(message.topic for message in frames)
    if connector.dead_letters:
        raise NotMeasured(f"{connector.dead_letters} of the records could not be decoded")
    messages, earlier = list(frames), list(warm)
    for pipeline in CATALOGUE:
        folded = FoldedPipeline(pipeline, SHARDS, home)
        folded.run(earlier)
        earlier += folded.published
        folded.published, before = [], folded.folded
        work = _run_over(folded, messages)
        timed(pipeline.name, work, lambda _, folded=folded, before=before: folded.folded - before)  # type: ignore[misc] # bound now
        messages += folded.published
        counts.update(message.topic for message in folded.published)
    shown = {source.topic.name for source in SOURCES}
    gateway = _Gateway()
    gateway.take([message for message in earlier if message.topic in shown])
    rows = [message for message in messages if message.topic in shown]
    timed("gateway", lambda: gateway.take(rows), int)
    counts["delivered"] = sum(outlet.messages for outlet in gateway.outlets)
    if not all(
        counts[topic.name] for topic in EVENT_TOPICS if topic.name in ("market.trades", "market.quotes", "market.foreign")
    ):
        raise NotMeasured(f"something was not made: {dict(counts)}")
    return Round(us, units, dict(counts), total)


def _run_over(folded: FoldedPipeline, messages: list[TopicMessage]) -> Callable[[], None]:
    return lambda: folded.run(messages)


def measure(tell: Callable[[str], None], records: int = RECORDS, rounds: int = ROUNDS) -> Measured:
    """CPU of each stage, and the functions of ours that need most of it."""
    watch = Stopwatch()
    tell(f"cpu: making {records:,} records")
    given = corpus(records)
    gc.collect()
    gc.freeze()
    with folder_of_run() as home:
        taken: list[Round] = []
        loops: list[float] = []
        for number in range(rounds):
            tell(f"cpu: round {number + 1} of {rounds}")
            before = loop_us()
            taken.append(run(given, home))
            loops.append(min(before, loop_us()))
            gc.collect()
        if len({json.dumps([one.units, one.counts], sort_keys=True) for one in taken}) != 1:
            raise NotMeasured("the rounds did not do the same")
        tell("cpu: hot spots")
        profiler = cProfile.Profile()
        run(given, home, profiler)
    gc.unfreeze()
    return Measured(
        taken=watch.taken(),
        load=(
            f"{records:,} records of a generated day (scale {SCALE:g}, {RATE:,} a market second, {IN_A_MESSAGE} a hub message), "
            f"{SHARDS} shards, {CLIENTS} clients that watch the whole board every {THROTTLE_MS} ms; {rounds} rounds."
        ),
        figures=_figures(taken, loops, records),
        tables=[_hot_spots(profiler)],
    )


def _figures(taken: list[Round], loops: list[float], records: int) -> dict[str, BenchFigure]:
    def each(unit: str, values: list[float], **more: Any) -> BenchFigure:
        return BenchFigure(unit=unit, values=[round(value, 4) for value in values], loops=loops, **more)

    whole = [one.seconds / records * 1e6 for one in taken]
    figures = {
        "ticks_a_second": each("a second", [1e6 / us for us in whole], scales="rate", better="higher"),
        "ms_a_tick": each("ms", [us / 1_000 for us in whole], scales="time"),
        "loops_a_thousand_ticks": BenchFigure(
            unit="× the loop", values=[round(us * 1_000 / loop, 2) for us, loop in zip(whole, loops, strict=True)]
        ),
    }
    for name in taken[0].us:
        unit = {"decode": "µs a record", "gateway": "µs a row"}.get(name, "µs a record or event")
        figures[f"stage_{name}"] = each(unit, [one.us[name] for one in taken], scales="time")
    for name in taken[0].us:
        values = [one.us[name] * one.units[name] / records for one in taken]
        figures[f"share_{name}"] = each("µs a tick", values, scales="time")
    return figures


def _hot_spots(profiler: cProfile.Profile) -> HotSpots:
    """The functions of our code with the most time of their own, what they call left out."""
    spent: dict[str, float] = defaultdict(float)
    whole = 0.0
    stats: dict[Any, Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined] # it has them
    for (file, _, function), (_, _, own_s, _, _) in stats.items():
        whole += own_s
        if (module := module_of(file)) is not None:
            spent[f"{module}:{function}"] += own_s
    most = sorted(spent.items(), key=lambda one: -one[1])[:HOT]
    rows = [HotSpot(where=where, share=min(own / whole, 1.0), amount=round(own * 1_000, 1)) for where, own in most]
    return HotSpots(title="Hot spots of our code, under cProfile", unit="ms of their own", rows=rows)


def module_of(file: str) -> str | None:
    """The module of ours that a file is, with dots; None for one that is not ours."""
    parts = Path(file).with_suffix("").parts
    for place, part in enumerate(parts):
        if part in (*PACKAGES, "stock_tracker") and "site-packages" not in parts[place:]:
            module = ".".join(parts[place:])
            return None if module.startswith("stock_tracker.bench") else module
    return None
