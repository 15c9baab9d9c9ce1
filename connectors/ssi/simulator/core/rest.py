"""SSI's REST answers as SSI writes them: numbers as strings, a status in the body, lists nested as SSI nests them. Pure.

As at SSI, refusals come with HTTP 200 too, and the body's ``status`` tells them from answers. AccessToken's is an integer; all
others say "Success" or "Error", or the integer 401.

What is asked of the day that is played is answered from the records that were due by then, so that it agrees with the stream;
earlier days are made up (:mod:`connectors.ssi.simulator.core.history`). SSI's own oddities are kept: IntradayOhlc's ``Value`` is
a price; DailyIndex has no value of the running day, and a change a hundred times too small; DailyOhlc takes a year where
all others take 30 days, and sizes of a page that they refuse.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from connectors.ssi.simulator.core.day_so_far import Bar, DaySoFar, ListingTotals
from connectors.ssi.simulator.core.garble import argument_of
from connectors.ssi.simulator.core.history import History
from connectors.ssi.simulator.core.listing_day import word_at
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.truth import Facts
from connectors.ssi.simulator.core.universe import IndexListing, Listing
from schemas.calendar import ICT, as_date, as_day, is_trading_day
from schemas.instruments import contract_of, expiry, tick_of
from schemas.units import FUTURES_MULTIPLIER_VND, POINT, Exchange, Symbol, TradingDay, UnixMs

if TYPE_CHECKING:
    from random import Random

PAGE_SIZES: Final = (10, 20, 50, 100, 500, 1000)
LARGEST_PAGE: Final = 10_000
"""Rows of a page of the two operations that take any size."""
LAST_PAGE: Final = 10
RANGE_DAYS: Final = 30
"""The longest range of dates that an operation takes, in days."""
LONG_RANGE_DAYS: Final = 366
"""The longest that DailyOhlc takes."""
BAD_RANGE: Final = "Date time format dd/MM/yyyy and ('from date' <= 'to date') < now , max range 30 days"
_PREFIX = "lookuprequest."

T = TypeVar("T")


class _Told(NamedTuple):
    """What there is to tell of an instrument's day."""

    opened: Listing
    """The instrument as it opened."""
    total: ListingTotals
    close_adjusted: int
    """The close, less the dividends and splits since."""


class _Credentials(msgspec.Struct):
    consumer_id: str = msgspec.field(name="consumerID")
    consumer_secret: str = msgspec.field(name="consumerSecret")


def read_credentials(body: bytes) -> tuple[str, str] | None:
    """The consumer id and secret in the body of an AccessToken request; None when they are not in it."""
    try:
        credentials = msgspec.json.decode(body, type=_Credentials)
    except msgspec.MsgspecError:
        return None
    return credentials.consumer_id, credentials.consumer_secret


def token_granted(token: str) -> dict[str, Any]:
    """The answer to AccessToken. It may have no further key: SSI's Python client breaks on one."""
    return {"message": "Success", "status": 200, "data": {"accessToken": token}}


def token_refused() -> dict[str, Any]:
    """The answer to AccessToken with wrong credentials, in SSI's words."""
    return {"message": "The connection is invalid", "status": 400, "data": None}


def unauthorized(message: str = "Missing Authorization header") -> dict[str, Any]:
    """The answer to a request without a valid token; it is sent with HTTP 200 like any other."""
    return {"message": message, "status": 401}


def no_resource(url: str, operation: str | None = None) -> dict[str, Any]:
    """What ASP.NET's Web API answers, with HTTP 404, where nothing is; ``operation`` is what Market was asked for, if it was."""
    said = {"Message": f"No HTTP resource was found that matches the request URI '{url}'."}
    if operation is not None:
        said["MessageDetail"] = f"No action was found on the controller 'Market' that matches the name '{operation}'."
    return said


def wrong_method(method: str) -> dict[str, Any]:
    """What ASP.NET's Web API answers, with HTTP 405, to another method than an operation takes."""
    return {"Message": f"The requested resource does not support http method '{method}'."}


OPERATIONS: Final = frozenset(
    {
        "securities", "securitiesdetails", "indexcomponents", "indexlist", "dailyohlc", "intradayohlc", "dailyindex",
        "dailystockprice", "backtest",
    }
)  # fmt: skip
"""The operations that SSI has besides AccessToken, in lower case."""


