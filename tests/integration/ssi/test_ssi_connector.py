"""The connector between a real simulator and a real Kafka: what the simulator says it sent is what lies on the topics."""

import asyncio
import logging
import os
import re
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from prometheus_client import REGISTRY

from connectors.ssi import key_watch, publisher, reference, service
from connectors.ssi.client import now_ms
from connectors.ssi.core import backoff
from connectors.ssi.core.backoff import SsiBackoff
from connectors.ssi.core.decode import decode
from connectors.ssi.core.errors import BadCredentials, InvalidRecord, SsiError
from connectors.ssi.core.hub_client import HubClient, Publish
from connectors.ssi.service import run
from connectors.ssi.settings import SsiSettings
from connectors.ssi.simulator import server
from connectors.ssi.simulator.core import rest
from connectors.ssi.simulator.core.tokens import issue_token
from connectors.ssi.simulator.core.truth import SimulatorStatus, Truth
from connectors.ssi.simulator.server import simulator
from connectors.ssi.simulator.settings import SimulatorSettings
from schemas.calendar import at
from schemas.errors import TopicsMissing
from schemas.kinds import is_from_ssi
from schemas.profiles import DayProfiles, VolumeProfile
from schemas.records import FrameRecord
from schemas.shards import shard_keys
from schemas.structs import (
    ClockTick,
    DeadLetter,
    FeedStatus,
    ForeignRecord,
    Frame,
    LossMarker,
    ProfileRecord,
    ReferenceRecord,
    TradeRecord,
)
from schemas.topics import RECORD_TOPICS, SSI_DLQ, SSI_REFERENCE, SSI_STATUS, SSI_TICKS, SSI_WIRE, Topic
from schemas.units import MonotonicMs, Symbol, TradingDay
from stock_tracker.kafka import topics as stock_topics
from stock_tracker.kafka.broker import Broker
from stock_tracker.ports import free_port
from tests.days_made_once import make_days_once
from tests.patience import PATIENCE_S, reached

pytestmark = pytest.mark.kafka

DAY = TradingDay(20261123)
SHARDS = 3
SECRET = "a-secret-to-look-for"
NOT_SUPPORTED = {"message": "Not support", "status": "Error", "data": None}
"""How REST refuses to answer."""


