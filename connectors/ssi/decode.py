"""SSI's JSON to our records: one Broadcast argument in, one record or the reason why not out.

The only place that knows SSI's field names. A Broadcast argument is ``{"DataType": …, "Content": "<JSON again>"}``. Each data
type has one wire struct here; msgspec reads the content straight into it, whole numbers as integers, whatever their spelling
(``100.0``, ``1e3``, ``"100"``). What does not fit takes the tolerant path: alternative spellings, ``"NaN"``, nulls, object
content, fractions within rounding. It ends in the same structs, so both give the same record.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar, cast, get_args, get_type_hints

import msgspec
from msgspec import Meta

from connectors.ssi.errors import InvalidRecord, Reason
from schemas.calendar import as_day, at
from schemas.instruments import INDEX_SYMBOLS, contract_of, is_index
from schemas.records import SsiRecord
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
from schemas.units import POINT, SYMBOL_PATTERN, Exchange, Price, Shares, Side, Symbol, TradingDay, UnixMs, Vnd

# Bounds far beyond anything traded, so that price × volume of a stock stays within 64 bits wherever it is computed.
_MAX_PRICE: Final = 10**8
_MAX_SHARES: Final = 10**10
_MAX_MARKET_SHARES: Final = 10**12
_MAX_VND: Final = 2**53
"""The last amount that SSI's floating-point numbers can name exactly."""

_Price = Annotated[int, Meta(ge=0, le=_MAX_PRICE, title="price")]
_PointPrice = Annotated[float, Meta(ge=0, le=_MAX_PRICE, title="price")]
_Shares = Annotated[int, Meta(ge=0, le=_MAX_SHARES, title="shares")]
_MarketShares = Annotated[int, Meta(ge=0, le=_MAX_MARKET_SHARES, title="shares")]
_Room = Annotated[int, Meta(ge=-_MAX_SHARES, le=_MAX_SHARES, title="shares")]
"""Room is negative where foreigners hold more than they may."""
_Vnd = Annotated[int, Meta(ge=0, le=_MAX_VND, title="vnd")]
_Count = Annotated[int, Meta(ge=0, le=10**6, title="shares")]
_Label = Annotated[str, Meta(max_length=16)] | None
"""A code of an open set."""


class _Content(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
    """What every content has; the attributes are SSI's names in snake case."""

    symbol: str
    trading_date: str
    time: str


class _Trade(_Content):
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


class _Quote(_Content):
    exchange: str
    trading_session: _Label = None


class _Snapshot(_Content):
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


class _OddLot(_Content):
    exchange: str
    last_price: _Price
    last_vol: _Shares
    total_vol: _Shares
    total_val: _Vnd
    trading_session: _Label = None
    trading_status: _Label = None


class _Bar(_Content):
    open: _Price
    high: _Price
    low: _Price
    close: _Price
    volume: _MarketShares


class _Status(_Content):
    exchange: str
    trading_session: _Label = None
    trading_status: _Label = None


class _Foreign(_Content):
    exchange: str
    total_room: _Room
    current_room: _Room
    buy_vol: _Shares
    sell_vol: _Shares
    buy_val: _Vnd
    sell_val: _Vnd


class _Index(msgspec.Struct, rename="pascal", kw_only=True, gc=False):
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


_SPELLINGS: Final[dict[str, tuple[str, ...]]] = {
    "Time": ("TradingTime",),
    "Exchange": ("MarketId",),
    "Highest": ("High",),
    "Lowest": ("Low",),
    "High": ("Highest",),
    "Low": ("Lowest",),
    "BuyVol": ("FBuyVol",),
    "SellVol": ("FSellVol",),
    "BuyVal": ("FBuyVal",),
    "SellVal": ("FSellVal",),
}
"""What else a field has been called, in SSI's tables of fields or in older records."""

_NOTHING: Final = frozenset({"EstMatchedPrice"})
"""Prices for which 0 is SSI's own word for "none", so that NaN, null and absence mean 0 too."""

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


def _with_book(content: type[C], levels: int) -> type[C]:
    """``content`` with ``AskPrice1`` … ``BidVol<levels>`` in it."""
    fields = [
        (f"{side}_{what}{level}", _Price if what == "price" else _Shares)
        for side in ("ask", "bid")
        for what in ("price", "vol")
        for level in range(1, levels + 1)
    ]
    return _extended(content, fields)


def _in_points(content: type[C]) -> type[C]:
    """``content`` with prices in points, as the wire has them for indices and futures."""
    fields = [(name, _PointPrice) for name in _prices_of(content)]
    return _extended(content, fields)


def _extended(content: type[C], fields: list[tuple[str, Any]]) -> type[C]:
    return cast("type[C]", msgspec.defstruct(content.__name__, fields, bases=(content,), rename="pascal", kw_only=True, gc=False))


def _prices_of(content: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(name for name, hint in get_type_hints(content, include_extras=True).items() if hint == _Price)


def _side_of_book(side: str, levels: int) -> Callable[[Any], tuple[int, ...]]:
    names = [f"{side}_{what}{level}" for level in range(1, levels + 1) for what in ("price", "vol")]
    return attrgetter(*names)


_bids10, _asks10 = _side_of_book("bid", 10), _side_of_book("ask", 10)
_bids3, _asks3 = _side_of_book("bid", 3), _side_of_book("ask", 3)


def _book(levels: tuple[int, ...]) -> list[int]:
    """A side of the book, its empty levels at the end cut off.

    A level with a volume and no price is an ATO or ATC order, which has none: it stays.
    """
    filled = len(levels)
    while filled and not levels[filled - 1] and not levels[filled - 2]:
        filled -= 2
    return list(levels[:filled])


_SYMBOL: Final = re.compile(SYMBOL_PATTERN)
_DATE: Final = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])")


