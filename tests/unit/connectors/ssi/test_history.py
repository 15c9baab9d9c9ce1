"""SSI's history: which days are asked for at a time, how pages and pauses are borne, and what rows say."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.core import history
from connectors.ssi.core.errors import (
    BadCredentials,
    HistoryInterrupted,
    PageSizeRefused,
    QuotaExceeded,
    SsiUnavailable,
    TooManyRows,
    UnknownSymbols,
    WindowRefused,
)
from connectors.ssi.core.history import DateWindow, classified, weekdays, windows
from connectors.ssi.core.reference import ListName, Page
from connectors.ssi.history import TRIES, Listed, SsiHistory, chosen
from schemas.calendar import as_date, as_day, at
from schemas.units import Exchange, Symbol, TradingDay

FIRST, LAST = TradingDay(20260901), TradingDay(20261120)
FRIDAY, MONDAY = TradingDay(20261120), TradingDay(20261123)
VNM = Symbol("VNM")
WINDOW = DateWindow(TradingDay(20261101), FRIDAY)
STOCK = {
    "TradingDate": "20/11/2026", "CeilingPrice": "65800", "FloorPrice": "57200", "RefPrice": "61500", "OpenPrice": "61600.0",
    "HighestPrice": "62000", "LowestPrice": "61000", "ClosePrice": "61900", "ClosePriceAdjusted": "60043.2",
    "TotalMatchVol": "1234500", "TotalMatchVal": "76000000000", "TotalDealVol": "0", "TotalDealVal": None,
    "ForeignBuyVolTotal": "500", "ForeignSellVolTotal": "", "ForeignBuyValTotal": "30900000", "ForeignSellValTotal": "NaN",
    "ForeignCurrentRoom": "1000000", "Symbol": "vnm", "Time": None,
}  # fmt: skip


def test_weekdays_are_asked_for_whatever_the_calendar_says() -> None:
    assert weekdays(TradingDay(20261120), TradingDay(20261125)) == [20261120, 20261123, 20261124, 20261125]


@given(st.lists(st.dates(min_value=as_date(TradingDay(20240101)), max_value=as_date(FRIDAY)).map(as_day), max_size=80))
def test_windows_have_all_days_none_is_longer_than_ssi_takes_and_none_could_be_left_out(days: list[TradingDay]) -> None:
    found = windows(days)
    assert all(sum(day in window for window in found) == 1 for day in days)
    assert all((as_date(window.last) - as_date(window.first)).days < history.WINDOW_DAYS for window in found)
    assert all(window.first in days and window.last in days for window in found)
    # The next one begins where the one before could not reach.
    assert all((as_date(after.first) - as_date(before.first)).days >= history.WINDOW_DAYS for before, after in pairwise(found))


def test_a_window_is_halved_until_it_is_a_day() -> None:
    halves = DateWindow(TradingDay(20261118), FRIDAY).halves
    assert halves is not None
    first, second = halves
    assert (first, second) == (DateWindow(TradingDay(20261118), TradingDay(20261119)), DateWindow(FRIDAY, FRIDAY))
    assert second.halves is None
    assert first.query == {"fromDate": "18/11/2026", "toDate": "19/11/2026"}


def test_a_day_of_a_stock_is_read_to_the_dong_and_says_what_ssi_does_not() -> None:
    ((day,), unusable) = history.stock_days([STOCK], Exchange.HOSE, WINDOW)
    assert unusable == {}
    assert (day.symbol, day.day, day.open, day.close, day.close_adjusted) == ("VNM", FRIDAY, 61_600, 61_900, 60_043)
    assert (day.volume, day.put_through_volume, day.put_through_value) == (1_234_500, 0, 0)
    assert (day.foreign_bought, day.foreign_sold, day.foreign_bought_value, day.foreign_sold_value) == (500, 0, 30_900_000, 0)
    untraded = STOCK | dict.fromkeys(("OpenPrice", "HighestPrice", "LowestPrice", "ClosePrice"), "0")
    ((day,), _) = history.stock_days([untraded], Exchange.HOSE, WINDOW)
    assert (day.open, day.high, day.low, day.close, day.reference) == (None, None, None, None, 61_500)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"TradingDate": "2026-11-20"}, "TradingDate is '2026-11-20'"),
        ({"Symbol": None}, "Symbol is"),
        ({"Symbol": "VN'M"}, "Symbol is"),
        ({"TotalMatchVol": "-5"}, "TotalMatchVol is '-5'"),
        ({"ClosePrice": "Infinity"}, "ClosePrice is 'Infinity'"),
        ({"RefPrice": "61,500"}, "RefPrice is '61,500'"),
    ],
)
def test_a_row_that_cannot_be_read_is_put_aside_with_its_reason(changed: dict[str, Any], why: str) -> None:
    rows, unusable = history.stock_days([STOCK | changed, STOCK], Exchange.HOSE, WINDOW)
    assert len(rows) == 1
    ((day, reasons),) = unusable.items()
    assert day == FRIDAY
    assert reasons[0].startswith(why)


def test_a_row_of_another_day_than_was_asked_for_is_that_days_business() -> None:
    rows, unusable = history.stock_days([STOCK], Exchange.HOSE, DateWindow(TradingDay(20261118), TradingDay(20261119)))
    assert (rows, unusable) == ([], {})


def test_a_future_is_read_in_hundredths_of_a_point() -> None:
    row = {"Symbol": "41I1GC000", "TradingDate": "20/11/2026", "Time": None, "Open": "2061.3", "High": "2070.5", "Low": "2055",
           "Close": "2064.6", "Volume": "210345", "Value": "43000000000000"}  # fmt: skip
    ((day,), _) = history.bar_days([row], Exchange.DER, WINDOW)
    assert (day.open, day.high, day.low, day.close, day.reference) == (206_130, 207_050, 205_500, 206_460, None)
    minute = row | {"Time": "09:15:54", "Value": "2055"}
    ((bar,), _) = history.minutes([minute], Exchange.DER, WINDOW)
    assert (bar.minute, bar.ts, bar.close) == (at(FRIDAY, 9, 15), at(FRIDAY, 9, 15, 54), 206_460)


def test_minutes_come_in_order_and_the_first_of_each_day_opens_it() -> None:
    row = {"Symbol": "VNM", "Open": "1", "High": "1", "Low": "1", "Close": "1", "Volume": "5"}
    said = [("20/11/2026", "09:16:03"), ("19/11/2026", "14:45:12"), ("20/11/2026", "09:15:09"), ("19/11/2026", "14:46")]
    bars, _ = history.minutes([row | {"TradingDate": day, "Time": time} for day, time in said], Exchange.HOSE, WINDOW)
    assert [(bar.day, bar.opens) for bar in bars] == [(20261119, True), (20261119, False), (20261120, True), (20261120, False)]
    for wrong in ({"Time": "late"}, {"Time": None}, {"Open": "0"}):
        none, unusable = history.minutes([row | {"TradingDate": "20/11/2026", "Time": "09:15:00"} | wrong], Exchange.HOSE, WINDOW)
        assert (none, len(unusable[FRIDAY])) == ([], 1)


def test_an_index_keeps_its_counts_and_a_running_day_is_left_out() -> None:
    row = {"IndexId": "HNXIndex", "TradingDate": "20/11/2026", "IndexValue": "262.82", "Change": "0.0123", "RatioChange": "-0.41",
           "TotalMatchVol": "70000000", "TotalMatchVal": "1.5E12", "TotalDealVol": "10", "TotalDealVal": "200", "Advances": "88",
           "NoChanges": "60", "Declines": "90", "Ceilings": "3", "Floors": "1"}  # fmt: skip
    ((day,), _) = history.index_days([row, row | {"IndexValue": "0"}], WINDOW)
    assert (day.symbol, day.value, day.change_pct, day.traded_value) == ("HNXINDEX", 26_282, -0.41, 1_500_000_000_000)
    assert (day.advances, day.no_changes, day.declines, day.ceilings, day.floors) == (88, 60, 90, 3, 1)


def test_refusals_are_told_apart_by_ssis_words() -> None:
    dates = SsiUnavailable("IntradayOhlc", "Date time format dd/MM/yyyy and ('from date' <= 'to date') < now , max range 30 days")
    assert isinstance(classified(dates, WINDOW), WindowRefused)
    assert "20261101 to 20261120" in str(classified(dates, WINDOW))
    assert isinstance(classified(SsiUnavailable("x", "Size of a page must 10, 20, 50, 100 or 1000"), WINDOW), PageSizeRefused)
    for passing in (SsiUnavailable("x", "HTTP 502"), QuotaExceeded("x", "quota exceeded, max range of calls")):
        assert classified(passing, WINDOW) is passing


class PagedRest:
    """Answers with pages of rows that it makes for each query, and notes what was asked."""

    def __init__(self, total: Callable[[dict[str, str]], int] = lambda query: 0) -> None:
        self.total = total
        self.states = True
        """Whether answers say how many rows there are."""
        self.largest = 1_000
        """The size of a page that it takes at most; one beyond is refused."""
        self.cap = 10_000
        """Rows of a page at most, whatever was asked for."""
        self.odd: list[Exception] = []
        """Raised instead of an answer, one after the other."""
        self.asked: list[tuple[str, str, int, int]] = []

    async def page(self, operation: str, query: dict[str, str], number: int, size: int) -> Page:
        self.asked.append((query["fromDate"], query["toDate"], number, size))
        if self.odd:
            raise self.odd.pop(0)
        if size > self.largest:
            raise SsiUnavailable(operation, "Size of a page must 10, 20, 50, 100 or 1000")
        rows = [STOCK | {"ForeignBuyVolTotal": str(n)} for n in range(self.total(query))]
        page = rows[(number - 1) * size : number * size][: self.cap]
        return Page(page, len(rows) if self.states else None)

    async def ask(self, name: ListName) -> Page:
        return Page([], 0)


class Slept(list[float]):
    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def asking(rest: PagedRest, sleep: Slept | None = None) -> SsiHistory:
    return SsiHistory(rest, lambda: 0.5, sleep if sleep is not None else Slept())  # type: ignore[arg-type] # as much of it as is used


@pytest.mark.parametrize(("rows", "calls"), [(0, 1), (999, 1), (1_000, 2), (2_500, 3), (9_999, 10), (10_000, 10)])
@pytest.mark.parametrize("states", [True, False])
async def test_all_pages_are_read_and_each_row_once(rows: int, calls: int, states: bool) -> None:
    rest = PagedRest(lambda query: rows)
    rest.states = states
    ssi = asking(rest)
    if rows == 10_000 and not states:
        # Nothing tells that the tenth page was the last.
        with pytest.raises(TooManyRows):
            await ssi.market_days(Exchange.HOSE, DateWindow(FRIDAY, FRIDAY))
        return
    read = await ssi.market_days(Exchange.HOSE, WINDOW)
    assert [row.foreign_bought for row in read.rows] == list(range(rows))
    assert len(rest.asked) == calls


async def test_a_window_with_more_rows_than_pages_hold_is_halved_and_a_day_says_what_to_do() -> None:
    def each_day_4000(query: dict[str, str]) -> int:
        days = [TradingDay(int(query[name][6:] + query[name][3:5] + query[name][:2])) for name in ("fromDate", "toDate")]
        return 4_000 * len(weekdays(*days))

    rest = PagedRest(each_day_4000)
    await asking(rest).market_days(Exchange.HOSE, DateWindow(TradingDay(20261116), FRIDAY))
    whole = [(since, until) for since, until, number, _ in rest.asked if number == 4]
    assert whole == [("16/11/2026", "17/11/2026"), ("18/11/2026", "18/11/2026"), ("19/11/2026", "20/11/2026")]
    with pytest.raises(TooManyRows, match=r"12,000 rows.*--symbols"):
        await asking(PagedRest(lambda query: 12_000)).market_days(Exchange.HOSE, DateWindow(FRIDAY, FRIDAY))


async def test_minutes_are_asked_on_one_large_page_and_on_usual_ones_where_ssi_takes_no_large_one() -> None:
    rest = PagedRest(lambda query: 2_500)
    rest.largest = 10_000
    await asking(rest).minutes(VNM, Exchange.HOSE, WINDOW)
    assert [size for *_, size in rest.asked] == [10_000]
    rest = PagedRest(lambda query: 2_500)
    ssi = asking(rest)
    for _ in range(2):
        await ssi.minutes(VNM, Exchange.HOSE, WINDOW)
    assert [size for *_, size in rest.asked] == [10_000, *[1_000] * 6]
    # One that takes the size, and gives less all the same.
    rest = PagedRest(lambda query: 2_500)
    rest.largest, rest.cap = 10_000, 1_000
    read = await asking(rest).minutes(VNM, Exchange.HOSE, WINDOW)
    assert [size for *_, size in rest.asked] == [10_000, *[1_000] * 3]
    assert len(read.unusable[FRIDAY]) == 2_500, "rows of another operation, which have no time"


async def test_a_failure_is_borne_with_growing_pauses_and_a_quota_with_minutes() -> None:
    rest, slept = PagedRest(lambda query: 3), Slept()
    rest.odd = [SsiUnavailable("x", "HTTP 502"), SsiUnavailable("x", "HTTP 504"), QuotaExceeded("x", "quota exceeded", 90.0)]
    read = await asking(rest, slept).market_days(Exchange.HOSE, WINDOW)
    assert len(read.rows) == 3
    assert 0 < slept[0] < slept[1] < 60 < 90 <= slept[2] <= 300


async def test_one_that_stays_away_ends_the_load_and_says_how_to_go_on() -> None:
    rest, slept = PagedRest(), Slept()
    rest.odd = [SsiUnavailable("x", "HTTP 502") for _ in range(TRIES)]
    with pytest.raises(HistoryInterrupted, match=r"DailyStockPrice of HOSE, 20261101 to 20261120.*same command again"):
        await asking(rest, slept).market_days(Exchange.HOSE, WINDOW)
    assert len(slept) == TRIES - 1


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (BadCredentials("no"), BadCredentials),
        (SsiUnavailable("x", "Date time format dd/MM/yyyy … max range 30 days"), WindowRefused),
    ],
)
async def test_what_would_be_refused_again_is_asked_once(raised: Exception, kind: type[Exception]) -> None:
    rest, slept = PagedRest(), Slept()
    rest.odd = [raised]
    with pytest.raises(kind):
        await asking(rest, slept).days(VNM, Exchange.HOSE, WINDOW)
    assert (len(rest.asked), slept) == (1, [])


async def test_fewer_rows_than_ssi_states_are_asked_for_again() -> None:
    rest, slept = PagedRest(lambda query: 700), Slept()
    rest.cap = 500
    with pytest.raises(HistoryInterrupted, match="500 rows came of 700"):
        await asking(rest, slept).market_days(Exchange.HOSE, WINDOW)


async def test_another_symbols_rows_are_not_taken_for_ones_own() -> None:
    rest = PagedRest(lambda query: 2)
    assert len((await asking(rest).days(VNM, Exchange.HOSE, WINDOW)).rows) == 2
    assert (await asking(rest).days(Symbol("FPT"), Exchange.HOSE, WINDOW)).rows == []


def test_symbols_that_ssi_does_not_list_are_named() -> None:
    listed = Listed({VNM: Exchange.HOSE}, (Symbol("VN30"),))
    assert chosen(listed, [" vnm", "VN30", "VNM", ""]) == ["VNM", "VN30"]
    with pytest.raises(UnknownSymbols, match="FTP, VMN"):
        chosen(listed, ["FTP", "VNM", "VMN"])
