"""The steps in which the usual volume of a day is told: five minutes each, from the first auction to the last trade."""

from collections.abc import Sequence
from typing import Final

from schemas.calendar import at
from schemas.units import Shares, TradingDay, UnixMs

PROFILE_STEP_MS: Final = 5 * 60_000
"""How long a step is."""
PROFILE_STEPS: Final = 75
"""How many there are in a day: from 08:45 to 15:00."""
_BEGINS: Final = (8, 45)


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
