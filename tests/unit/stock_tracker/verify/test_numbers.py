"""The numbers of a day against the reference: what is right brings no difference, what is wrong is named."""

from typing import Any

from schemas.position import Position
from schemas.structs import BasisFrame, TradesFrame
from schemas.units import Side
from stock_tracker.verify.core import numbers
from tests.builders import a_basis_event, a_trade_event, changed


def _kinds(topic: str, frame: Any) -> list[str]:
    return [found.kind for found in numbers.check([], {topic: [(Position(topic, 0, 0), frame)]}, [])]


def test_a_basis_that_is_the_distance_brings_no_difference() -> None:
    assert _kinds("market.basis", BasisFrame(events=[a_basis_event()])) == []


def test_a_basis_of_ten_points_too_much_is_named() -> None:
    event = a_basis_event()
    assert _kinds("market.basis", BasisFrame(events=[changed(event, basis=event.basis + 1000)])) == ["wrong_basis"]


def test_a_minute_of_prints_without_a_candle_is_named() -> None:
    frame = TradesFrame(events=[a_trade_event(side=Side.BUY)])
    outputs = {"market.trades": [(Position("market.trades", 0, 0), frame)], "market.candles": []}
    assert [found.kind for found in numbers.check([], outputs, [])] == ["missing_candle"]