class RestApi:
    """Answers the operations of REST on one day."""

    def __init__(
        self,
        market: MarketDay,
        facts: Callable[[int], Iterator[Facts]],
        index_now: Callable[[Symbol], str | None],
        seeded: "Callable[[str], Random]",
    ) -> None:
        """Answer for a day.

        Args:
            market: The day.
            facts: Gives what there is to tell of it, from the block with a number on.
            index_now: Gives the last ``MI`` that has been due of an index, as an invocation.
            seeded: ``random.Random``.
        """
        self._universe = market.universe
        self._day = market.day
        self._so_far = DaySoFar(facts)
        self._index_now = index_now
        self._history = History(market.seed, market.day, seeded)
        self._now_ms = UnixMs(0)
        self._operations: dict[str, Callable[[Mapping[str, str]], dict[str, Any]]] = {
            "securities": self._securities,
            "securitiesdetails": self._details,
            "indexcomponents": self._components,
            "indexlist": self._indices,
            "dailyohlc": self._daily_ohlc,
            "intradayohlc": self._intraday_ohlc,
            "dailyindex": self._daily_index,
            "dailystockprice": self._daily_stock_price,
            "backtest": self._back_test,
        }

    def answer(self, operation: str, query: Mapping[str, str], released: int, now_ms: UnixMs) -> dict[str, Any]:
        """The answer to ``operation``, one of :data:`OPERATIONS` in upper or lower case.

        Args:
            operation: What is asked for.
            query: Its parameters; they may be written ``symbol``, ``Symbol`` or ``lookupRequest.symbol``.
            released: How many of the day's records have been due.
            now_ms: Market time.
        """
        self._so_far.advance(released)
        self._now_ms = now_ms
        handler = self._operations[operation.lower()]
        return handler({name.lower().removeprefix(_PREFIX): value.strip() for name, value in query.items()})

    def _securities(self, query: Mapping[str, str]) -> dict[str, Any]:
        rows = [
            {"Market": listing.exchange.value, "Symbol": listing.symbol, "StockName": listing.name, "StockEnName": listing.name}
            for listing in self._selected(query)
        ]
        return _page(rows, query, _as_it_is)

    def _details(self, query: Mapping[str, str]) -> dict[str, Any]:
        selected = self._selected(query)
        answer = _page(selected, query, self._detail)
        if answer["data"]:
            report = {
                "RType": "y",
                "ReportDate": _date(self._day),
                "TotalNoSym": str(len(selected)),
                "RepeatedInfo": answer["data"],
            }
            answer["data"] = [report]
        return answer

    def _components(self, query: Mapping[str, str]) -> dict[str, Any]:
        index = self._universe.index(query.get("indexcode", ""))
        return _page([index] if index else [], query, _composition)

    def _indices(self, query: Mapping[str, str]) -> dict[str, Any]:
        exchange = query.get("exchange", "").upper()
        rows = [
            {"IndexCode": index.index_id, "IndexName": index.index_id, "Exchange": index.exchange.value}
            for index in self._universe.indices
            if exchange in ("", index.exchange)
        ]
        return _page(rows, query, _as_it_is)

    def _daily_ohlc(self, query: Mapping[str, str]) -> dict[str, Any]:
        listing, days = self._listing(query), self._days(query, LONG_RANGE_DAYS)
        if days is None:
            return _error(BAD_RANGE)
        ordered = [day for day in self._ordered(days, query) if self._is_told(day)]
        found = [(listing, day) for day in ordered if self._told(listing, day).total.volume] if listing else []
        return _page(found, query, lambda one: self._ohlc(*one), any_size=True)

    def _ohlc(self, listing: Listing, day: TradingDay) -> dict[str, Any]:
        opened, total, _ = self._told(listing, day)
        return {
            "Symbol": listing.symbol,
            "Market": listing.exchange.value,
            "TradingDate": _date(day),
            "Time": None,
            "Open": _price(total.open, opened),
            "High": _price(total.high, opened),
            "Low": _price(total.low, opened),
            "Close": _price(total.close, opened),
            "Volume": str(total.volume),
            "Value": str(total.value),
        }

    def _intraday_ohlc(self, query: Mapping[str, str]) -> dict[str, Any]:
        days, minutes = self._days(query, RANGE_DAYS), _number(query.get("resolution"), 1)
        if days is None:
            return _error(BAD_RANGE)
        listing = self._listing(query)
        if not minutes or listing is None:
            return _page([], query, _nothing, any_size=True)
        bars = [(day, bar) for day in days for bar in self._bars(listing, day, minutes)]
        ordered = bars if _is_ascending(query, default=True) else bars[::-1]
        return _page(ordered, query, lambda one: _intraday_row(listing, *one), any_size=True)

    def _bars(self, listing: Listing, day: TradingDay, minutes: int) -> list[Bar]:
        if day == self._day:
            return self._so_far.bars(listing, minutes)
        return self._history.bars(self._history.day(listing, day), minutes) if self._history.tells(day) else []

    def _daily_index(self, query: Mapping[str, str]) -> dict[str, Any]:
        days = self._days(query, RANGE_DAYS)
        if days is None:
            return {"data": [], "message": BAD_RANGE, "status": "Error", "totalRecord": 0}
        index = self._universe.index(query.get("indexid", ""))
        found = [(index, day) for day in self._ordered(days, query)] if index else []
        return _page([one for one in found if self._index_row(*one)], query, lambda one: self._index_row(*one))

    def _index_row(self, index: IndexListing, day: TradingDay) -> dict[str, Any]:
        """What DailyIndex says of a day; nothing where there is nothing to say."""
        if day == self._day:
            return self._index_today(index)
        if not self._history.tells(day):
            return {}
        past = self._history.index(index, day)
        change = past.value - past.prior
        matched = (past.volume, past.traded_value, past.deal_volume, past.deal_value)
        return _index_fields(
            index, day, str(past.value / POINT), change / POINT, _ratio(change, past.prior), past.breadth, matched, "C"
        )

    def _index_today(self, index: IndexListing) -> dict[str, Any]:
        said = self._index_now(index.symbol)
        now = json.loads(json.loads(argument_of(said))["Content"]) if said is not None else {}
        if now.get("TradingDate") != _date(self._day):
            return {}
        word = word_at(self._now_ms, self._day, index.exchange)
        change, volume = now["IndexValue"] - now["PriorIndexValue"], int(now["TotalQtty"])
        breadth = (now["Advances"], now["NoChanges"], now["Declines"], now["Ceilings"], now["Floors"])
        matched = (volume, int(now["TotalValue"]), int(now["TotalQttyPt"]), int(now["TotalValuePt"]))
        is_over = word == "C" and volume > 0
        value, change = (str(now["IndexValue"]), change) if is_over else ("0", change / 100)
        return _index_fields(index, self._day, value, change, str(now["RatioChange"]), breadth, matched, word)

    def _daily_stock_price(self, query: Mapping[str, str]) -> dict[str, Any]:
        days = self._days(query, RANGE_DAYS)
        if days is None:
            return _error(BAD_RANGE)
        ordered = [day for day in self._ordered(days, query) if self._is_told(day)]
        found = [(listing, day) for listing in self._selected(query) for day in ordered]
        return _page(found, query, lambda one: self._stock_price(*one))

    def _stock_price(self, listing: Listing, day: TradingDay) -> dict[str, Any]:
        opened, total, close_adjusted = self._told(listing, day)
        change = total.close - opened.reference if total.close else 0
        average = str(round(total.value / total.volume, 2)) if total.volume else "0"
        return {
            "TradingDate": _date(day),
            "PriceChange": _price(change, opened),
            "PerPriceChange": _ratio(change, opened.reference),
            "CeilingPrice": _price(opened.ceiling, opened),
            "FloorPrice": _price(opened.floor, opened),
            "RefPrice": _price(opened.reference, opened),
            "OpenPrice": _price(total.open, opened),
            "HighestPrice": _price(total.high, opened),
            "LowestPrice": _price(total.low, opened),
            "ClosePrice": _price(total.close, opened),
            "AveragePrice": average,
            "ClosePriceAdjusted": _price(close_adjusted, opened),
            "TotalMatchVol": str(total.volume),
            "TotalMatchVal": str(total.value),
            "TotalDealVal": str(total.deal_value),
            "TotalDealVol": str(total.deal_volume),
            "ForeignBuyVolTotal": str(total.bought),
            "ForeignCurrentRoom": str(total.room),
            "ForeignSellVolTotal": str(total.sold),
            "ForeignBuyValTotal": str(total.bought_value),
            "ForeignSellValTotal": str(total.sold_value),
            "TotalBuyTrade": str(total.buys),
            "TotalBuyTradeVol": str(total.buy_volume),
            "TotalSellTrade": str(total.sells),
            "TotalSellTradeVol": str(total.sell_volume),
            "NetBuySellVol": str(total.bought - total.sold),
            "NetBuySellVal": str(total.bought_value - total.sold_value),
            "TotalTradedVol": str(total.volume + total.deal_volume),
            "TotalTradedValue": str(total.value + total.deal_value),
            "Symbol": listing.symbol,
            "Time": None,
        }

    @staticmethod
    def _back_test(query: Mapping[str, str]) -> dict[str, Any]:
        return _error("Not support")

    def _told(self, listing: Listing, day: TradingDay) -> "_Told":
        if day == self._day:
            total = self._so_far.of(listing)
            return _Told(listing, total, total.close)
        past = self._history.day(listing, day)
        return _Told(past.listing, past.total, past.close_adjusted)

    def _is_told(self, day: TradingDay) -> bool:
        return day == self._day or self._history.tells(day)

    def _listing(self, query: Mapping[str, str]) -> Listing | None:
        symbol = query.get("symbol", "").upper()
        return next((listing for listing in self._universe.listings if listing.symbol == symbol), None)

    def _days(self, query: Mapping[str, str], most: int) -> list[TradingDay] | None:
        """The trading days from ``fromDate`` to ``toDate``, today where one is not given; None where the range is not allowed.

        No day is told that is not over or running: there is none after the day that is played.
        """
        today = as_date(self._day)
        since, until = (_read_date(query.get(name), today) for name in ("fromdate", "todate"))
        if since is None or until is None or not since <= until <= today or (until - since).days > most:
            return None
        days = (as_day(since + timedelta(days=n)) for n in range((until - since).days + 1))
        return [day for day in days if day == self._day or is_trading_day(day)]

    @staticmethod
    def _ordered(days: list[TradingDay], query: Mapping[str, str]) -> list[TradingDay]:
        return days if _is_ascending(query, default=False) else days[::-1]

    def _selected(self, query: Mapping[str, str]) -> list[Listing]:
        market, symbol = query.get("market", "").upper(), query.get("symbol", "").upper()
        return [
            listing for listing in self._universe.listings if market in ("", listing.exchange) and symbol in ("", listing.symbol)
        ]

    def _detail(self, listing: Listing) -> dict[str, str | None]:
        contract = contract_of(listing.symbol)
        return {
            "Isin": listing.symbol,
            "Symbol": listing.symbol,
            "SymbolName": listing.name,
            "SymbolEngName": listing.name,
            "SecType": "FU" if contract else "S",
            "MarketId": listing.exchange.value,
            "Exchange": listing.exchange.value,
            "Issuer": None,
            "LotSize": "1" if contract else "100",
            "IssueDate": None,
            "MaturityDate": _date(expiry(contract.month)) if contract else None,
            "FirstTradingDate": None,
            "LastTradingDate": _date(expiry(contract.month)) if contract else None,
            "ContractMultiplier": str(FUTURES_MULTIPLIER_VND) if contract else None,
            "SettlMethod": "C" if contract else None,
            "Underlying": contract.underlying if contract else None,
            "PutOrCall": None,
            "ExercisePrice": "0",
            "ExerciseStyle": None,
            "ExcerciseRatio": "0",
            "ListedShare": str(listing.shares),
            **_ticks(listing.exchange),
        }


