"""SSI's JSON to our records: one Broadcast argument in, one record out, or the reason why there is none. Pure.

A Broadcast argument is ``{"DataType": …, "Content": "<JSON again>"}``. On the fast path msgspec reads the content straight into
the struct of its type; it takes whole numbers in any spelling (``100.0``, ``1e3``, ``"100"``). What does not fit takes the
tolerant path, which also understands other names of fields, ``"NaN"``, nulls and content that is an object and not text. Both
paths fill the same structs, and so give the same record.

Some fields are essential: without one of them there is no record. They are what it is of and when (symbol, exchange, date and
time), and what makes it up:

=======================  ==========================================================================================
``X-TRADE, X, OL``       LastPrice, LastVol, TotalVol, TotalVal: the match, and the totals that tell it from others
``X-QUOTE, X, OL``       the book, as a whole; a level may lack price and volume, but not one of the two
``B``                    Close, Volume
``R``                    BuyVol, SellVol, BuyVal, SellVal, CurrentRoom: a room of 0 would mean that it is exhausted
``MI``                   IndexValue, TotalQtty, TotalValue; it needs no exchange
=======================  ==========================================================================================

Any other field that cannot be read is left out: as 0 in the record, or None for a text, which mean that the feed does not tell.
It is counted, and the record stays.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_args

import msgspec
import orjson
from msgspec import Meta

from connectors.ssi.core import contents
from connectors.ssi.core.contents import MOMENTS, moment_of
from connectors.ssi.core.errors import InvalidRecord, Reason
from connectors.ssi.core.symbols import Symbols
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
from schemas.units import POINT, Symbol, TradingDay, UnixMs

C = TypeVar("C", bound=msgspec.Struct)

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
"""Other names that a field has in SSI's documents or had in older records."""

_SIDE_FIGURES: Final = frozenset(
    (
        "RefPrice", "Ceiling", "Floor", "Open", "High", "Low", "Highest", "Lowest", "EstMatchedPrice", "TotalRoom",
        "PriorIndexValue", "TotalQttyPt", "TotalValuePt", "Advances", "NoChanges", "Declines", "Ceilings", "Floors",
    )
)  # fmt: skip
"""Figures that a record can do without."""
_NOTHING: Final = frozenset({"EstMatchedPrice"})
"""Prices of which SSI writes 0 where there is none: NaN, null and a missing field mean 0 too, and are nothing to count."""
_MOST_DIGITS: Final = 10**18


class _Unusual(Exception):
    """The fast path cannot read this; the tolerant one may."""


_MakeRecord = Callable[[C, Symbol, TradingDay, UnixMs], SsiRecord]
"""Makes a record of a content: of which symbol it is, of which day, and when."""


class _Kind(Generic[C]):
    """One of SSI's data types: how its content is read, and how that becomes a record."""

    def __init__(
        self,
        name: str,
        content: type[C],
        record: _MakeRecord[C],
        *,
        in_points: _MakeRecord[C] | None = None,
        top: tuple[type[C], _MakeRecord[C]] | None = None,
    ) -> None:
        """Put together what is known of a data type.

        Args:
            name: What SSI calls it.
            content: What it is read into.
            record: Makes the record of a content whose figures are in their units.
            in_points: The same of one that was read as decimal numbers and is in points; None of a type without prices.
            top: The content without the levels that HOSE does not publish, and what makes its record; None where there are none.
        """
        self.name = name
        self.content = content
        self.record = record
        self.is_index = "index_id" in content.__struct_fields__
        self.names_exchange = "exchange" in content.__struct_fields__ and not self.is_index
        self.in_points = in_points
        self.has_prices = in_points is not None
        """Whether it makes a difference if it is in points or in dong."""
        self._prices = contents.prices_of(content)
        self._amounts = contents.amounts_of(content)
        self.fields = tuple(_Field.of(field) for field in msgspec.structs.fields(content))
        self.whole = msgspec.json.Decoder(content, strict=False).decode
        """Reads a content whose prices are whole numbers."""
        self.decimal = msgspec.json.Decoder(contents.with_decimals(content), strict=False).decode
        """Reads a content whose prices or amounts may have decimals."""
        self.top: _Top[C] | None = None if top is None else _Top(content, *top)
        """Reads most books of HOSE faster."""

    def to_whole(self, content: Any) -> None:
        """Make the prices and amounts of ``content`` whole, which are in dong and were read as decimal numbers.

        Raises:
            _Unusual: A price has decimals.
        """
        for name in self._prices:
            price = getattr(content, name)
            whole = round(price)
            if abs(price - whole) > _TOLERANCE:
                raise _Unusual
            setattr(content, name, whole)
        for name in self._amounts:
            setattr(content, name, round(getattr(content, name)))


