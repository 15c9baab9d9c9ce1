"""What a client gets of one channel, and what it has still to get of it (pure).

The board counts its changes. A subscription is where the client stands in that count, and in which of the states of
:class:`SubscriptionState` it is; nothing else is kept of a client that does not read. At the end of an interval those who have
everything up to the end of the one before get messages that are made once for all of them. Everybody else gets messages of its
own until it may join the others again. :data:`AFTER` says how it gets there.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import Final

from gateway.core import cursor, wire
from gateway.core.board import GROUPS_SLOT, Board
from gateway.core.interval import IntervalChanges
from gateway.core.selection import Audience


class SubscriptionState(StrEnum):
    """Where a subscription is. Only in the last one does the client get the messages that are made for everybody."""

    SNAPSHOT = "snapshot"
    """Pages of a snapshot are still to be sent. What changes meanwhile is sent after them."""
    MISSED = "missed"
    """An interval ended with rows for the client while it did not read. Of each it gets the latest, once it reads."""
    APART = "apart"
    """It has everything up to some moment between two ends of intervals, or has read further in the log than this gateway. At the
    end of the interval it gets a message of its own: that for everybody would lack rows, or take rows back in time."""
    LEVEL = "level"
    """It has everything up to the end of the last interval, and nothing newer."""


class Happening(IntEnum):
    """What happens to a subscription: the columns of :data:`AFTER`."""

    ASKED = 0
    """The client subscribed to it, or to more of it."""
    LAST_PAGE = 1
    """The last page of the snapshot was written, and with it all that changed meanwhile."""
    SERVED = 2
    """The client reads again: what it had missed was written, in the middle of an interval."""
    MOVED = 3
    """The client chose another update interval, whose ends it does not stand at."""
    ENDED = 4
    """An interval ended, and what the client had to get of it was written, or there was nothing."""
    UNREAD = 5
    """An interval ended with rows for the client, and it does not read."""


_S = SubscriptionState
AFTER: Final[dict[SubscriptionState, tuple[SubscriptionState, ...]]] = {
    #             ASKED        LAST_PAGE    SERVED       MOVED        ENDED        UNREAD
    _S.SNAPSHOT: (_S.SNAPSHOT, _S.APART,    _S.SNAPSHOT, _S.SNAPSHOT, _S.SNAPSHOT, _S.SNAPSHOT),
    _S.MISSED:   (_S.SNAPSHOT, _S.MISSED,   _S.APART,    _S.MISSED,   _S.LEVEL,    _S.MISSED),
    _S.APART:    (_S.SNAPSHOT, _S.APART,    _S.APART,    _S.APART,    _S.LEVEL,    _S.MISSED),
    _S.LEVEL:    (_S.SNAPSHOT, _S.LEVEL,    _S.LEVEL,    _S.APART,    _S.LEVEL,    _S.MISSED),
}  # fmt: skip
"""The state that follows, for each state and each :class:`Happening`.

