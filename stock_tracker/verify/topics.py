"""Whole topics, read once from beginning to end."""

import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from schemas.errors import KafkaUnavailable, TopicsMissing
from schemas.position import Partition, Position
from schemas.topics import Topic
from stock_tracker.kafka import metadata
from stock_tracker.kafka.reading import assign, at_hand
from stock_tracker.verify.core.differences import EventPosition

M = TypeVar("M")
_TIMEOUT_S = 20.0
_BATCH = 1_000
_PAUSE_S = 0.1


class RawMessage(NamedTuple):
    """A message as it stands on its topic, not decoded."""

    partition: int
    offset: int
    value: bytes


def read_topic(kafka: Mapping[str, str], name: str, *, committed: bool = True) -> Iterator[RawMessage]:
    """Yield every message of a topic, partition by partition in order, up to its end at the time of reading.

    Args:
        kafka: librdkafka's connection settings.
        name: The topic's name in Kafka, with the prefix.
        committed: Leave out what belongs to transactions that are open or were aborted.

    Raises:
        KafkaUnavailable: The broker stopped answering.
        TopicsMissing: There is no such topic.
    """
    wanted = [Partition(name, number) for number in range(count_partitions(kafka, name))]
    for _, message in read_partitions(kafka, wanted, committed=committed):
        yield message


def count_partitions(kafka: Mapping[str, str], name: str) -> int:
    """How many partitions a topic has; its name in Kafka, with the prefix.

    Raises:
        KafkaUnavailable: The broker does not answer.
        TopicsMissing: There is no such topic.
    """
    topic = metadata.ask(kafka, _TIMEOUT_S).topics.get(name)
    if topic is None or topic.error is not None:
        raise TopicsMissing(kafka["bootstrap.servers"], [name])
    return len(topic.partitions)


def read_partitions(
    kafka: Mapping[str, str], wanted: Collection[Partition], *, committed: bool = True
) -> Iterator[tuple[str, RawMessage]]:
    """Yield every message of some partitions with the name of its topic: in order of each partition, up to its end now.

    Args:
        kafka: librdkafka's connection settings.
        wanted: Partitions that there are; their topics as they are called in Kafka, with the prefix.
        committed: Leave out what belongs to transactions that are open or were aborted.

    Raises:
        KafkaUnavailable: The broker stopped answering.
    """
    consumer = Consumer(
        {
            **kafka,
            "group.id": "stock-tracker-verify",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            # The end of a log comes with the answer to a fetch, which the broker holds back in the hope of more messages.
            "fetch.wait.max.ms": 20,
            # What waits to be handed out takes several times as much memory as these bytes.
            "queued.max.messages.kbytes": 4_096,
            # It would let a second pass, its usual pause, before it fetches on when those were full.
            "fetch.queue.backoff.ms": 10,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "auto.offset.reset": "error",
        }
    )
    left = set(wanted)
    try:
        assign(consumer, [TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in sorted(left)], _TIMEOUT_S)
        heard = time.monotonic()
        while left:
            messages = at_hand(consumer, _BATCH, _PAUSE_S)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > _TIMEOUT_S:
                raise KafkaUnavailable(kafka["bootstrap.servers"], f"it stopped handing out {min(left)}")
            for message in messages:
                error = message.error()
                if error is None:
                    yield message.topic(), RawMessage(message.partition(), message.offset(), message.value())
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(Partition(message.topic(), message.partition()))
                else:
                    raise KafkaUnavailable(kafka["bootstrap.servers"], error.str())
    except KafkaException as error:
        raise KafkaUnavailable(kafka["bootstrap.servers"], error.args[0].str()) from error
    finally:
        consumer.close()


def read_states(kafka: Mapping[str, str], prefix: str, topic: Topic[Any]) -> Iterator[tuple[EventPosition, Any]]:
    """Yield every row of a ``state.*`` topic as the gateway reads them: uncommitted. Positions name the topic without ``prefix``.

    Raises:
        KafkaUnavailable: The broker stopped answering.
        InvalidMessage: A message is not one of the topic's.
    """
    for raw in read_topic(kafka, topic.named(prefix), committed=False):
        yield EventPosition(Position(topic.name, raw.partition, raw.offset), 0), topic.decode(raw.value)


def read_events(kafka: Mapping[str, str], prefix: str, topic: Topic[Any]) -> Iterator[tuple[EventPosition, Any]]:
    """Yield every event of an event topic with its position, which names the topic without ``prefix``.

    Raises:
        KafkaUnavailable: The broker stopped answering.
        InvalidMessage: A message is not one of the topic's.
    """
    for raw in read_topic(kafka, topic.named(prefix)):
        position = Position(topic.name, raw.partition, raw.offset)
        for idx, event in enumerate(topic.decode(raw.value).events):
            yield EventPosition(position, idx), event
