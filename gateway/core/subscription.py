"""What a client gets of one channel, and what it has still to get of it (pure).

Rows that changed in an interval are put into messages once for all clients with the same selection. They are right for a client
that has everything up to the interval before and nothing newer. Who was sent a snapshot meanwhile, or did not read, gets messages
of its own until it may join the others again. :data:`AFTER` says how it gets there.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

from gateway.core.conflate import Pending
from gateway.core.selection import Selection


class SubscriptionState(StrEnum):
    """Where a subscription is. Only in the last one does the client get the messages that are made for everybody."""

    SNAPSHOT = "snapshot"
    """Pages of a snapshot are still to be sent. What changes meanwhile is sent after them."""
    BEHIND = "behind"
    """Rows are still to be sent that changed while the client did not read, or while it got its snapshot."""
    AHEAD = "ahead"
    """It was sent rows in the middle of an interval. Messages that were made for everybody at the end of the one before may still
    be on their way from client to client; they may be older, and would take its rows back in time."""
    JOINING = "joining"
    """It is about to be sent the rows of the interval that just ended; then it has what everybody has."""
    LIVE = "live"
    """It has everything up to the end of the last interval, and nothing newer."""


class Happening(IntEnum):
    """What happens to a subscription: the columns of :data:`AFTER`."""

    ASKED = 0
    """The client subscribed to it, or to more of it."""
    LAST_PAGE = 1
    """The last page of the snapshot was written."""
    CAUGHT_UP = 2
    """The rows that had still to be sent were written."""
    QUIET = 3
    """An interval ended, and none of its rows changed."""
    CHANGED = 4
    """An interval ended, and rows of it changed; the client reads, so they are written at once."""
    MISSED = 5
    """An interval ended, and rows of it changed; the client does not read."""


_S = SubscriptionState
AFTER: Final[dict[SubscriptionState, tuple[SubscriptionState, ...]]] = {
    #             ASKED        LAST_PAGE    CAUGHT_UP    QUIET        CHANGED      MISSED
    _S.SNAPSHOT: (_S.SNAPSHOT, _S.BEHIND,   _S.SNAPSHOT, _S.SNAPSHOT, _S.SNAPSHOT, _S.SNAPSHOT),
    _S.BEHIND:   (_S.SNAPSHOT, _S.BEHIND,   _S.AHEAD,    _S.BEHIND,   _S.JOINING,  _S.BEHIND),
    _S.AHEAD:    (_S.SNAPSHOT, _S.AHEAD,    _S.AHEAD,    _S.LIVE,     _S.JOINING,  _S.BEHIND),
    _S.JOINING:  (_S.SNAPSHOT, _S.JOINING,  _S.LIVE,     _S.JOINING,  _S.JOINING,  _S.BEHIND),
    _S.LIVE:     (_S.SNAPSHOT, _S.LIVE,     _S.LIVE,     _S.LIVE,     _S.LIVE,     _S.BEHIND),
}  # fmt: skip
"""The state that follows, for each state and each :class:`Happening`.

Events have no intervals: each is sent at once. Their subscription is a snapshot and then ahead.
"""

_EVEN = (SubscriptionState.LIVE, SubscriptionState.AHEAD)
"""The states in which nothing has still to be sent."""


@dataclass(slots=True)
class Subscription:
    """What a client gets of one channel."""

    channel: str
    throttle_ms: int
    cursor: str
    """Where the client stands: moved whenever it has everything up to the end of an interval."""
    selection: Selection = field(default_factory=Selection)
    state: SubscriptionState = SubscriptionState.SNAPSHOT
    pending: Pending = field(default_factory=Pending)
    """Keys of rows that have still to be sent, beside those of the snapshot."""
    _snapshot: deque[str | bytes] = field(default_factory=deque)
    """What the snapshot has still to bring: keys, whose rows are looked up when they are sent; of events the rows themselves."""

    @property
    def waits(self) -> bool:
        """Whether something has still to be sent."""
        return self.state not in _EVEN

    @property
    def has_snapshot(self) -> bool:
        """Whether a snapshot is on its way; until then the cursor stands for rows that the client does not have."""
        return self.state is SubscriptionState.SNAPSHOT

    def ask(self, wanted: Iterable[str | bytes]) -> None:
        """Add ``wanted`` to the snapshot that is on its way, or begin one; it has one page at least, if an empty one."""
        self._snapshot.extend(wanted)
        self._note(Happening.ASKED)

    def drop_all_but(self, members: Set[str]) -> None:
        """Forget what has still to be sent of rows whose key is not among ``members``."""
        self.pending.keep(members)
        self._snapshot = deque(key for key in self._snapshot if key in members)

    def snapshot(self) -> Iterator[str | bytes]:
        """Take, one by one, what the snapshot has still to bring."""
        while self._snapshot:
            yield self._snapshot.popleft()

    def page_written(self) -> bool:
        """A page of the snapshot was written; whether it was the last."""
        if self._snapshot:
            return False
        self._note(Happening.LAST_PAGE)
        return True

    def end_interval(self, changed: Set[str], reached: str, *, reads: bool) -> bool:
        """Take the changes of an interval.

        Args:
            changed: Keys of the subscription that changed.
            reached: The cursor at the end of the interval.
            reads: Whether the client reads, so that what is due is written at once.

        Returns:
            Whether the messages that were made for everybody are right for this client. If not, ``changed`` is pending.
        """
        if reads and self.state is SubscriptionState.LIVE:
            # So it is with most clients, most of the time; their state does not change.
            self.cursor = reached
            return True
        self.pending.add(changed)
        self._note((Happening.CHANGED if reads else Happening.MISSED) if changed else Happening.QUIET)
        if not reads:
            self.pending.skip()
        elif self.state is not SubscriptionState.SNAPSHOT:
            self.cursor = reached
        return False

    def catch_up(self) -> tuple[list[str], bool]:
        """Take the keys whose rows have still to be sent, and whether intervals were skipped; they are written at once."""
        self._note(Happening.CAUGHT_UP)
        return self.pending.take()

    def _note(self, happening: Happening) -> None:
        self.state = AFTER[self.state][happening]
