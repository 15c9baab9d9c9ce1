"""What becomes of a sink whose consumer has been fenced. Classes stand in for that consumer, and for the writer that it needs."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from connectors.clickhouse import sink
from connectors.clickhouse.settings import SinkSettings
from schemas.dead_letters import Limit
from schemas.errors import InstanceReplaced

FENCED = "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id: Fatal consumer error"


class FencedConsumer:
    """Tells so once, apart from messages, as librdkafka does; there never is a message."""

    def __init__(self, _config: dict[str, Any], error_cb: Callable[[KafkaError], None], logger: Any) -> None:
        self._tell = error_cb
        self._reads = 0

    def subscribe(self, _names: list[str], **_: Any) -> None:
        """Nothing comes of it."""

    def consume(self, _most: int, _seconds: float) -> list[Any]:
        self._reads += 1
        assert self._reads < 3, "it goes on with a consumer to which nothing comes any more"
        if self._reads == 1:
            self._tell(KafkaError(KafkaError._FATAL, FENCED, fatal=True))
        return []

    def close(self) -> None:
        """There is nothing to leave."""


def test_a_sink_that_is_fenced_while_it_has_no_partitions_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "Consumer", FencedConsumer)
    monkeypatch.setattr(sink, "_wait_for_topics", lambda *_: {"market.trades": "id"})
    settings = SinkSettings(kafka={"bootstrap.servers": "127.0.0.1:1"}, clickhouse_url="http://127.0.0.1:1")
    with pytest.raises(InstanceReplaced):
        sink.run(settings, Limit(), threading.Event(), lambda _: None)


class AtTheEnd:
    """What librdkafka says where a partition ends at offset 5."""

    def topic(self) -> str:
        return "market.trades"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 5

    def error(self) -> KafkaError:
        return KafkaError(KafkaError._PARTITION_EOF)


class Fenced(AtTheEnd):
    """What librdkafka says of it among the messages."""

    def error(self) -> KafkaError:
        return KafkaError(KafkaError._FATAL, FENCED)


class FencedInCommit(FencedConsumer):
    """Has a partition with nothing in it, and is fenced in the commit of that: the reason waits for the next read."""

    among_messages = False

    def __init__(self, _config: dict[str, Any], error_cb: Callable[[KafkaError], None], logger: Any) -> None:
        super().__init__(_config, error_cb, logger)
        self._assigned: Callable[[Any, list[TopicPartition]], None] | None = None
        self._refused = False

    def subscribe(self, _names: list[str], **on: Any) -> None:
        self._assigned = on["on_assign"]

    def consume(self, _most: int, _seconds: float) -> list[Any]:
        if self._refused:
            if self.among_messages:
                return [AtTheEnd(), Fenced()]
            self._tell(KafkaError(KafkaError._FATAL, FENCED, fatal=True))
        elif self._assigned is not None:
            given, self._assigned = self._assigned, None
            given(self, [TopicPartition("market.trades", 0)])
        else:
            return [AtTheEnd()]
        return []

    def committed(self, _partitions: list[TopicPartition], _seconds: float) -> list[TopicPartition]:
        return [TopicPartition("market.trades", 0, 0)]

    def assign(self, _partitions: list[TopicPartition]) -> None:
        """It is read by itself."""

    def get_watermark_offsets(self, _partition: TopicPartition, **_: Any) -> tuple[int, int]:
        return 0, 5

    def commit(self, **_: Any) -> None:
        assert not self._refused, "it asks a consumer again that is of no use any more"
        self._refused = True
        raise KafkaException(KafkaError(KafkaError._FATAL, "Commit failed: Local: Fatal error"))


class OpenWriter:
    """Has a database."""

    database_id = "id"

    def __init__(self, _settings: SinkSettings) -> None:
        """It needs none."""

    def open(self) -> None:
        """It is."""

    def forget(self) -> None:
        """It knows nothing."""

    def close(self) -> None:
        """There is nothing to leave."""


@pytest.mark.parametrize("among_messages", [False, True])
def test_a_sink_that_learns_in_a_commit_that_it_is_fenced_says_so(among_messages: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FencedInCommit, "among_messages", among_messages)
    monkeypatch.setattr(sink, "Consumer", FencedInCommit)
    monkeypatch.setattr(sink, "Writer", OpenWriter)
    monkeypatch.setattr(sink, "_wait_for_topics", lambda *_: {"market.trades": "id"})
    monkeypatch.setattr(sink, "topic_ids", lambda *_: {"market.trades": "id"})
    settings = SinkSettings(kafka={"bootstrap.servers": "127.0.0.1:1"}, clickhouse_url="http://127.0.0.1:1")
    with pytest.raises(InstanceReplaced):
        sink.run(settings, Limit(), threading.Event(), lambda _: None)
