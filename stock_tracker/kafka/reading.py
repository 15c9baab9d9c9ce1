"""Logs read from their beginning without the pauses that librdkafka makes by itself."""

from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, TopicPartition


def assign(consumer: Consumer, places: Sequence[TopicPartition], timeout_s: float) -> None:
    """Have partitions read, each from an offset or from its beginning or end.

    A consumer that does not know the leader of a partition yet lets half a second pass before it asks where the log begins. So
    it learns the leaders first.

    Args:
        consumer: It has nothing to read yet.
        places: Partitions with the offsets at which to begin.
        timeout_s: Seconds to wait for the leaders.

    Raises:
        KafkaException: The broker does not answer.
    """
    consumer.list_topics(timeout=timeout_s)
    consumer.assign(list(places))


def at_hand(consumer: Consumer, most: int, longest_s: float) -> list[Any]:
    """Up to ``most`` messages and ends of partitions, in the order in which they came; none after ``longest_s`` without any.

    ``Consumer.consume`` waits until ``most`` are there or the time is over: each time, for whoever asks for the last of a log.

    Args:
        consumer: It is assigned to partitions.
        most: At least one.
        longest_s: Seconds to wait for the first.
    """
    first = consumer.poll(longest_s)
    return [] if first is None else [first, *consumer.consume(most - 1, 0)]
