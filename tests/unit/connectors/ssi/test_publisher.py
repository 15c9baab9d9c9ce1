from typing import Any

import pytest

from connectors.ssi.core.outbox import Outbox, Outgoing
from connectors.ssi.publisher import Publisher


class FullProducer:
    """A librdkafka whose own queue takes two messages at a time."""

    def __init__(self, _: object, **__: object) -> None:
        self.queue: list[Any] = []
        self.delivered: list[bytes] = []

    def produce(self, topic: str, *, value: bytes, on_delivery: Any, **_: object) -> None:
        if len(self.queue) == 2:
            raise BufferError("Local: Queue full")
        self.queue.append((value, on_delivery))

    def poll(self, _: float) -> None:
        for value, on_delivery in self.queue:
            self.delivered.append(value)
            on_delivery(None, None)
        self.queue.clear()


def test_what_a_full_queue_does_not_take_waits_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.ssi.publisher.Producer", FullProducer)
    outbox = Outbox(1_000, 1_000_000)
    publisher = Publisher({"bootstrap.servers": "127.0.0.1:1"}, "", outbox, window=100)
    for number in range(7):
        outbox.post(Outgoing("ssi.dlq", "a", bytes([number])))
    rounds = 0
    while not publisher.is_idle:
        publisher.pump()
        rounds += 1
    assert rounds == 4
    assert publisher.failures == {}
    assert sorted(value for producer in publisher._producers.values() for value in producer.delivered) == [
        bytes([number]) for number in range(7)
    ]
