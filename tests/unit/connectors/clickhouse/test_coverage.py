"""Where a symbol's days come from."""

import pytest

from connectors.clickhouse.core.coverage import DayFacts, DaySource, source_of, stretches
from schemas.units import TradingDay


@pytest.mark.parametrize(
    ("facts", "source"),
    [
        (DayFacts(), DaySource.MISSING),
        (DayFacts(asked=True), DaySource.NOTHING),
        (DayFacts(volume=0, asked=True), DaySource.DAY_ALONE),
        (DayFacts(volume=500, asked=True), DaySource.NO_MINUTES),
        (DayFacts(volume=500, minutes=500, asked=True), DaySource.MINUTES),
        (DayFacts(volume=500, minutes=0, asked=True), DaySource.DIFFERENT_MINUTES),
        (DayFacts(volume=500, is_index=True, asked=True), DaySource.DAY_ALONE),
        # Whatever history has: what the stream told is what is shown.
        (DayFacts(streamed=True, volume=500, minutes=500, asked=True), DaySource.STREAM),
    ],
)
def test_a_day_comes_from_one_place(facts: DayFacts, source: DaySource) -> None:
    assert source_of(facts) is source


def test_days_that_are_alike_are_told_as_one_stretch() -> None:
    days = [TradingDay(day) for day in (20261118, 20261119, 20261120, 20261123)]
    sources = [DaySource.MINUTES, DaySource.MINUTES, DaySource.MISSING, DaySource.MINUTES]
    found = list(stretches("VNM", zip(days, sources, strict=True)))
    assert [(one.first, one.last, one.days, one.source.lacks) for one in found] == [
        (20261118, 20261119, 2, False), (20261120, 20261120, 1, True), (20261123, 20261123, 1, False)
    ]  # fmt: skip
    assert str(found[0]) == "VNM          2026-11-18 to 2026-11-19     2  history, with minutes"
