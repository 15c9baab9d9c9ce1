"""What SSI writes under ``Content``, as structs that msgspec reads straight into, and the records that they become.

The only place that knows SSI's field names: an attribute is SSI's name in snake case. SSI quotes prices in dong, those of indices
and futures in points; once :mod:`connectors.ssi.core.decode` has read them, the latter are hundredths of a point.
"""

import re
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar, cast, get_type_hints

import msgspec
from msgspec import Meta

from connectors.ssi.core.errors import InvalidRecord, Reason
from schemas.calendar import as_day, at
from schemas.instruments import INDEX_SYMBOLS, contract_of, is_index
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
from schemas.units import SYMBOL_PATTERN, Exchange, Price, Shares, Side, Symbol, TradingDay, UnixMs, Vnd

# Bounds far beyond anything that is traded. They keep price × volume of a stock within 64 bits wherever it is computed.
MAX_PRICE: Final = 10**8
_MAX_SHARES: Final = 10**10
_MAX_MARKET_SHARES: Final = 10**12
MAX_VND: Final = 2**53
"""SSI writes amounts as floating-point numbers, which hold no larger whole number exactly."""

_Price = Annotated[int, Meta(ge=0, le=MAX_PRICE, title="price")]
_PointPrice = Annotated[float, Meta(ge=0, le=MAX_PRICE, title="price")]
_Shares = Annotated[int, Meta(ge=0, le=_MAX_SHARES, title="shares")]
_MarketShares = Annotated[int, Meta(ge=0, le=_MAX_MARKET_SHARES, title="shares")]
_Room = Annotated[int, Meta(ge=-_MAX_SHARES, le=_MAX_SHARES, title="shares")]
"""What foreigners may still buy. It is negative where they hold more than they may."""
_Vnd = Annotated[int, Meta(ge=0, le=MAX_VND, title="vnd")]
_Count = Annotated[int, Meta(ge=0, le=10**6, title="shares")]
_Label = Annotated[str, Meta(max_length=16)] | None
"""A code such as a session's; SSI may add others, so any short text is taken."""


