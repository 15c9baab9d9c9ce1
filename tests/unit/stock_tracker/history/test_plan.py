"""What of SSI's history is still to be asked for."""

from connectors.ssi.core.history import weekdays
from schemas.history import TradedDay
from schemas.units import Exchange, Symbol, TradingDay
from stock_tracker.history.core.plan import index_parts, market_parts, minute_parts, symbol_parts

DAYS = weekdays(TradingDay(20260921), TradingDay(20261120))
FRIDAY = TradingDay(20261120)
VNM, FPT, SHS = Symbol("VNM"), Symbol("FPT"), Symbol("SHS")
EXCHANGES = {VNM: Exchange.HOSE, FPT: Exchange.HOSE, SHS: Exchange.HNX}


def test_a_market_is_asked_for_in_windows_the_newest_first() -> None:
    parts = market_parts(DAYS, ())
    assert {part.subject for part in parts} == {"HOSE", "HNX", "UPCOM"}
    assert [part.window.last for part in parts] == sorted((part.window.last for part in parts), reverse=True)
    for market in ("HOSE", "HNX", "UPCOM"):
        asked = [day for part in parts if part.subject == market for day in part.days]
        assert sorted(asked) == DAYS


def test_what_was_asked_for_is_left_out_day_by_day() -> None:
    asked = {("HOSE", day) for day in DAYS if day != FRIDAY} | {(market, day) for market in ("HNX", "UPCOM") for day in DAYS}
    (part,) = market_parts(DAYS, asked)
    assert (part.subject, part.days, str(part)) == ("HOSE", (FRIDAY,), "days of HOSE, 20261120")
    assert market_parts(DAYS, asked | {("HOSE", FRIDAY)}) == []


def test_a_symbol_is_left_out_where_its_market_was_asked_or_the_stream_has_told() -> None:
    asked = {("HNX", day) for day in DAYS}
    booked = {("VNM", day) for day in DAYS if day > 20261001}
    parts = symbol_parts(EXCHANGES, [VNM, FPT, SHS], DAYS, asked, booked)
    days = {symbol: [day for part in parts if part.subject == symbol for day in part.days] for symbol in EXCHANGES}
    assert days[SHS] == []
    assert sorted(days[VNM]) == [day for day in DAYS if day <= 20261001]
    assert sorted(days[FPT]) == DAYS


def test_indices_are_asked_for_one_by_one() -> None:
    parts = index_parts([Symbol("VN30")], DAYS, (), {("VN30", FRIDAY)})
    assert FRIDAY not in [day for part in parts for day in part.days]
    assert all(part.what == "indices" for part in parts)


def test_minutes_are_asked_for_on_days_with_trades_only() -> None:
    traded = [TradedDay(symbol, Exchange.HOSE, day) for symbol in (VNM, FPT) for day in (TradingDay(20261118), FRIDAY)]
    parts = minute_parts(traded, None, {("VNM", FRIDAY)}, {("FPT", FRIDAY)})
    assert [(part.subject, part.days) for part in parts] == [("FPT", (20261118,)), ("VNM", (20261118,))]
    assert [part.subject for part in minute_parts(traded, frozenset([VNM]), (), ())] == ["VNM"]
