"""What the sink meets while it reads: offsets that are no more what it takes them for, a message in the middle of an insert.

On the broker that librdkafka has for tests, in this process.

That broker forgets a partition's first messages when they are many, as retention does. It cannot delete a topic, and does not
tell a topic's id: what Kafka would say of them is said here.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, Producer, TopicPartition

from connectors.clickhouse import metrics, sink
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.errors import OtherDatabase, StatementFailed
from connectors.clickhouse.core.intent import drained, scope_of
from connectors.clickhouse.core.tables import SOURCES
from connectors.clickhouse.settings import SinkSettings
from connectors.clickhouse.writer import Writer
from schemas import topics as t
from schemas.deployment import dead_letter_limit
from schemas.errors import NewerMessage
from schemas.structs import LedgerFrame
from tests.builders import a_ledger_entry
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.clickhouse

OPEN_MS = 1_795_140_900_000  # 2026-11-20 09:15 in Vietnam
FOREIGN = t.MARKET_FOREIGN.name
FRAME = t.encode(LedgerFrame(events=[a_ledger_entry("VNM", OPEN_MS + n) for n in range(40)]))
"""Large, so that few of them are many for the broker."""
MANY = 1_500
"""More than the broker keeps of a partition, which is 5 MB."""


class Broker:
    """librdkafka's broker for tests."""

    def __init__(self) -> None:
        self._producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none"}, logger=logging.getLogger(__name__))
        (broker,) = self._producer.list_topics(timeout=PATIENCE_S).brokers.values()
        self.address = f"{broker.host}:{broker.port}"
        for topic in SOURCES:
            self._producer.list_topics(topic.name, timeout=PATIENCE_S)
        self._reader = Consumer({"bootstrap.servers": self.address, "group.id": "archive"})

    def send(self, count: int, value: bytes = FRAME) -> None:
        """So many messages to the foreign ledger's first partition."""
        for _ in range(count):
            self._producer.produce(FOREIGN, value, partition=0)
        self._producer.flush()

    def bounds(self) -> tuple[int, int]:
        """The offsets where that partition begins and ends."""
        low, high = self._reader.get_watermark_offsets(TopicPartition(FOREIGN, 0), PATIENCE_S)
        return low, high

    def commit(self, offset: int, metadata: str) -> None:
        """Commit in the archive's place, before it has ever run."""
        self._reader.commit(offsets=[TopicPartition(FOREIGN, 0, offset, metadata=metadata)], asynchronous=False)

    def committed(self) -> TopicPartition:
        """What the archive has committed of that partition."""
        (found,) = self._reader.committed([TopicPartition(FOREIGN, 0)], PATIENCE_S)
        return found

    def close(self) -> None:
        self._reader.close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    yield broker
    broker.close()


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The topics' ids, to be changed by a test."""
    said = {topic.name: f"id-of-{topic.name}" for topic in SOURCES}

    class Answer:
        def __init__(self, topic_id: str) -> None:
            self.topic_id = topic_id

        def result(self) -> "Answer":
            return self

    monkeypatch.setattr(sink, "describe_topics", lambda _admin, names, _timeout: {name: Answer(said[name]) for name in names})
    monkeypatch.setattr(sink, "topic_ids", lambda _admin, names: {name: said[name] for name in names})
    monkeypatch.setattr(sink, "_IDS_SECONDS", 0.5)
    return said


@pytest.fixture
def running(server: Any, database: str, broker: Broker, tmp_path: Path) -> Callable[[], Any]:
    """Runs the sink as long as a block does."""

    @contextmanager
    def run() -> Iterator[list[BaseException]]:
        known = {"CLICKHOUSE_URL": server.url, "database": database, "user": server.user, "password": server.password}
        settings = SinkSettings.model_validate(
            {**known, "kafka": {"bootstrap.servers": broker.address}, "batch_seconds": 0.1, "STOCK_TRACKER_HOME": tmp_path}
        )
        stop = threading.Event()
        raised: list[BaseException] = []

        def work() -> None:
            try:
                sink.run(settings, dead_letter_limit(os.environ), stop, lambda _: None)
            except BaseException as error:  # whatever it was, the test is told
                raised.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield raised
        finally:
            stop.set()
            thread.join()

    return run


def counted(metric: Any) -> float:
    return float(metric.labels(FOREIGN)._value.get())


