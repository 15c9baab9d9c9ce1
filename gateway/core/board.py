"""The latest row of everything: what snapshots are cut from and deltas are drawn from (pure).

State is read from Kafka uncommitted, so that a row shows milliseconds after its tick. The price: a process that was fenced or
killed may leave an older row behind a newer one. Every row therefore names its trading day and the record frame it was folded
from, and a row is taken only if that pair is greater than the one on the board.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from gateway.core import cursor
from gateway.core.selection import Universe

SLOTS_A_TOPIC = 1_000
"""Cursor slots set aside for the partitions of one topic of a channel."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """A row as it was read from Kafka."""

    channel: str
    key: str
    slot: int
    """Partition, plus :data:`SLOTS_A_TOPIC` for each topic of the channel before its own."""
    offset: int
    day: int
    src: int
    appended_ms: int
    """The broker's clock when it was written."""
    fragment: bytes
    """The row as it goes onto the wire: a JSON list in the order of the channel's columns."""
    exchange: str | None
    """Of a symbol's row: where it is listed."""
    groups: tuple[str, ...] | None
    """Of a reference row: the indices it is a member of."""


@dataclass(slots=True)
class Channel:
    """The rows of one channel."""

    columns: tuple[str, ...]
    rows: dict[str, Change] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)
    """The last offset read, by slot."""
    newest_ms: int | None = None
    """When the newest row was written, by the broker's clock."""

    def apply(self, change: Change) -> bool:
        """Take ``change`` unless the board has the same or a newer row; whether it was taken."""
        self.positions[change.slot] = max(change.offset, self.positions.get(change.slot, -1))
        self.newest_ms = change.appended_ms if self.newest_ms is None else max(change.appended_ms, self.newest_ms)
        current = self.rows.get(change.key)
        if current is not None and (change.day, change.src) <= (current.day, current.src):
            return False
        self.rows[change.key] = change
        return True

    def since(self, positions: cursor.Positions, keys: Iterable[str]) -> list[str]:
        """Which of ``keys`` have a row that a reader who stopped at ``positions`` has not seen."""
        return [key for key in keys if (row := self.rows[key]).offset > positions.get(row.slot, -1)]


@dataclass(slots=True)
class Board:
    """All channels that have a latest value, and the symbols on them."""

    channels: dict[str, Channel]
    epoch: str = ""
    complete: bool = False
    """Everything that was on the topics when reading began has been applied."""
    universe: Universe = field(default_factory=Universe)

    def begin(self, epoch: str) -> None:
        """Forget everything: the topics are read from their beginning again."""
        self.epoch = epoch
        self.complete = False
        self.universe = Universe()
        for channel in self.channels.values():
            channel.rows.clear()
            channel.positions.clear()
            channel.newest_ms = None

    def apply(self, changes: Iterable[Change]) -> Iterator[tuple[str, str]]:
        """Take what is newer; yields (channel, key) of each row taken."""
        for change in changes:
            if not self.channels[change.channel].apply(change):
                continue
            if change.exchange is not None:
                self.universe.list_on(change.key, change.exchange)
            if change.groups is not None:
                self.universe.join(change.key, change.groups)
            yield change.channel, change.key

    def cursor(self, channel: str) -> str:
        """Where a reader stands who has seen all of ``channel``."""
        return cursor.write(self.epoch, self.channels[channel].positions)
