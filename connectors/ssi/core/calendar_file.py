"""Changes to the built-in calendar, from a file: the exchanges announce some closures only weeks ahead. Pure.

::

    closed = [2027-02-03]  # weekdays on which they do not open, besides the built-in ones
    open = [2026-11-24]    # built-in closures on which they do open
"""

import tomllib
from datetime import date, datetime

from schemas.calendar import as_day
from schemas.units import TradingDay


def read_holidays(text: str, holidays: frozenset[TradingDay]) -> frozenset[TradingDay]:
    """The holidays that are left of ``holidays``, and those that come to them.

    Raises:
        ValueError: ``text`` is no TOML, or holds something other than lists of dates under ``closed`` and ``open``.
    """
    content = tomllib.loads(text)
    if unknown := content.keys() - {"closed", "open"}:
        raise ValueError(f"there is no {min(unknown)!r} in a calendar file; expected closed and open")
    closed, opened = (_days(name, content.get(name, [])) for name in ("closed", "open"))
    if both := closed & opened:
        raise ValueError(f"{min(both)} cannot be both closed and open")
    return (holidays | closed) - opened


def _days(name: str, days: object) -> frozenset[TradingDay]:
    if not isinstance(days, list) or not all(isinstance(day, date) and not isinstance(day, datetime) for day in days):
        raise ValueError(f"{name} is no list of dates: {name} = [2027-02-03]")
    return frozenset(as_day(day) for day in days)
