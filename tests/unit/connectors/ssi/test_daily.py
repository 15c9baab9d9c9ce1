from datetime import time

import pytest

from connectors.ssi.core.daily import DailyTime
from schemas.calendar import at
from schemas.units import TradingDay, UnixMs

MONDAY = TradingDay(20261123)
FRIDAY = TradingDay(20261120)
DAILY = DailyTime(time(8, 15))
YESTERDAY = at(FRIDAY, 9, 0)


def test_it_is_due_once_at_its_time() -> None:
    assert not DAILY.is_due(YESTERDAY, at(MONDAY, 8, 14, 59))
    assert DAILY.is_due(YESTERDAY, at(MONDAY, 8, 15))
    assert DAILY.is_due(at(MONDAY, 8, 14, 59), at(MONDAY, 8, 29, 59))
    assert not DAILY.is_due(at(MONDAY, 8, 15), at(MONDAY, 8, 16))


def test_when_its_time_is_long_gone_it_is_left_for_the_next_day() -> None:
    assert not DAILY.is_due(YESTERDAY, at(MONDAY, 8, 30))
    assert DAILY.has_passed(YESTERDAY, at(MONDAY, 8, 30))


@pytest.mark.parametrize("day", [20261121, 20261122])
def test_at_the_weekend_nothing_is_due(day: int) -> None:
    assert not DAILY.has_passed(YESTERDAY, at(TradingDay(day), 8, 20))


def test_a_holiday_is_a_weekday() -> None:
    assert DAILY.is_due(YESTERDAY, at(TradingDay(20261124), 8, 20))


def test_never_is_never() -> None:
    assert not DailyTime(None).has_passed(UnixMs(0), at(MONDAY, 23))
