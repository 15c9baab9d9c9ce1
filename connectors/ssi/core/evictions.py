"""Whether SSI serves one connection a key only, so that two feeds with the same key throw each other out. Pure.

SSI does not say how many connections a key may have. If it is one, each feed that connects ends the other's connection, the other
connects again, and both lose records for ever. One of them has to stand by, and to come back when the other is gone.
"""

from collections import deque
from typing import Final

from connectors.ssi.core.errors import ConnectionClosed, SsiError
from schemas.structs import FeedStatus
from schemas.units import MonotonicMs

DROPS: Final = 3
"""So many connections closed by the hub within :data:`WITHIN_MS` are no accident."""
WITHIN_MS: Final = 60_000
STAND_BY_S: Final = 60.0
"""How long a feed stands by that hears of no other, in seconds."""
GONE_MS: Final = 10_000
"""A feed that has not said for so long that it is up has gone, in milliseconds. Each says how it is once a second."""
FIRST_FEED: Final = "a"
"""The feed that never stands by."""


class Evictions:
    """Counts the connections of one feed that the hub closed soon after they could deliver."""

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._drops: deque[MonotonicMs] = deque(maxlen=DROPS)

    def ended(self, error: SsiError, was_subscribed: bool, now_ms: MonotonicMs) -> bool:
        """Note that a connection ended, and why. Returns whether this feed has to stand by.

        Args:
            error: Why it ended. Silence, quotas and rejected tokens are no sign of another client.
            was_subscribed: Whether the hub had accepted it: one that was never served was not thrown out.
            now_ms: When.
        """
        if self._feed == FIRST_FEED or not (was_subscribed and isinstance(error, ConnectionClosed)):
            return False
        self._drops.append(now_ms)
        if len(self._drops) < DROPS or now_ms - self._drops[0] > WITHIN_MS:
            return False
        self._drops.clear()
        return True


class OtherFeeds:
    """What a feed that stands by hears of the others on ``ssi.status``."""

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._first_ms: MonotonicMs | None = None
        """When one of the others was heard first."""
        self._up_ms: MonotonicMs | None = None
        """When one of them said last that it is up."""

    def hear(self, status: FeedStatus, now_ms: MonotonicMs) -> None:
        """Take what a connector says of itself."""
        if status.feed == self._feed:
            return
        if self._first_ms is None:
            self._first_ms = now_ms
        if status.state == "up":
            self._up_ms = now_ms

    def is_any_up(self, now_ms: MonotonicMs) -> bool | None:
        """Whether one of the others is up; None while that is not known."""
        if self._first_ms is None:
            return None
        heard_ms = self._first_ms if self._up_ms is None else self._up_ms
        if now_ms - heard_ms >= GONE_MS:
            return False
        return True if self._up_ms is not None else None
