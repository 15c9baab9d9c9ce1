"""Reads topics up to their ends, as they are now, into the messages of a fixture."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from connectors.fixtures.core.layout import FixtureMessage
from schemas.errors import KafkaUnavailable, TopicsMissing
from schemas.topics import Topic
from schemas.units import UnixMs
from stock_tracker.kafka.reading import at_hand

_TIMEOUT_S: Final = 20.0
_PAUSE_S: Final = 0.1
_BATCH: Final = 5_000


def read_messages(
    kafka: Mapping[str, str], prefix: str, topics: Sequence[Topic[Any]], tell: Callable[[str], None]
) -> tuple[dict[str, int], list[FixtureMessage]]:
    """All committed messages of ``topics``, in the order in which they were appended, and how the topics are split.

    They are in memory together: a partition's order is the log's, and between partitions only Kafka's time decides.

    Raises:
        KafkaUnavailable: The broker does not answer, or stopped answering.
        TopicsMissing: There is no such topic.
    """
    consumer = Consumer(
        {
            **kafka,
            "group.id": "stock-tracker-record",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
        }
    )
    bootstrap = kafka["bootstrap.servers"]
    try:
        existing = consumer.list_topics(timeout=_TIMEOUT_S).topics
        names = {topic.named(prefix): topic.name for topic in topics}
        if missing := [name for name in names if name not in existing]:
            raise TopicsMissing(bootstrap, missing)
        partitions = {names[name]: len(existing[name].partitions) for name in names}
        messages: list[FixtureMessage] = []
        for message in _all(consumer, [(name, p) for name in names for p in existing[name].partitions], bootstrap):
            messages.append(_recorded(message, names[message.topic()]))
            if len(messages) % 1_000 == 0:
                tell(f"{len(messages)} messages read")
    except KafkaException as error:
        raise KafkaUnavailable(bootstrap, error.args[0].str()) from error
    finally:
        consumer.close()
    places = {topic.name: number for number, topic in enumerate(topics)}
    messages.sort(key=lambda message: (message.ts_ms, places[message.topic], message.partition, message.offset))
    return partitions, messages


def _all(consumer: Consumer, places: Sequence[tuple[str, int]], bootstrap: str) -> Iterator[Any]:
    left = set(places)
    consumer.assign([TopicPartition(name, partition, OFFSET_BEGINNING) for name, partition in places])
    heard = time.monotonic()
    while left:
        batch = at_hand(consumer, _BATCH, _PAUSE_S)
        if batch:
            heard = time.monotonic()
        elif time.monotonic() - heard > _TIMEOUT_S:
            raise KafkaUnavailable(bootstrap, "it stopped handing out messages")
        for message in batch:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard((message.topic(), message.partition()))
            else:
                raise KafkaUnavailable(bootstrap, error.str())


def _recorded(message: Any, topic: str) -> FixtureMessage:
    return FixtureMessage(
        topic,
        message.partition(),
        message.offset(),
        UnixMs(message.timestamp()[1]),
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )
