"""What symbols usually trade at each time of the day, from what the archive has of the days before. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.profiles import PROFILE_STEPS, DayProfiles, VolumeProfile
from schemas.units import Shares, Symbol, TradingDay


class TradedInStep(NamedTuple):
    """What a symbol traded in one step of one day."""

    symbol: Symbol
    day: TradingDay
    step: int
    volume: int


def mean_profiles(day: TradingDay, before: Sequence[TradingDay], traded: Iterable[TradedInStep]) -> DayProfiles:
    """What is usual on ``day``.

    Args:
        day: That is to come.
        before: The trading days of which the archive has anything, the last of them at most.
        traded: What was traded on them. A step in which nothing was traded counts as 0, from a symbol's first day on: one that
            was listed last week is compared with last week.
    """
    sums: defaultdict[Symbol, list[int]] = defaultdict(lambda: [0] * PROFILE_STEPS)
    first: dict[Symbol, TradingDay] = {}
    for row in traded:
        first[row.symbol] = min(row.day, first.get(row.symbol, row.day))
        if 0 <= row.step < PROFILE_STEPS:
            sums[row.symbol][row.step] += row.volume
    days = {symbol: sum(known >= since for known in before) for symbol, since in first.items()}
    return DayProfiles(
        day=day,
        profiles={
            symbol: VolumeProfile(days=days[symbol], volumes=[Shares(total // days[symbol]) for total in volumes])
            for symbol, volumes in sorted(sums.items())
        },
    )
