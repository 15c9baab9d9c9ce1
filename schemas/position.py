"""Where things are in Kafka."""

from typing import NamedTuple


class Partition(NamedTuple):
    """One log of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.number}]"


class Position(NamedTuple):
    """The place of one message in Kafka, for good; but a topic that is deleted and made anew counts its offsets from 0 again."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"
