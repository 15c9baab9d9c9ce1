"""When nothing of the market is missed by waiting longer for a lost connection. Pure: market time is an argument."""

from typing import Final

from schemas.calendar import as_date, at, day_of
from schemas.session import close_ms
from schemas.units import UnixMs

BEGINS: Final = (8, 0)
"""The time of a weekday from which on every second counts: derivatives open at 08:45, and the daily reconnect comes before."""


def hours_begin_in_s(now_ms: UnixMs) -> float:
    """Seconds until a weekday's hours begin; 0 during them.

    Hours are 08:00 to 16:00 in Vietnam on every weekday, holidays too: calendars err, and a market that opens after all is not
    missed because of one.

    Args:
        now_ms: Market time.
    """
    day = day_of(now_ms)
    if as_date(day).weekday() < 5 and at(day, *BEGINS) <= now_ms < close_ms(day):
        return 0.0
    begins_ms = at(day, *BEGINS)
    while begins_ms <= now_ms or as_date(day_of(begins_ms)).weekday() >= 5:
        # Vietnam's days all have 24 hours.
        begins_ms = UnixMs(begins_ms + 86_400_000)
    return (begins_ms - now_ms) / 1000
