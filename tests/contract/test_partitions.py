"""Keys land on the same partition whoever produces them: our own arithmetic, librdkafka, and Quix Streams."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from quixstreams import Application

from schemas.shards import shard_keys, shard_of
from tests.patience import PATIENCE_S

SYMBOLS = ("SSI", "VNM", "HPG", "FPT", "VN30", "VNINDEX", "VN30F2512", "E1VFVN30", "A", "CTCP", "UPCOM12345")

pytestmark = pytest.mark.kafka


@pytest.fixture(params=[1, 3, 6, 16], scope="module")
def shards(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


@pytest.fixture(scope="module")
def topic(kafka: str, shards: int) -> Iterator[str]:
    """One for all tests of that many shards: each looks only at what becomes of its own messages."""
    name = f"partitions-{shards}-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, shards, 1)], operation_timeout=PATIENCE_S)[name].result()
    yield name
    admin.delete_topics([name], operation_timeout=PATIENCE_S)[name].result()


def keys(shards: int) -> list[str]:
    return [*SYMBOLS, *shard_keys(shards)]


def expected(shards: int) -> dict[str, int]:
    return {key: shard_of(key, shards) for key in keys(shards)}


class Landed(dict[str, int]):
    """Where the broker says that each key went."""

    def deliver(self, error: object, message: Any) -> None:
        assert error is None
        self[message.key().decode()] = message.partition()


def produced(kafka: str, topic: str, shards: int, **config: str) -> Landed:
    """Produce each key with confluent-kafka."""
    landed = Landed()
    producer = Producer({"bootstrap.servers": kafka, **config})
    for key in keys(shards):
        producer.produce(topic, key=key, value=b"", on_delivery=landed.deliver)
    assert producer.flush(PATIENCE_S) == 0
    return landed


def test_librdkafka_agrees_when_told_murmur2(kafka: str, topic: str, shards: int) -> None:
    landed = produced(kafka, topic, shards, partitioner="murmur2")
    assert landed == expected(shards)
    assert [landed[key] for key in shard_keys(shards)] == list(range(shards)), "each shard has a key of its own"


def test_librdkafka_disagrees_by_default(kafka: str, topic: str, shards: int) -> None:
    assert (produced(kafka, topic, shards) != expected(shards)) == (shards > 1)


def test_quix_agrees(kafka: str, topic: str, shards: int) -> None:
    landed = Landed()
    app = Application(broker_address=kafka, consumer_group=f"{topic}-quix", auto_create_topics=False)
    with app.get_producer() as producer:
        for key in keys(shards):
            producer.produce(topic, key=key, value=b"", on_delivery=landed.deliver)
    assert landed == expected(shards)
