from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.indices import INDEX, Index, advance
from schemas.calendar import at
from schemas.structs import IndexRecord
from schemas.units import Symbol, TradingDay
from tests.builders import an_index

DAY = TradingDay(20260720)
START_MS = at(DAY, 13, 35, 25)
VNINDEX = Symbol("VNINDEX")

# Captured of SSI on 2026-07-20 (VNINDEX): value, prior, the feed's own Change and RatioChange, breadth, matched volume and
# value, put-through volume and value, and the feed's own AllQty and AllValue.
CAPTURED = [
    (174636, 178745, -4109, -2.3, (37, 33, 275, 0, 9), 465528407, 10430967264120, 33177710, 663767705890,
     498706117, 11094734970010),
    (174641, 178745, -4104, -2.3, (39, 30, 275, 0, 10), 465978390, 10441346438320, 33177710, 663767705890,
     499156100, 11105114144210),
    (174677, 178745, -4068, -2.28, (39, 31, 276, 0, 8), 466330505, 10450643676670, 33177710, 663767705890,
     499508215, 11114411382560),
    (174668, 178745, -4077, -2.28, (37, 31, 277, 0, 9), 469277544, 10522961069960, 33177710, 663767705890,
     502455254, 11186728775850),
    (174697, 178745, -4048, -2.26, (37, 31, 276, 0, 10), 469478638, 10527337140710, 33177711, 663767714360,
     502656349, 11191104855070),
    (174700, 178745, -4045, -2.26, (37, 31, 276, 0, 10), 469995048, 10541645281810, 33177711, 663767714360,
     503172759, 11205412996170),
]  # fmt: skip


def a_record(second: int = 0, **changes: Any) -> IndexRecord:
    fields: dict[str, Any] = {
        "ts": START_MS + second * 1000, "trading_day": DAY, "value": 174636, "prior_value": 178745, "volume": 465528407 + second,
        "traded_value": 10430967264120, "put_through_volume": 33177710, "put_through_value": 663767705890, "advances": 37,
        "no_changes": 33, "declines": 275, "floors": 9,
    }  # fmt: skip
    return an_index(VNINDEX, **(fields | changes))


@pytest.mark.parametrize("captured", CAPTURED)
def test_change_and_totals_are_those_that_the_feed_computes(captured: tuple[Any, ...]) -> None:
    value, prior, change, ratio, breadth, volume, traded, deals, deals_value, all_volume, all_value = captured
    names = ("advances", "no_changes", "declines", "ceilings", "floors")
    index = Index()
    record = a_record(
        value=value, prior_value=prior, volume=volume, traded_value=traded, put_through_volume=deals,
        put_through_value=deals_value, **dict(zip(names, breadth, strict=True)),
    )  # fmt: skip
    assert advance(index, record) == "index"
    row = index.row(VNINDEX, src=7)
    assert (row.change, row.change_pct) == (change, ratio)
    assert row.volume + row.put_through_volume == all_volume
    assert row.traded_value + row.put_through_value == all_value
    # Ceilings are not among the advances, nor floors among the declines: only so do they add up to HOSE's 354 that day.
    assert row.advances + row.no_changes + row.declines + row.ceilings + row.floors == 354


def test_an_event_says_what_the_record_said() -> None:
    index = Index()
    advance(index, a_record())
    event = index.event(VNINDEX)
    assert (event.value, event.ceilings, event.floors, event.session, event.ts_ms) == (174636, 0, 9, "LO", START_MS)


def test_the_same_again_is_unchanged() -> None:
    index = Index()
    assert [advance(index, a_record()), advance(index, a_record())] == ["index", "unchanged"]


def test_only_a_newer_time_moves_the_row_and_makes_no_event() -> None:
    index = Index()
    advance(index, a_record(volume=5))
    assert advance(index, a_record(5, volume=5)) == "unchanged"
    assert index.row(VNINDEX, 0).ts_ms == START_MS + 5_000


@pytest.mark.parametrize(("second", "volume", "outcome"), [(-5, 10, "stale"), (0, 9, "stale"), (0, 11, "index"), (5, 9, "index")])
def test_older_records_are_stale_and_equal_seconds_go_by_volume(second: int, volume: int, outcome: str) -> None:
    index = Index()
    advance(index, a_record(volume=10))
    assert advance(index, a_record(second, volume=volume, value=170000)) == outcome
    assert index.value == (170000 if outcome == "index" else 174636)


def test_yesterdays_record_books_nothing_and_todays_replaces_it_whatever_its_time() -> None:
    index, tomorrow = Index(), TradingDay(20260721)
    assert advance(index, a_record(trading_day=tomorrow, ts=at(tomorrow, 9))) == "index"
    assert advance(index, a_record()) == "previous_day"
    assert advance(Index(), a_record()) == "index"


def test_a_record_without_a_value_is_empty() -> None:
    assert advance(Index(), a_record(value=0)) == "empty"


def test_an_index_without_a_prior_value_has_no_change_in_percent() -> None:
    index = Index()
    advance(index, a_record(prior_value=0))
    assert index.row(VNINDEX, 0).change_pct == 0.0


@given(
    st.lists(st.tuples(st.integers(-20, 60), st.integers(0, 3), st.integers(170000, 170003)), max_size=30),
    st.data(),
)
def test_replaying_any_prefix_of_an_index_changes_nothing(steps: list[tuple[int, int, int]], data: st.DataObject) -> None:
    records, volume = [], 0
    for second, growth, value in steps:
        volume += growth
        records.append(a_record(second, volume=volume, value=value))
    index = Index()
    known = [index.ts_ms for record in records if advance(index, record) == "index"]
    assert known == sorted(known)
    stored = INDEX.encode(index)
    prefix = records[: data.draw(st.integers(0, len(records)))]
    again = INDEX.decode(stored)
    outcomes = {advance(again, record) for record in prefix if (record.ts_ms, record.volume) != (index.ts_ms, index.volume)}
    assert outcomes <= {"stale"}
    assert INDEX.encode(again) == stored
