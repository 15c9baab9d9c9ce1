"""What verification finds, and where."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from schemas.position import Partition, Position


class EventPosition(NamedTuple):
    """Where an event or a record stands in Kafka: in which message, and how many others stand before it there."""

    message: Position
    idx: int

    def __str__(self) -> str:
        return f"{self.message}#{self.idx}"

    def as_json(self) -> dict[str, object]:
        """Topic, partition, offset and idx, as the archive's columns call them."""
        return {**self.message._asdict(), "idx": self.idx}


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it should be."""

    kind: str
    """A short word: ``missing_print``, ``doubled_print``, ``wrong_gap``, ``missing_entry``, ``missing_row``, …"""
    symbol: str
    detail: str
    """For a person: what was expected and what was found."""
    position: EventPosition | None
    """Where to look: the event itself; of a missing print its record, of a missing entry the entry after the hole."""
    topic: str = ""
    """Of what has no position: the topic, or the part that people see, such as a table or a channel."""
    partition: int | None = None
    """Of what has no position: the partition in which it should be."""
    fields: tuple[str, ...] = ()
    """Names of the fields that differ; none where a whole thing is missing, or there too often."""

    def __str__(self) -> str:
        where = f" (see {self.position})" if self.position else f" ({self._place})" if self.topic else ""
        return f"{self.kind} {self.symbol}: {self.detail}{where}"

    @property
    def _place(self) -> str:
        return self.topic if self.partition is None else str(Partition(self.topic, self.partition))

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        at = self.position
        return {
            "kind": self.kind,
            "symbol": self.symbol,
            "fields": list(self.fields),
            "detail": self.detail,
            "topic": at.message.topic if at else self.topic or None,
            "partition": at.message.partition if at else self.partition,
            "position": at.as_json() if at else None,
        }


def each_kind_first(differences: Iterable[Difference]) -> list[Difference]:
    """The first difference of each kind, then the second of each, and so on: a kind that is everywhere hides no other."""
    of_kind: Counter[str] = Counter()
    numbered: list[tuple[int, Difference]] = []
    for difference in differences:
        numbered.append((of_kind[difference.kind], difference))
        of_kind[difference.kind] += 1
    return [difference for _, difference in sorted(numbered, key=lambda pair: pair[0])]
