import pytest

from connectors.ssi.core.off_hours import hours_begin_in_s
from schemas.calendar import at
from schemas.units import TradingDay

FRIDAY, SATURDAY, SUNDAY, MONDAY = (TradingDay(day) for day in (20261120, 20261121, 20261122, 20261123))
HOLIDAY = TradingDay(20261124)


@pytest.mark.parametrize(("day", "hour", "minute"), [(FRIDAY, 8, 0), (FRIDAY, 12, 0), (FRIDAY, 15, 59), (HOLIDAY, 10, 0)])
def test_a_weekday_has_hours_whatever_the_calendar_says(day: TradingDay, hour: int, minute: int) -> None:
    assert hours_begin_in_s(at(day, hour, minute)) == 0


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (at(MONDAY, 0, 0), 8),
        (at(MONDAY, 7, 30), 0.5),
        (at(MONDAY, 16, 0), 16),
        (at(MONDAY, 23, 0), 9),
        (at(FRIDAY, 16, 0), 64),
        (at(SATURDAY, 10, 0), 46),
        (at(SUNDAY, 7, 0), 25),
        (at(SUNDAY, 23, 0), 9),
    ],
)
def test_at_night_and_at_the_weekend_they_begin_on_the_next_weekday(now: int, hours: float) -> None:
    assert hours_begin_in_s(now) == hours * 3600  # type: ignore[arg-type]
