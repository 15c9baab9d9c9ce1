import pytest

from pipelines.core import wording
from schemas.calendar import at
from schemas.units import Exchange, TradingDay


@pytest.mark.parametrize(
    ("hundredths", "text"), [(128_450, "1,284.50"), (-118, "-1.18"), (5, "0.05"), (-5, "-0.05"), (0, "0.00"), (100, "1.00")]
)
def test_points_have_two_decimals(hundredths: int, text: str) -> None:
    assert wording.points(hundredths) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12_345, "12,345 VND"),
        (999_999, "999,999 VND"),
        (1_000_000, "1.00 M VND"),
        (5_234_999_999, "5.23 bn VND"),
        (5_235_000_000, "5.24 bn VND"),
        (-350_000_000, "-350.00 M VND"),
        (12_345_678_900_000, "12,345.68 bn VND"),
    ],
)
def test_values_are_short_and_have_a_unit(value: int, text: str) -> None:
    assert wording.vnd(value) == text


def test_a_future_is_counted_in_contracts_and_priced_in_points() -> None:
    assert wording.volume(1, Exchange.DER) == "1 contract"
    assert wording.volume(1_200, Exchange.HNX) == "1,200 shares"
    assert wording.price(206_460, Exchange.DER) == "2,064.60 points"
    assert wording.price(85_800, Exchange.HOSE) == "85,800 VND"


def test_time_of_day_is_vietnams() -> None:
    assert wording.clock(at(TradingDay(20261120), 9, 15, 7)) == "09:15:07"


@pytest.mark.parametrize(("seconds", "text"), [(1200, "20 minutes"), (60, "1 minute"), (90, "90 seconds"), (1, "1 second")])
def test_spans_are_in_whole_minutes_where_they_can(seconds: int, text: str) -> None:
    assert wording.span(seconds) == text
