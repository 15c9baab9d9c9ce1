"""SSI's JSON to our records: one Broadcast argument in, one record out, or the reason why there is none. Pure.

A Broadcast argument is ``{"DataType": …, "Content": "<JSON again>"}``. On the fast path msgspec reads the content straight into
the struct of its type; it takes whole numbers in any spelling (``100.0``, ``1e3``, ``"100"``). What does not fit takes the
tolerant path, which also understands other names of fields, ``"NaN"``, nulls, content that is an object and not text, and totals
with fractions. Both paths fill the same structs, and so give the same record.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from connectors.ssi.core import contents
from connectors.ssi.core.errors import InvalidRecord, Reason
from schemas.records import SsiRecord
from schemas.units import POINT

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

_NOTHING: Final = frozenset({"EstMatchedPrice"})
"""Prices of which SSI writes 0 where there is none: so NaN, null and a missing field mean 0 too."""


class _Unusual(Exception):
    """The fast path cannot read this; the tolerant one may."""


class _Kind(Generic[C]):
    """One of SSI's data types: how its content is read, and how that becomes a record."""

    def __init__(self, content: type[C], record: Callable[[C], SsiRecord]) -> None:
        self.content = content
        self.record = record
        self.identity = "symbol" if "symbol" in content.__struct_fields__ else "index_id"
        self.prices = contents.prices_of(content)
        self.fields = tuple(_Field.of(content, name) for name in content.__struct_fields__)
        self._whole = msgspec.json.Decoder(content, strict=False)
        self._points = msgspec.json.Decoder(contents.in_points(content) if self.prices else content, strict=False)

    def read(self, text: str) -> C:
        """Read a content on the fast path; its prices are then in their smallest unit.

        Raises:
            msgspec.MsgspecError: ``text`` is not JSON, or a field is missing or no plain number.
            _Unusual: A stock's price has decimals, or a price is out of bounds.
        """
        if self.identity == "index_id":
            content = self._points.decode(text)
            self._to_hundredths(content)
            return content
        try:
            content = self._whole.decode(text)
        except msgspec.ValidationError:
            # Only the prices of futures and indices have decimals. If it is neither, the tolerant path has to say what is wrong.
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
        return self.identity == "index_id" or contents.is_in_points(symbol)

    def _to_hundredths(self, content: C) -> None:
        for name in self.prices:
            hundredths = round(getattr(content, name) * POINT)
            if hundredths > contents.MAX_PRICE:
                raise _Unusual
            setattr(content, name, hundredths)


class _Field(NamedTuple):
    """What the tolerant path has to know of a field of a content."""

    name: str
    """What SSI calls the field."""
    unit: str | None
    """What is counted: ``price``, ``shares``, ``vnd``; None for text."""
    spellings: tuple[str, ...]
    """Its names, in the order in which they are looked for."""
    partner: str | None
    """Of a price in the book its volume, and the other way round: a level may lack both, not one of the two."""

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
    "X-TRADE": _Kind(contents.TradeContent, contents.trade_record),
    "X-QUOTE": _Kind(contents.with_book(contents.QuoteContent, 10), contents.quote_record),
    "X": _Kind(contents.with_book(contents.SnapshotContent, 10), contents.snapshot_record),
    "R": _Kind(contents.ForeignContent, contents.foreign_record),
    "MI": _Kind(contents.IndexContent, contents.index_record),
    "B": _Kind(contents.BarContent, contents.bar_record),
    "F": _Kind(contents.StatusContent, contents.status_record),
    "OL": _Kind(contents.with_book(contents.OddLotContent, 3), contents.odd_lot_record),
}


class _BroadcastArgument(msgspec.Struct, rename="pascal", gc=False):
    data_type: str
    content: str


_broadcast_argument = msgspec.json.Decoder(_BroadcastArgument)
_NOT_JSON = (msgspec.MsgspecError, UnicodeError, RecursionError)


def decode(argument: str | bytes) -> SsiRecord:
    """Return the record in one Broadcast argument.

    Raises:
        InvalidRecord: There is none in it; the error says why.
    """
    try:
        broadcast = _broadcast_argument.decode(argument)
        kind = _KINDS[broadcast.data_type]
        return kind.record(kind.read(broadcast.content))
    except (*_NOT_JSON, KeyError, _Unusual, InvalidRecord):
        return decode_tolerantly(argument)


def decode_tolerantly(argument: str | bytes) -> SsiRecord:
    """Do what :func:`decode` does, on the tolerant path alone. It gives the same records, several times slower.

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
    """The value under ``name`` in any case: SSI's documents write it in several."""
    if name in envelope:
        return envelope[name]
    return next((value for key, value in envelope.items() if key.lower() == name.lower()), None)


def _lenient(kind: _Kind[C], fields: dict[str, Any]) -> C:
    """The content that SSI may have meant by ``fields``."""
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
    """The value of a field under the first of its names that holds one."""
    values = (fields.get(spelling) for spelling in spellings)
    return next((value for value in values if value is not None and value != ""), None)


_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?")


def _whole(field: _Field, value: Any, in_points: bool) -> int:
    """``value`` as an integer in the smallest unit of its field."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if re.search(r"[.eE]", value) else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and not math.isfinite(value)):
        if field.name in _NOTHING and (value is None or value in ("NaN", "Infinity", "-Infinity")):
            return 0
        said = "is missing" if value is None else f"is {str(value)[:20]!r}"
        raise InvalidRecord(Reason.BAD_FIELD, f"{field.name} {said}: expected a number")
    if abs(value) > contents.MAX_VND:
        # No field may hold as much; and a float near the greatest one would be infinite once it is multiplied by 100.
        raise InvalidRecord(Reason.BAD_FIELD, f"{field.name} is {str(value)[:20]!r}: no market has so much")
    if field.unit == "price" and in_points:
        return round(value * POINT)
    whole = round(value)
    # SSI adds up totals of dong in floating point, so these have fractions. Shares and the prices of stocks never have.
    if field.unit != "vnd" and abs(value - whole) > 1e-3:
        raise InvalidRecord(Reason.BAD_FIELD, f"{field.name} is {value}: expected a whole number")
    return whole


def decode_lines(lines: Iterable[str | bytes]) -> Iterator[dict[str, Any]]:
    """Decode Broadcast arguments, one a line, into ``{"record": …}``, or ``{"dlq": reason, "detail": …}`` where there is none.

    A line is the argument itself, the argument as a JSON string (which is how it stands in a hub message), or an object with it
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
