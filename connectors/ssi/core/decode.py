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
from msgspec import Meta

from connectors.ssi.core import contents
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
from schemas.units import POINT, Exchange, Symbol

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


class _Kind(Generic[C]):
    """One of SSI's data types: how its content is read, and how that becomes a record."""

    def __init__(self, name: str, content: type[C], record: Callable[[C, Symbol], SsiRecord]) -> None:
        self.name = name
        self.content = content
        self.record = record
        self.is_index = "index_id" in content.__struct_fields__
        self.names_exchange = "exchange" in content.__struct_fields__ and not self.is_index
        self.prices = contents.prices_of(content)
        self.amounts = contents.amounts_of(content)
        self.fields = tuple(_Field.of(field) for field in msgspec.structs.fields(content))
        self._whole = msgspec.json.Decoder(content, strict=False)
        self._decimal = msgspec.json.Decoder(contents.with_decimals(content), strict=False)

    def read(self, text: str, symbols: Symbols) -> SsiRecord:
        """Read a content on the fast path.

        Raises:
            msgspec.MsgspecError: ``text`` is not JSON, or a field is missing or no plain number.
            InvalidRecord: A symbol, time or exchange is none.
            _Unusual: A stock's price has decimals, a price is out of bounds, or nothing tells whether it is in points or dong.
        """
        content: Any
        if self.is_index:
            content = self._decimal.decode(text)
            symbol = symbols.index(content.index_id)
            self._scale(content, POINT)
            return self.record(content, symbol)
        try:
            content = self._whole.decode(text)
        except msgspec.ValidationError:
            # Points have decimals, and at times sums of amounts have. Where it is neither, the tolerant path says what is wrong.
            content = self._decimal.decode(text)
            symbol, in_points = self._instrument(content, symbols)
            self._scale(content, POINT if in_points else 1)
        else:
            symbol, in_points = self._instrument(content, symbols)
            if in_points and self.prices:
                self._scale(content, POINT)
        return self.record(content, symbol)

    def _instrument(self, content: Any, symbols: Symbols) -> tuple[Symbol, bool]:
        symbol, in_points = symbols.instrument(content.symbol)
        if in_points is None or (self.names_exchange and not in_points and content.exchange in contents.DERIVATIVES):
            raise _Unusual
        return symbol, in_points

    def _scale(self, content: Any, unit: int) -> None:
        """Bring the prices of ``content`` to their smallest unit, of which ``unit`` make a point or a dong; and round amounts."""
        for name in self.prices:
            price = getattr(content, name) * unit
            whole = round(price)
            if whole > contents.MAX_PRICE or (unit == 1 and abs(price - whole) > _TOLERANCE):
                raise _Unusual
            setattr(content, name, whole)
        for name in self.amounts:
            setattr(content, name, round(getattr(content, name)))


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
        _Kind("X-TRADE", contents.TradeContent, contents.trade_record),
        _Kind("X-QUOTE", contents.QUOTE, contents.quote_record),
        _Kind("X", contents.SNAPSHOT, contents.snapshot_record),
        _Kind("R", contents.ForeignContent, contents.foreign_record),
        _Kind("MI", contents.IndexContent, contents.index_record),
        _Kind("B", contents.BarContent, contents.bar_record),
        _Kind("F", contents.StatusContent, contents.status_record),
        _Kind("OL", contents.ODD_LOT, contents.odd_lot_record),
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


class _BroadcastArgument(msgspec.Struct, rename="pascal", gc=False):
    data_type: str
    content: str


_broadcast_argument = msgspec.json.Decoder(_BroadcastArgument)
_NOT_JSON = (msgspec.MsgspecError, UnicodeError, RecursionError)


class Decoder:
    """Decodes what one feed says, in the order in which it came."""

    def __init__(self, symbols: Symbols) -> None:
        """Begin with what is known of ``symbols``; records add to it."""
        self._symbols = symbols
        self.left_out: Counter[tuple[str, str]] = Counter()
        """Fields since the start that could not be read though their record could: by DataType and SSI's name of the field."""

    def decode(self, argument: str | bytes) -> SsiRecord:
        """Return the record in one Broadcast argument.

        Raises:
            InvalidRecord: There is none in it; the error says why.
        """
        try:
            broadcast = _broadcast_argument.decode(argument)
            return _KINDS[broadcast.data_type].read(broadcast.content, self._symbols)
        except (*_NOT_JSON, KeyError, _Unusual, InvalidRecord):
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
            record = kind.record(meant.content(), meant.symbol)
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
        self._in_points = True
        if kind.is_index:
            self.symbol = symbols.index(named)
        else:
            self.symbol, in_points = symbols.instrument(named)
            self._in_points = self._find_unit(in_points, symbols)

    def _find_unit(self, in_points: bool | None, symbols: Symbols) -> bool:
        kind = self._kind
        if kind.names_exchange:
            exchange = self._said["Exchange"]
            if not isinstance(exchange, str):
                raise InvalidRecord(Reason.UNKNOWN_EXCHANGE, "Exchange is missing")
            of_derivatives = contents.exchange_of(exchange) is Exchange.DER
            if in_points is None or (of_derivatives and not in_points):
                # From here on a bar of it, which names no exchange, can be read too.
                symbols.list_instruments([(self.symbol, contents.exchange_of(exchange))])
                return of_derivatives
        elif in_points is None and kind.prices:
            if not any(_has_decimals(self._said[field.name]) for field in kind.fields if field.unit == "price"):
                why = "no list and no other record tells whether it is quoted in dong or in points"
                raise InvalidRecord(Reason.UNKNOWN_SYMBOL, f"{self.symbol}: {why}")
            symbols.name_indices([self.symbol])
            return True
        return bool(in_points)

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
