"""The latest row of everything: what snapshots are cut from and deltas are drawn from (pure).

State is read from Kafka uncommitted, so that a row shows milliseconds after its tick. The price: a process that was fenced or
killed may leave an older row behind a newer one. Every row therefore names its trading day and the record frame it was folded
from, and a row is taken only if that pair is not less than that of the one on the board.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from gateway.core import cursor
from gateway.core.channels import CHANNELS, EVENT_CHANNELS
from gateway.core.cursor import Offsets
from gateway.core.selection import Audience, SymbolDirectory

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
    fragment: bytes
    """The row as it goes onto the wire: a JSON list in the order of the channel's columns."""
    exchange: str | None
    """Where the symbol is listed; None where the row is not a symbol's."""
    groups: tuple[str, ...] | None
    """The indices that the symbol is a member of; None where the row does not say."""


GROUPS_SLOT = 999_999
"""In the cursors of channels with groups: how far reference data has been read, which says who is in which group."""
_GROUPED = tuple(name for name, channel in CHANNELS.items() if channel.has_groups and name not in EVENT_CHANNELS)


@dataclass(slots=True)
class ChannelRows:
    """The latest rows of one channel, in which order they changed, and how far they have been read."""

    rows: dict[str, Change] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)
    """The offset of the last row read, by slot."""
    revision: int = 0
    """Counts the changes. Only this instance of the gateway knows it; for others there are cursors."""
    _changed: dict[str, int] = field(default_factory=dict)
    """The revision of each row's last change, in rising order."""

    def clear(self) -> None:
        """Forget everything but the count of changes."""
        self.rows.clear()
        self.offsets.clear()
        self._changed.clear()
        self.revision += 1

    def apply(self, change: Change) -> bool:
        """Take ``change`` unless the board has a newer row; whether that changed anything.

        Of two rows that were folded from the same record frames the later one counts. Its writer may have lost a transaction:
        what it had written before is no part of the log any more, and it has folded these frames again.
        """
        self.offsets[change.slot] = max(change.offset, self.offsets.get(change.slot, -1))
        current = self.rows.get(change.key)
        if current is not None:
            if (change.day, change.src, change.offset) <= (current.day, current.src, current.offset):
                return False
            self.rows[change.key] = change
            if (change.day, change.src, change.fragment) == (current.day, current.src, current.fragment):
                return False
        self.rows[change.key] = change
        self.touch(change.key)
        return True

    def touch(self, key: str) -> None:
        """Have the row of ``key`` sent as if it had changed, to all who have chosen it."""
        if key in self.rows:
            self.revision += 1
            self._changed.pop(key, None)
            self._changed[key] = self.revision

    def changed(self, since: int, upto: int) -> list[str]:
        """The keys of the rows whose last change came after revision ``since``, up to ``upto``; the oldest change first."""
        keys = []
        for key, revision in reversed(self._changed.items()):
            if revision <= since:
                break
            if revision <= upto:
                keys.append(key)
        keys.reverse()
        return keys

    def fragments(self, keys: Iterable[str]) -> list[bytes]:
        """The rows of those of ``keys`` that have one."""
        return [row.fragment for key in keys if (row := self.rows.get(key)) is not None]


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
        for table in self.tables.values():
            table.clear()

    def apply(self, changes: Iterable[Change]) -> Iterator[tuple[str, str]]:
        """Take what is newer; yields (channel, key) of each row that changed."""
        directory = self.directory
        for change in changes:
            if not self.tables[change.channel].apply(change):
                continue
            joined = change.exchange is not None and directory.list_on(change.key, change.exchange)
            if change.groups is not None and directory.join(change.key, change.groups):
                directory.joined_at[change.key] = change.offset
                joined = True
            if joined:
                # Who watches the group does not have these rows, and they may not change for long.
                for channel in _GROUPED:
                    if channel != change.channel:
                        self.tables[channel].touch(change.key)
            yield change.channel, change.key

    def offsets(self, channel: str) -> Offsets:
        """How far ``channel`` has been read, as its cursors say it."""
        offsets = self.tables[channel].offsets
        if channel not in _GROUPED or channel == "ref":
            return offsets
        groups = self.tables["ref"].offsets.get(0)
        return offsets if groups is None else {**offsets, GROUPS_SLOT: groups}

    def cursor(self, channel: str) -> str:
        """The cursor of a client that has read all of ``channel``; empty where there are no cursors."""
        return cursor.write(self.stream, self.offsets(channel)) if CHANNELS[channel].has_cursor else ""

    def missed(self, channel: str, offsets: Offsets, audience: Audience) -> list[str]:
        """The keys of the rows that a client of ``audience`` lacks which has read up to ``offsets``."""
        table = self.tables[channel]
        keys = audience.choose(table.rows)
        groups = offsets.get(GROUPS_SLOT, -1) if channel in _GROUPED and audience.selection.groups else None
        return [
            key
            for key in keys
            if (row := table.rows[key]).offset > offsets.get(row.slot, -1)
            or (groups is not None and self.directory.joined_at.get(key, -1) > groups)
        ]
