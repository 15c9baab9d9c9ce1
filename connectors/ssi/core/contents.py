"""What SSI writes under ``Content``, as structs that msgspec reads straight into, and the records that they become.

The only place that knows SSI's field names: an attribute is SSI's name in snake case. SSI quotes prices in dong, those of indices
and futures in points; once :mod:`connectors.ssi.core.decode` has read them, the latter are hundredths of a point.
"""

import re
from datetime import date
from functools import lru_cache
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
from schemas.units import Exchange, Price, Shares, Side, Symbol, TradingDay, UnixMs, Vnd

# Bounds far beyond anything that is traded. They keep price × volume of a stock within 64 bits wherever it is computed.
MAX_PRICE: Final = 10**8
_MAX_SHARES: Final = 10**10
_MAX_MARKET_SHARES: Final = 10**12
MAX_VND: Final = 2**53
"""SSI writes amounts as floating-point numbers, which hold no larger whole number exactly."""

_Price = Annotated[Price, Meta(ge=0, le=MAX_PRICE, title="price")]
_PointPrice = Annotated[float, Meta(ge=0, le=MAX_PRICE, title="price")]
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
DERIVATIVES: Final = frozenset(name for name, exchange in _EXCHANGES.items() if exchange is Exchange.DER)
"""What SSI calls the exchange of derivatives."""
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
_QUOTE_BOOK: Final = QUOTE.__struct_fields__.index("ask_price1")
_SNAPSHOT_BOOK: Final = SNAPSHOT.__struct_fields__.index("bid_price1")
_ODD_LOT_BOOK: Final = ODD_LOT.__struct_fields__.index("bid_price1")
"""Where the books begin among the fields."""


def _book_in(content: msgspec.Struct, start: int, levels: int) -> tuple[list[int], list[int]]:
    """The two sides of the book in a content that was made by :func:`with_book`, in SSI's order."""
    values = msgspec.structs.astuple(content)
    first, second = start + levels, start + 2 * levels
    third, end = start + 3 * levels, start + 4 * levels
    return _side(values[start:first], values[first:second]), _side(values[second:third], values[third:end])


def _side(prices: tuple[int, ...], volumes: tuple[int, ...]) -> list[int]:
    """One side of the book, price and volume of a level in turn, without the empty levels at its end.

    A level with a volume and no price holds ATO or ATC orders, which have no price: it stays.
    """
    if not any(prices[3:]) and not any(volumes[3:]):
        # HOSE publishes three levels only, so for most quotes the search for the last filled one can begin here.
        prices, volumes = prices[:3], volumes[:3]
    filled = len(prices)
    while filled and not prices[filled - 1] and not volumes[filled - 1]:
        filled -= 1
    side = [0] * (2 * filled)
    side[::2] = prices[:filled]
    side[1::2] = volumes[:filled]
    return side


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


@lru_cache(maxsize=100_000)
def _moment_of(trading_date: str, time: str) -> tuple[TradingDay, UnixMs]:
    """The day that ``dd/MM/yyyy`` names, and the instant that ``HH:mm:ss`` names on it."""
    day, midnight = _day_of(trading_date)
    match = _TIME.fullmatch(time)
    if match is None:
        raise InvalidRecord(Reason.BAD_TIME, f"Time {time[:20]!r} is no time: expected HH:mm:ss")
    return day, UnixMs(midnight + (int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])) * 1000)


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


# Each function below makes the record of one content, whose prices and amounts have to be in their units by then.
# It raises InvalidRecord for a time or an exchange that is none.