Events have no intervals: each is sent at once. Their subscription is a snapshot and then apart. While the client is ahead of this
gateway (:class:`Ahead`), the end of an interval leaves it apart.
"""


class Ahead:
    """How far the client has read of what this gateway has not: it comes from another one, which was faster."""

    def __init__(self, offsets: cursor.Offsets) -> None:
        self.offsets = {slot: offset for slot, offset in offsets.items() if slot != GROUPS_SLOT}
        self._groups = offsets.get(GROUPS_SLOT, -1)
        self._added: set[str] = set()

    def lacks(self, keys: Iterable[str]) -> None:
        """Note that the client has begun with ``keys`` only here: what it has read elsewhere was not of them."""
        self._added.update(keys)

    def has(self, key: str, slot: int, offset: int, joined_at: Mapping[str, int]) -> bool:
        """Whether the client has the row of ``key`` that stands at ``offset`` of ``slot``, or a later one."""
        return offset <= self.offsets.get(slot, -1) and key not in self._added and joined_at.get(key, -1) <= self._groups

    def is_reached(self, offsets: cursor.Offsets) -> bool:
        """Whether this gateway, which has read up to ``offsets``, has caught up."""
        return all(offsets.get(slot, -1) >= offset for slot, offset in self.offsets.items())

    def merged(self, offsets: cursor.Offsets) -> dict[int, int]:
        """How far client and gateway have read together."""
        return {**offsets, **{slot: max(offset, offsets.get(slot, -1)) for slot, offset in self.offsets.items()}}


_NOTHING: Final[deque[str | bytes]] = deque(maxlen=0)
"""What most subscriptions have still to be sent, most of the time: an empty deque of its own would be a large part of each."""


class Subscription:
    """What a client gets of one channel."""

    def __init__(self, channel: str, throttle_ms: int, audience: Audience) -> None:
        self.channel = channel
        self.throttle_ms = throttle_ms
        """Its update interval; 0 is every change. It means nothing for events."""
        self.audience = audience
        self.state = SubscriptionState.SNAPSHOT
        self.cursor = ""
        """Where the client stands, as every gateway understands it."""
        self.ahead: Ahead | None = None
        """None unless the client has read further than this gateway."""
        self._snapshot: deque[str | bytes] = _NOTHING
        """What the snapshot has still to bring: keys, whose rows are looked up when they are sent; of events their rows."""

    @property
    def owes(self) -> bool:
        """Whether something waits only for the client to read."""
        return self.state is SubscriptionState.SNAPSHOT or self.state is SubscriptionState.MISSED

    @property
    def has_snapshot(self) -> bool:
        """Whether a snapshot is on its way; until then the cursor stands for rows that the client does not have."""
        return self.state is SubscriptionState.SNAPSHOT

    def ask(self, wanted: Iterable[str | bytes]) -> None:
        """Add ``wanted`` to the snapshot that is on its way, or begin one; it has one page at least, if an empty one."""
        if self._snapshot:
            self._snapshot.extend(wanted)
        else:
            self._snapshot = deque(wanted)
        self._note(Happening.ASKED)

    def move(self, throttle_ms: int) -> None:
        """Take another update interval, if it is another."""
        if throttle_ms != self.throttle_ms:
            self.throttle_ms = throttle_ms
            self._note(Happening.MOVED)

    def narrow(self, audience: Audience) -> None:
        """Have fewer keys from now on."""
        self.audience = audience
        self._snapshot = deque(item for item in self._snapshot if isinstance(item, bytes) or audience.has(item))

    def page(self, row_of: Callable[[str], bytes | None]) -> bytes:
        """The next page of the snapshot."""
        rows = (item if isinstance(item, bytes) else row_of(item) for item in self._taken())
        page = wire.take_page(row for row in rows if row is not None)
        last = not self._snapshot
        body = wire.snap(self.channel, page, self.cursor, last=last)
        if last:
            self._snapshot = _NOTHING
            self._note(Happening.LAST_PAGE)
        return body

    def _taken(self) -> Iterator[str | bytes]:
        while self._snapshot:
            yield self._snapshot.popleft()

    def _note(self, happening: Happening) -> None:
        self.state = AFTER[self.state][happening]


class RowSubscription(Subscription):
    """A subscription to rows: where the client stands among the changes of the board."""

    def __init__(self, channel: str, throttle_ms: int, audience: Audience, board: Board) -> None:
        super().__init__(channel, throttle_ms, audience)
        self._board = board
        self._table = board.tables[channel]
        self._at = self._table.revision
        """The client has every row of its own whose last change came up to this revision, but for the snapshot."""
        self.cursor = board.cursor(channel)

    def resume(self, offsets: cursor.Offsets) -> None:
        """Take note that the client has read up to ``offsets``, perhaps at another gateway."""
        ahead = Ahead(offsets)
        if not ahead.is_reached(self._table.offsets):
            self.ahead = ahead
            self.cursor = self._merged(self._board.offsets(self.channel))

    def end_interval(self, changes: IntervalChanges, reads: bool) -> Sequence[bytes]:
        """Take note that an interval has ended.

        Args:
            changes: What changed in it.
            reads: Whether the client reads, so that what is due is written at once.

        Returns:
            The messages that the client is to be sent now, without their number.
        """
        state = self.state
        if state is SubscriptionState.LEVEL:
            # So it is with most clients, most of the time; their state does not change.
            bodies = changes.messages(self.audience)
            if bodies and not reads:
                self._note(Happening.UNREAD)
                return ()
            self._at, self.cursor = changes.upto, changes.reached
            return bodies
        if state is SubscriptionState.SNAPSHOT or (state is SubscriptionState.MISSED and not reads):
            # What it lacks is looked up once it reads: it grows as long as it does not, and the others would wait for it.
            return ()
        keys = self._lacking(changes.upto)
        if keys and not reads:
            self._note(Happening.UNREAD)
            return ()
        if self._at <= changes.upto:
            self._stand_at(changes.upto, changes.offsets, changes.reached)
        if self.ahead is None:
            self._note(Happening.ENDED)
        return self._own(keys, changes.now_ms, conflated=state is SubscriptionState.MISSED)

    def catch_up(self, now_ms: int, *, after_snapshot: bool) -> list[bytes]:
        """Messages of what changed while the client did not read, or while it got its snapshot: it reads now."""
        missed = self.state is SubscriptionState.MISSED
        keys = self._lacking(self._table.revision)
        self._stand_at(self._table.revision, self._board.offsets(self.channel), self._board.cursor(self.channel))
        if not after_snapshot:
            self._note(Happening.SERVED)
        return self._own(keys, now_ms, conflated=missed)

    def _lacking(self, upto: int) -> list[str]:
        keys = self.audience.choose(self._table.changed(self._at, upto))
        ahead = self.ahead
        if ahead is None:
            return keys
        rows, joined_at = self._table.rows, self._board.directory.joined_at
        return [key for key in keys if not ahead.has(key, rows[key].slot, rows[key].offset, joined_at)]

    def _stand_at(self, revision: int, offsets: cursor.Offsets, reached: str) -> None:
        self._at, self.cursor = revision, reached
        if self.ahead is not None:
            self.cursor = self._merged(offsets)
            if self.ahead.is_reached(offsets):
                self.ahead = None

    def _merged(self, offsets: cursor.Offsets) -> str:
        assert self.ahead is not None  # noqa: S101 - asked only then
        return cursor.write(self._board.stream, self.ahead.merged(offsets))

    def _own(self, keys: list[str], now_ms: int, *, conflated: bool) -> list[bytes]:
        return wire.Deltas(self.channel, self.cursor, now_ms, conflated=conflated).of(self._table.fragments(keys))
