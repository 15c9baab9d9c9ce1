"""Breadth from members: a shard counts its own, the second stage adds the shards up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.breadth import fold_partial
from pipelines.core.frames import Folded, Shard
from pipelines.core.price_shard import fold_frame
from schemas.position import Position
from schemas.structs import BreadthRow, PartialBreadth
from schemas.topics import PARTIAL_BREADTH, SSI_TICKS, STATE_BREADTH
from schemas.units import TradingDay
from tests.builders import DAY, PRICE, a_frame, a_reference, a_tick, a_trade, an_index, moment, offers
from tests.system import System

MONDAY = TradingDay(20261123)
CEILING, FLOOR = 64_200, 55_800


class Prices:
    """A shard of the first stage."""

    def __init__(self, number: int = 0) -> None:
        self.place = Shard.of("prices", number, 2)
        self.state: dict[bytes, bytes] = {}
        self.offset = 0

    def fold(self, *records: Any) -> list[PartialBreadth]:
        frame = a_frame(*records, seq=self.offset)
        position = Position("ssi.ticks", self.place.number, self.offset)
        folded = fold_frame(frame, position, self.place, self.state, offers=offers(SSI_TICKS))
        self.offset += 1
        return [PARTIAL_BREADTH.decode(output.value) for output in folded.outputs if output.topic is PARTIAL_BREADTH]


class Sums:
    """The second stage."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.offset = 0
        self.rows: dict[str, BreadthRow] = {}

    def take(self, *partials: PartialBreadth) -> Folded:
        folded = Folded()
        for partial in partials:
            position = Position("partial.breadth", 0, self.offset)
            place = Shard.of("prices", 0, 1)
            folded = fold_partial(partial, position, place, self.state, offers=offers(PARTIAL_BREADTH))
            self.offset += 1
            for output in folded.outputs:
                row = STATE_BREADTH.decode(output.value)
                assert output.topic is STATE_BREADTH
                assert output.key == row.symbol
                self.rows[row.symbol] = row
        return folded

    def shown(self, index: str = "VN30") -> tuple[int, ...]:
        """Advances, no changes, declines, ceilings, floors, untraded."""
        row = self.rows[index]
        return row.advances, row.no_changes, row.declines, row.ceilings, row.floors, row.untraded


def members(*symbols: str, groups: tuple[str, ...] = ("VN30",), day: int = DAY) -> list[Any]:
    return [a_reference(symbol, groups=groups, trading_day=day) for symbol in symbols]


def counts(partials: list[PartialBreadth]) -> list[dict[str, list[int]]]:
    return [{share.symbol: share.counts for share in partial.indices} for partial in partials]


def test_each_member_stands_in_one_place_and_limits_are_no_advances() -> None:
    prices, sums = Prices(), Sums()
    symbols = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF"]
    at = [PRICE + 100, PRICE, PRICE - 100, CEILING, FLOOR]
    trades = [a_trade(symbol, price=price) for symbol, price in zip(symbols, at, strict=False)]
    sums.take(*prices.fold(a_tick("10:00:00"), *members(*symbols), *trades, a_trade("XXX", price=CEILING), a_tick("10:00:01")))
    assert sums.shown() == (1, 1, 1, 1, 1, 1)
    assert sums.rows.keys() == {"VN30"}
    assert (sums.rows["VN30"].day, sums.rows["VN30"].ts_ms) == (DAY, moment("10:00:01"))


def test_where_the_row_of_an_index_has_no_breadth_that_of_its_members_stands() -> None:
    system = System()
    system.take("ssi.indices", a_frame(a_tick("10:00:00"), an_index("VN30", "10:00:00")))
    row = system.rows["state.indices"]["VN30"]
    assert (row.advances, row.declines) == (None, None)
    records = [a_tick("10:00:00"), *members("AAA", "BBB"), a_trade("AAA", price=PRICE + 100), a_tick("10:00:01")]
    system.take("ssi.ticks", a_frame(*records))
    row = system.rows["state.breadth"]["VN30"]
    assert (row.advances, row.untraded) == (1, 1)


def test_a_shard_speaks_at_the_end_of_a_market_second_in_which_something_changed() -> None:
    prices = Prices()
    assert prices.fold(a_tick("10:00:00"), *members("AAA", "BBB")) == []
    assert counts(prices.fold(a_tick("10:00:01"))) == [{"VN30": [0, 0, 0, 0, 0, 2]}]
    assert prices.fold(a_trade("AAA", price=PRICE + 100)) == []
    assert prices.fold(a_trade("AAA", price=PRICE, total=200)) == []
    assert counts(prices.fold(a_tick("10:00:02"))) == [{"VN30": [0, 1, 0, 0, 0, 1]}]
    # A price that moves without crossing the reference changes nothing.
    assert prices.fold(a_trade("AAA", price=PRICE, total=300), a_tick("10:00:03"), a_tick("10:00:04")) == []


