from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import RecordRejected
from pipelines.core.indices import INDEX, Index, advance, check_index
from schemas.calendar import at
from schemas.structs import IndexRecord
from schemas.topics import STATE_INDICES, encode
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
    assert sum(getattr(row, name) for name in names) == 354


def test_a_row_leaves_out_what_the_feed_does_not_say() -> None:
    """SSI sends zeros for the breadth of VN30, and for a prior value that it does not have."""
    index = Index()
    advance(index, a_record(prior_value=0, advances=0, no_changes=0, declines=0, ceilings=0, floors=0))
    row = index.row(VNINDEX, src=7)
    assert (row.prior_value, row.change, row.change_pct) == (None, None, None)
    assert (row.advances, row.no_changes, row.declines, row.ceilings, row.floors) == (None,) * 5
    advance(index, a_record(1, advances=0, no_changes=0, declines=0, ceilings=0, floors=1))
    row = index.row(VNINDEX, src=8)
    assert (row.prior_value, row.change, row.change_pct) == (178745, -4109, -2.3)
    assert (row.advances, row.no_changes, row.declines, row.ceilings, row.floors) == (0, 0, 0, 0, 1)


def test_a_row_of_the_version_before_said_zero_for_unknown() -> None:
    index = Index()
    advance(index, a_record())
    known = msgspec.json.decode(encode(index.row(VNINDEX, src=7))) | {"schema": 1}
    assert STATE_INDICES.decode(msgspec.json.encode(known)) == index.row(VNINDEX, src=7)
    unknown = (
        known | dict.fromkeys(("prior_value", "advances", "no_changes", "declines", "ceilings", "floors"), 0) | {"change": 174636}
    )
    row = STATE_INDICES.decode(msgspec.json.encode(unknown))
    assert (row.value, row.prior_value, row.change, row.change_pct) == (174636, None, None, None)
    assert (row.advances, row.no_changes, row.declines, row.ceilings, row.floors) == (None,) * 5


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


@pytest.mark.parametrize(
    ("value", "is_true"), [(214_494, True), (142_996, True), (214_495, False), (142_995, False), (900_000, False)]
)
def test_no_index_is_a_fifth_above_or_below_the_day_before(value: int, is_true: bool) -> None:
    record = a_record(value=value)
    if is_true:
        check_index(record)
        return
    with pytest.raises(RecordRejected, match=f"VNINDEX is {value} after 178745"):
        check_index(record)


def test_what_the_record_does_not_say_does_not_condemn_it() -> None:
    check_index(a_record(prior_value=0, value=900_000))
    check_index(a_record(value=0))


def test_a_value_far_from_all_that_is_known_waits_for_a_newer_one() -> None:
    index = Index()
    advance(index, a_record(prior_value=0))
    assert advance(index, a_record(5, prior_value=0, value=900_000)) == "doubted"
    assert index.value == 174636
    assert advance(index, a_record(10, prior_value=0, value=174_700)) == "index"
    # The next lonely one is doubted as well: the one before it has been answered.
    assert advance(index, a_record(15, prior_value=0, value=900_000)) == "doubted"


def test_a_value_that_was_doubted_is_believed_when_a_newer_record_agrees() -> None:
    index = Index()
    advance(index, a_record(prior_value=0))
    outcomes = [
        advance(index, a_record(second, prior_value=0, value=value)) for second, value in ((5, 90_000), (5, 90_000), (10, 90_100))
    ]
    assert outcomes == ["doubted", "doubted", "index"]
    assert index.value == 90_100


def test_the_answer_to_a_doubt_may_be_the_value_that_was_known() -> None:
    index = Index()
    advance(index, a_record(prior_value=0, volume=7))
    advance(index, a_record(5, prior_value=0, value=900_000, volume=7))
    assert advance(index, a_record(10, prior_value=0, volume=7)) == "unchanged"
    assert advance(index, a_record(15, prior_value=0, value=900_000, volume=7)) == "doubted"


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
