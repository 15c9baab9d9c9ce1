"""What becomes of a sink whose consumer has been fenced while it had no partitions. A class stands in for that consumer."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError

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
