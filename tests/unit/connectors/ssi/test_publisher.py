from typing import Any

import pytest

from connectors.ssi.core.frames import Cut
from connectors.ssi.core.outbox import Outbox, Outgoing
from connectors.ssi.publisher import Publisher
from schemas.position import Partition
from schemas.shards import shard_keys
from tests.builders import a_frame, a_status


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


class FreshPartitions:
    """Kafka as a new producer may find it: a partition has no leader yet when the first request comes, and has one by the next.

    Of two requests on their way then, the first is refused and the second accepted, since a partition that knows nothing of a
    producer accepts any sequence number. librdkafka counts the first as delivered all the same. (So says its log.)
    """

    def __init__(self) -> None:
        self._on_their_way: dict[tuple[str, str | None], list[Any]] = {}
        self._led: set[tuple[str, str | None]] = set()
        self.stored: list[bytes] = []

    def produce(self, topic: str, *, key: str | None, value: bytes, on_delivery: Any, **_: object) -> None:
        self._on_their_way.setdefault((topic, key), []).append((value, on_delivery))

    def poll(self, _: float) -> None:
        for partition, requests in self._on_their_way.items():
            refused = requests[:1] if partition not in self._led else []
            self._led.add(partition)
            if refused == requests:
                # It alone was on its way: librdkafka tries it again, before anything else.
                continue
            for request in requests:
                value, on_delivery = request
                if request not in refused:
                    self.stored.append(value)
                on_delivery(None, None)
            requests.clear()


def test_a_partition_that_has_no_leader_yet_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = FreshPartitions()
    monkeypatch.setattr("connectors.ssi.publisher.Producer", lambda *_, **__: kafka)
    outbox = Outbox(1_000, 1_000_000)
    publisher = Publisher({"bootstrap.servers": "127.0.0.1:1"}, "", outbox, window=100)
    for seq in range(3):
        for partition, key in enumerate(shard_keys(2)):
            outbox.put(Cut(Partition("ssi.ticks", partition), key, a_frame(a_status("VNM"), seq=seq)))
        outbox.post(Outgoing("ssi.dlq", "a", bytes([seq])))
        outbox.post(Outgoing("ssi.wire", None, bytes([seq])))
    for _ in range(20):
        publisher.pump()
    assert publisher.is_idle
    assert len(kafka.stored) == 3 * (2 + 1 + 1)
    assert outbox.dropped_records == 0


class SomeTracer:
    """Traces every second frame."""

    def __init__(self) -> None:
        self.asked = 0
        self.spans: list[tuple[str, str | None]] = []

    def now_ns(self) -> int:
        return 1_000_000

    def samples(self) -> bool:
        self.asked += 1
        return self.asked % 2 == 0

    def span(self, name: str, parent: str | None, begins_ns: int, ends_ns: int, **said: str | int) -> str:
        assert begins_ns <= ends_ns
        self.spans.append((name, parent))
        return f"00-{len(self.spans)}"


class Delivering:
    """A librdkafka that delivers at once."""

    def __init__(self) -> None:
        self.headers: list[tuple[str, object]] = []

    def produce(self, topic: str, *, headers: object, on_delivery: Any, **_: object) -> None:
        self.headers.append((topic, headers))
        on_delivery(None, self)

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7

    def poll(self, _: float) -> None:
        pass


@pytest.mark.parametrize("traced", [False, True])
def test_a_frame_that_is_traced_has_a_header_and_everything_else_has_none(traced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka, tracer = Delivering(), SomeTracer()
    monkeypatch.setattr("connectors.ssi.publisher.Producer", lambda *_, **__: kafka)
    outbox = Outbox(1_000, 1_000_000)
    publisher = Publisher({"bootstrap.servers": "127.0.0.1:1"}, "", outbox, 100, tracer if traced else None)
    for seq in range(2):
        outbox.put(Cut(Partition("ssi.ticks", 0), shard_keys(2)[0], a_frame(a_status("VNM"), seq=seq)))
    outbox.post(Outgoing("ssi.dlq", "a", b"{}"))
    publisher.pump()
    second = [("traceparent", "00-1")] if traced else []
    assert kafka.headers == [("ssi.ticks", []), ("ssi.ticks", second), ("ssi.dlq", [])]
    assert tracer.spans == ([("receive", None), ("publish", "00-1")] if traced else [])
