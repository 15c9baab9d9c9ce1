"""The numbers of a day against the reference: what is right brings no difference, what is wrong is named."""

from typing import Any

import pytest

from schemas.position import Position
from schemas.structs import BasisFrame, TradesFrame
from schemas.units import Side
from stock_tracker.verify.core import numbers
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.core.reference.day import gather
from stock_tracker.verify.core.reference.flows import RECENT_MS, FlowSums
from tests.builders import (
    DAY,
    TEN,
    a_basis_event,
    a_foreign,
    a_frame,
    a_ledger_entry,
    a_tick,
    a_trade,
    a_trade_event,
    changed,
    moment,
)


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


@pytest.mark.parametrize(("ticks", "found"), [(["10:05:00"], []), (["10:05:00", "10:05:01"], ["missing_candle"])])
def test_a_print_that_no_second_followed_yet_has_no_candle_to_come(ticks: list[str], found: list[str]) -> None:
    # A connector that comes back tells of a match of some minutes ago: its minute is told with the next second.
    before, *after = (a_tick(ts) for ts in ticks)
    record = a_trade(ts="10:00:30", total=100, volume=100)
    frames = [(Position("ssi.ticks", 0, 0), a_frame(before, record, *after))]
    line = a_trade_event(ts="10:00:30", side=Side.BUY)
    outputs = {"market.trades": [(Position("market.trades", 0, 0), TradesFrame(events=[line]))], "market.candles": []}
    kinds = [difference.kind for difference in numbers.check(frames, outputs, [])]
    assert [kind for kind in kinds if kind == "missing_candle"] == found


def test_of_the_flow_only_the_last_minutes_are_kept_by_the_second() -> None:
    began_ms, seconds = moment(TEN, DAY), 1_800
    times = [began_ms + 1_000 * second for second in range(1, seconds + 1)]
    frames = [
        (Position("ssi.foreign", 0, n), a_frame(a_foreign(ts=ts_ms, bought=100 * (n + 1)), a_tick(ts_ms)))
        for n, ts_ms in enumerate(times)
    ]
    entries = [
        (EventPosition(Position("market.foreign", 0, n), 0), a_ledger_entry(ts=ts_ms, counter_from=100 * n, volume=100))
        for n, ts_ms in enumerate(times)
    ]
    sums = FlowSums()
    sums.add(gather(frames), entries, {}, ())
    assert sums.totals["market"][0] == 100 * seconds
    kept = sums.seconds["market"]
    assert len(kept) == (seconds - RECENT_MS // 1_000) // 60 + RECENT_MS // 1_000
    minute = began_ms + 120_000
    assert kept[minute][0] == 100 * 60
    assert sum(part[0] for part in kept.values()) == 100 * seconds
