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
    """The event itself; for something missing, its nearest neighbour on the topic, where there is one."""

    def __str__(self) -> str:
        if self.position is None:
            return f"{self.kind} {self.symbol}: {self.detail}"
        nearness = "next to" if self.kind in ("missing_print", "missing_entry") else "at"
        return f"{self.kind} {self.symbol}: {self.detail} ({nearness} {self.position})"

    def as_json(self) -> dict[str, object]:
        """Itself as plain values."""
        return asdict(self) | {"position": self.position._asdict() if self.position else None}
