from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.basis import CURVE, SILENCE_MS, Curve
from schemas.calendar import as_date, at
from schemas.instruments import expiry, future_symbol, listed_months
from schemas.structs import BasisEvent
from schemas.units import Exchange, Price, Symbol, TradingDay, UnixMs
from tests.builders import DAY, a_future, a_reference

VN30 = Symbol("VN30")
FRONT, SECOND, FIRST_QUARTER, SECOND_QUARTER = (future_symbol(VN30, month) for month in listed_months(DAY))

# Last trading days of the VN30 futures, January to December; February 2026 is brought forward by Tết.
EXPIRIES = {
    2025: (116, 220, 320, 417, 515, 619, 717, 821, 918, 1016, 1120, 1218),
    2026: (115, 213, 319, 416, 521, 618, 716, 820, 917, 1015, 1119, 1217),
    2027: (121, 218, 318, 415, 520, 617, 715, 819, 916, 1021, 1118, 1216),
}


def clock(hour: int, minute: int = 0, second: int = 0) -> UnixMs:
    return at(DAY, hour, minute, second)


def a_curve() -> Curve:
    curve = Curve(underlying=VN30)
    curve.begin(DAY)
    return curve


def tick(curve: Curve, value: int, ts_ms: UnixMs) -> tuple[BasisEvent, ...]:
    return curve.tick(Price(value), ts_ms, ts_ms)


def trade(curve: Curve, symbol: Symbol, price: int, ts_ms: UnixMs) -> tuple[BasisEvent, ...]:
    return curve.trade(symbol, Price(price), ts_ms, ts_ms)


def test_d9_two_contracts_keep_their_own_basis() -> None:
    curve = a_curve()
    tick(curve, 124_500, clock(9, 20))
    bases = [
        (event.symbol, event.basis)
        for n in range(11)
        for symbol, price in ((FRONT, 124_000), (SECOND, 125_000))
        for event in trade(curve, symbol, price, clock(9, 20, n))
    ]
    assert set(bases) == {(FRONT, -500), (SECOND, 500)}
    front = curve.row(FRONT, src=0)
    assert front is not None
    assert (front.price, front.basis) == (124_000, -500)


def test_a_print_moves_its_own_contract_and_an_index_tick_moves_all() -> None:
    curve = a_curve()
    assert trade(curve, FRONT, 200_000, clock(9, 16)) == ()
    assert trade(curve, SECOND, 201_000, clock(9, 16)) == ()
    assert [(e.symbol, e.basis) for e in tick(curve, 200_500, clock(9, 16, 5))] == [(FRONT, -500), (SECOND, 500)]
    assert [(e.symbol, e.basis) for e in trade(curve, FRONT, 200_600, clock(9, 16, 6))] == [(FRONT, 100)]


def test_an_index_tick_that_changes_nothing_says_nothing() -> None:
    curve = a_curve()
    trade(curve, FRONT, 200_000, clock(9, 16))
    assert len(tick(curve, 200_500, clock(9, 16, 5))) == 1
    assert tick(curve, 200_500, clock(9, 16, 10)) == ()


def test_prints_of_a_second_that_leave_the_basis_as_it_is_say_it_once() -> None:
    curve = a_curve()
    tick(curve, 200_500, clock(9, 16, 5))
    said = [trade(curve, FRONT, price, clock(9, 16, second)) for second, price in ((6, 200_600), (6, 200_600), (6, 200_700))]
    assert [[event.basis for event in events] for events in said] == [[100], [], [200]]
    assert [event.ts_ms for event in trade(curve, FRONT, 200_700, clock(9, 16, 7))] == [clock(9, 16, 7)], (
        "a second later it is news"
    )
    assert [event.basis for event in tick(curve, 200_400, clock(9, 16, 7))] == [300]
    assert trade(curve, FRONT, 200_700, clock(9, 16, 7)) == ()
    curve.begin(TradingDay(20261123))
    assert trade(curve, FRONT, 200_700, at(TradingDay(20261123), 9, 16)) != ()


def test_percent_is_of_the_index() -> None:
    curve = a_curve()
    tick(curve, 191_764, clock(9, 20))
    (event,) = trade(curve, FRONT, 193_000, clock(9, 20, 1))
    assert (event.basis, event.basis_pct) == (1_236, 0.6445)


