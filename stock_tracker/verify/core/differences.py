"""What verification finds, and where."""

from dataclasses import asdict, dataclass
from typing import NamedTuple


class Position(NamedTuple):
    """Where an event stands: the ``idx``-th of the message at (topic, partition, offset)."""

    topic: str
    partition: int
    offset: int
    idx: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}#{self.idx}"


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it should be."""

    kind: str
    """A short word: ``missing_print``, ``doubled_print``, ``wrong_gap``, ``missing_entry``, ``missing_row``, …"""
    symbol: str
    detail: str
    """For a person: what was expected and what was found."""
    position: Position | None
    """The event itself; of a missing print the record that told of it, of a missing entry the entry after the hole."""

    def __str__(self) -> str:
        where = f" (see {self.position})" if self.position else ""
        return f"{self.kind} {self.symbol}: {self.detail}{where}"

    def as_json(self) -> dict[str, object]:
        """Itself as plain values."""
        return asdict(self) | {"position": self.position._asdict() if self.position else None}
