"""What a consumer has at hand."""

from typing import Any

from confluent_kafka import Consumer


def at_hand(consumer: Consumer, most: int, longest_s: float) -> list[Any]:
    """Up to ``most`` messages and ends of partitions, in the order in which they came; none after ``longest_s`` without any.

    ``Consumer.consume`` waits until all of ``most`` are there. Whoever asks it for the few that are left of one partition after
    the other waits out its time each time: a verification did so for nine seconds out of ten.

    Args:
        consumer: It is assigned to partitions.
        most: At least one.
        longest_s: Seconds to wait for the first.
    """
    first = consumer.poll(longest_s)
    return [] if first is None else [first, *consumer.consume(most - 1, 0)]