@pytest.mark.parametrize(
    ("now", "stale"),
    [
        ((8, 50), True),
        ((9, 5), True),
        ((9, 15), False),
        ((11, 29, 59), False),
        ((11, 30, 5), False),
        ((11, 30, 15), True),
        ((12, 59), True),
        ((13, 0), False),
        ((14, 44, 59), False),
        ((14, 45, 5), False),
        ((14, 45, 15), True),
        ((15, 5), True),
    ],
)
def test_basis_is_stale_outside_the_hours_of_the_index(now: tuple[int, ...], stale: bool) -> None:
    curve = a_curve()
    trade(curve, FRONT, 200_000, clock(8, 45))
    (event,) = tick(curve, 199_000, clock(*now))
    assert event.stale is stale


def test_an_index_that_falls_silent_makes_each_basis_stale_once() -> None:
    curve = a_curve()
    tick(curve, 200_000, clock(10))
    trade(curve, FRONT, 200_100, clock(10))
    trade(curve, SECOND, 200_200, clock(10))
    assert curve.age(UnixMs(clock(10) + SILENCE_MS - 1000)) == ()
    silent = curve.age(UnixMs(clock(10) + SILENCE_MS))
    assert [(event.symbol, event.stale, event.ts_ms) for event in silent] == [
        (FRONT, True, clock(10, 0, 15)),
        (SECOND, True, clock(10, 0, 15)),
    ]
    assert curve.age(clock(10, 0, 16)) == ()
    # The same value again is news: it is live.
    assert [event.stale for event in tick(curve, 200_000, clock(10, 0, 20))] == [False, False]


def test_lunch_makes_a_basis_stale_once_and_one_oclock_brings_it_back() -> None:
    curve = a_curve()
    tick(curve, 200_000, clock(11, 29, 55))
    trade(curve, FRONT, 200_100, clock(11, 29, 58))
    assert curve.age(clock(11, 29, 59)) == ()
    aged = [event for second in range(60) for event in curve.age(clock(11, 30, second))]
    assert [(event.stale, event.ts_ms) for event in aged] == [(True, clock(11, 30, 10))]
    assert [event.stale for event in tick(curve, 200_000, clock(13))] == [False]


def test_the_closing_auctions_index_comes_after_the_bell_and_makes_the_last_basis() -> None:
    curve = a_curve()
    tick(curve, 200_000, clock(14, 44, 55))
    trade(curve, FRONT, 200_100, clock(14, 44, 58))
    assert curve.age(clock(14, 45)) == ()
    assert [(event.stale, event.basis) for event in tick(curve, 200_300, clock(14, 45, 5))] == [(False, -200)]
    assert [(event.stale, event.ts_ms) for event in curve.age(clock(14, 45, 15))] == [(True, clock(14, 45, 15))]


def test_what_the_index_says_at_lunch_is_not_live_at_one_oclock() -> None:
    curve = a_curve()
    tick(curve, 200_000, clock(12, 59, 55))
    assert [event.stale for event in trade(curve, FRONT, 200_100, clock(13))] == [True]
    assert [event.stale for event in tick(curve, 200_000, clock(13, 0, 5))] == [False]


def test_the_closing_auction_goes_on_from_the_session_before_it() -> None:
    curve = a_curve()
    tick(curve, 200_000, clock(14, 29, 58))
    assert [event.stale for event in trade(curve, FRONT, 200_100, clock(14, 30, 2))] == [False]


def test_an_event_names_its_place_in_the_curve() -> None:
    curve = a_curve()
    tick(curve, 200_000, clock(9, 20))
    named = [
        event.alias for symbol in (FRONT, SECOND, "41I1H2000") for event in trade(curve, Symbol(symbol), 200_000, clock(9, 21))
    ]
    assert named == ["VN30F1M", "VN30F2M", None]


def test_the_slope_is_what_the_basis_moved_a_minute_over_five() -> None:
    curve = a_curve()
    slopes: list[float | None] = []
    for minute in range(9):
        # From a premium of ten points down by half a point a minute, then by two.
        basis = 1_000 - 50 * min(minute, 5) - 200 * max(minute - 5, 0)
        tick(curve, 200_000, clock(9, 20 + minute))
        slopes += [event.slope for event in trade(curve, FRONT, 200_000 + basis, clock(9, 20 + minute))]
    assert slopes == [None, -50.0, -50.0, -50.0, -50.0, -50.0, -80.0, -110.0, -140.0]
    row = curve.row(FRONT, src=0)
    assert row is not None
    assert row.slope == -140.0


