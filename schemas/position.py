"""Where a message is in Kafka."""

from typing import NamedTuple


class Position(NamedTuple):
    """The place of one message in Kafka's logs, for good: a topic that is deleted and made anew counts from 0 again."""

    topic: str
    """Its name in Kafka, prefix included."""
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"
