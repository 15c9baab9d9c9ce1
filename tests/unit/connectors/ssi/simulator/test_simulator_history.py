"""REST's answers about days: the one that is played agrees with its records, earlier ones with one another."""

import itertools
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from connectors.ssi.simulator.core.market import MarketDay, MarketSize, generate
from connectors.ssi.simulator.core.records import Foreign, IndexValue, Trade
from schemas.calendar import as_date, as_day, at, is_trading_day, previous_trading_day
from schemas.units import TradingDay
from tests.played import played
from tests.proof import usually

DAY = TradingDay(20261123)
TODAY = "23/11/2026"
FRIDAY = "20/11/2026"

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def market() -> MarketDay:
    """A day of few records; in ``make prove`` one of light size."""
    return generate(7, DAY, Random, usually(MarketSize(0.01), proving=MarketSize()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the day is kept, so that it is made once."""
    return tmp_path_factory.mktemp("days")


@pytest.fixture(scope="module")
def ask(market: MarketDay, made: Path) -> Iterator[Ask]:
    """Asks at the end of the day."""
    with played(market, at(DAY, 15, 45), cache=made) as so_far:
        yield so_far.ask


def test_the_stock_price_of_the_day_agrees_with_its_records(ask: Ask, market: MarketDay) -> None:
    answered = ask("DailyStockPrice", market="HOSE", fromDate=TODAY, toDate=TODAY, pageSize="1000")
    rows = {row["Symbol"]: row for row in answered["data"]}
    assert answered["totalRecord"] == len(rows) == sum(stock.exchange == "HOSE" for stock in market.universe.stocks)
    volume, value = dict.fromkeys(rows, 0), dict.fromkeys(rows, 0)
    foreign: dict[str, Foreign] = {}
    for record in market.records:
        if record.ts_ms < at(DAY, 0) or record.listing.symbol not in rows:
            continue
        if isinstance(record, Trade) and record.session != "PT":
            volume[record.listing.symbol] += record.volume
            value[record.listing.symbol] += record.volume * record.price
        elif isinstance(record, Foreign):
            foreign[record.listing.symbol] = record
    assert {symbol: row["TotalMatchVol"] for symbol, row in rows.items()} == {s: str(v) for s, v in volume.items()}
    assert {symbol: row["TotalMatchVal"] for symbol, row in rows.items()} == {s: str(v) for s, v in value.items()}
    for symbol, record in foreign.items():
        row = rows[symbol]
        assert (row["ForeignBuyVolTotal"], row["ForeignSellVolTotal"]) == (str(record.bought), str(record.sold))
        assert (row["ForeignBuyValTotal"], row["ForeignSellValTotal"]) == (str(record.bought_value), str(record.sold_value))
        assert row["ForeignCurrentRoom"] == str(record.room)
        assert int(row["TotalTradedVol"]) == int(row["TotalMatchVol"]) + int(row["TotalDealVol"])
    assert all(isinstance(value, str) or value is None for row in rows.values() for value in row.values())
    assert list(rows["HPG"])[:7] == [
        "TradingDate", "PriceChange", "PerPriceChange", "CeilingPrice", "FloorPrice", "RefPrice", "OpenPrice",
    ]  # fmt: skip


def test_what_is_not_due_yet_is_not_told(market: MarketDay, made: Path) -> None:
    query = {"symbol": "HPG", "fromDate": TODAY, "toDate": TODAY, "pageSize": "1000"}
    with played(market, at(DAY, 8), cache=made) as so_far:
        before = so_far.ask("DailyOhlc", **query)
        assert (before["data"], before["message"]) == ([], "NoDataFound")
        halves = []
        for hour in (12, 15):
            so_far.until(at(DAY, hour))
            halves.append(so_far.ask("IntradayOhlc", **query)["data"])
    assert 0 < len(halves[0]) < len(halves[1])
    assert all(row["Time"] < "12:00:00" for row in halves[0])
    assert halves[1][: len(halves[0])] == halves[0]


def test_the_minutes_of_the_day_are_its_prints(ask: Ask, market: MarketDay) -> None:
    answered = ask("IntradayOhlc", symbol="HPG", fromDate=TODAY, toDate=TODAY, pageSize="1000", resolution="1", ascending="True")
    rows = answered["data"]
    prints = [
        r for r in market.records
        if isinstance(r, Trade) and r.listing.symbol == "HPG" and r.volume and r.session != "PT" and r.ts_ms > at(DAY, 0)
    ]  # fmt: skip
    assert sum(int(row["Volume"]) for row in rows) == sum(trade.volume for trade in prints)
    assert rows[0]["Open"] == str(prints[0].price)
    assert rows[-1]["Close"] == str(prints[-1].price)
    assert [row["Time"] for row in rows] == sorted({row["Time"] for row in rows})
    assert len({row["Time"][:5] for row in rows}) == len(rows)
    assert any(row["Time"][6:] != "00" for row in rows), "a time is that of the last match, not of the minute"
    (daily,) = ask("DailyOhlc", symbol="HPG", fromDate=TODAY, toDate=TODAY)["data"]
    assert (daily["Volume"], daily["Open"], daily["Time"]) == (str(sum(t.volume for t in prints)), rows[0]["Open"], None)
    hours = ask("IntradayOhlc", symbol="HPG", fromDate=TODAY, toDate=TODAY, pageSize="1000", resolution="60")["data"]
    assert len(hours) < 8
    assert sum(int(row["Volume"]) for row in hours) == int(daily["Volume"])


def test_an_index_of_the_day_is_the_last_that_was_said_of_it(ask: Ask, market: MarketDay) -> None:
    last = [r for r in market.records if isinstance(r, IndexValue) and r.listing.index_id == "VNINDEX"][-1]
    (row,) = ask("DailyIndex", indexId="vnindex", fromDate=TODAY, toDate=TODAY)["data"]
    assert row["IndexValue"] == str(last.value / 100)
    assert row["TotalVol"] == str(last.volume + last.put_through_volume)
    assert row["TradingSession"] == "C"


def test_an_index_of_a_running_day_has_ssis_oddities(market: MarketDay, made: Path) -> None:
    now = at(DAY, 10)
    with played(market, now, cache=made) as so_far:
        (row,) = so_far.ask("DailyIndex", indexId="VNINDEX", fromDate=TODAY, toDate=TODAY)["data"]
        assert so_far.ask("DailyIndex", indexId="ALL", fromDate=TODAY, toDate=TODAY)["message"] == "NoDataFound"
    values = [r for r in market.records if isinstance(r, IndexValue) and r.listing.index_id == "VNINDEX" and r.due_ms <= now]
    assert row["IndexValue"] == "0"
    assert float(row["Change"]) == pytest.approx((values[-1].value - values[-1].prior) / 10_000, abs=1e-4)
    assert float(row["RatioChange"]) != 0


def test_each_past_day_begins_where_the_one_before_closed(ask: Ask, market: MarketDay) -> None:
    since = as_date(DAY) - timedelta(days=30)
    said = {"symbol": "HPG", "fromDate": f"{since:%d/%m/%Y}", "toDate": TODAY, "pageSize": "100", "ascending": "true"}
    rows = ask("DailyStockPrice", **said)["data"]
    days = [as_day(since + timedelta(days=n)) for n in range(31)]
    assert [row["TradingDate"] for row in rows] == [f"{as_date(d):%d/%m/%Y}" for d in days if is_trading_day(d)]
    for before, row in itertools.pairwise(rows):
        assert row["RefPrice"] == before["ClosePrice"] or is_ex_day(before, row)
    assert rows[-1]["RefPrice"] == str(next(s for s in market.universe.stocks if s.symbol == "HPG").reference)
    for row in rows:
        low, high = int(row["LowestPrice"]), int(row["HighestPrice"])
        assert int(row["FloorPrice"]) <= low <= high <= int(row["CeilingPrice"])
        assert low <= int(row["OpenPrice"]) <= high
        assert low <= int(row["ClosePrice"]) <= high


@pytest.mark.parametrize("symbol", ["HPG", "SHS", "ACV", "41I1GC000"])
def test_the_minutes_of_a_past_day_make_its_bar(ask: Ask, symbol: str) -> None:
    query = {"symbol": symbol, "fromDate": FRIDAY, "toDate": FRIDAY, "pageSize": "1000"}
    (day,) = ask("DailyOhlc", **query)["data"]
    rows = ask("IntradayOhlc", **query)["data"]
    assert rows
    assert sum(int(row["Volume"]) for row in rows) == int(day["Volume"])
    assert max(float(row["High"]) for row in rows) == float(day["High"])
    assert min(float(row["Low"]) for row in rows) == float(day["Low"])
    assert (rows[0]["Open"], rows[-1]["Close"]) == (day["Open"], day["Close"])
    assert all("09:15:00" <= row["Time"] <= "14:46:00" for row in rows)
    assert all(int(row["Volume"]) > 0 for row in rows)


def is_ex_day(before: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether a stock trades without a dividend, or with more shares, for the first time."""
    return int(row["RefPrice"]) < int(before["ClosePrice"]) and before["ClosePriceAdjusted"] != before["ClosePrice"]


@pytest.fixture(scope="module")
def last_month(ask: Ask) -> dict[str, list[dict[str, Any]]]:
    """The days of each stock of HOSE, oldest first."""
    query = {"market": "HOSE", "fromDate": "22/10/2026", "toDate": FRIDAY, "ascending": "true", "pageSize": "1000"}
    pages = [ask("DailyStockPrice", **query, pageIndex=str(n))["data"] for n in range(1, 4)]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in itertools.chain.from_iterable(pages):
        found.setdefault(row["Symbol"], []).append(row)
    assert {len(rows) for rows in found.values()} == {22}
    return found


def test_a_dividend_lowers_the_reference_and_all_adjusted_closes_before(last_month: dict[str, list[dict[str, Any]]]) -> None:
    ex_days = 0
    for rows in last_month.values():
        factor = 1.0
        for before, row in zip(rows[-2::-1], rows[:0:-1], strict=True):
            assert int(row["ClosePriceAdjusted"]) == round(int(row["ClosePrice"]) * factor)
            if row["RefPrice"] != before["ClosePrice"]:
                assert is_ex_day(before, row)
                factor *= int(row["RefPrice"]) / int(before["ClosePrice"])
                ex_days += 1
    assert ex_days > 0


def test_foreigners_leave_as_much_room_as_what_they_traded_says(
    last_month: dict[str, list[dict[str, Any]]], market: MarketDay
) -> None:
    limits = {stock.symbol: stock.total_room for stock in market.universe.stocks}
    for symbol, rows in last_month.items():
        for before, row in itertools.pairwise(rows):
            room, bought, sold = (int(row[name]) for name in ("ForeignCurrentRoom", "ForeignBuyVolTotal", "ForeignSellVolTotal"))
            assert 0 <= room <= limits[symbol]  # type: ignore[index] # a symbol is text
            assert room == int(before["ForeignCurrentRoom"]) - bought + sold
            assert max(bought, sold) <= int(row["TotalMatchVol"])
            assert int(row["NetBuySellVol"]) == bought - sold


def test_a_past_index_is_what_its_members_come_to(
    ask: Ask, market: MarketDay, last_month: dict[str, list[dict[str, Any]]]
) -> None:
    query = {"fromDate": "22/10/2026", "toDate": FRIDAY, "ascending": "true", "pageSize": "50"}
    for index_id in ("VNINDEX", "VN30"):
        index = market.universe.index(index_id)
        assert index is not None
        rows = ask("DailyIndex", indexId=index_id, **query)["data"]
        assert len(rows) == 22
        for n, row in enumerate(rows):
            days = {member: last_month[member.symbol][n] for member in index.members}
            opened, closed = (
                sum(int(day[name]) * index.shares_of(member) for member, day in days.items())
                for name in ("RefPrice", "ClosePrice")
            )
            value = round(float(row["IndexValue"]) * 100)
            prior = value - round(float(row["Change"]) * 100)
            assert abs(value - prior * closed / opened) < 1.1
            assert int(row["TotalMatchVol"]) == sum(int(day["TotalMatchVol"]) for day in days.values())
            assert int(row["TotalDealVal"]) == sum(int(day["TotalDealVal"]) for day in days.values())
            if n:
                assert prior == round(float(rows[n - 1]["IndexValue"]) * 100)
            counts = [int(row[name]) for name in ("Advances", "NoChanges", "Declines", "Ceilings", "Floors")]
            assert sum(counts) == (len(index.members) if index.has_breadth else 0)
            rose = sum(int(day["ClosePrice"]) > int(day["RefPrice"]) for day in days.values())
            assert not index.has_breadth or counts[0] + counts[3] == rose


def test_the_past_is_the_same_whoever_asks_and_in_whatever_order(market: MarketDay, made: Path) -> None:
    def rows(*days: str) -> list[dict[str, Any]]:
        with played(market, at(DAY, 8), cache=made) as so_far:
            return [row for day in days for row in so_far.ask("DailyOhlc", symbol="SSI", fromDate=day, toDate=day)["data"]]

    assert rows(FRIDAY, "02/11/2026") == rows("02/11/2026", FRIDAY)[::-1]


def test_indices_have_a_past_too(ask: Ask, market: MarketDay) -> None:
    rows = ask("DailyIndex", indexId="VN30", fromDate="01/11/2026", toDate=FRIDAY, ascending="true", pageSize="50")["data"]
    yesterday = as_date(previous_trading_day(DAY))
    assert rows[-1]["TradingDate"] == f"{yesterday:%d/%m/%Y}"
    vn30 = market.universe.index("VN30")
    assert vn30 is not None
    assert float(rows[-1]["IndexValue"]) == vn30.prior / 100
    assert {(row["Advances"], row["Declines"]) for row in rows} == {("0", "0")}


def test_pages_come_newest_first_unless_asked_otherwise(ask: Ask) -> None:
    query = {"symbol": "HPG", "fromDate": "01/10/2026", "toDate": TODAY, "pageSize": "10"}
    first, second = (ask("DailyOhlc", **query, pageIndex=str(n))["data"] for n in (1, 2))
    dates = [date(int(r["TradingDate"][6:]), int(r["TradingDate"][3:5]), int(r["TradingDate"][:2])) for r in first + second]
    assert dates == sorted(set(dates), reverse=True)
    assert len(dates) == 20


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("1/11/2026", TODAY), ("2026-11-01", TODAY), ("31/02/2026", TODAY), (TODAY, FRIDAY), (TODAY, "24/11/2026"),
        ("23/10/2026", TODAY),
    ],
)  # fmt: skip
@pytest.mark.parametrize("operation", ["DailyStockPrice", "IntradayOhlc", "DailyIndex"])
def test_a_range_that_ssi_does_not_take_is_refused_in_its_words(ask: Ask, operation: str, since: str, until: str) -> None:
    answered = ask(operation, symbol="HPG", indexId="VNINDEX", fromDate=since, toDate=until)
    assert answered["message"] == "Date time format dd/MM/yyyy and ('from date' <= 'to date') < now , max range 30 days"
    assert answered["status"] == "Error"
    assert answered["data"] == ([] if operation == "DailyIndex" else None)


def test_daily_bars_may_be_asked_for_a_year_and_on_one_page(ask: Ask) -> None:
    answered = ask("DailyOhlc", symbol="HPG", fromDate="24/11/2025", toDate=TODAY, pageSize="2000")
    assert 235 < len(answered["data"]) == answered["totalRecord"] < 262


def test_a_weekend_and_an_unknown_symbol_have_no_data(ask: Ask) -> None:
    weekend = ask("DailyOhlc", symbol="HPG", fromDate="21/11/2026", toDate="22/11/2026")
    unknown = ask("IntradayOhlc", symbol="NOSUCH", fromDate=TODAY, toDate=TODAY)
    assert weekend == unknown == {"data": [], "message": "NoDataFound", "status": "Success", "totalRecord": 0}


def test_a_back_test_is_not_supported(ask: Ask) -> None:
    assert ask("BackTest", selectedDate=TODAY, symbol="HPG")["message"] == "Not support"