def test_the_slope_begins_anew_where_the_basis_was_stale() -> None:
    curve = a_curve()
    for minute in (25, 26, 27, 28, 29):
        tick(curve, 200_000, clock(11, minute))
        trade(curve, FRONT, 200_000 + minute, clock(11, minute))
    (aged,) = curve.age(clock(11, 30))
    assert (aged.stale, aged.slope) == (True, None)
    tick(curve, 200_000, clock(13))
    assert [event.slope for event in trade(curve, FRONT, 209_000, clock(13, 0, 1))] == [None]


def test_before_the_index_is_live_yesterdays_value_stands_in() -> None:
    curve = a_curve()
    curve.close(Price(199_000))
    (event,) = trade(curve, FRONT, 200_000, clock(8, 46))
    assert (event.index_value, event.basis, event.stale) == (199_000, 1_000, True)
    tick(curve, 200_000, clock(9, 15))
    curve.close(Price(1))
    assert curve.index_value == 200_000


def test_a_new_day_forgets_prices_keeps_the_index_and_drops_what_expired() -> None:
    curve, eve = Curve(underlying=VN30), expiry(202611)
    curve.begin(eve)
    expired = future_symbol(VN30, 202611)
    curve.tick(Price(200_000), at(eve, 14), at(eve, 14))
    curve.trade(expired, Price(200_000), at(eve, 14), at(eve, 14))
    curve.trade(FRONT, Price(200_500), at(eve, 14), at(eve, 14))
    curve.begin(DAY)
    assert [leg.symbol for leg in curve.legs] == [FRONT]
    assert curve.row(FRONT, src=0) is None
    (event,) = trade(curve, FRONT, 201_000, clock(8, 46))
    assert (event.index_value, event.stale) == (200_000, True)


@pytest.mark.parametrize(
    ("symbol", "alias"), [(FRONT, "F1M"), (SECOND, "F2M"), (FIRST_QUARTER, "F1Q"), (SECOND_QUARTER, "F2Q"), ("41I1H2000", None)]
)
def test_contracts_have_the_aliases_of_the_exchange(symbol: Symbol, alias: str | None) -> None:
    curve = a_curve()
    tick(curve, 200_000, clock(9, 20))
    trade(curve, symbol, 200_000, clock(9, 21))
    row = curve.row(symbol, src=0)
    assert row is not None
    assert row.alias == alias


def test_aliases_follow_what_rest_lists_when_it_lists_all_four() -> None:
    curve = a_curve()
    for month in (202612, 202702, 202703):
        curve.list_contract(a_future(future_symbol(VN30, month)))
    assert curve.alias(202702) is None
    curve.list_contract(a_future(future_symbol(VN30, 202706)))
    assert [curve.alias(month) for month in (202612, 202702, 202703, 202706, 202701)] == ["F1M", "F2M", "F1Q", "F2Q", None]


def test_a_month_under_its_old_and_its_new_code_counts_once() -> None:
    curve, day = Curve(underlying=VN30), TradingDay(20251124)
    curve.begin(day)
    for symbol in ("VN30F2512", "41I1FC000", "41I1G1000", "41I1G3000", "41I1G6000"):
        curve.list_contract(a_future(symbol, trading_day=day))
    assert [curve.alias(month) for month in (202512, 202601, 202603, 202606)] == ["F1M", "F2M", "F1Q", "F2Q"]


def test_a_contract_listed_yesterday_only_does_not_count() -> None:
    curve = a_curve()
    for month in (202612, 202702, 202703, 202706):
        curve.list_contract(a_future(future_symbol(VN30, month), trading_day=20261119))
    assert curve.alias(202701) == "F2M"


