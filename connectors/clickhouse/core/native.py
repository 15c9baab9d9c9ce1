"""Columns as a block of ClickHouse's Native format: what an insert sends. Pure.

A column is a list of what ClickHouse stores: whole numbers, also for times and days, text, None where the type allows it. It is
encoded as a whole, by functions of the interpreter that need no step of Python's a value; a number that the type does not hold is
an error, never another number.

https://clickhouse.com/docs/en/interfaces/formats/Native has the layout. It is that of a client that states no protocol version.
"""

import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final, NamedTuple

_CODES: Final = {
    "Int8": "b",
    "Int16": "h",
    "Int32": "i",
    "Int64": "q",
    "UInt8": "B",
    "UInt16": "H",
    "UInt32": "I",
    "UInt64": "Q",
    "Date": "H",
    "DateTime64": "q",
    "Float64": "d",
}
"""How :mod:`array` calls what a type stores."""
_LAST_MS: Final = 4_102_444_800_000
"""The last millisecond that a DateTime64(3) is read back as: one beyond becomes another time, without an error."""
_WRAPPED: Final = re.compile(r"(LowCardinality|Nullable|Array|Map)\((.*)\)")
_LOW_CARDINALITY: Final = (1).to_bytes(8, "little")
"""The version of how its dictionaries are written; it goes ahead of the column."""
_NEW_DICTIONARY: Final = 1 << 9 | 1 << 10


class Misfit(Exception):
    """A value is not one that its column can hold.

    Args:
        name: Of the column.
        type_: Of the column.
    """

    def __init__(self, name: str, type_: str) -> None:
        super().__init__(f"a value does not fit {name} {type_}")


class _Encoding(NamedTuple):
    """How a type is written."""

    prefix: bytes
    """What goes ahead of a column of it."""
    data: Callable[[Sequence[Any]], bytes]
    """The bytes of a column.

    Raises:
        OverflowError, TypeError, ValueError, AttributeError: A value is not one that the type holds.
    """
    empty: Any
    """What stands where there is no value."""


def encode(names: Sequence[str], types: Mapping[str, str], columns: Sequence[Sequence[Any]]) -> bytes:
    """A block of rows.

    Args:
        names: Of the columns, in order.
        types: The ClickHouse type of each.
        columns: Their values, all of the same number.

    Raises:
        Misfit: A column cannot hold one of them.
        KeyError: A type is none that is known here.
    """
    parts = [_varint(len(names)), _varint(len(columns[0]))]
    for name, values in zip(names, columns, strict=True):
        type_ = types[name]
        encoding = _encoding(type_)
        try:
            data = encoding.data(values)
        except (OverflowError, TypeError, ValueError, AttributeError) as error:
            raise Misfit(name, type_) from error
        parts += (_text(name), _text(type_), encoding.prefix, data)
    return b"".join(parts)


def is_known(type_: str) -> bool:
    """Whether columns of a ClickHouse type can be encoded."""
    try:
        _encoding(type_)
    except KeyError:
        return False
    return True


@cache
def _encoding(type_: str) -> _Encoding:
    if (wrapped := _WRAPPED.fullmatch(type_)) is not None:
        return _WRAPPERS[wrapped[1]](wrapped[2])
    name = type_.partition("(")[0]
    if name == "String":
        return _Encoding(b"", lambda values: b"".join(map(_text, values)), "")
    if name == "Bool":
        return _Encoding(b"", bytes, 0)
    code = _CODES[name]
    if name == "DateTime64":
        return _Encoding(b"", _times, 0)
    return _Encoding(b"", lambda values: array(code, values).tobytes(), 0)


def _times(values: Sequence[int]) -> bytes:
    if max(values, default=0) > _LAST_MS:
        raise OverflowError
    # As numbers without a sign, which refuses times before 1970; up to the last one the bytes are the same.
    return array("Q", values).tobytes()


def _nullable(type_: str) -> _Encoding:
    inner = _encoding(type_)
    one = inner.data([inner.empty])

    def data(values: Sequence[Any]) -> bytes:
        try:
            return bytes(len(values)) + inner.data(values)
        except (TypeError, AttributeError):
            # Some are missing.
            if values.count(None) == len(values):
                return b"\x01" * len(values) + one * len(values)
        return bytes([value is None for value in values]) + inner.data([inner.empty if v is None else v for v in values])

    return _Encoding(inner.prefix, data, None)


class _Keys(dict[Any, int]):
    """The keys of a dictionary's entries, numbered as they are first met."""

    def __missing__(self, entry: Any) -> int:
        self[entry] = key = len(self)
        return key


def _low_cardinality(type_: str) -> _Encoding:
    nullable = type_.startswith("Nullable(")
    inner = _encoding(type_.removeprefix("Nullable(").removesuffix(")") if nullable else type_)

    def data(values: Sequence[Any]) -> bytes:
        if not values:
            return b""
        # Where a value may be missing, the first entry stands for that.
        keys = _Keys({None: 0} if nullable else {})
        if values[0] is values[-1] and values.count(values[0]) == len(values):
            said = bytes([keys[values[0]]]) * len(values)
        else:
            try:
                said = bytes(map(keys.__getitem__, values))
            except ValueError:
                said = array("I", map(keys.__getitem__, values)).tobytes()
        width = 0 if len(said) == len(values) else 2
        entries = [inner.empty if nullable and entry is None else entry for entry in keys]
        return b"".join(
            (
                (_NEW_DICTIONARY | width).to_bytes(8, "little"),
                len(entries).to_bytes(8, "little"),
                inner.data(entries),
                len(values).to_bytes(8, "little"),
                said,
            )
        )

    return _Encoding(_LOW_CARDINALITY, data, None if nullable else inner.empty)


def _array(type_: str) -> _Encoding:
    inner = _encoding(type_)

    def data(values: Sequence[Sequence[Any]]) -> bytes:
        return _ends(values) + inner.data(list(chain.from_iterable(values)))

    return _Encoding(inner.prefix, data, ())


def _map(types: str) -> _Encoding:
    key, value = map(_encoding, types.split(", "))

    def data(values: Sequence[Mapping[Any, Any]]) -> bytes:
        keys, its = [list(chain.from_iterable(part)) for part in (values, (each.values() for each in values))]
        return _ends(values) + key.data(keys) + value.data(its)

    return _Encoding(key.prefix + value.prefix, data, {})


_WRAPPERS: Final = {"LowCardinality": _low_cardinality, "Nullable": _nullable, "Array": _array, "Map": _map}


def _ends(values: Sequence[Any]) -> bytes:
    """Where the elements of each value end, counted from the first of all."""
    ends, end = array("Q"), 0
    for value in values:
        end += len(value)
        ends.append(end)
    return ends.tobytes()


def _text(value: str) -> bytes:
    raw = value.encode()
    return _varint(len(raw)) + raw


def _varint(value: int) -> bytes:
    """LEB128."""
    if value < 0x80:
        return bytes((value,))
    said = bytearray()
    while value >= 0x80:
        said.append(value & 0x7F | 0x80)
        value >>= 7
    said.append(value)
    return bytes(said)