class _Content(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
    """What every content but that of an index has."""

    symbol: str
    trading_date: str
    time: str


class TradeContent(_Content):
    """``X-TRADE``: one match."""

    exchange: str
    last_price: _Price
    last_vol: _Shares
    total_vol: _Shares
    total_val: _Vnd
    ref_price: _Price
    ceiling: _Price
    floor: _Price
    highest: _Price
    lowest: _Price
    est_matched_price: _Price
    side: _Label = None
    trading_session: _Label = None
    trading_status: _Label = None


class QuoteContent(_Content):
    """``X-QUOTE``: the book; its levels are added by :func:`with_book`."""

    exchange: str
    trading_session: _Label = None


class SnapshotContent(_Content):
    """``X``: the last match and the book in one; the book's levels are added by :func:`with_book`."""

    exchange: str
    last_price: _Price
    last_vol: _Shares
    total_vol: _Shares
    total_val: _Vnd
    ref_price: _Price
    ceiling: _Price
    floor: _Price
    open: _Price
    high: _Price
    low: _Price
    est_matched_price: _Price
    trading_session: _Label = None
    trading_status: _Label = None


class OddLotContent(_Content):
    """``OL``: matches and book of the odd-lot board; the book's levels are added by :func:`with_book`."""

    exchange: str
    last_price: _Price
    last_vol: _Shares
    total_vol: _Shares
    total_val: _Vnd
    trading_session: _Label = None
    trading_status: _Label = None


class BarContent(_Content):
    """``B``: a bar of one match, or of one step of an index."""

    open: _Price
    high: _Price
    low: _Price
    close: _Price
    volume: _MarketShares


class StatusContent(_Content):
    """``F``: the trading session and the trading status of a symbol."""

    exchange: str
    trading_session: _Label = None
    trading_status: _Label = None


class ForeignContent(_Content):
    """``R``: what foreigners have bought and sold since the open, and the room left to them."""

    exchange: str
    total_room: _Room
    current_room: _Room
    buy_vol: _Shares
    sell_vol: _Shares
    buy_val: _Vnd
    sell_val: _Vnd


class IndexContent(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
    """``MI``: an index, and the turnover and breadth of its members."""

    index_id: str
    trading_date: str
    time: str
    index_value: _Price
    prior_index_value: _Price
    total_qtty: _MarketShares
    total_value: _Vnd
    total_qtty_pt: _MarketShares
    total_value_pt: _Vnd
    advances: _Count
    no_changes: _Count
    declines: _Count
    ceilings: _Count
    floors: _Count
    exchange: str | None = None
    market_id: str | None = None
    trading_session: _Label = None


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


def with_book(content: type[C], levels: int) -> type[C]:
    """``content`` and the fields of a book after its own: ask price 1, ask volume 1, ask price 2, …, then the bids likewise."""
    fields = [
        (f"{side}_{what}{level}", _Price if what == "price" else _Shares)
        for side in ("ask", "bid")
        for level in range(1, levels + 1)
        for what in ("price", "vol")
    ]
    return _extended(content, fields)


def in_points(content: type[C]) -> type[C]:
    """``content`` with its prices as decimal numbers: SSI quotes indices and futures in points."""
    fields = [
        (field.name, _PointPrice if field.name in prices_of(content) else field.type, field.default)
        if not field.required
        else (field.name, _PointPrice if field.name in prices_of(content) else field.type)
        for field in msgspec.structs.fields(content)
    ]
    return _extended(content, fields)


def _extended(content: type[C], fields: list[Any]) -> type[C]:
    return cast("type[C]", msgspec.defstruct(content.__name__, fields, bases=(content,), rename="pascal", kw_only=True, gc=False))


def prices_of(content: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names of the attributes of ``content`` that are prices."""
    return tuple(name for name, hint in get_type_hints(content, include_extras=True).items() if hint == _Price)


def _books(content: msgspec.Struct, levels: int) -> tuple[list[int], list[int]]:
    """The bids and the asks of a content that was made by :func:`with_book`."""
    values = msgspec.structs.astuple(content)
    return _filled(values[-2 * levels :]), _filled(values[-4 * levels : -2 * levels])


def _filled(levels: tuple[int, ...]) -> list[int]:
    """One side of the book without the empty levels at its end.

    A level with a volume and no price holds ATO or ATC orders, which have no price: it stays.
    """
    if not any(levels[6:]):
        # HOSE publishes three levels only, so for most quotes the search for the last filled one can begin here.
        levels = levels[:6]
    filled = len(levels)
    while filled and not levels[filled - 1] and not levels[filled - 2]:
        filled -= 2
    return list(levels[:filled])


_SYMBOL: Final = re.compile(SYMBOL_PATTERN)
_DATE: Final = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])")


@lru_cache(maxsize=8192)
def _symbol_of(text: str) -> Symbol:
    # SSI writes the ids of indices in mixed case (HNXIndex). Any other symbol in lower case is an error.
    upper = text.upper()
    index = INDEX_SYMBOLS.get(upper, upper)
    if is_index(index):
        return Symbol(index)
    if not _SYMBOL.fullmatch(text):
        raise InvalidRecord(Reason.BAD_SYMBOL, f"{text[:20]!r} is no symbol: expected 1 to 12 of A–Z and 0–9")
    return Symbol(text)


@lru_cache(maxsize=512)
def _index_of(text: str) -> Symbol:
    upper = text.upper()
    return _symbol_of(INDEX_SYMBOLS.get(upper, upper))


@lru_cache(maxsize=8192)
def is_in_points(symbol: str) -> bool:
    """Whether SSI quotes ``symbol`` in points, not in dong.

    Raises:
        InvalidRecord: It is no symbol.
    """
    return contract_of(symbol) is not None or is_index(_symbol_of(symbol))


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
def _since_midnight(text: str) -> int:
    """Milliseconds from midnight to ``HH:mm:ss``."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise InvalidRecord(Reason.BAD_TIME, f"Time {text[:20]!r} is no time: expected HH:mm:ss")
    return (int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])) * 1000


@lru_cache(maxsize=64)
def _exchange_of(text: str) -> Exchange:
    exchange = _EXCHANGES.get(text.upper())
    if exchange is None:
        raise InvalidRecord(Reason.UNKNOWN_EXCHANGE, f"{text[:20]!r} is no exchange: expected one of {', '.join(_EXCHANGES)}")
    return exchange


def trade_record(content: TradeContent) -> TradeRecord:
    """The record in an ``X-TRADE``. Raises InvalidRecord for a symbol, time or exchange that is none."""
    day, midnight = _day_of(content.trading_date)
    return TradeRecord(
        symbol=_symbol_of(content.symbol),
        trading_day=day,
        ts_ms=UnixMs(midnight + _since_midnight(content.time)),
        exchange=_exchange_of(content.exchange),
        price=Price(content.last_price),
        volume=Shares(content.last_vol),
        total_volume=Shares(content.total_vol),
        total_value=Vnd(content.total_val),
        reference=Price(content.ref_price),
        ceiling=Price(content.ceiling),
        floor=Price(content.floor),
        high=Price(content.highest),
        low=Price(content.lowest),
        expected=Price(content.est_matched_price),
        side=_SIDES.get(content.side) if content.side else None,
        session=content.trading_session or None,
        status=content.trading_status or None,
    )


def quote_record(content: QuoteContent) -> QuoteRecord:
    """The record in an ``X-QUOTE``. Raises InvalidRecord for a symbol, time or exchange that is none."""
    day, midnight = _day_of(content.trading_date)
    bids, asks = _books(content, levels=10)
    return QuoteRecord(
        symbol=_symbol_of(content.symbol),
        trading_day=day,
        ts_ms=UnixMs(midnight + _since_midnight(content.time)),
        exchange=_exchange_of(content.exchange),
        bids=bids,
        asks=asks,
        session=content.trading_session or None,
    )


def snapshot_record(content: SnapshotContent) -> SnapshotRecord:
    """The record in an ``X``. Raises InvalidRecord for a symbol, time or exchange that is none."""
    day, midnight = _day_of(content.trading_date)
    bids, asks = _books(content, levels=10)
    return SnapshotRecord(
        symbol=_symbol_of(content.symbol),
        trading_day=day,
        ts_ms=UnixMs(midnight + _since_midnight(content.time)),
        exchange=_exchange_of(content.exchange),
        price=Price(content.last_price),
        volume=Shares(content.last_vol),
        total_volume=Shares(content.total_vol),
        total_value=Vnd(content.total_val),
        reference=Price(content.ref_price),
        ceiling=Price(content.ceiling),
        floor=Price(content.floor),
        open=Price(content.open),
        high=Price(content.high),
        low=Price(content.low),
        expected=Price(content.est_matched_price),
        bids=bids,
        asks=asks,
        session=content.trading_session or None,
        status=content.trading_status or None,
    )


def odd_lot_record(content: OddLotContent) -> OddLotRecord:
    """The record in an ``OL``. Raises InvalidRecord for a symbol, time or exchange that is none."""
    day, midnight = _day_of(content.trading_date)
    bids, asks = _books(content, levels=3)
    return OddLotRecord(
        symbol=_symbol_of(content.symbol),
        trading_day=day,
        ts_ms=UnixMs(midnight + _since_midnight(content.time)),
        exchange=_exchange_of(content.exchange),
        price=Price(content.last_price),
        volume=Shares(content.last_vol),
        total_volume=Shares(content.total_vol),
        total_value=Vnd(content.total_val),
        bids=bids,
        asks=asks,
        session=content.trading_session or None,
        status=content.trading_status or None,
    )


def bar_record(content: BarContent) -> BarRecord:
    """The record in a ``B``. Raises InvalidRecord for a symbol, time or exchange that is none."""
    day, midnight = _day_of(content.trading_date)
    return BarRecord(
        symbol=_symbol_of(content.symbol),
        trading_day=day,
        ts_ms=UnixMs(midnight + _since_midnight(content.time)),
        open=Price(content.open),
        high=Price(content.high),
        low=Price(content.low),
        close=Price(content.close),
        volume=Shares(content.volume),
    )


def status_record(content: StatusContent) -> StatusRecord:
    """The record in an ``F``. Raises InvalidRecord for a symbol, time or exchange that is none."""
    day, midnight = _day_of(content.trading_date)
    return StatusRecord(
        symbol=_symbol_of(content.symbol),
        trading_day=day,
        ts_ms=UnixMs(midnight + _since_midnight(content.time)),
        exchange=_exchange_of(content.exchange),
        session=content.trading_session or None,
        status=content.trading_status or None,
    )


def foreign_record(content: ForeignContent) -> ForeignRecord:
    """The record in an ``R``. Raises InvalidRecord for a symbol, time or exchange that is none."""
    day, midnight = _day_of(content.trading_date)
    return ForeignRecord(
        symbol=_symbol_of(content.symbol),
        trading_day=day,
        ts_ms=UnixMs(midnight + _since_midnight(content.time)),
        exchange=_exchange_of(content.exchange),
        total_room=Shares(content.total_room),
        current_room=Shares(content.current_room),
        bought=Shares(content.buy_vol),
        sold=Shares(content.sell_vol),
        bought_value=Vnd(content.buy_val),
        sold_value=Vnd(content.sell_val),
    )


def index_record(content: IndexContent) -> IndexRecord:
    """The record in an ``MI``. Raises InvalidRecord for a symbol, time or exchange that is none."""
    day, midnight = _day_of(content.trading_date)
    exchange = content.exchange or content.market_id
    return IndexRecord(
        symbol=_index_of(content.index_id),
        trading_day=day,
        ts_ms=UnixMs(midnight + _since_midnight(content.time)),
        exchange=_exchange_of(exchange) if exchange else None,
        value=Price(content.index_value),
        prior_value=Price(content.prior_index_value),
        volume=Shares(content.total_qtty),
        traded_value=Vnd(content.total_value),
        put_through_volume=Shares(content.total_qtty_pt),
        put_through_value=Vnd(content.total_value_pt),
        advances=content.advances,
        no_changes=content.no_changes,
        declines=content.declines,
        ceilings=content.ceilings,
        floors=content.floors,
        session=content.trading_session or None,
    )