@pytest.fixture(autouse=True)
def _days_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A market day is immutable: all tests share theirs."""
    make_days_once(monkeypatch)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the reference data of the last day is kept."""
    monkeypatch.setenv("STOCK_TRACKER_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure the shortest pause is taken, and it does not grow."""
    monkeypatch.setattr(backoff, "LONGEST_S", backoff.FIRST_S)
    monkeypatch.setattr(service, "SsiBackoff", lambda *_: SsiBackoff(lambda: 0.0))


def a_market(**changes: Any) -> SimulatorSettings:
    """The quarter of an hour around the opening auction, from the first subscription on, as fast as it goes."""
    values: dict[str, Any] = {
        "port": 0, "seed": 7, "day": DAY, "start": time(8, 58), "end": time(9, 18), "speed": "max", "wait_for_client": True,
        "consumer_id": "me", "consumer_secret": SECRET,
    }  # fmt: skip
    return SimulatorSettings(**values | changes)


class Connector:
    """A connector that runs in this process, and what it said."""

    def __init__(self, port: int, bootstrap: str, prefix: str, **changes: Any) -> None:
        base = f"http://127.0.0.1:{port}/"
        values: dict[str, Any] = {
            "consumer_id": "me", "consumer_secret": SECRET, "api_url": base, "stream_url": base, "clock": f"{base}sim/clock",
            "kafka": {"bootstrap.servers": bootstrap}, "topic_prefix": prefix,
        }  # fmt: skip
        self.settings = SsiSettings(**values | changes)
        self.said: list[str] = []
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(run(self.settings, self._stop, self._hear))

    def _hear(self, text: str) -> None:
        self.said.append(text)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something, as long as the connector runs."""

        def it_does() -> bool:
            self.check()
            return holds()

        await reached(it_does, "what the connector was to do")

    def check(self) -> None:
        """Raise what ended it, if it has ended."""
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        self._stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await self._task


@asynccontextmanager
async def connected(port: int, bootstrap: str, prefix: str, **changes: Any) -> AsyncIterator[Connector]:
    connector = Connector(port, bootstrap, prefix, **changes)
    try:
        yield connector
    finally:
        await connector.stop()


async def ask(port: int, path: str) -> bytes:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/sim/{path}") as reply:
        assert reply.status == 200
        return await reply.read()


async def make_fault(port: int, **fault: Any) -> None:
    async with aiohttp.ClientSession() as http, http.post(f"http://127.0.0.1:{port}/sim/faults", json=fault) as reply:
        assert (await reply.json())["connections"] == 1


async def order(port: int, what: str) -> None:
    """Let the market stand (``hold``) or go on (``resume``)."""
    async with aiohttp.ClientSession() as http, http.post(f"http://127.0.0.1:{port}/sim/{what}") as reply:
        assert reply.status == 200


@asynccontextmanager
async def standing(settings: SimulatorSettings, at_: time) -> AsyncIterator[int]:
    """A simulator whose market stands at that time of its day until it is told to go on, however late it is connected to."""
    async with simulator(settings) as port:
        await order(port, f"resume?until={at(DAY, at_.hour, at_.minute, at_.second)}")
        yield port


async def status_of(port: int) -> SimulatorStatus:
    return msgspec.json.decode(await ask(port, "status"), type=SimulatorStatus)


class Topics:
    """Reads the topics of one test."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._statuses: list[FeedStatus] = []
        self._watcher: Consumer | None = None

    def messages(self, topic: Topic[Any]) -> list[Message]:
        """Everything on ``topic`` up to now, each partition in order."""
        consumer = self._consumer(topic)
        read: list[Message] = []
        partitions = len(consumer.assignment())
        while partitions:
            message = consumer.poll(PATIENCE_S)
            assert message is not None, f"Kafka went silent while {topic.name} was read"
            error = message.error()
            if error is None:
                read.append(message)
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                partitions -= 1
        consumer.close()
        return read

    def frames(self) -> Iterator[tuple[str, int, Frame]]:
        for topic in RECORD_TOPICS:
            for message in self.messages(topic):
                assert message.key() == shard_keys(SHARDS)[message.partition()].encode()
                yield topic.name, message.partition(), topic.decode(message.value())

    def records(self, feed: str = "a") -> dict[tuple[str, int], list[FrameRecord]]:
        """Records by partition, having checked that no frame is missing: sequences are whole within each epoch."""
        records: dict[tuple[str, int], list[FrameRecord]] = defaultdict(list)
        expected: Counter[tuple[str, int, int]] = Counter()
        for topic, partition, frame in self.frames():
            if frame.feed == feed:
                assert frame.seq == expected[topic, partition, frame.epoch]
                expected[topic, partition, frame.epoch] += 1
                records[topic, partition] += frame.records
        return records

    def dead_letters(self) -> list[DeadLetter]:
        return [SSI_DLQ.decode(message.value()) for message in self.messages(SSI_DLQ)]

    def last_status(self, feed: str = "a") -> FeedStatus | None:
        """The last thing that ``feed`` said of itself up to now."""
        if self._watcher is None:
            self._watcher = self._consumer(SSI_STATUS)
        while (message := self._watcher.poll(0)) is not None:
            if message.error() is None:
                self._statuses.append(SSI_STATUS.decode(message.value()))
        return next((status for status in reversed(self._statuses) if status.feed == feed), None)

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.close()

    def _consumer(self, topic: Topic[Any]) -> Consumer:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": f"{self._prefix}reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        name = topic.named(self._prefix)
        consumer.assign([TopicPartition(name, partition, 0) for partition in range(topic.partitions(SHARDS))])
        return consumer


@pytest.fixture
def board(kafka: str, topics: str) -> Iterator[Topics]:
    board = Topics(kafka, topics)
    yield board
    board.close()


def is_up(status: FeedStatus | None, connects: int) -> bool:
    """Whether a feed says that its connection number ``connects`` is subscribed."""
    return status is not None and (status.connects, status.state) == (connects, "up")


async def played(port: int, connector: Connector, board: Topics, feed: str = "a") -> Truth:
    """Wait until the day is played and the connector has received it all; what there was to receive."""

    async def is_over() -> bool:
        connector.check()
        return (await status_of(port)).state == "finished"

    await reached(is_over, "the day's end")
    sent = (await status_of(port)).connections[-1].records
    await connector.until(lambda: (status := board.last_status(feed)) is not None and status.received >= sent)
    return Truth.load(await ask(port, "truth"))


def prints_in(records: dict[tuple[str, int], list[FrameRecord]]) -> Counter[tuple[str, int, int, int]]:
    return Counter(
        (record.symbol, record.total_volume, record.volume, record.price)
        for held in records.values()
        for record in held
        if isinstance(record, TradeRecord) and record.volume and record.trading_day == DAY
    )


def sent_prints(truth: Truth) -> Counter[tuple[str, int, int, int]]:
    """The prints that were put on a socket; on one connection none comes twice."""
    return Counter((line.symbol, line.total_vol, line.last_vol, line.price) for line in truth.prints if line.connections)


def foreign_in(records: dict[tuple[str, int], list[FrameRecord]]) -> dict[str, list[tuple[int, int, int, int, int, int]]]:
    """The foreign records of each symbol, in order."""
    found: dict[str, list[tuple[int, int, int, int, int, int]]] = defaultdict(list)
    for held in records.values():
        for record in held:
            if isinstance(record, ForeignRecord) and record.trading_day == DAY:
                found[record.symbol].append(
                    (record.ts_ms, record.bought, record.sold, record.bought_value, record.sold_value, record.current_room)
                )
    return found


async def test_a_market_stretch_arrives_record_for_record(kafka: str, topics: str, board: Topics, tmp_path: Path) -> None:
    profiles = DayProfiles(day=DAY, profiles={Symbol("VNM"): VolumeProfile(days=20, volumes=[0, 0, 700])})
    (tmp_path / "profiles.json").write_text(profiles.model_dump_json(by_alias=True))
    counted = REGISTRY.get_sample_value("stock_tracker_ssi_records_total", {"type": "TradeRecord"}) or 0
    async with simulator(a_market()) as port, connected(port, kafka, topics, profiles=tmp_path / "profiles.json") as connector:
        truth = await played(port, connector, board)
        assert REGISTRY.get_sample_value("stock_tracker_ssi_up_state") == 1
    assert connector.said[-1] == ""
    counted_now = REGISTRY.get_sample_value("stock_tracker_ssi_records_total", {"type": "TradeRecord"}) or 0
    assert counted_now - counted == truth.header.sent["X-TRADE"]
    records = board.records()

    assert len(truth.prints) > 500
    assert truth.withheld == []
    assert prints_in(records) == sent_prints(truth)
    told: dict[str, list[tuple[int, int, int, int, int, int]]] = defaultdict(list)
    for line in truth.foreign:
        told[line.symbol].append((line.ts_ms, line.bought, line.sold, line.bought_value, line.sold_value, line.room))
    assert foreign_in(records) == told

    kinds = Counter(type(record).__name__ for held in records.values() for record in held)
    sent = truth.header.sent
    assert {name: kinds[f"{name}Record"] for name in ("Trade", "Quote", "Foreign", "Index", "Status")} == {
        "Trade": sent["X-TRADE"], "Quote": sent["X-QUOTE"], "Foreign": sent["R"], "Index": sent["MI"], "Status": sent["F"],
    }  # fmt: skip
    assert kinds["LossMarker"] == 0
    assert board.dead_letters() == []

    # Every partition begins with the time, then the reference and what is usual; its clock never turns back.
    references = {SSI_REFERENCE.decode(message.value()).record.symbol for message in board.messages(SSI_REFERENCE)}
    assert len(references) == 134
    for held in records.values():
        assert isinstance(held[0], ClockTick)
        first = next(n for n, record in enumerate(held) if not isinstance(record, ClockTick | ReferenceRecord | ProfileRecord))
        assert {record.symbol for record in held[:first] if isinstance(record, ReferenceRecord)} >= {
            record.symbol for record in held[first:] if isinstance(record, TradeRecord)
        }
        ticks = [record.ts_ms for record in held if isinstance(record, ClockTick)]
        assert ticks == sorted(set(ticks))

    usual = [record for held in records.values() for record in held if isinstance(record, ProfileRecord)]
    assert {(record.symbol, record.days, tuple(record.volumes)) for record in usual} == {("VNM", 20, (0, 0, 700))}

    # The verbatim hub messages give the very same records again.
    client = HubClient("http://127.0.0.1/", "X-TRADE:ALL")
    again: Counter[str] = Counter()
    wire = board.messages(SSI_WIRE)
    assert [int(dict(message.headers())["seq"]) for message in wire] == list(range(len(wire)))
    for message in wire:
        for action in client.receive(message.value(), MonotonicMs(0)):
            if isinstance(action, Publish):
                again.update(type(decode(argument)).__name__ for argument in action.arguments)
    assert again == {
        name: count for name, count in kinds.items() if name not in ("ClockTick", "ReferenceRecord", "ProfileRecord")
    }


async def test_what_cannot_be_decoded_is_a_dead_letter_and_the_rest_arrives(kafka: str, topics: str, board: Topics) -> None:
    stretch = a_market(start=time(9, 15), end=time(9, 15, 30), speed=30.0)
    async with simulator(stretch) as port, connected(port, kafka, topics) as connector:
        await connector.until(lambda: is_up(board.last_status(), connects=1))
        await make_fault(port, fault="malformed")
        truth = await played(port, connector, board)
    assert truth.header.malformed > 0
    letters = board.dead_letters()
    assert Counter(letter.reason for letter in letters) == {"bad_message": 1, "unknown_type": 1}
    assert len(letters) == truth.header.malformed
    for letter in letters:
        assert (letter.source, letter.feed, letter.topic) == ("ssi", "a", None)
        assert letter.payload
    with pytest.raises(InvalidRecord):
        decode(next(letter.payload for letter in letters if letter.reason == "unknown_type"))
    assert prints_in(board.records()) == sent_prints(truth)


async def test_a_broken_connection_is_made_again_as_a_new_epoch_and_no_secret_is_logged(
    kafka: str, topics: str, board: Topics, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # This machine's clock was set back by an hour since the last run.
    last = tmp_path / "home" / "ssi" / "epoch-a"
    last.parent.mkdir(parents=True)
    last_epoch = now_ms() + 3_600_000
    last.write_text(str(last_epoch))
    issued: list[str] = []
    issue = issue_token

    def issue_and_note(*arguments: Any) -> str:
        issued.append(issue(*arguments))
        return issued[-1]

    monkeypatch.setattr(server, "issue_token", issue_and_note)
    caplog.set_level(logging.DEBUG)
    stretch = a_market(start=time(9, 15), end=time(15), speed=10.0)
    async with simulator(stretch) as port, connected(port, kafka, topics) as connector:
        await connector.until(lambda: is_up(board.last_status(), connects=1))
        await make_fault(port, fault="malformed")
        await make_fault(port, fault="drop")
        await connector.until(
            lambda: (status := board.last_status()) is not None and (status.connects, status.state) == (2, "up")
        )
        with pytest.raises(BadCredentials) as refused:
            await run(
                connector.settings.model_copy(update={"consumer_id": connector.settings.consumer_secret}), asyncio.Event(), print
            )
    assert issued
    assert "connected and subscribed" in caplog.text
    assert sorted({frame.epoch for _, _, frame in board.frames()}) == [last_epoch + 1, last_epoch + 2]
    assert last.read_text() == str(last_epoch + 2)
    # Market time went on meanwhile, and said that this feed was down.
    health = [record.health for record in board.records()["ssi.ticks", 0] if isinstance(record, ClockTick)]
    assert "down" in health
    assert health[0] == health[-1] == "up"
    kept = [message.value() for topic in (SSI_STATUS, SSI_DLQ, SSI_WIRE, SSI_TICKS) for message in board.messages(topic)]
    told = [caplog.text, *connector.said, str(refused.value), repr(refused.value), repr(connector.settings), repr(kept)]
    for secret in (SECRET, *issued):
        assert not any(secret in text for text in told)


async def test_wrong_credentials_end_the_connector_and_name_the_remedy(kafka: str, topics: str) -> None:
    async with simulator(a_market()) as port:
        with pytest.raises(BadCredentials, match=r"SSI_CONSUMER_ID and SSI_CONSUMER_SECRET"):
            async with connected(port, kafka, topics, consumer_secret="wrong") as connector:
                await connector.until(lambda: False)


async def test_a_new_key_is_taken_while_the_old_one_still_holds_the_stream(
    kafka: str, topics: str, board: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The way that docs/operations.md describes: the new key into the file, then the old one deleted at SSI."""
    monkeypatch.setattr(key_watch, "LOOK_S", 0.02)
    caplog.set_level(logging.INFO)
    file = tmp_path / "id"
    file.write_text("old\n")
    settings: dict[str, Any] = {"consumer_id": None, "consumer_id_file": file}
    async with (
        standing(a_market(start=time(9, 15), speed=25.0, consumer_id="old,new"), time(9, 16)) as port,
        connected(port, kafka, topics, **settings) as connector,
    ):
        await connector.until(lambda: is_up(board.last_status(), connects=1))
        await order(port, "resume")
        file.write_text("new\n")
        await connector.until(lambda: "SSI has taken the new key" in caplog.text)
        # It has cost nothing: the connection is the same.
        assert [connection.ended for connection in (await status_of(port)).connections] == [None]
        await make_fault(port, fault="revoke", consumer_id="old")
        await connector.until(lambda: is_up(board.last_status(), connects=2))
        truth = await played(port, connector, board)
    assert "refused the credentials" not in caplog.text
    # What was put on either connection is there, and what was put on none is known.
    # The snapshot of the second one repeats some.
    assert prints_in(board.records()).keys() == sent_prints(truth).keys()
    assert len({frame.epoch for _, _, frame in board.frames()}) == 2


class WaitsForAKey(SsiBackoff):
    """Tries again at once, unless SSI refused the key: that pause outlasts the test."""

    def __init__(self, *_: Any) -> None:
        super().__init__(lambda: 0.0)

    def failed(self, error: SsiError, now_ms: MonotonicMs, longest_s: float | None = None) -> float:
        return 10 * PATIENCE_S if isinstance(error, BadCredentials) else 0.01


async def test_a_key_that_is_refused_is_told_and_one_that_comes_after_the_end_of_the_old_is_taken_at_once(
    kafka: str, topics: str, board: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_watch, "LOOK_S", 0.02)
    monkeypatch.setattr(service, "SsiBackoff", WaitsForAKey)
    (ids := tmp_path / "id").write_text("old")
    (secrets := tmp_path / "secret").write_text(SECRET)
    settings: dict[str, Any] = {
        "consumer_id": None, "consumer_id_file": ids, "consumer_secret": None, "consumer_secret_file": secrets,
    }  # fmt: skip
    async with (
        standing(a_market(start=time(9, 15), speed=25.0, consumer_id="old,new"), time(9, 16)) as port,
        connected(port, kafka, topics, **settings) as connector,
    ):
        await connector.until(lambda: is_up(board.last_status(), connects=1))
        secrets.write_text("mistyped")
        await connector.until(lambda: "SSI refuses the new key" in connector.said[-1])
        assert "SSI_CONSUMER_SECRET_FILE" in connector.said[-1]
        await make_fault(port, fault="revoke", consumer_id="old")
        await connector.until(lambda: "SSI refused the credentials" in connector.said[-1])
        ids.write_text("new")
        secrets.write_text(SECRET)
        await connector.until(lambda: is_up(board.last_status(), connects=2))
        await connector.until(lambda: connector.said[-1] == "")
    assert not any("mistyped" in said for said in connector.said)


async def test_missing_topics_end_the_connector_and_name_the_remedy(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "METADATA_S", 1.0)
    with pytest.raises(TopicsMissing, match=r"nobody\.ssi\.ticks.*stock-tracker topics apply"):
        async with connected(free_port(), kafka, "nobody.") as connector:
            await connector.until(lambda: False)


async def test_a_server_that_is_not_there_yet_is_waited_for(kafka: str, topics: str, board: Topics) -> None:
    port = free_port()
    async with connected(port, kafka, topics, clock="wall") as connector:
        await connector.until(lambda: any("AccessToken" in said and "SSI_API_URL" in said for said in connector.said))
        async with simulator(a_market(port=port, speed=1.0)):
            await connector.until(lambda: connector.said[-1] == "")


async def test_without_rest_the_stream_runs_and_groups_are_unknown(
    kafka: str, topics: str, board: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "TOLD_AFTER_S", 0.0)
    monkeypatch.setattr(rest.RestApi, "answer", lambda *_: NOT_SUPPORTED)
    async with simulator(a_market(end=time(9, 0))) as port, connected(port, kafka, topics) as connector:
        await played(port, connector, board)
        await connector.until(lambda: connector.said[-1].startswith("reference data is incomplete: Securities of HOSE"))
    kinds = Counter(type(record).__name__ for held in board.records().values() for record in held)
    assert kinds["QuoteRecord"] > 0
    assert kinds["ReferenceRecord"] == 0


async def test_the_reference_data_of_the_last_run_is_there_before_the_first_record(
    kafka: str, topics: str, board: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    async with simulator(a_market(port=port, end=time(9, 0))), connected(port, kafka, topics) as connector:
        await played(port, connector, board)
        await connector.until(lambda: (connector.settings.cache / f"reference-127.0.0.1_{port}.json").exists())
    monkeypatch.setattr(rest.RestApi, "answer", lambda *_: NOT_SUPPORTED)
    async with simulator(a_market(port=port, end=time(9, 0))), connected(port, kafka, topics, feed="b") as connector:
        await played(port, connector, board, "b")
    for held in board.records("b").values():
        first = next(n for n, record in enumerate(held) if not isinstance(record, ClockTick | ReferenceRecord))
        assert {record.symbol for record in held[:first] if isinstance(record, ReferenceRecord)} >= {
            record.symbol for record in held[first:] if isinstance(record, TradeRecord | ForeignRecord)
        }


async def test_no_broker_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "METADATA_S", 1.0)
    async with connected(free_port(), f"127.0.0.1:{free_port()}", "") as connector:
        await connector.until(lambda: any("stock-tracker kafka start" in said for said in connector.said))


def waiting_in(said: str) -> int:
    """How many records wait for Kafka, as the connector says."""
    found = re.search(r"(\d+) records wait", said)
    return int(found[1]) if found else 0


async def test_a_broker_that_dies_costs_nothing_that_fits_and_the_rest_is_counted(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "kafka", os.environ)
    port = free_port()
    running = await asyncio.to_thread(broker.start, port, lambda _: None)
    try:
        config = {"bootstrap.servers": running.bootstrap}
        await asyncio.to_thread(stock_topics.apply, config, "", SHARDS, replication=1)
        board = Topics(running.bootstrap, "")
        stretch = a_market(start=time(9, 14, 50), end=time(9, 35), speed=300.0)
        async with (
            standing(stretch, time(9, 14, 50)) as ssi,
            connected(ssi, running.bootstrap, "", feed="a") as roomy,
            connected(ssi, running.bootstrap, "", feed="b", max_buffered_records=1_000) as narrow,
        ):
            await roomy.until(lambda: all(is_up(board.last_status(feed), connects=1) for feed in ("a", "b")))
            await order(ssi, "resume")
            os.kill(running.pid, signal.SIGKILL)
            await roomy.until(lambda: waiting_in(roomy.said[-1]) > 1_500)
            assert "KAFKA_BOOTSTRAP" in roomy.said[-1]
            await asyncio.to_thread(broker.start, port, lambda _: None)

            async def is_over() -> bool:
                return (await status_of(ssi)).state == "finished"

            await reached(is_over, "the day's end")
            sent = sorted(connection.records for connection in (await status_of(ssi)).connections)

            def received() -> dict[str, int]:
                statuses = {feed: board.last_status(feed) for feed in ("a", "b")}
                return {feed: status.received for feed, status in statuses.items() if status is not None}

            await roomy.until(lambda: sorted(received().values()) == sent)
            await roomy.until(lambda: roomy.said[-1] == narrow.said[-1] == "")
        told = received()
        board.close()

        frames = [frame for _, _, frame in Topics(running.bootstrap, "").frames()]
        kept, lost = Counter[str](), Counter[str]()
        for frame in frames:
            for record in frame.records:
                kept[frame.feed] += is_from_ssi(record)
                lost[frame.feed] += record.records if isinstance(record, LossMarker) else 0
        assert kept["a"] == told["a"]
        assert lost["a"] == 0
        assert lost["b"] > 0
        assert kept["b"] + lost["b"] == told["b"]
    finally:
        await asyncio.to_thread(broker.stop, lambda _: None)
