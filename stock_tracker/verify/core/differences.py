"""What verification finds, and where."""

from dataclasses import asdict, dataclass
from typing import NamedTuple

from schemas.position import Position


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

    def __str__(self) -> str:
        where = f" (see {self.position})" if self.position else ""
        return f"{self.kind} {self.symbol}: {self.detail}{where}"

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return asdict(self) | {"position": self.position.as_json() if self.position else None}