class _Top(Generic[C]):
    """How a book is read that has no more levels than HOSE publishes, and says so in SSI's own way."""

    def __init__(self, content: type[C], top: type[C], record: _MakeRecord[C]) -> None:
        self.cut: Callable[[Any], str | None] = contents.DeepLevels(content).cut_from
        """Leaves the other levels out of an argument; None if it is not such a one."""
        self.read = msgspec.json.Decoder(top, strict=False).decode
        self.record = record


_TOLERANCE: Final = 1e-3
"""By how much a whole number in floating point may differ from it."""


class _Field(NamedTuple):
    """What the tolerant path has to know of a field of a content."""

    name: str
    """What SSI calls the field."""
    attribute: str
    """What the struct calls it."""
    unit: str | None
    """What is counted: ``price``, ``shares``, ``vnd``; None for text."""
    least: int
    most: int
    """Of a figure the bounds, in its smallest unit; of a text, how many characters it may have."""
    spellings: tuple[str, ...]
    """Its names, in the order in which they are looked for."""
    partner: str | None
    """Of a price in the book its volume, and the other way round: a level may lack both, not one of the two."""
    is_essential: bool
    """Whether there is no record without it."""

    @classmethod
    def of(cls, field: msgspec.structs.FieldInfo) -> "_Field":
        name = field.encode_name
        metas = [meta for part in (field.type, *get_args(field.type)) for meta in get_args(part)[1:] if isinstance(meta, Meta)]
        meta = metas[0] if metas else Meta()
        partner = None
        if match := re.fullmatch(r"(Ask|Bid)(Price|Vol)(\d+)", name):
            partner = f"{match[1]}{'Vol' if match[2] == 'Price' else 'Price'}{match[3]}"
        return cls(
            name=name,
            attribute=field.name,
            unit=meta.title,
            least=int(meta.ge or 0),
            most=int(meta.le or meta.max_length or 0),
            spellings=(name, *_SPELLINGS.get(name, ())),
            partner=partner,
            is_essential=name not in _SIDE_FIGURES if meta.title else field.required,
        )


_KINDS: Final[dict[str, _Kind[Any]]] = {
    kind.name: kind
    for kind in (
        _Kind("X-TRADE", contents.TradeContent, contents.trade_record, in_points=contents.trade_record_in_points),
        _Kind(
            "X-QUOTE",
            contents.QUOTE,
            contents.quote_record,
            in_points=contents.quote_record_in_points,
            top=(contents.TOP_QUOTE, contents.top_quote_record),
        ),
        _Kind(
            "X",
            contents.SNAPSHOT,
            contents.snapshot_record,
            in_points=contents.snapshot_record_in_points,
            top=(contents.TOP_SNAPSHOT, contents.top_snapshot_record),
        ),
        _Kind("R", contents.ForeignContent, contents.foreign_record),
        _Kind("MI", contents.IndexContent, contents.index_record, in_points=contents.index_record_in_points),
        _Kind("B", contents.BarContent, contents.bar_record, in_points=contents.bar_record_in_points),
        _Kind("F", contents.StatusContent, contents.status_record),
        _Kind("OL", contents.ODD_LOT, contents.odd_lot_record, in_points=contents.odd_lot_record_in_points),
    )
}


DATA_TYPES: Final[dict[str, type[Any]]] = {
    "X-TRADE": TradeRecord,
    "X-QUOTE": QuoteRecord,
    "X": SnapshotRecord,
    "R": ForeignRecord,
    "MI": IndexRecord,
    "B": BarRecord,
    "F": StatusRecord,
    "OL": OddLotRecord,
}
"""The kind of record that each of SSI's data types becomes."""
DATA_TYPE_OF: Final = {kind: data_type for data_type, kind in DATA_TYPES.items()}
"""The other way round."""


class _BroadcastArgument(msgspec.Struct, rename="pascal", gc=False):
    data_type: str
    content: str