def _composition(index: IndexListing) -> dict[str, Any]:
    return {
        "IndexCode": index.index_id,
        "IndexName": index.index_id,
        "Exchange": index.exchange.value,
        "TotalSymbolNo": str(len(index.members)),
        "IndexComponent": [{"Isin": m.symbol, "StockSymbol": m.symbol} for m in sorted(index.members, key=lambda m: m.symbol)],
    }


def _ticks(exchange: Exchange) -> dict[str, str | None]:
    """The price steps of an exchange, each with the price from which it holds: in VND, or in points for futures."""
    if exchange is Exchange.DER:
        bounds = [("0", "0.1")]
    else:
        starts = (0, 10_000, 50_000) if exchange is Exchange.HOSE else (0,)
        bounds = [(str(start), str(tick_of(start, exchange))) for start in starts]
    padded = [*bounds, *[(None, None)] * (4 - len(bounds))]
    return {f"{key}{n}": pair[k] for n, pair in enumerate(padded, 1) for k, key in enumerate(("TickPrice", "TickIncrement"))}


def _intraday_row(listing: Listing, day: TradingDay, bar: Bar) -> dict[str, Any]:
    # Captured answers have a price under Value. It is not always Close; in those that are known it is the lowest of the minute.
    low = _price(bar.low, listing)
    return {
        "Symbol": listing.symbol,
        "Value": low,
        "TradingDate": _date(day),
        "Time": _clock(bar.last_ms),
        "Open": _price(bar.open, listing),
        "High": _price(bar.high, listing),
        "Low": low,
        "Close": _price(bar.close, listing),
        "Volume": str(bar.volume),
    }