@lru_cache(maxsize=8192)
def _symbol_of(text: str) -> Symbol:
    # SSI writes its index ids in mixed case (HNXIndex); everything else is upper case or wrong.
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
def _is_in_points(symbol: str) -> bool:
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


def _trade(content: _Trade) -> TradeRecord:
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


def _quote(content: _Quote) -> QuoteRecord:
    day, midnight = _day_of(content.trading_date)
    return QuoteRecord(
        symbol=_symbol_of(content.symbol),
        trading_day=day,
        ts_ms=UnixMs(midnight + _since_midnight(content.time)),
        exchange=_exchange_of(content.exchange),
        bids=_book(_bids10(content)),
        asks=_book(_asks10(content)),
        session=content.trading_session or None,
    )


def _snapshot(content: _Snapshot) -> SnapshotRecord:
    day, midnight = _day_of(content.trading_date)
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
        bids=_book(_bids10(content)),
        asks=_book(_asks10(content)),
        session=content.trading_session or None,
        status=content.trading_status or None,
    )


def _odd_lot(content: _OddLot) -> OddLotRecord:
    day, midnight = _day_of(content.trading_date)
    return OddLotRecord(
        symbol=_symbol_of(content.symbol),
        trading_day=day,
        ts_ms=UnixMs(midnight + _since_midnight(content.time)),
        exchange=_exchange_of(content.exchange),
        price=Price(content.last_price),
        volume=Shares(content.last_vol),
        total_volume=Shares(content.total_vol),
        total_value=Vnd(content.total_val),
        bids=_book(_bids3(content)),
        asks=_book(_asks3(content)),
        session=content.trading_session or None,
        status=content.trading_status or None,
    )


def _bar(content: _Bar) -> BarRecord:
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


def _status(content: _Status) -> StatusRecord:
    day, midnight = _day_of(content.trading_date)
    return StatusRecord(
        symbol=_symbol_of(content.symbol),
        trading_day=day,
        ts_ms=UnixMs(midnight + _since_midnight(content.time)),
        exchange=_exchange_of(content.exchange),
        session=content.trading_session or None,
        status=content.trading_status or None,
    )


def _foreign(content: _Foreign) -> ForeignRecord:
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


def _index(content: _Index) -> IndexRecord:
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


class _Unusual(Exception):
    """Not for the fast path."""