_broadcast_argument = msgspec.json.Decoder(_BroadcastArgument).decode
_NOT_JSON: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
_NOT_FAST: Final = (*_NOT_JSON, orjson.JSONDecodeError, KeyError, TypeError, AttributeError, _Unusual, InvalidRecord)
"""What happens on the fast path where an argument is not as nearly all are: its content an object, for example."""


_OF_A_DERIVATIVE: Final = '"Symbol":"4'
"""How SSI writes the symbols of derivatives: those of securities begin with a letter. To look for it spares the attempt to read
decimals as whole numbers; where it is missed, or found in vain, the record is the same."""
_LONG: Final = 900
"""Arguments with ten levels of a book are longer than this, and nearly all others are shorter."""
_TYPE: Final = slice(len('{"DataType":"'), len('{"DataType":"X-Q'))
"""Where the beginning of its DataType stands in an argument, as SSI writes it."""


_TOPS: Final[dict[str | bytes, "_Top[Any]"]] = {
    f'{kind.name}",'[:3]: kind.top for kind in _KINDS.values() if kind.top is not None
}
"""By the beginning of the DataType in an argument."""


class _Reader(Generic[C]):
    """Reads the contents of one data type."""

    __slots__ = ("has_prices", "in_points", "is_index", "kind", "known", "record", "symbols", "whole")

    def __init__(self, kind: _Kind[C], symbols: Symbols) -> None:
        self.kind = kind
        self.symbols = symbols
        self.known = symbols.listed if kind.names_exchange else symbols.unlisted
        """Symbols that have been met, and whether they are in points."""
        self.is_index = kind.is_index
        self.has_prices = kind.has_prices
        self.whole = kind.whole
        self.record = kind.record
        self.in_points = kind.in_points

    def read_decimals(self, text: str) -> SsiRecord:
        """The record in a content that has decimals, as points have and at times sums of amounts, or whose symbol is new.

        Raises:
            msgspec.MsgspecError: ``text`` is not JSON, or a field is missing or no plain number.
            InvalidRecord: A symbol, time or exchange is none.
            _Unusual: A stock's price has decimals, a price is out of bounds, or nothing tells whether it is in points or dong.
        """
        content: Any = self.kind.decimal(text)
        try:
            day, ts_ms = MOMENTS[content.trading_date][content.time]
        except KeyError:
            day, ts_ms = moment_of(content.trading_date, content.time)
        if self.is_index:
            symbol, in_points = self.symbols.index(content.index_id), True
        else:
            symbol, in_points = self.known.get(content.symbol) or self._look_up(content)
        if in_points and self.in_points is not None:
            return self.in_points(content, symbol, day, ts_ms)
        self.kind.to_whole(content)
        return self.record(content, symbol, day, ts_ms)

    def _look_up(self, content: Any) -> tuple[Symbol, bool]:
        exchange = contents.exchange_of(content.exchange) if self.kind.names_exchange else None
        symbol, in_points = self.symbols.instrument(content.symbol, exchange)
        if in_points is None:
            raise _Unusual
        return symbol, in_points


