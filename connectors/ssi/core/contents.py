"""What SSI writes under ``Content``, as structs that msgspec reads straight into, and the records that they become.

The only place that knows SSI's field names: an attribute is SSI's name in snake case. SSI quotes prices in dong, those of indices
and futures in points; once :mod:`connectors.ssi.core.decode` has read them, the latter are hundredths of a point.
"""

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from operator import itemgetter
from typing import Annotated, Any, Final, TypeVar, cast

import msgspec
from msgspec import Meta

from connectors.ssi.core.errors import InvalidRecord, Reason
from schemas.calendar import as_day, at
from schemas.structs import (
    BarRecord,
    ForeignRecord,
    IndexRecord,
    OddLotRecord,
    QuoteRecord,
    SnapshotRecord,
    StatusRecord,
    TradeRecord,
)
from schemas.units import POINT, Exchange, Price, Shares, Side, Symbol, TradingDay, UnixMs, Vnd

# Bounds far beyond anything that is traded. They keep price × volume of a stock within 64 bits wherever it is computed.
MAX_PRICE: Final = 10**8
_MAX_SHARES: Final = 10**10
_MAX_MARKET_SHARES: Final = 10**12
MAX_VND: Final = 2**53
"""SSI writes amounts as floating-point numbers, which hold no larger whole number exactly."""

_Price = Annotated[Price, Meta(ge=0, le=MAX_PRICE, title="price")]
_PointPrice = Annotated[float, Meta(ge=0, le=MAX_PRICE / POINT, title="price")]
_Shares = Annotated[Shares, Meta(ge=0, le=_MAX_SHARES, title="shares")]
_MarketShares = Annotated[Shares, Meta(ge=0, le=_MAX_MARKET_SHARES, title="shares")]
_Room = Annotated[Shares, Meta(ge=-_MAX_SHARES, le=_MAX_SHARES, title="shares")]
"""What foreigners may still buy. It is negative where they hold more than they may."""
_Vnd = Annotated[Vnd, Meta(ge=0, le=MAX_VND, title="vnd")]
_Sum = Annotated[float, Meta(ge=0, le=MAX_VND, title="vnd")]
"""An amount that SSI added up in floating point, so that it may have a fraction of a dong."""
_Count = Annotated[int, Meta(ge=0, le=10**6, title="shares")]
_Label = Annotated[str, Meta(max_length=16)] | None
"""A code such as a session's; SSI may add others, so any short text is taken."""