class _Kind(Generic[C]):
    """A data type: how its content is read and what it becomes."""

    def __init__(self, content: type[C], record: Callable[[C], SsiRecord]) -> None:
        self.content = content
        self.record = record
        self.identity = "symbol" if "symbol" in content.__struct_fields__ else "index_id"
        self.prices = _prices_of(content)
        self.fields = tuple(_Field.of(content, name) for name in content.__struct_fields__)
        self._whole = msgspec.json.Decoder(content, strict=False)
        self._points = msgspec.json.Decoder(_in_points(content) if self.prices else content, strict=False)

    def read(self, text: str) -> C:
        """The content in ``text``, prices in their smallest unit.

        Raises:
            msgspec.ValidationError: It is not the plain content of a stock, future or index.
            _Unusual: Nor is this.
        """
        try:
            content = self._whole.decode(text)
        except msgspec.ValidationError:
            # What has fractions in its prices is a future or an index, or else nothing for this path.
            content = self._points.decode(text)
            if not self.is_in_points(getattr(content, self.identity)):
                raise _Unusual from None
            self._to_hundredths(content)
        else:
            if self.prices and self.is_in_points(getattr(content, self.identity)):
                self._to_hundredths(content)
        return content

    def is_in_points(self, symbol: str) -> bool:
        """Whether the prices of ``symbol`` are points, not dong."""
        return self.identity == "index_id" or _is_in_points(symbol)

    def _to_hundredths(self, content: C) -> None:
        for name in self.prices:
            hundredths = round(getattr(content, name) * POINT)
            if hundredths > _MAX_PRICE:
                raise _Unusual
            setattr(content, name, hundredths)


class _Field(NamedTuple):
    """A field of a wire struct, as the tolerant path needs it."""

    name: str
    """As SSI spells it."""
    unit: str | None
    """What is counted: ``price``, ``shares``, ``vnd``; None for text."""
    spellings: tuple[str, ...]
    partner: str | None
    """The other half of a book level: both may be absent, not one."""

    @classmethod
    def of(cls, content: type[msgspec.Struct], attribute: str) -> "_Field":
        hint = get_type_hints(content, include_extras=True)[attribute]
        name = content.__struct_encode_fields__[content.__struct_fields__.index(attribute)]
        metas = [argument for argument in get_args(hint) if isinstance(argument, Meta)]
        partner = None
        if match := re.fullmatch(r"(Ask|Bid)(Price|Vol)(\d+)", name):
            partner = f"{match[1]}{'Vol' if match[2] == 'Price' else 'Price'}{match[3]}"
        return cls(name, metas[0].title if metas else None, (name, *_SPELLINGS.get(name, ())), partner)


_KINDS: Final[dict[str, _Kind[Any]]] = {
    "X-TRADE": _Kind(_Trade, _trade),
    "X-QUOTE": _Kind(_with_book(_Quote, 10), _quote),
    "X": _Kind(_with_book(_Snapshot, 10), _snapshot),
    "R": _Kind(_Foreign, _foreign),
    "MI": _Kind(_Index, _index),
    "B": _Kind(_Bar, _bar),
    "F": _Kind(_Status, _status),
    "OL": _Kind(_with_book(_OddLot, 3), _odd_lot),
}


class _Envelope(msgspec.Struct, rename="pascal", gc=False):
    data_type: str
    content: str


_envelope = msgspec.json.Decoder(_Envelope)
_NOT_JSON = (msgspec.MsgspecError, UnicodeError, RecursionError)


def decode(argument: str | bytes) -> SsiRecord:
    """The record in one Broadcast argument.

    Raises:
        InvalidRecord: There is none; it says why.
    """
    try:
        envelope = _envelope.decode(argument)
        kind = _KINDS[envelope.data_type]
        return kind.record(kind.read(envelope.content))
    except (*_NOT_JSON, KeyError, _Unusual, InvalidRecord):
        return decode_tolerantly(argument)


def decode_tolerantly(argument: str | bytes) -> SsiRecord:
    """What :func:`decode` does with anything unusual: the same record, several times slower.

    Raises:
        InvalidRecord: There is no record in ``argument``; it says why.
    """
    envelope = _object(argument, "the argument")
    data_type = _any_case(envelope, "DataType")
    content = _any_case(envelope, "Content")
    if data_type is None or content is None:
        raise InvalidRecord(Reason.NO_CONTENT, "the argument has no DataType or no Content")
    kind = _KINDS.get(data_type.upper()) if isinstance(data_type, str) else None
    if kind is None:
        raise InvalidRecord(Reason.UNKNOWN_TYPE, f"DataType {str(data_type)[:20]!r} is none of {', '.join(_KINDS)}")
    fields = content if isinstance(content, dict) else _object(content, "Content")
    return kind.record(_lenient(kind, fields))


