"""When the connection is made anew, once a day before the market opens. Pure: market time is an argument.

A socket that has been open since yesterday may be half dead without anybody noticing, and its token is about to run out. Made
anew before the market opens it costs nothing, and the token lasts until the last records of the day.
"""

from datetime import time
from typing import Final

from schemas.calendar import as_date, at, day_of
from schemas.units import UnixMs

LATE_MS: Final = 15 * 60_000
"""Later than this after the time it is left for the next day, in milliseconds: the market may have opened."""


class DailyTime:
    """A time in Vietnam at which something is due on each weekday; None for never. Holidays are weekdays: calendars err."""

    def __init__(self, clock_time: time | None) -> None:
        self._time = clock_time

    def has_passed(self, since_ms: UnixMs, now_ms: UnixMs) -> bool:
        """Whether the time has come between ``since_ms`` and ``now_ms``; both are market time."""
        due_ms = self._today(now_ms)
        return due_ms is not None and since_ms < due_ms <= now_ms

    def is_due(self, since_ms: UnixMs, now_ms: UnixMs) -> bool:
        """Whether the time has come between ``since_ms`` and ``now_ms``, and not long ago."""
        return self.has_passed(since_ms, now_ms) and not self.has_passed(since_ms, UnixMs(now_ms - LATE_MS))

    def _today(self, now_ms: UnixMs) -> UnixMs | None:
        day = day_of(now_ms)
        if self._time is None or as_date(day).weekday() >= 5:
            return None
        return at(day, self._time.hour, self._time.minute)
