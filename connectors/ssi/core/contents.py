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


def prices_outside_the_book(content: type[msgspec.Struct]) -> tuple[str, ...]:
    """The same without those of the levels of its book."""
    return tuple(name for name in prices_of(content) if not re.fullmatch(r"(ask|bid)_price[0-9]+", name))


def amounts_of(content: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names of the attributes of ``content`` that are amounts of dong, and whole where SSI writes them."""
    return tuple(field.name for field in msgspec.structs.fields(content) if field.type == _Vnd)


QUOTE: Final = with_book(QuoteContent, ("ask", "bid"), 10, before="trading_session")
SNAPSHOT: Final = with_book(SnapshotContent, ("bid", "ask"), 10, before="exchange")
ODD_LOT: Final = with_book(OddLotContent, ("bid", "ask"), 3, before="exchange")
HOSE_LEVELS: Final = 3
"""HOSE publishes so many levels of a book; SSI writes zeros for the others."""


class _Book:
    """Where the two sides of a book are among the fields of a content that was made by :func:`with_book`."""

    def __init__(self, content: type[msgspec.Struct], levels: int) -> None:
        place = content.__struct_fields__.index
        columns = {
            side: [[place(f"{side}_{what}{number}") for what in ("price", "vol")] for number in range(1, levels + 1)]
            for side in ("bid", "ask")
        }
        self._bids, self._asks = (_getter(columns[side]) for side in ("bid", "ask"))
        self._top_bids, self._top_asks = (_getter(columns[side][:HOSE_LEVELS]) for side in ("bid", "ask"))
        deep = [[*columns["bid"], *columns["ask"]][n] for n in range(2 * levels) if n % levels >= HOSE_LEVELS]
        self._deep = _getter(deep)
        self._nothing = (0,) * (2 * len(deep))

    def sides(self, content: msgspec.Struct, in_points: bool) -> tuple[list[int], list[int]]:
        """Bids and asks, price and volume of a level in turn, without the empty levels at their ends.

        A level with a volume and no price holds ATO or ATC orders, which have no price: it stays.

        Args:
            content: That has the book.
            in_points: Whether its prices are points. They are hundredths of a point afterwards.
        """
        values = msgspec.structs.astuple(content)
        # Most books are HOSE's, and there is nothing to look for behind its three levels.
        if self._deep(values) == self._nothing:
            bids, asks = list(self._top_bids(values)), list(self._top_asks(values))
        else:
            bids, asks = list(self._bids(values)), list(self._asks(values))
        while bids and not bids[-1] and not bids[-2]:
            del bids[-2:]
        while asks and not asks[-1] and not asks[-2]:
            del asks[-2:]
        if in_points:
            bids[::2] = [round(price * POINT) for price in bids[::2]]
            asks[::2] = [round(price * POINT) for price in asks[::2]]
        return bids, asks


def _getter(levels: list[list[int]]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Takes price and volume of each of ``levels`` out of the values of a content."""
    places = [place for level in levels for place in level]
    return itemgetter(*places) if places else lambda values: ()


_QUOTE_BOOK: Final = _Book(QUOTE, 10)
_SNAPSHOT_BOOK: Final = _Book(SNAPSHOT, 10)
_ODD_LOT_BOOK: Final = _Book(ODD_LOT, 3)

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


_moments: dict[str, tuple[TradingDay, UnixMs]] = {}
"""Day and instant by date and time as one text, which costs half of a cache with two keys."""
_MOST_MOMENTS: Final = 100_000


def _moment_of(trading_date: str, time: str) -> tuple[TradingDay, UnixMs]:
    """The day that ``dd/MM/yyyy`` names, and the instant that ``HH:mm:ss`` names on it."""
    return _moments.get(f"{trading_date} {time}") or _look_up_moment(trading_date, time)


def _look_up_moment(trading_date: str, time: str) -> tuple[TradingDay, UnixMs]:
    day, midnight = _day_of(trading_date)
    match = _TIME.fullmatch(time)
    if match is None:
        raise InvalidRecord(Reason.BAD_TIME, f"Time {time[:20]!r} is no time: expected HH:mm:ss")
    if len(_moments) >= _MOST_MOMENTS:
        _moments.clear()
    moment = day, UnixMs(midnight + (int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])) * 1000)
    _moments[f"{trading_date} {time}"] = moment
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


# Each function below makes the record of one content. Amounts, and prices outside of the book, have to be in their units by then;
# those of the book are brought to theirs here, if the content is in points, because most levels are empty. All of them raise
# InvalidRecord for a time or an exchange that is none.
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


def trade_record(content: TradeContent, symbol: Symbol, in_points: bool) -> TradeRecord:
    """The record of ``symbol`` in an ``X-TRADE``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
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


def quote_record(content: QuoteContent, symbol: Symbol, in_points: bool) -> QuoteRecord:
    """The record of ``symbol`` in an ``X-QUOTE``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    bids, asks = _QUOTE_BOOK.sides(content, in_points)
    return _quote(
        symbol,
        day,
        ts_ms,
        exchange_of(content.exchange),
        bids,
        asks,
        content.trading_session or None,
    )


def snapshot_record(content: SnapshotContent, symbol: Symbol, in_points: bool) -> SnapshotRecord:
    """The record of ``symbol`` in an ``X``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    bids, asks = _SNAPSHOT_BOOK.sides(content, in_points)
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
        bids,
        asks,
        content.trading_session or None,
        content.trading_status or None,
    )


def odd_lot_record(content: OddLotContent, symbol: Symbol, in_points: bool) -> OddLotRecord:
    """The record of ``symbol`` in an ``OL``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    bids, asks = _ODD_LOT_BOOK.sides(content, in_points)
    return _odd_lot(
        symbol,
        day,
        ts_ms,
        exchange_of(content.exchange),
        content.last_price,
        content.last_vol,
        content.total_vol,
        Vnd(round(content.total_val)),
        bids,
        asks,
        content.trading_session or None,
        content.trading_status or None,
    )


def bar_record(content: BarContent, symbol: Symbol, in_points: bool) -> BarRecord:
    """The record of ``symbol`` in a ``B``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
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


def status_record(content: StatusContent, symbol: Symbol, in_points: bool) -> StatusRecord:
    """The record of ``symbol`` in an ``F``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    return _status(
        symbol,
        day,
        ts_ms,
        exchange_of(content.exchange),
        content.trading_session or None,
        content.trading_status or None,
    )


def foreign_record(content: ForeignContent, symbol: Symbol, in_points: bool) -> ForeignRecord:
    """The record of ``symbol`` in an ``R``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
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


def index_record(content: IndexContent, symbol: Symbol, in_points: bool) -> IndexRecord:
    """The record of the index ``symbol`` in an ``MI``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
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