class TradeContent(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
    """``X-TRADE``: one match."""

    trading_date: str
    time: str
    symbol: str
    ceiling: _Price
    floor: _Price
    ref_price: _Price
    last_price: _Price
    last_vol: _Shares
    total_val: _Vnd
    total_vol: _Shares
    exchange: str
    trading_session: _Label = None
    trading_status: _Label = None
    est_matched_price: _Price
    highest: _Price
    lowest: _Price
    side: _Label = None


class QuoteContent(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
    """``X-QUOTE``: the book; its levels are added in :data:`QUOTE`."""

    trading_date: str
    time: str
    exchange: str
    symbol: str
    trading_session: _Label = None


class SnapshotContent(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
    """``X``: the last match and the book in one; the book's levels are added in :data:`SNAPSHOT`."""

    trading_date: str
    time: str
    symbol: str
    ceiling: _Price
    floor: _Price
    ref_price: _Price
    open: _Price
    high: _Price
    low: _Price
    last_price: _Price
    last_vol: _Shares
    total_val: _Vnd
    total_vol: _Shares
    exchange: str
    trading_session: _Label = None
    trading_status: _Label = None
    est_matched_price: _Price


class OddLotContent(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
    """``OL``: matches and book of the odd-lot board; the book's levels are added in :data:`ODD_LOT`."""

    trading_date: str
    time: str
    symbol: str
    last_price: _Price
    last_vol: _Shares
    total_val: _Sum
    total_vol: _Shares
    exchange: str
    trading_session: _Label = None
    trading_status: _Label = None


class BarContent(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
    """``B``: a bar of one match, or of one step of an index."""

    trading_date: str
    time: str
    symbol: str
    open: _Price
    high: _Price
    low: _Price
    close: _Price
    volume: _MarketShares


class StatusContent(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
    """``F``: the trading session and the trading status of a symbol."""

    trading_date: str
    time: str
    symbol: str
    trading_session: _Label = None
    trading_status: _Label = None
    exchange: str


class ForeignContent(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
    """``R``: what foreigners have bought and sold since the open, and the room left to them."""

    trading_date: str
    time: str
    symbol: str
    total_room: _Room
    current_room: _Room
    buy_vol: _Shares
    sell_vol: _Shares
    buy_val: _Vnd
    sell_val: _Vnd
    exchange: str


class IndexContent(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
    """``MI``: an index, and the turnover and breadth of its members."""

    index_id: str
    index_value: _Price
    prior_index_value: _Price
    trading_date: str
    time: str
    total_qtty: _MarketShares
    total_value: _Vnd
    advances: _Count
    no_changes: _Count
    declines: _Count
    ceilings: _Count
    floors: _Count
    total_qtty_pt: _MarketShares
    total_value_pt: _Vnd
    exchange: str | None = None
    trading_session: _Label = None
    market_id: str | None = None


_EXCHANGES: Final = {
    "HOSE": Exchange.HOSE,
    "HNX": Exchange.HNX,
    "UPCOM": Exchange.UPCOM,
    "DERIVATIVES": Exchange.DER,
    "DER": Exchange.DER,
    "HNXBOND": Exchange.HNXBOND,
}
_SIDES: Final = {"BU": Side.BUY, "SD": Side.SELL}

C = TypeVar("C", bound=msgspec.Struct)


def with_book(content: type[C], sides: tuple[str, str], levels: int, before: str) -> type[C]:
    """``content`` with the fields of a book put in where SSI writes them: of each side all prices, then all volumes.

    Args:
        content: Of a record that has a book.
        sides: ``ask`` and ``bid``, in SSI's order.
        levels: How many a side has.
        before: The field of ``content`` that comes after the book.
    """
    numbers = range(1, levels + 1)
    columns = [(side, what, kind) for side in sides for what, kind in (("price", _Price), ("vol", _Shares))]
    book = [(f"{side}_{what}{number}", kind) for side, what, kind in columns for number in numbers]
    fields = [_definition(field, field.type) for field in msgspec.structs.fields(content)]
    start = content.__struct_fields__.index(before)
    return _defined(content, [*fields[:start], *book, *fields[start:]])


def with_decimals(content: type[C]) -> type[C]:
    """``content`` with its prices and amounts as decimal numbers: points have decimals, and so have sums of amounts at times."""
    prices, amounts = prices_of(content), amounts_of(content)
    types: dict[str, Any] = {**dict.fromkeys(prices, _PointPrice), **dict.fromkeys(amounts, _Sum)}
    return _defined(content, [_definition(field, types.get(field.name, field.type)) for field in msgspec.structs.fields(content)])


def _definition(field: msgspec.structs.FieldInfo, kind: Any) -> Any:
    return (field.name, kind) if field.required else (field.name, kind, field.default)


def _defined(content: type[C], fields: list[Any]) -> type[C]:
    return cast("type[C]", msgspec.defstruct(content.__name__, fields, rename="pascal", kw_only=True, gc=False))


def prices_of(content: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names of the attributes of ``content`` that are prices."""
    return tuple(field.name for field in msgspec.structs.fields(content) if field.type == _Price)


def amounts_of(content: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names of the attributes of ``content`` that are amounts of dong, and whole where SSI writes them."""
    return tuple(field.name for field in msgspec.structs.fields(content) if field.type == _Vnd)


QUOTE: Final = with_book(QuoteContent, ("ask", "bid"), 10, before="trading_session")
SNAPSHOT: Final = with_book(SnapshotContent, ("bid", "ask"), 10, before="exchange")
ODD_LOT: Final = with_book(OddLotContent, ("bid", "ask"), 3, before="exchange")
HOSE_LEVELS: Final = 3
"""HOSE publishes so many levels of a book; SSI writes zeros for the others."""
TOP_QUOTE: Final = with_book(QuoteContent, ("ask", "bid"), HOSE_LEVELS, before="trading_session")
TOP_SNAPSHOT: Final = with_book(SnapshotContent, ("bid", "ask"), HOSE_LEVELS, before="exchange")
"""What is left of these two without the levels that HOSE does not publish."""


class _Hundredths(dict[float, Price]):
    """Prices in hundredths of a point, by the price in points: a day has few different ones, and to look one up is cheaper."""

    def __missing__(self, points: float) -> Price:
        if len(self) >= _MOST_PRICES:
            self.clear()
        price = self[points] = Price(round(points * POINT))
        return price


_MOST_PRICES: Final = 20_000
"""How many of either are remembered: more than there are steps between a future's floor and ceiling, for several futures."""
_hundredths: Final = _Hundredths()
_in_hundredths: Final = _hundredths.__getitem__


class _Ladders:
    """The prices of one side of a book in hundredths of a point, by the best of them.

    The orders for a busy future lie one step apart, so that there is as good as always one ladder to a best price.
    """

    def __init__(self) -> None:
        self._known: dict[float, tuple[tuple[float, ...], tuple[Price, ...]]] = {}

    def in_hundredths(self, points: tuple[float, ...]) -> tuple[Price, ...]:
        """The prices of a side that are ``points``, best first."""
        known = self._known.get(points[0])
        if known is not None and known[0] == points:
            return known[1]
        if len(self._known) >= _MOST_PRICES:
            self._known.clear()
        prices = tuple(map(_in_hundredths, points))
        self._known[points[0]] = points, prices
        return prices


_bids_in_hundredths: Final = _Ladders().in_hundredths
_asks_in_hundredths: Final = _Ladders().in_hundredths


class _Book:
    """Where the two sides of a book are among the fields of a content that was made by :func:`with_book`."""

    def __init__(self, content: type[msgspec.Struct], levels: int) -> None:
        place = content.__struct_fields__.index
        self._bids, self._asks = (
            itemgetter(*(place(f"{side}_{what}{number}") for number in range(1, levels + 1) for what in ("price", "vol")))
            for side in ("bid", "ask")
        )
        self._bid_prices, self._bid_volumes, self._ask_prices, self._ask_volumes = (
            slice(place(f"{side}_{what}1"), place(f"{side}_{what}1") + levels)
            for side in ("bid", "ask")
            for what in ("price", "vol")
        )
        self._empty_side = [0] * (2 * levels)

    def sides(self, content: msgspec.Struct) -> tuple[list[int], list[int]]:
        """Bids and asks, price and volume of a level in turn, without the empty levels at their ends.

        A level with a volume and no price holds ATO or ATC orders, which have no price: it stays.
        """
        values = msgspec.structs.astuple(content)
        bids, asks = [*self._bids(values)], [*self._asks(values)]
        while bids and not bids[-1] and not bids[-2]:
            del bids[-2:]
        while asks and not asks[-1] and not asks[-2]:
            del asks[-2:]
        return bids, asks

    def sides_in_points(self, content: msgspec.Struct) -> tuple[list[int], list[int]]:
        """The same of a content whose prices are points; they become hundredths of a point."""
        values = msgspec.structs.astuple(content)
        bids, asks = self._empty_side[:], self._empty_side[:]
        bids[::2], bids[1::2] = _bids_in_hundredths(values[self._bid_prices]), values[self._bid_volumes]
        asks[::2], asks[1::2] = _asks_in_hundredths(values[self._ask_prices]), values[self._ask_volumes]
        while bids and not bids[-1] and not bids[-2]:
            del bids[-2:]
        while asks and not asks[-1] and not asks[-2]:
            del asks[-2:]
        return bids, asks


class DeepLevels:
    """The levels of a book that HOSE does not publish, and SSI writes as zeros: they are more than half of such a content.

    Where they are written in the way in which SSI was seen to write them they are left out of a Broadcast argument before it is
    read: neither it nor the content in it is then read as far as these levels.
    """

    def __init__(self, content: type[msgspec.Struct]) -> None:
        """Of a content that was made by :func:`with_book` with more levels than HOSE's."""
        names = {field.name: field.encode_name for field in msgspec.structs.fields(content)}
        columns = [name.removesuffix("1") for name in names if re.fullmatch(r"(ask|bid)_(price|vol)1", name)]
        levels = sum(name.removeprefix(columns[0]).isdecimal() for name in names)
        runs = []
        for column in columns:
            deep = [names[f"{column}{number}"] for number in range(HOSE_LEVELS + 1, levels + 1)]
            # From the comma before the first of them on. In an argument the quotation marks of the content have backslashes.
            # What is looked for is short: the whole run is compared only where it is.
            run = "".join(f',\\"{name}\\":0.0' for name in deep)
            runs.append((f'"{deep[0]}', run, len(run)))
        (self._first, self._first_run, self._first_length), (self._second, self._second_run, self._second_length), *others = runs
        (self._third, self._third_run, self._third_length), (self._fourth, self._fourth_run, self._fourth_length) = others

    def cut_from(self, argument: str) -> str | None:
        """``argument`` without these levels; None if one of them is not empty, or is written otherwise."""
        # Without a loop: this is done for two of three records.
        find = argument.find
        first = find(self._first) - _AHEAD
        after_first = first + self._first_length
        if argument[first:after_first] != self._first_run:
            return None
        second = find(self._second, after_first, after_first + _FAR) - _AHEAD
        after_second = second + self._second_length
        third = find(self._third, after_second, after_second + _FAR) - _AHEAD
        after_third = third + self._third_length
        fourth = find(self._fourth, after_third, after_third + _FAR) - _AHEAD
        after_fourth = fourth + self._fourth_length
        if (
            argument[second:after_second] != self._second_run
            or argument[third:after_third] != self._third_run
            or argument[fourth:after_fourth] != self._fourth_run
        ):
            return None
        return (
            f"{argument[:first]}{argument[after_first:second]}{argument[after_second:third]}"
            f"{argument[after_third:fourth]}{argument[after_fourth:]}"
        )


_AHEAD: Final = len(",\\")
"""What stands in a run before what is looked for."""
_FAR: Final = 200
"""No three levels of a column take as many characters in a record that SSI was seen to write."""
_QUOTE_BOOK: Final = _Book(QUOTE, 10)
_SNAPSHOT_BOOK: Final = _Book(SNAPSHOT, 10)
_ODD_LOT_BOOK: Final = _Book(ODD_LOT, 3)
_TOP_QUOTE_BOOK: Final = _Book(TOP_QUOTE, HOSE_LEVELS)
_TOP_SNAPSHOT_BOOK: Final = _Book(TOP_SNAPSHOT, HOSE_LEVELS)

_DATE: Final = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])")


@lru_cache(maxsize=64)
def _day_of(text: str) -> tuple[TradingDay, UnixMs]:
    """The day that ``dd/MM/yyyy`` names, and its midnight in Vietnam."""
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        day = as_day(date(int(match[3]), int(match[2]), int(match[1])))
        midnight = at(day, 0)
    except (ValueError, OverflowError):
        raise InvalidRecord(Reason.BAD_TIME, f"TradingDate {text[:20]!r} is no date: expected dd/MM/yyyy") from None
    return day, midnight


MOMENTS: Final[dict[str, dict[str, tuple[TradingDay, UnixMs]]]] = {}
"""What :func:`moment_of` has found, by date and time. Look here first: of most moments there are many records."""
_MOST_DAYS: Final = 3
"""A feed speaks of a day and of the one before. A day has 86,400 times, so this is bounded too."""


def moment_of(trading_date: str, time: str) -> tuple[TradingDay, UnixMs]:
    """The day that ``dd/MM/yyyy`` names, and the instant that ``HH:mm:ss`` names on it.

    Raises:
        InvalidRecord: One of them is no date or no time.
    """
    day, midnight = _day_of(trading_date)
    match = _TIME.fullmatch(time)
    if match is None:
        raise InvalidRecord(Reason.BAD_TIME, f"Time {time[:20]!r} is no time: expected HH:mm:ss")
    moment = day, UnixMs(midnight + (int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])) * 1000)
    if trading_date not in MOMENTS and len(MOMENTS) >= _MOST_DAYS:
        MOMENTS.clear()
    MOMENTS.setdefault(trading_date, {})[time] = moment
    return moment


@lru_cache(maxsize=64)
def exchange_of(text: str) -> Exchange:
    """The exchange that SSI calls ``text``.

    Raises:
        InvalidRecord: There is none of that name.
    """
    exchange = _EXCHANGES.get(text.upper())
    if exchange is None:
        raise InvalidRecord(Reason.UNKNOWN_EXCHANGE, f"{text[:20]!r} is no exchange: expected one of {', '.join(_EXCHANGES)}")
    return exchange


def is_exchange(text: str) -> bool:
    """Whether SSI calls an exchange so."""
    return text.upper() in _EXCHANGES


# Each function below makes the record of one content, whose figures are in their units; or, "in points", of one that was read as
# decimal numbers: prices in points become hundredths on their way into the record. All of them raise InvalidRecord for an
# exchange that is none.
#
# Fields are given by position, in the order of schemas.records: by keyword it takes five times as long. A test holds each to its
# place.
_trade: Final[Callable[..., TradeRecord]] = TradeRecord
_quote: Final[Callable[..., QuoteRecord]] = QuoteRecord
_snapshot: Final[Callable[..., SnapshotRecord]] = SnapshotRecord
_odd_lot: Final[Callable[..., OddLotRecord]] = OddLotRecord
_bar: Final[Callable[..., BarRecord]] = BarRecord
_status: Final[Callable[..., StatusRecord]] = StatusRecord
_foreign: Final[Callable[..., ForeignRecord]] = ForeignRecord
_index: Final[Callable[..., IndexRecord]] = IndexRecord


def trade_record(content: TradeContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> TradeRecord:
    """The record of ``symbol`` in an ``X-TRADE``."""
    return _trade(
        symbol,
        day,
        ts_ms,
        exchange_of(content.exchange),
        content.last_price,
        content.last_vol,
        content.total_vol,
        content.total_val,
        content.ref_price,
        content.ceiling,
        content.floor,
        content.highest,
        content.lowest,
        content.est_matched_price,
        _SIDES.get(content.side) if content.side else None,
        content.trading_session or None,
        content.trading_status or None,
    )


def trade_record_in_points(content: TradeContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> TradeRecord:
    """The same, of prices in points and a total that may have decimals."""
    return _trade(
        symbol,
        day,
        ts_ms,
        exchange_of(content.exchange),
        _in_hundredths(content.last_price),
        content.last_vol,
        content.total_vol,
        round(content.total_val),
        _in_hundredths(content.ref_price),
        _in_hundredths(content.ceiling),
        _in_hundredths(content.floor),
        _in_hundredths(content.highest),
        _in_hundredths(content.lowest),
        _in_hundredths(content.est_matched_price),
        _SIDES.get(content.side) if content.side else None,
        content.trading_session or None,
        content.trading_status or None,
    )


def quote_record(content: QuoteContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> QuoteRecord:
    """The record of ``symbol`` in an ``X-QUOTE``."""
    bids, asks = _QUOTE_BOOK.sides(content)
    return _quote(symbol, day, ts_ms, exchange_of(content.exchange), bids, asks, content.trading_session or None)


def quote_record_in_points(content: QuoteContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> QuoteRecord:
    """The same, of a book in points."""
    bids, asks = _QUOTE_BOOK.sides_in_points(content)
    return _quote(symbol, day, ts_ms, exchange_of(content.exchange), bids, asks, content.trading_session or None)


def top_quote_record(content: QuoteContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> QuoteRecord:
    """The same, of a :data:`TOP_QUOTE`."""
    bids, asks = _TOP_QUOTE_BOOK.sides(content)
    return _quote(symbol, day, ts_ms, exchange_of(content.exchange), bids, asks, content.trading_session or None)


def snapshot_record(content: SnapshotContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> SnapshotRecord:
    """The record of ``symbol`` in an ``X``."""
    return _snapshot_with(content, symbol, day, ts_ms, _SNAPSHOT_BOOK.sides(content))


def snapshot_record_in_points(content: SnapshotContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> SnapshotRecord:
    """The same, of prices in points and a total that may have decimals."""
    return _snapshot(
        symbol,
        day,
        ts_ms,
        exchange_of(content.exchange),
        _in_hundredths(content.last_price),
        content.last_vol,
        content.total_vol,
        round(content.total_val),
        _in_hundredths(content.ref_price),
        _in_hundredths(content.ceiling),
        _in_hundredths(content.floor),
        _in_hundredths(content.open),
        _in_hundredths(content.high),
        _in_hundredths(content.low),
        _in_hundredths(content.est_matched_price),
        *_SNAPSHOT_BOOK.sides_in_points(content),
        content.trading_session or None,
        content.trading_status or None,
    )


def top_snapshot_record(content: SnapshotContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> SnapshotRecord:
    """The same, of a :data:`TOP_SNAPSHOT`."""
    return _snapshot_with(content, symbol, day, ts_ms, _TOP_SNAPSHOT_BOOK.sides(content))


def _snapshot_with(
    content: SnapshotContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs, book: tuple[list[int], list[int]]
) -> SnapshotRecord:
    return _snapshot(
        symbol,
        day,
        ts_ms,
        exchange_of(content.exchange),
        content.last_price,
        content.last_vol,
        content.total_vol,
        content.total_val,
        content.ref_price,
        content.ceiling,
        content.floor,
        content.open,
        content.high,
        content.low,
        content.est_matched_price,
        *book,
        content.trading_session or None,
        content.trading_status or None,
    )


def odd_lot_record(content: OddLotContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> OddLotRecord:
    """The record of ``symbol`` in an ``OL``."""
    return _odd_lot(
        symbol,
        day,
        ts_ms,
        exchange_of(content.exchange),
        content.last_price,
        content.last_vol,
        content.total_vol,
        Vnd(round(content.total_val)),
        *_ODD_LOT_BOOK.sides(content),
        content.trading_session or None,
        content.trading_status or None,
    )


def odd_lot_record_in_points(content: OddLotContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> OddLotRecord:
    """The same, of prices in points."""
    return _odd_lot(
        symbol,
        day,
        ts_ms,
        exchange_of(content.exchange),
        _in_hundredths(content.last_price),
        content.last_vol,
        content.total_vol,
        Vnd(round(content.total_val)),
        *_ODD_LOT_BOOK.sides_in_points(content),
        content.trading_session or None,
        content.trading_status or None,
    )


def bar_record(content: BarContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> BarRecord:
    """The record of ``symbol`` in a ``B``."""
    return _bar(
        symbol,
        day,
        ts_ms,
        content.open,
        content.high,
        content.low,
        content.close,
        content.volume,
    )


def bar_record_in_points(content: BarContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> BarRecord:
    """The same, of prices in points."""
    return _bar(
        symbol,
        day,
        ts_ms,
        _in_hundredths(content.open),
        _in_hundredths(content.high),
        _in_hundredths(content.low),
        _in_hundredths(content.close),
        content.volume,
    )


def status_record(content: StatusContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> StatusRecord:
    """The record of ``symbol`` in an ``F``."""
    return _status(
        symbol,
        day,
        ts_ms,
        exchange_of(content.exchange),
        content.trading_session or None,
        content.trading_status or None,
    )


def foreign_record(content: ForeignContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> ForeignRecord:
    """The record of ``symbol`` in an ``R``."""
    return _foreign(
        symbol,
        day,
        ts_ms,
        exchange_of(content.exchange),
        content.total_room,
        content.current_room,
        content.buy_vol,
        content.sell_vol,
        content.buy_val,
        content.sell_val,
    )


def index_record(content: IndexContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> IndexRecord:
    """The record of the index ``symbol`` in an ``MI``."""
    exchange = content.exchange or content.market_id
    return _index(
        symbol,
        day,
        ts_ms,
        exchange_of(exchange) if exchange else None,
        content.index_value,
        content.prior_index_value,
        content.total_qtty,
        content.total_value,
        content.total_qtty_pt,
        content.total_value_pt,
        content.advances,
        content.no_changes,
        content.declines,
        content.ceilings,
        content.floors,
        content.trading_session or None,
    )


def index_record_in_points(content: IndexContent, symbol: Symbol, day: TradingDay, ts_ms: UnixMs) -> IndexRecord:
    """The same, of values in points and amounts that may have decimals."""
    exchange = content.exchange or content.market_id
    return _index(
        symbol,
        day,
        ts_ms,
        exchange_of(exchange) if exchange else None,
        _in_hundredths(content.index_value),
        _in_hundredths(content.prior_index_value),
        content.total_qtty,
        round(content.total_value),
        content.total_qtty_pt,
        round(content.total_value_pt),
        content.advances,
        content.no_changes,
        content.declines,
        content.ceilings,
        content.floors,
        content.trading_session or None,
    )
