"""How long to wait before trying SSI again: pauses that grow, and those that it asks for. Pure: time and chance are arguments."""

from collections.abc import Callable
from typing import Final

from connectors.ssi.core.errors import QuotaExceeded, SsiError, SsiUnavailable
from schemas.backoff import Backoff
from schemas.units import MonotonicMs

FIRST_S: Final = 1.0
"""The longest that the pause after a first failure may be."""
LONGEST_S: Final = 60.0
"""The longest that any pause may be that SSI did not ask for."""
QUOTA_MIN_S: Final = 60.0
QUOTA_MAX_S: Final = 300.0
STABLE_MS: Final = 60_000
"""A connection that lived this long was a good one: the pauses start small again."""


class SsiBackoff:
    """The pauses of :class:`~schemas.backoff.Backoff`, from half a second to a minute; minutes when SSI speaks of quotas."""

    def __init__(self, chance: Callable[[], float], longest_s: float | None = None) -> None:
        """Begin with the shortest pause.

        Args:
            chance: Gives a number in [0, 1), as :func:`random.random` does.
            longest_s: The longest that a pause may be that SSI did not ask for; :data:`LONGEST_S` if not given.
        """
        self._chance = chance
        self._backoff = Backoff(FIRST_S, longest_s or LONGEST_S, chance)
        self._connected_ms: MonotonicMs | None = None

    def connected(self, now_ms: MonotonicMs) -> None:
        """Note that data can flow. That alone resets nothing: a connection that breaks at once was no good one."""
        self._connected_ms = now_ms

    def failed(self, error: SsiError, now_ms: MonotonicMs, longest_s: float | None = None) -> float:
        """Seconds to wait after ``error`` before the next attempt; never less than SSI asks for.

        Args:
            error: Why the last attempt or connection ended.
            now_ms: When that was.
            longest_s: The longest that this pause may be if SSI asks for none, where that is not what was said at the beginning.
        """
        if self._connected_ms is not None and now_ms - self._connected_ms >= STABLE_MS:
            self._backoff.worked()
        self._connected_ms = None
        pause_s = self._backoff.failed(longest_s)
        if isinstance(error, QuotaExceeded):
            # SSI blocks a key for minutes; coming back earlier only prolongs it.
            pause_s = QUOTA_MIN_S + self._chance() * (QUOTA_MAX_S - QUOTA_MIN_S)
        asked_s = error.retry_after_s if isinstance(error, SsiUnavailable) else None
        return max(pause_s, asked_s or 0.0)

    def worked(self) -> None:
        """Begin anew with the shortest pause."""
        self._backoff.worked()
