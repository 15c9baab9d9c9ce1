"""The latest row of everything: what snapshots are cut from and deltas are drawn from (pure).

State is read from Kafka uncommitted, so that a row shows milliseconds after its tick. The price: a process that was fenced or
killed may leave an older row behind a newer one. Every row therefore names its trading day and the record frame it was folded
from, and a row is taken only if that pair is greater than the one on the board.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field

import msgspec

from gateway.core import cursor
from gateway.core.channels import CHANNELS, EVENT_CHANNELS
from gateway.core.selection import SymbolDirectory

SLOTS_A_TOPIC = 1_000
"""A channel may be fed by several topics. In its cursors the partitions of its first topic are the slots from 0 on, those of the
next one the slots from here on, and so forth."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """A row as it was read from Kafka."""

    channel: str
    key: str
    slot: int
    """The row's partition, as the channel's cursors number it."""
    offset: int
    """The offset of the row's own message in that partition."""
    day: int
    src: int
    """Offset of the newest record frame that it was folded from: of two rows of a day the one with the greater wins."""
    appended_ms: int
    """When it was written, by the broker's clock."""
    fragment: bytes
    """The row as it goes onto the wire: a JSON list in the order of the channel's columns."""
    exchange: str | None
    """Where the symbol is listed; None where the row is not a symbol's."""
    groups: tuple[str, ...] | None
    """The indices that the symbol is a member of; None where the row does not say."""


@dataclass(slots=True)
class ChannelRows:
    """The latest rows of one channel, and how far they have been read."""

    rows: dict[str, Change] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)
    """The offset of the last row read, by slot."""
    newest_ms: int | None = None
    """When the newest row was written, by the broker's clock; None while there is none."""

    def apply(self, change: Change) -> bool:
        """Take ``change`` unless the board has the same or a newer row; whether it was taken."""
        self.offsets[change.slot] = max(change.offset, self.offsets.get(change.slot, -1))
        self.newest_ms = change.appended_ms if self.newest_ms is None else max(change.appended_ms, self.newest_ms)
        current = self.rows.get(change.key)
        if current is not None and (change.day, change.src) <= (current.day, current.src):
            return False
        self.rows[change.key] = change
        return True

    def keys(self, members: Set[str] | None) -> list[str]:
        """The keys that have a row; only those among ``members``, unless that is None."""
        return list(self.rows) if members is None else [key for key in self.rows if key in members]

    def fragments(self, keys: Iterable[str]) -> list[bytes]:
        """The rows of those of ``keys`` that have one."""
        return [row.fragment for key in keys if (row := self.rows.get(key)) is not None]

    def since(self, offsets: cursor.Offsets, keys: Iterable[str]) -> list[str]:
        """Which of ``keys`` have a row that a client lacks which has read up to ``offsets``."""
        return [key for key in keys if (row := self.rows[key]).offset > offsets.get(row.slot, -1)]


@dataclass(slots=True)
class Board:
    """The latest rows of all channels that have rows, and the symbols in them."""

    tables: dict[str, ChannelRows] = field(
        default_factory=lambda: {name: ChannelRows() for name in CHANNELS if name not in EVENT_CHANNELS}
    )
    """The rows of each channel, by its name. Events are kept by :class:`gateway.core.events.Recent`."""
    stream: str = ""
    """Which logs the offsets are of; empty until reading begins."""
    complete: bool = False
    """Whether everything has been applied that was on the topics when reading began: clients may come."""
    directory: SymbolDirectory = field(default_factory=SymbolDirectory)

    def begin(self, stream: str) -> None:
        """Forget everything: the topics are read from their beginning again."""
        self.stream = stream
        self.complete = False
        self.directory = SymbolDirectory()
        for channel in self.tables:
            self.tables[channel] = ChannelRows()

    def apply(self, changes: Iterable[Change]) -> Iterator[tuple[str, str]]:
        """Take what is newer; yields (channel, key) of each row taken."""
        for change in changes:
            if not self.tables[change.channel].apply(change):
                continue
            if change.exchange is not None:
                self.directory.list_on(change.key, change.exchange)
            if change.groups is not None:
                self.directory.join(change.key, change.groups)
            yield change.channel, change.key

    def cursor(self, channel: str) -> str:
        """The cursor of a client that has read all of ``channel``; empty where there are no cursors."""
        return cursor.write(self.stream, self.tables[channel].offsets) if CHANNELS[channel].has_cursor else ""
