"""How long to wait before trying SSI again: the only place that decides it. Pure: time and chance are arguments."""

from collections.abc import Callable
from typing import Final

from connectors.ssi.core.errors import QuotaExceeded, SsiError, SsiUnavailable
from schemas.units import UnixMs

MIN_S: Final = 0.5
MAX_S: Final = 60.0
QUOTA_MIN_S: Final = 60.0
QUOTA_MAX_S: Final = 300.0
STABLE_MS: Final = 60_000
"""A connection that lived this long was a good one: the pauses start small again."""


class Backoff:
    """Full jitter between half a second and a minute, growing with each failure; minutes when SSI speaks of quotas."""

    def __init__(self, chance: Callable[[], float]) -> None:
        """``chance`` gives a number in [0, 1), as :func:`random.random` does."""
        self._chance = chance
        self._failures = 0
        self._connected_ms: UnixMs | None = None

    def connected(self, now_ms: UnixMs) -> None:
        """Note that data can flow."""
        self._connected_ms = now_ms

    def failed(self, error: SsiError, now_ms: UnixMs) -> float:
        """Seconds to wait after ``error`` before the next attempt."""
        if self._connected_ms is not None and now_ms - self._connected_ms >= STABLE_MS:
            self._failures = 0
        self._connected_ms = None
        self._failures += 1
        # SSI blocks a key for minutes; coming back earlier only prolongs it.
        low, high = (QUOTA_MIN_S, QUOTA_MAX_S) if isinstance(error, QuotaExceeded) else (MIN_S, self._ceiling())
        asked = error.retry_after_s if isinstance(error, SsiUnavailable) else None
        return max(low + self._chance() * (high - low), asked or 0.0)

    def _ceiling(self) -> float:
        return float(min(MAX_S, MIN_S * 2 ** min(self._failures, 10)))