def test_messages_that_are_gone_are_counted_and_a_topic_that_was_made_anew_is_read_again(
    broker: Broker, ids: dict[str, str], running: Callable[[], Any], writer: Client, caplog: pytest.LogCaptureFixture
) -> None:
    broker.send(MANY)
    first, end = broker.bounds()
    assert 5 < first < end
    broker.commit(5, f"topic=id-of-{FOREIGN}")
    lost, anew = counted(metrics.LOST), counted(metrics.MADE_ANEW)
    with caplog.at_level(logging.ERROR), running() as raised:
        until(lambda: raised or broker.committed().offset == end, "everything to be archived")
        assert raised == []
        assert counted(metrics.LOST) - lost == first - 5
        assert f"{FOREIGN}[0]: Kafka deleted {first - 5} offsets before they were archived" in caplog.text
        assert writer.command("SELECT count() FROM foreign_ledger") == 40 * (end - first)

        # The same name, the same offsets, another topic.
        ids[FOREIGN] = "another"
        until(lambda: scope_of(broker.committed().metadata).topic == "another", "the new topic to be read")
        until(lambda: broker.committed().offset == end, "all of the new topic to be archived")
        assert counted(metrics.MADE_ANEW) - anew == 1
        assert f"{FOREIGN} was deleted and made anew" in caplog.text
        # What had been read of it before anybody knew is not stored twice.
        assert writer.command("SELECT count(), uniqExact(offset, idx) FROM foreign_ledger") == [str(40 * (end - first))] * 2


def test_a_commit_of_a_topic_that_is_no_more_says_nothing_of_the_new_one(
    broker: Broker, ids: dict[str, str], running: Callable[[], Any], writer: Client
) -> None:
    broker.send(3)
    broker.commit(2, "topic=the-old-one")
    with running() as raised:
        until(lambda: raised or broker.committed().offset == 3, "everything to be archived")
    assert raised == []
    assert writer.command("SELECT uniqExact(offset) FROM foreign_ledger") == 3


def test_a_commit_of_another_database_stops_the_sink_before_it_writes(
    broker: Broker, ids: dict[str, str], running: Callable[[], Any], writer: Client
) -> None:
    broker.send(3)
    broker.commit(2, f"db=another topic=id-of-{FOREIGN}")
    with running() as raised:
        until(lambda: raised, "the sink to stop")
    assert isinstance(raised[0], OtherDatabase)
    assert "archive backfill" in str(raised[0])
    assert writer.command("SELECT count() FROM foreign_ledger") == 0
    assert broker.committed().offset == 2


NEWER = t.encode(LedgerFrame(events=[a_ledger_entry("VNM", OPEN_MS)], schema_=3))
"""What a newer release writes."""


@pytest.mark.parametrize("fails", [False, True])
def test_a_newer_releases_message_that_comes_during_an_insert_ends_the_sink_behind_what_came_before(
    fails: bool,
    broker: Broker,
    ids: dict[str, str],
    running: Callable[[], Any],
    writer: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The insert is finished, or made once more where it failed, and so is what was read beside it; of the message nothing is."""
    inserting, met = threading.Event(), threading.Event()
    insert, decode = Writer.insert, rows.decode

    def insert_slowly(self: Writer, *args: Any) -> int:
        first = not inserting.is_set()
        inserting.set()
        assert met.wait(PATIENCE_S)
        stored = insert(self, *args)
        if first and fails:
            raise StatementFailed(210, "the answer did not come")
        return stored

    def decode_and_tell(*args: Any) -> rows.Decoded:
        try:
            return decode(*args)
        except NewerMessage:
            met.set()
            raise

    monkeypatch.setattr(Writer, "insert", insert_slowly)
    monkeypatch.setattr(rows, "decode", decode_and_tell)
    broker.send(3)
    with running() as raised:
        until(lambda: raised or inserting.is_set(), "an insert")
        broker.send(2)
        broker.send(1, NEWER)
        until(lambda: raised, "the sink to stop")
    assert isinstance(raised[0], NewerMessage)
    assert [offset for (offset,) in writer.query("SELECT DISTINCT offset FROM foreign_ledger ORDER BY 1").result_rows] == [
        *range(5)
    ]
    assert writer.command("SELECT count(), uniqExact(offset, idx) FROM foreign_ledger") == ["200", "200"]
    assert writer.command("SELECT count() FROM dlq") == 0
    # A later release goes on right at the message.
    known = broker.committed()
    assert drained(known.offset, known.metadata, end=5)
    assert known.offset == 5
