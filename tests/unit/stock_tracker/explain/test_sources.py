"""Kafka's topics as a source, with a consumer that stands in for librdkafka's."""

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from schemas.errors import KafkaUnavailable, TopicsMissing
from schemas.units import UnixMs
from stock_tracker.explain import sources
from stock_tracker.explain.sources import KafkaTopics


class StoredMessage:
    """A message, or what is wrong."""

    def __init__(self, offset: int = 0, error: int | None = None) -> None:
        self._offset = offset
        self._error = None if error is None else KafkaError(error)

    def error(self) -> KafkaError | None:
        return self._error

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_000 + self._offset

    def key(self) -> bytes:
        return b"s0"

    def value(self) -> bytes:
        return b"{}"

    def headers(self) -> list[tuple[str, bytes]] | None:
        return None


class Broker:
    """Topics with their partitions, and what a consumer of the one that is read is handed."""

    def __init__(self) -> None:
        self.topics = {"t.ssi.ticks": 3, "t.ssi.wire": 1, "other": 1}
        self.batches: list[list[StoredMessage]] = []
        self.assigned: list[TopicPartition] = []
        self.closed = 0

    def __call__(self, config: dict[str, Any]) -> "Broker":
        assert config["isolation.level"] == "read_committed"
        return self

    def list_topics(self, timeout: float) -> Any:
        return SimpleNamespace(topics={name: SimpleNamespace(partitions=range(n)) for name, n in self.topics.items()})

    def offsets_for_times(self, wanted: Iterable[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(each.topic, each.partition, each.offset // 1_000) for each in wanted]

    def assign(self, places: list[TopicPartition]) -> None:
        self.assigned = places

    def poll(self, timeout: float) -> StoredMessage | None:
        if not self.batches[0]:
            self.batches.pop(0)
            return None
        return self.batches[0].pop(0)

    def consume(self, count: int, timeout: float) -> list[StoredMessage]:
        return self.batches.pop(0)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    standing_in = Broker()
    monkeypatch.setattr(sources, "Consumer", standing_in)
    yield standing_in
    assert standing_in.closed


def topics() -> KafkaTopics:
    return KafkaTopics({"bootstrap.servers": "broker:9092"}, "t.")


def test_topics_are_those_of_the_prefix(broker: Broker) -> None:
    source = topics()
    assert (source.topics, source.shards) == ({"ssi.ticks", "ssi.wire"}, 3)
    assert source.name == "the topics at broker:9092"


def test_a_partition_is_read_to_its_end(broker: Broker) -> None:
    end = StoredMessage(error=KafkaError._PARTITION_EOF)
    broker.batches = [[StoredMessage(4), StoredMessage(5)], [], [StoredMessage(6), end], [StoredMessage(7)]]
    found = list(topics().read("ssi.ticks", 2))
    assert [(m.topic, m.partition, m.offset, m.ts_ms) for m in found] == [("ssi.ticks", 2, n, 1_000 + n) for n in (4, 5, 6)]
    assert [(each.topic, each.partition) for each in broker.assigned] == [("t.ssi.ticks", 2)]


def test_reading_may_begin_at_a_time(broker: Broker) -> None:
    broker.batches = [[StoredMessage(error=KafkaError._PARTITION_EOF)]]
    assert list(topics().read("ssi.wire", 0, UnixMs(42_000))) == []
    assert broker.assigned[0].offset == 42


def test_without_records_there_is_nothing_to_explain(broker: Broker) -> None:
    del broker.topics["t.ssi.ticks"]
    with pytest.raises(TopicsMissing, match=r"t\.ssi\.ticks"):
        topics()


def test_trouble_while_reading_is_named(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.batches = [[StoredMessage(4), StoredMessage(error=KafkaError._ALL_BROKERS_DOWN)]]
    with pytest.raises(KafkaUnavailable):
        list(topics().read("ssi.ticks", 0))

    def fail(places: list[TopicPartition]) -> None:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    monkeypatch.setattr(broker, "assign", fail)
    with pytest.raises(KafkaUnavailable):
        list(topics().read("ssi.ticks", 0))