class Decoder:
    """Decodes what one feed says, in the order in which it came."""

    def __init__(self, symbols: Symbols) -> None:
        """Begin with what is known of ``symbols``; records add to it."""
        self._symbols = symbols
        self._readers = {kind.name: _Reader(kind, symbols) for kind in _KINDS.values()}
        self.left_out: Counter[tuple[str, str]] = Counter()
        """Fields since the start that could not be read though their record could: by DataType and SSI's name of the field."""

    def decode(self, argument: str | bytes) -> SsiRecord:
        """Return the record in one Broadcast argument.

        Raises:
            InvalidRecord: There is none in it; the error says why.
        """
        # All that most records need is in this function: for the smallest of them a call more is a tenth of the time.
        try:
            top = _TOPS.get(argument[_TYPE]) if len(argument) > _LONG else None
            if top is not None and (short := top.cut(argument)) is not None:
                broadcast = orjson.loads(short)
                reader, text = self._readers[broadcast["DataType"]], broadcast["Content"]
                content: Any = top.read(text)
                record = top.record
            else:
                broadcast = orjson.loads(argument)
                reader, text = self._readers[broadcast["DataType"]], broadcast["Content"]
                if reader.is_index or (reader.has_prices and _OF_A_DERIVATIVE in text):
                    return reader.read_decimals(text)
                content = reader.whole(text)
                record = reader.record
            symbol, in_points = reader.known[content.symbol]
            if not in_points or not reader.has_prices:
                day, ts_ms = MOMENTS[content.trading_date][content.time]
                return record(content, symbol, day, ts_ms)
        except _NOT_FAST:
            pass
        return self._decode_otherwise(argument)

    def _decode_otherwise(self, argument: str | bytes) -> SsiRecord:
        try:
            broadcast = _broadcast_argument(argument)
            return self._readers[broadcast.data_type].read_decimals(broadcast.content)
        except _NOT_FAST:
            return self.decode_tolerantly(argument)

    def decode_tolerantly(self, argument: str | bytes) -> SsiRecord:
        """Do what :meth:`decode` does, on the tolerant path alone. It gives the same records, several times slower.

        Raises:
            InvalidRecord: There is no record in ``argument``; the error says why.
        """
        envelope = _object(argument, "the argument")
        data_type = _any_case(envelope, "DataType")
        content = _any_case(envelope, "Content")
        if data_type is None or content is None:
            raise InvalidRecord(Reason.NO_CONTENT, "the argument has no DataType or no Content")
        kind = _KINDS.get(data_type.upper()) if isinstance(data_type, str) else None
        if kind is None:
            raise InvalidRecord(Reason.UNKNOWN_TYPE, f"DataType {str(data_type)[:20]!r} is none of {', '.join(_KINDS)}")
        try:
            fields = content if isinstance(content, dict) else _object(content, "Content")
            meant = _Meant(kind, fields, self._symbols)
            # Its prices are in their smallest unit already, those of the book too.
            said = meant.content()
            record = kind.record(said, meant.symbol, *moment_of(said.trading_date, said.time))
        except InvalidRecord as error:
            error.data_type = kind.name
            raise
        self.left_out.update((kind.name, name) for name in meant.left_out)
        return record


def decode(argument: str | bytes) -> SsiRecord:
    """Return the record in a Broadcast argument that stands alone: of its symbol no more is known than how it is built.

    Raises:
        InvalidRecord: There is none in it; the error says why.
    """
    return Decoder(Symbols()).decode(argument)


def decode_tolerantly(argument: str | bytes) -> SsiRecord:
    """Do what :func:`decode` does, on the tolerant path alone.

    Raises:
        InvalidRecord: There is no record in ``argument``; the error says why.
    """
    return Decoder(Symbols()).decode_tolerantly(argument)


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
    """The value under ``name`` in any case: SSI's documents write it in several."""
    if name in envelope:
        return envelope[name]
    return next((value for key, value in envelope.items() if key.lower() == name.lower()), None)


class _Unreadable(Exception):
    """A field has no value, or one that it cannot have."""