def _index_fields(
    index: IndexListing,
    day: TradingDay,
    value: str,
    change: float,
    ratio: str,
    breadth: tuple[int, int, int, int, int],
    matched: tuple[int, int, int, int],
    session: str,
) -> dict[str, Any]:
    """A row of DailyIndex: ``breadth`` from advances to floors, ``matched`` volume and value, then those of put-through deals."""
    volume, traded_value, deal_volume, deal_value = matched
    counted = map(str, breadth)
    return {
        "IndexId": index.index_id,
        "IndexValue": value,
        "TradingDate": _date(day),
        "Time": None,
        "Change": str(round(change, 4)),
        "RatioChange": ratio,
        "TotalTrade": "0",
        "TotalMatchVol": str(volume),
        "TotalMatchVal": str(traded_value),
        "TypeIndex": None,
        "IndexName": index.index_id,
        **dict(zip(("Advances", "NoChanges", "Declines", "Ceilings", "Floors"), counted, strict=True)),
        "TotalDealVol": str(deal_volume),
        "TotalDealVal": str(deal_value),
        "TotalVol": str(volume + deal_volume),
        "TotalVal": str(traded_value + deal_value),
        "TradingSession": session,
    }


def _date(day: TradingDay) -> str:
    return as_date(day).strftime("%d/%m/%Y")