def _object(text: Any, what: str) -> dict[str, Any]:
    if not isinstance(text, str | bytes):
        raise InvalidRecord(Reason.BAD_JSON, f"{what} is neither text nor an object")
    try:
        value = msgspec.json.decode(text)
    except _NOT_JSON as error:
        raise InvalidRecord(Reason.BAD_JSON, f"{what} is not JSON: {error}"[:200]) from None
    if not isinstance(value, dict):
        raise InvalidRecord(Reason.BAD_JSON, f"{what} is not a JSON object")
    return value


def _any_case(envelope: dict[str, Any], name: str) -> Any:
    """The value under ``name``, which SSI's documents spell in several cases."""
    if name in envelope:
        return envelope[name]
    return next((value for key, value in envelope.items() if key.lower() == name.lower()), None)


def _lenient(kind: _Kind[C], fields: dict[str, Any]) -> C:
    """The wire struct of ``kind`` from whatever SSI may have meant by ``fields``."""
    identity = "IndexId" if kind.identity == "index_id" else "Symbol"
    symbol = fields.get(identity)
    if not isinstance(symbol, str):
        raise InvalidRecord(Reason.BAD_SYMBOL, f"{identity} is missing or no text")
    in_points = bool(kind.prices) and kind.is_in_points(symbol)
    said = {field.name: _first(fields, field.spellings) for field in kind.fields}
    meant = dict(said)
    for field in kind.fields:
        value = said[field.name]
        if field.unit is not None:
            is_empty_level = field.partner is not None and value is None and said[field.partner] is None
            meant[field.name] = 0 if is_empty_level else _whole(field, value, in_points)
        elif value is None and field.name in ("Time", "TradingDate"):
            raise InvalidRecord(Reason.BAD_TIME, f"{field.name} is missing")
        elif value is None and field.name == "Exchange" and identity == "Symbol":
            raise InvalidRecord(Reason.UNKNOWN_EXCHANGE, "Exchange is missing")
    try:
        return msgspec.convert(meant, kind.content)
    except msgspec.ValidationError as error:
        raise InvalidRecord(Reason.BAD_FIELD, str(error)) from None


def _first(fields: dict[str, Any], spellings: tuple[str, ...]) -> Any:
    """The first value that says anything under one of its names."""
    values = (fields.get(spelling) for spelling in spellings)
    return next((value for value in values if value is not None and value != ""), None)


_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?")


def _whole(field: _Field, value: Any, in_points: bool) -> int:
    """``value`` in its smallest unit, as an integer."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if re.search(r"[.eE]", value) else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and not math.isfinite(value)):
        if field.name in _NOTHING and (value is None or value in ("NaN", "Infinity", "-Infinity")):
            return 0
        said = "is missing" if value is None else f"is {str(value)[:20]!r}"
        raise InvalidRecord(Reason.BAD_FIELD, f"{field.name} {said}: expected a number")
    if field.unit == "price" and in_points:
        return round(value * POINT)
    whole = round(value)
    # Totals of dong are sums of products in floating point; a fraction of a share, or of a stock's price, is another unit.
    if field.unit != "vnd" and abs(value - whole) > 1e-3:
        raise InvalidRecord(Reason.BAD_FIELD, f"{field.name} is {value}: expected a whole number")
    return whole


def decode_lines(lines: Iterable[str | bytes]) -> Iterator[dict[str, Any]]:
    """What becomes of each Broadcast argument, one a line: ``{"record": …}``, or ``{"dlq": reason, "detail": …}``.

    A line is the argument itself, the same as a JSON string (as it stands in a WebSocket frame), or an object that has it
    under ``broadcast_arg``. Empty lines are skipped.
    """
    for line in lines:
        if not line.strip():
            continue
        try:
            yield {"record": msgspec.to_builtins(decode(_argument_in(line)))}
        except InvalidRecord as error:
            yield {"dlq": error.reason.value, "detail": error.detail}


def _argument_in(line: str | bytes) -> str | bytes:
    try:
        value = msgspec.json.decode(line)
    except _NOT_JSON:
        return line
    if isinstance(value, dict):
        value = value.get("broadcast_arg")
    return value if isinstance(value, str) else line