def test_a_member_that_comes_back_within_the_second_has_changed_nothing() -> None:
    prices = Prices()
    prices.fold(a_tick("10:00:00"), *members("AAA"), a_tick("10:00:01"))
    # In frames of its own each, as much as in one.
    assert prices.fold(*members("AAA", groups=("VN100",))) == prices.fold(*members("AAA")) == []
    assert prices.fold(a_tick("10:00:02")) == []
    prices.fold(*members("AAA", groups=("VN100",)))
    assert counts(prices.fold(a_tick("10:00:03"))) == [{"VN30": [0] * 6, "VN100": [0, 0, 0, 0, 0, 1]}]
    prices.fold(a_trade("AAA", price=FLOOR))
    assert counts(prices.fold(a_tick("10:00:04"))) == [{"VN100": [0, 0, 0, 0, 1, 0]}], "VN30 has been told"


def test_a_stock_counts_in_each_index_that_it_is_in() -> None:
    prices, sums = Prices(), Sums()
    both, one = members("AAA", groups=("VN100", "VN30")), members("BBB", groups=("VN100",))
    sums.take(*prices.fold(a_tick("10:00:00"), *both, *one, a_trade("AAA", price=PRICE + 100), a_tick("10:00:01")))
    assert (sums.shown("VN30"), sums.shown("VN100")) == ((1, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 1))


def test_a_member_that_leaves_an_index_counts_no_more() -> None:
    prices, sums = Prices(), Sums()
    sums.take(*prices.fold(a_tick("10:00:00"), *members("AAA", "BBB"), a_trade("AAA", price=PRICE + 100), a_tick("10:00:01")))
    sums.take(*prices.fold(*members("AAA", groups=("VN100",)), a_tick("10:00:02")))
    assert (sums.shown("VN30"), sums.shown("VN100")) == ((0, 0, 0, 0, 0, 1), (1, 0, 0, 0, 0, 0))
    # Empty may mean that REST did not say.
    assert prices.fold(*members("AAA", groups=()), a_tick("10:00:03")) == []


def test_the_shards_add_up_and_each_row_is_of_the_newest_change() -> None:
    one, other, sums = Prices(0), Prices(1), Sums()
    sums.take(*one.fold(a_tick("10:00:00"), *members("AAA", "BBB"), a_tick("10:00:01")))
    sums.take(*other.fold(a_tick("10:00:00"), *members("CCC"), a_trade("CCC", price=FLOOR), a_tick("10:00:05")))
    sums.take(*one.fold(a_trade("AAA", price=PRICE + 100), a_tick("10:00:03")))
    assert sums.shown() == (1, 0, 0, 0, 1, 1)
    assert (sums.rows["VN30"].ts_ms, sums.rows["VN30"].src) == (moment("10:00:05"), 2)


def test_a_new_day_counts_anew_those_that_reference_data_names() -> None:
    prices, sums = Prices(), Sums()
    sums.take(*prices.fold(a_tick("10:00:00"), *members("AAA", "BBB"), a_trade("AAA", price=PRICE + 100), a_tick("10:00:01")))
    # What REST says of a later day may come before its first second.
    sums.take(*prices.fold(*members("AAA", "CCC", day=MONDAY)))
    sums.take(*prices.fold(a_tick("08:30:00", trading_day=MONDAY), a_tick("08:30:01", trading_day=MONDAY)))
    assert (sums.shown(), sums.rows["VN30"].day) == ((0, 0, 0, 0, 0, 2), MONDAY)


def test_what_moved_in_the_last_second_of_a_day_is_still_said() -> None:
    prices, sums = Prices(), Sums()
    sums.take(*prices.fold(a_tick("14:45:00"), *members("AAA"), a_tick("14:45:01")))
    said = prices.fold(a_trade("AAA", "14:45:01", price=CEILING), a_tick("08:30:00", trading_day=MONDAY))
    assert [(partial.day, partial.ts_ms) for partial in said] == [(DAY, moment("14:45:01"))]
    sums.take(*said)
    assert sums.shown() == (0, 0, 0, 1, 0, 0)


def test_what_is_settled_when_the_day_turns_counts_in_the_day_that_ends() -> None:
    prices, sums = Prices(), Sums()
    trades = [
        a_trade("AAA", "14:44:58", total=1_000, volume=1_000),
        a_trade("AAA", "14:44:59", price=CEILING, total=950, volume=50),
    ]
    sums.take(*prices.fold(a_tick("14:44:58"), *members("AAA"), *trades, a_tick("14:45:00")))
    assert sums.shown() == (0, 1, 0, 0, 0, 0)
    sums.take(*prices.fold(a_tick("08:30:00", trading_day=MONDAY)))
    assert (sums.shown(), sums.rows["VN30"].day) == ((0, 0, 0, 1, 0, 0), DAY)
    sums.take(*prices.fold(*members("AAA", day=MONDAY), a_tick("08:30:01", trading_day=MONDAY)))
    assert (sums.shown(), sums.rows["VN30"].day) == ((0, 0, 0, 0, 0, 1), MONDAY)