def _clock(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, ICT).strftime("%H:%M:%S")


def _read_date(text: str | None, default: date) -> date | None:
    """A date as SSI takes it, ``dd/MM/yyyy`` and no shorter; None where it is none."""
    if not text:
        return default
    found = re.fullmatch(r"([0-9]{2})/([0-9]{2})/([0-9]{4})", text)
    try:
        return date(int(found[3]), int(found[2]), int(found[1])) if found else None
    except ValueError:
        return None


def _price(value: int, listing: Listing) -> str:
    return str(value / POINT).removesuffix(".0") if listing.is_future else str(value)


def _ratio(change: int, base: int) -> str:
    """``change`` as a percentage of ``base``, to two decimals."""
    return str(round(100 * change / base, 2)) if base else "0"


def _is_ascending(query: Mapping[str, str], default: bool) -> bool:
    said = query.get("ascending") or query.get("order")
    return default if not said else said.lower() in ("true", "1", "asc")


def _as_it_is(row: dict[str, Any]) -> dict[str, Any]:
    return row


def _nothing(row: object) -> dict[str, Any]:
    return {}


def _page(
    rows: Sequence[T], query: Mapping[str, str], row: Callable[[T], dict[str, Any]], any_size: bool = False
) -> dict[str, Any]:
    """The page of ``rows`` that ``query`` asks for, in the body that SSI puts around it; ``row`` writes what is on it."""
    index, size = _number(query.get("pageindex"), 1), _number(query.get("pagesize"), 10)
    if size not in PAGE_SIZES and not (any_size and size and size <= LARGEST_PAGE):
        return _error("Size of a page must 10, 20, 50, 100 or 1000")
    if index is None or not 1 <= index <= LAST_PAGE:
        return _error(f"Index of a page must be from 1 to {LAST_PAGE}")
    cut = [row(one) for one in rows[(index - 1) * size : index * size]]
    message = "Success" if cut else "NoDataFound"
    return {"data": cut, "message": message, "status": "Success", "totalRecord": len(rows)}


def _error(message: str) -> dict[str, Any]:
    return {"data": None, "message": message, "status": "Error", "totalRecord": 0}


def _number(text: str | None, default: int) -> int | None:
    if not text:
        return default
    return int(text) if text.isdecimal() and len(text) < 8 else None
