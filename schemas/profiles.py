"""What symbols usually trade at each time of a day, in steps of five minutes from the first auction to the last trade.

The archive knows the days before and writes a file of :class:`DayProfiles`; the connector reads it at the start of the day and
puts it into the stream, record by record.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field

from schemas.calendar import at
from schemas.message import Message, Versioned
from schemas.units import Shares, Symbol, TradingDay, UnixMs

PROFILE_STEP_MS: Final = 5 * 60_000
"""How long a step is."""
PROFILE_STEPS: Final = 75
"""How many there are in a day: from 08:45 to 15:00."""
_BEGINS: Final = (8, 45)


class VolumeProfile(Message):
    """What one symbol usually trades."""

    days: Annotated[int, Field(ge=1)]
    """Of how many trading days it is the mean."""
    volumes: Annotated[list[Annotated[Shares, Field(ge=0)]], Field(max_length=PROFILE_STEPS)]
    """Mean volume of each step, in shares or contracts."""


class DayProfiles(Versioned):
    """What is usual as seen on the morning of a trading day: a file of JSON."""

    day: TradingDay
    """The day that it is for; the mean is of days before it."""
    profiles: dict[Symbol, VolumeProfile]


def step_of(day: TradingDay, ts_ms: int) -> int:
    """The number of the step of ``day`` in which a time is, from 0; outside of the steps one that no profile has."""
    return (ts_ms - at(day, *_BEGINS)) // PROFILE_STEP_MS


def step_begins_ms(day: TradingDay, step: int) -> UnixMs:
    """When a step begins."""
    return UnixMs(at(day, *_BEGINS) + step * PROFILE_STEP_MS)


def usual(volumes: Sequence[int], day: TradingDay, ts_ms: int) -> Shares | None:
    """What ``volumes`` say of the step in which a time of ``day`` is; None where they say nothing of it."""
    step = step_of(day, ts_ms)
    return Shares(volumes[step]) if 0 <= step < len(volumes) else None