class _Meant(Generic[C]):
    """What SSI may have meant by the fields of a content."""

    def __init__(self, kind: _Kind[C], fields: dict[str, Any], symbols: Symbols) -> None:
        """Find out what the content is of, and in which unit its prices are.

        Raises:
            InvalidRecord: It is of no symbol or of no exchange, or nothing tells the unit.
        """
        self._kind = kind
        self._said = {field.name: _first(fields, field.spellings) for field in kind.fields}
        self.left_out: list[str] = []
        """SSI's names of fields that could not be read."""
        identity = "IndexId" if kind.is_index else "Symbol"
        named = self._said[identity]
        if not isinstance(named, str):
            raise InvalidRecord(Reason.BAD_SYMBOL, f"{identity} is missing or no text")
        if kind.is_index:
            self.symbol, self._in_points = symbols.index(named), True
        else:
            self.symbol, self._in_points = self._find(named, symbols)

    def _find(self, named: str, symbols: Symbols) -> tuple[Symbol, bool]:
        exchange = None
        if self._kind.names_exchange:
            said = self._said["Exchange"]
            if not isinstance(said, str):
                raise InvalidRecord(Reason.UNKNOWN_EXCHANGE, "Exchange is missing")
            exchange = contents.exchange_of(said)
        symbol, in_points = symbols.instrument(named, exchange)
        if in_points is None:
            if not any(_has_decimals(self._said[field.name]) for field in self._kind.fields if field.unit == "price"):
                why = "no list and no other record tells whether it is quoted in dong or in points"
                raise InvalidRecord(Reason.UNKNOWN_SYMBOL, f"{symbol}: {why}")
            symbols.name_indices([symbol])
            in_points = True
        return symbol, in_points

    def content(self) -> C:
        """The content as the fast path would have read it.

        Raises:
            InvalidRecord: A field without which there is no record cannot be read.
        """
        values: dict[str, Any] = {}
        for field in self._kind.fields:
            try:
                values[field.attribute] = self._text(field) if field.unit is None else self._figure(field)
            except _Unreadable as error:
                if field.is_essential:
                    reason = Reason.BAD_TIME if field.name in ("Time", "TradingDate") else Reason.BAD_FIELD
                    raise InvalidRecord(reason, f"{field.name} {error}") from None
                self.left_out.append(field.name)
                values[field.attribute] = None if field.unit is None else 0
        return self._kind.content(**values)

    def _text(self, field: _Field) -> str | None:
        value = self._said[field.name]
        if value is None and not field.is_essential:
            return None
        if not isinstance(value, str):
            raise _Unreadable("is missing" if value is None else f"is {str(value)[:20]!r}: expected a text")
        if field.most and len(value) > field.most:
            raise _Unreadable(f"has {len(value)} characters")
        if self._kind.is_index and field.name in ("Exchange", "MarketId") and not contents.is_exchange(value):
            raise _Unreadable(f"{value[:20]!r} is no exchange")
        return value

    def _figure(self, field: _Field) -> int:
        """The figure in the smallest unit of its field."""
        value = self._said[field.name]
        if value is None and field.partner is not None and self._said[field.partner] is None:
            return 0
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value) if re.search(r"[.eE]", value) else int(value)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or (isinstance(value, float) and not math.isfinite(value))
        ):
            if field.name in _NOTHING and (value is None or value in _NO_NUMBERS):
                return 0
            raise _Unreadable(f"{'is missing' if value is None else f'is {str(value)[:20]!r}'}: expected a number")
        if abs(value) > _MOST_DIGITS:
            # A float near the greatest one would be infinite once it is multiplied.
            raise _Unreadable(f"is {str(value)[:20]!r}: no market has so much")
        unit = POINT if field.unit == "price" and self._in_points else 1
        whole = round(value * unit)
        # SSI adds up totals of dong in floating point, so these have fractions. Shares and the prices of stocks never have.
        if field.unit != "vnd" and unit == 1 and abs(value - whole) > _TOLERANCE:
            raise _Unreadable(f"is {value}: expected a whole number")
        if not field.least <= whole <= field.most:
            raise _Unreadable(f"is {str(value)[:20]!r}: expected {field.least} to {field.most}")
        return whole


_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?")
_NO_NUMBERS: Final = ("NaN", "Infinity", "-Infinity")


def _first(fields: dict[str, Any], spellings: tuple[str, ...]) -> Any:
    """The value of a field under the first of its names that holds one."""
    values = (fields.get(spelling) for spelling in spellings)
    return next((value for value in values if value is not None and value != ""), None)


def _has_decimals(value: Any) -> bool:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    return isinstance(value, float) and math.isfinite(value) and abs(value - round(value)) > _TOLERANCE


def decode_lines(lines: Iterable[str | bytes]) -> Iterator[dict[str, Any]]:
    """Decode Broadcast arguments, one a line, into ``{"record": …}``, or ``{"dlq": reason, "detail": …}`` where there is none.

    A line is the argument itself, the argument as a JSON string (which is how it stands in a hub message), or an object with it
    under ``broadcast_arg``. Empty lines are skipped. Fields that could not be read are named under ``left_out``.
    """
    decoder = Decoder(Symbols())
    for line in lines:
        if not line.strip():
            continue
        before = Counter(decoder.left_out)
        try:
            record = decoder.decode(_argument_in(line))
        except InvalidRecord as error:
            yield {"dlq": error.reason.value, "detail": error.detail}
        else:
            left_out = sorted(field for _, field in decoder.left_out - before)
            yield {"record": msgspec.to_builtins(record), **({"left_out": left_out} if left_out else {})}


def _argument_in(line: str | bytes) -> str | bytes:
    try:
        value = msgspec.json.decode(line)
    except _NOT_JSON:
        return line
    if isinstance(value, dict):
        value = value.get("broadcast_arg")
    return value if isinstance(value, str) else line
