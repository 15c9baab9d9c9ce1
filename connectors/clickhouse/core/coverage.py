"""Where a symbol's days come from, told as stretches of days that are alike. Pure."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from schemas.calendar import as_date
from schemas.units import TradingDay


class DaySource(StrEnum):
    """Where what the archive has of a symbol's day comes from."""

    STREAM = "stream"
    MINUTES = "history, with minutes"
    DIFFERENT_MINUTES = "history, with minutes that do not add up to the day's volume"
    DAY_ALONE = "history, the day alone"
    """Of an index, or of a day without a trade, there is no more."""
    NO_MINUTES = "history, minutes are missing"
    NOTHING = "nothing, nor has SSI"
    MISSING = "missing"

    @property
    def lacks(self) -> bool:
        """Whether something can still be loaded."""
        return self in (DaySource.NO_MINUTES, DaySource.MISSING)


class DayFacts(NamedTuple):
    """What tables say of a symbol's day."""

    streamed: bool = False
    """Whether the stream told of it."""
    volume: int | None = None
    """Its volume as history has it; None where history has no such day."""
    minutes: int | None = None
    """The volume of its minutes in history; None where SSI was not asked for them."""
    asked: bool = False
    """Whether SSI was asked for the day."""
    is_index: bool = False


class CoveredStretch(NamedTuple):
    """Trading days of a symbol, one after the other, that come from the same place."""

    symbol: str
    first: TradingDay
    last: TradingDay
    days: int
    source: DaySource

    def __str__(self) -> str:
        until = f" to {as_date(self.last)}" if self.last != self.first else " " * 14
        return f"{self.symbol:12} {as_date(self.first)}{until}  {self.days:4}  {self.source}"


def source_of(facts: DayFacts) -> DaySource:
    """Where a symbol's day comes from."""
    if facts.streamed:
        return DaySource.STREAM
    if facts.volume is None:
        return DaySource.NOTHING if facts.asked else DaySource.MISSING
    if facts.is_index or not facts.volume:
        return DaySource.DAY_ALONE
    if facts.minutes is None:
        return DaySource.NO_MINUTES
    return DaySource.MINUTES if facts.minutes == facts.volume else DaySource.DIFFERENT_MINUTES


def stretches(symbol: str, days: Iterable[tuple[TradingDay, DaySource]]) -> Iterator[CoveredStretch]:
    """The days of a symbol, in order, as stretches that come from the same place."""
    for source, alike in groupby(days, itemgetter(1)):
        members = [day for day, _ in alike]
        yield CoveredStretch(symbol, members[0], members[-1], len(members), source)