def test_what_rest_says_late_changes_the_rows_that_it_concerns() -> None:
    curve = a_curve()
    tick(curve, 200_000, clock(9, 20))
    for symbol in (FRONT, SECOND, FIRST_QUARTER):
        trade(curve, symbol, 200_000, clock(9, 21))
    listed = [future_symbol(VN30, month) for month in (202612, 202702, 202703, 202706)]
    assert [curve.list_contract(a_future(symbol)) for symbol in listed] == [(), (), (), (SECOND, listed[1])]
    assert curve.list_contract(a_future(FRONT, last_trading_day=20261216)) == (FRONT,)
    assert curve.list_contract(a_future(FRONT, last_trading_day=20261216)) == ()


def test_d14_days_to_expiry_count_to_the_third_thursday_unless_rest_knows_better() -> None:
    curve = a_curve()
    tick(curve, 200_000, clock(9, 20))
    (event,) = trade(curve, FRONT, 200_000, clock(9, 21))
    assert event.days_to_expiry == (as_date(TradingDay(20261217)) - as_date(DAY)).days == 27
    curve.list_contract(a_future(FRONT, last_trading_day=20261216))
    (event,) = trade(curve, FRONT, 200_000, clock(9, 22))
    assert event.days_to_expiry == 26


@pytest.mark.parametrize("year", EXPIRIES)
def test_d14_a_future_expires_on_the_third_thursday_or_the_trading_day_before(year: int) -> None:
    days = [year * 10_000 + day for day in EXPIRIES[year]]
    assert [expiry(year * 100 + month) for month in range(1, 13)] == days
    for month, day in enumerate(days, 1):
        curve, symbol = Curve(underlying=VN30), future_symbol(VN30, year * 100 + month)
        curve.begin(TradingDay(day))
        curve.tick(Price(200_000), at(TradingDay(day), 10), at(TradingDay(day), 10))
        (event,) = curve.trade(symbol, Price(200_000), at(TradingDay(day), 10), at(TradingDay(day), 10))
        assert (event.days_to_expiry, curve.alias(event.month)) == (0, "F1M")


def test_what_is_no_future_on_the_index_has_no_basis() -> None:
    curve = a_curve()
    tick(curve, 200_000, clock(9, 20))
    assert trade(curve, Symbol("VNM"), 60_000, clock(9, 21)) == ()
    assert trade(curve, future_symbol("VN100", 202612), 200_000, clock(9, 21)) == ()
    curve.list_contract(a_reference("VNM", exchange=Exchange.DER, underlying=VN30))
    assert curve.legs == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.integers(0, 20), st.integers(190_000, 210_000)),
        st.tuples(st.sampled_from([FRONT, SECOND, FIRST_QUARTER]), st.integers(0, 20), st.integers(190_000, 210_000)),
        st.tuples(st.just("age"), st.integers(0, 20), st.just(0)),
    ),
    max_size=60,
)


def fold(curve: Curve, steps: list[tuple[str, int, int]], since: UnixMs) -> list[BasisEvent]:
    """Take (what, milliseconds after ``since``, value)."""
    events: list[BasisEvent] = []
    for what, after_ms, value in steps:
        now = UnixMs(since + after_ms)
        if what == "age":
            events += curve.age(now)
        elif what == "tick":
            events += tick(curve, value, now)
        else:
            events += trade(curve, Symbol(what), value, now)
    return events


def timed(steps: list[Any]) -> list[Any]:
    now, result = 0, []
    for what, pause, value in steps:
        now += pause * 1000
        result.append((what, now, value))
    return result


@given(STEPS)
def test_basis_is_price_less_index_at_every_event(steps: list[Any]) -> None:
    last: dict[str, int] = {}
    for event in fold(a_curve(), timed(steps), clock(11, 20)):
        assert event.basis == event.price - event.index_value
        assert event.basis_pct == pytest.approx(event.basis / event.index_value * 100, abs=0.0001)
        assert event.ts_ms >= last.get(event.symbol, 0)
        last[event.symbol] = event.ts_ms


@given(STEPS, st.data())
def test_a_curve_goes_on_from_stored_state_as_if_nothing_had_been(steps: list[Any], data: st.DataObject) -> None:
    moves = timed(steps)
    cut = data.draw(st.integers(0, len(moves)))
    undisturbed = fold(a_curve(), moves, clock(11, 20))
    curve = a_curve()
    before = fold(curve, moves[:cut], clock(11, 20))
    assert before + fold(CURVE.decode(CURVE.encode(curve)), moves[cut:], clock(11, 20)) == undisturbed