def trade_record(content: TradeContent, symbol: Symbol) -> TradeRecord:
    """The record of ``symbol`` in an ``X-TRADE``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    return TradeRecord(
        symbol=symbol,
        trading_day=day,
        ts_ms=ts_ms,
        exchange=exchange_of(content.exchange),
        price=content.last_price,
        volume=content.last_vol,
        total_volume=content.total_vol,
        total_value=content.total_val,
        reference=content.ref_price,
        ceiling=content.ceiling,
        floor=content.floor,
        high=content.highest,
        low=content.lowest,
        expected=content.est_matched_price,
        side=_SIDES.get(content.side) if content.side else None,
        session=content.trading_session or None,
        status=content.trading_status or None,
    )


def quote_record(content: QuoteContent, symbol: Symbol) -> QuoteRecord:
    """The record of ``symbol`` in an ``X-QUOTE``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    asks, bids = _book_in(content, _QUOTE_BOOK, levels=10)
    return QuoteRecord(
        symbol=symbol,
        trading_day=day,
        ts_ms=ts_ms,
        exchange=exchange_of(content.exchange),
        bids=bids,
        asks=asks,
        session=content.trading_session or None,
    )


def snapshot_record(content: SnapshotContent, symbol: Symbol) -> SnapshotRecord:
    """The record of ``symbol`` in an ``X``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    bids, asks = _book_in(content, _SNAPSHOT_BOOK, levels=10)
    return SnapshotRecord(
        symbol=symbol,
        trading_day=day,
        ts_ms=ts_ms,
        exchange=exchange_of(content.exchange),
        price=content.last_price,
        volume=content.last_vol,
        total_volume=content.total_vol,
        total_value=content.total_val,
        reference=content.ref_price,
        ceiling=content.ceiling,
        floor=content.floor,
        open=content.open,
        high=content.high,
        low=content.low,
        expected=content.est_matched_price,
        bids=bids,
        asks=asks,
        session=content.trading_session or None,
        status=content.trading_status or None,
    )


def odd_lot_record(content: OddLotContent, symbol: Symbol) -> OddLotRecord:
    """The record of ``symbol`` in an ``OL``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    bids, asks = _book_in(content, _ODD_LOT_BOOK, levels=3)
    return OddLotRecord(
        symbol=symbol,
        trading_day=day,
        ts_ms=ts_ms,
        exchange=exchange_of(content.exchange),
        price=content.last_price,
        volume=content.last_vol,
        total_volume=content.total_vol,
        total_value=Vnd(round(content.total_val)),
        bids=bids,
        asks=asks,
        session=content.trading_session or None,
        status=content.trading_status or None,
    )


def bar_record(content: BarContent, symbol: Symbol) -> BarRecord:
    """The record of ``symbol`` in a ``B``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    return BarRecord(
        symbol=symbol,
        trading_day=day,
        ts_ms=ts_ms,
        open=content.open,
        high=content.high,
        low=content.low,
        close=content.close,
        volume=content.volume,
    )


def status_record(content: StatusContent, symbol: Symbol) -> StatusRecord:
    """The record of ``symbol`` in an ``F``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    return StatusRecord(
        symbol=symbol,
        trading_day=day,
        ts_ms=ts_ms,
        exchange=exchange_of(content.exchange),
        session=content.trading_session or None,
        status=content.trading_status or None,
    )


def foreign_record(content: ForeignContent, symbol: Symbol) -> ForeignRecord:
    """The record of ``symbol`` in an ``R``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    return ForeignRecord(
        symbol=symbol,
        trading_day=day,
        ts_ms=ts_ms,
        exchange=exchange_of(content.exchange),
        total_room=content.total_room,
        current_room=content.current_room,
        bought=content.buy_vol,
        sold=content.sell_vol,
        bought_value=content.buy_val,
        sold_value=content.sell_val,
    )


def index_record(content: IndexContent, symbol: Symbol) -> IndexRecord:
    """The record of the index ``symbol`` in an ``MI``."""
    day, ts_ms = _moment_of(content.trading_date, content.time)
    exchange = content.exchange or content.market_id
    return IndexRecord(
        symbol=symbol,
        trading_day=day,
        ts_ms=ts_ms,
        exchange=exchange_of(exchange) if exchange else None,
        value=content.index_value,
        prior_value=content.prior_index_value,
        volume=content.total_qtty,
        traded_value=content.total_value,
        put_through_volume=content.total_qtty_pt,
        put_through_value=content.total_value_pt,
        advances=content.advances,
        no_changes=content.no_changes,
        declines=content.declines,
        ceilings=content.ceilings,
        floors=content.floors,
        session=content.trading_session or None,
    )