def test_an_index_of_which_nothing_changed_keeps_its_row() -> None:
    prices, sums = Prices(), Sums()
    sums.take(*prices.fold(a_tick("10:00:00"), *members("AAA"), *members("BBB", groups=("VN100",)), a_tick("10:00:01")))
    sums.take(*prices.fold(a_trade("BBB", price=FLOOR), a_tick("10:00:02")))
    assert {index: row.ts_ms for index, row in sums.rows.items()} == {"VN30": moment("10:00:01"), "VN100": moment("10:00:02")}


def test_what_a_shard_says_of_the_day_before_when_others_are_further_is_counted_and_left_out() -> None:
    one, other, sums = Prices(0), Prices(1), Sums()
    late = one.fold(a_tick("10:00:00"), *members("AAA"), a_tick("10:00:01"))
    new = [a_tick("08:30:00", trading_day=MONDAY), *members("CCC", day=MONDAY), a_tick("08:30:01", trading_day=MONDAY)]
    sums.take(*other.fold(*new))
    assert sums.take(*late).counts == {"stale_partial": 1}
    assert sums.shown() == (0, 0, 0, 0, 0, 1)


SYMBOLS = ("AAA", "BBB", "CCC")


@st.composite
def mornings(draw: st.DrawFn) -> list[Any]:
    """Records of one shard: prices that move, members that come and go, and seconds that pass."""
    records: list[Any] = [a_tick("10:00:00"), *members(*SYMBOLS)]
    totals = dict.fromkeys(SYMBOLS, 0)
    for second in range(1, draw(st.integers(1, 12))):
        symbol = draw(st.sampled_from(SYMBOLS))
        if draw(st.integers(0, 5)) == 0:
            records += members(symbol, groups=draw(st.sampled_from([("VN100",), ("VN30",), ("VN100", "VN30")])))
        else:
            totals[symbol] += 100
            price = draw(st.sampled_from([FLOOR, PRICE - 100, PRICE, PRICE + 100, CEILING]))
            records.append(a_trade(symbol, f"10:00:{second:02}", price=price, total=totals[symbol]))
        if draw(st.booleans()):
            records.append(a_tick(f"10:00:{second:02}"))
    return [*records, a_tick("10:01:00")]


@given(mornings(), st.integers(1, 7))
def test_frames_cut_elsewhere_say_the_same(records: list[Any], size: int) -> None:
    whole, cut = Prices(), Prices()
    pieces = [partial for n in range(0, len(records), size) for partial in cut.fold(*records[n : n + size])]
    assert pieces == whole.fold(*records)


@given(st.tuples(mornings(), mornings()), st.data())
def test_any_interleaving_of_the_shards_ends_on_the_same_rows(told: tuple[list[Any], list[Any]], data: st.DataObject) -> None:
    lanes = [Prices(number).fold(*records) for number, records in enumerate(told)]

    def end(order: list[int]) -> dict[str, Any]:
        sums, left = Sums(), [list(lane) for lane in lanes]
        for number in order:
            sums.take(left[number].pop(0))
        return {index: (sums.shown(index), row.ts_ms) for index, row in sums.rows.items()}

    order = [number for number, lane in enumerate(lanes) for _ in lane]
    assert end(data.draw(st.permutations(order))) == end(order)


@given(mornings())
def test_the_counts_are_those_of_where_the_members_stand_at_the_end(records: list[Any]) -> None:
    sums = Sums()
    sums.take(*Prices().fold(*records))
    groups: dict[str, tuple[str, ...]] = {}
    last: dict[str, int] = {}
    for record in records:
        if hasattr(record, "groups"):
            groups[record.symbol] = tuple(record.groups)
        elif hasattr(record, "price"):
            last[record.symbol] = record.price
    for index in sums.rows:
        inside = [last.get(symbol) for symbol in SYMBOLS if index in groups[symbol]]
        stand = (
            sum(price is not None and PRICE < price < CEILING for price in inside),
            inside.count(PRICE),
            sum(price is not None and FLOOR < price < PRICE for price in inside),
            inside.count(CEILING),
            inside.count(FLOOR),
            inside.count(None),
        )
        assert sums.shown(index) == stand


@pytest.mark.parametrize("reference", [0, PRICE])
def test_without_a_reference_nobody_knows_where_a_price_stands(reference: int) -> None:
    prices = Prices()
    trade = a_trade("AAA", reference=reference, ceiling=0, floor=0)
    (said,) = counts(prices.fold(a_tick("10:00:00"), *members("AAA"), trade, a_tick("10:00:01")))
    assert said == {"VN30": [0, 1, 0, 0, 0, 0] if reference else [0, 0, 0, 0, 0, 1]}
