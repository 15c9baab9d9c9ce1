"""Keys land on the same partition whoever produces them: our own arithmetic, librdkafka, and Quix Streams."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from quixstreams import Application

from schemas.shards import shard_keys, shard_of
from tests.patience import PATIENCE_S

SYMBOLS = ("SSI", "VNM", "HPG", "FPT", "VN30", "VNINDEX", "VN30F2512", "E1VFVN30", "A", "CTCP", "UPCOM12345")

pytestmark = pytest.mark.kafka


@pytest.fixture(params=[1, 3, 6, 16])
def shards(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


@pytest.fixture
def topic(kafka: str, shards: int) -> Iterator[str]:
    name = f"partitions-{shards}-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, shards, 1)], operation_timeout=PATIENCE_S)[name].result()
    yield name
    admin.delete_topics([name], operation_timeout=PATIENCE_S)[name].result()


def keys(shards: int) -> list[str]:
    return [*SYMBOLS, *shard_keys(shards)]


def expected(shards: int) -> dict[str, int]:
    return {key: shard_of(key, shards) for key in keys(shards)}


def produced(kafka: str, topic: str, shards: int, **config: str) -> dict[str, int]:
    """Produce each key with confluent-kafka and return where the broker says it went."""
    landed = {}
    producer = Producer({"bootstrap.servers": kafka, **config})
    for key in keys(shards):
        producer.produce(topic, key=key, value=b"", on_delivery=lambda error, message: landed.update(_place(error, message)))
    assert producer.flush(PATIENCE_S) == 0
    return landed


def _place(error: object, message: Any) -> dict[str, int]:
    assert error is None
    return {message.key().decode(): message.partition()}


def read(kafka: str, topic: str, count: int) -> dict[str, int]:
    """Read ``count`` messages and return each key's partition."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    messages: list[Any] = []
    while len(messages) < count:
        batch = consumer.consume(count - len(messages), timeout=PATIENCE_S)
        assert batch, f"{len(messages)} of {count} messages came"
        messages += batch
    consumer.close()
    return {message.key().decode(): message.partition() for message in messages}


def test_librdkafka_agrees_when_told_murmur2(kafka: str, topic: str, shards: int) -> None:
    assert produced(kafka, topic, shards, partitioner="murmur2") == expected(shards)


@pytest.mark.parametrize("shards", [3, 6, 16], indirect=True)
def test_librdkafka_disagrees_by_default(kafka: str, topic: str, shards: int) -> None:
    assert produced(kafka, topic, shards) != expected(shards)


def test_quix_agrees(kafka: str, topic: str, shards: int) -> None:
    app = Application(broker_address=kafka, consumer_group=f"{topic}-quix", auto_create_topics=False)
    with app.get_producer() as producer:
        for key in keys(shards):
            producer.produce(topic, key=key, value=b"")
    assert read(kafka, topic, len(keys(shards))) == expected(shards)


def test_each_shard_key_lands_on_its_own_shard(kafka: str, topic: str, shards: int) -> None:
    landed = produced(kafka, topic, shards, partitioner="murmur2")
    assert [landed[key] for key in shard_keys(shards)] == list(range(shards))
