"""Messages into rows: the events of a frame, what does not fit, and blocks of columns for ClickHouse. Pure.

:mod:`connectors.clickhouse.core.tables` says what a row is. Columns hold what ClickHouse stores, times as integers since the
epoch: a datetime without a zone would be taken for UTC.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from operator import attrgetter
from typing import Any, Final

from connectors.clickhouse.core.tables import DLQ, DLQ_NAMES, EPOCH, TABLES, Table
from schemas import topics
from schemas.errors import InvalidMessage

_PAYLOAD_CHARACTERS = 100_000
_UNSIGNED = re.compile(r"UInt(8|16|32|64)")
_SIGNED = re.compile(r"Int(8|16|32|64)")
# What Date and DateTime64 hold without surprises.
_RANGES: Final = {"Date": (0, 65_535), "DateTime64": (0, 4_102_444_800_000)}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in Kafka a message is."""

    topic: str
    """Without the prefix."""
    partition: int
    offset: int
    taken_ms: int
    """When the broker took it."""


@dataclass(frozen=True, slots=True)
class Reject:
    """What does not go into its table."""

    place: Place
    idx: int
    reason: str
    detail: str
    payload: str


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka message, read."""

    place: Place
    events: Sequence[Any]
    """Of its frame, in order; for ``ssi.dlq`` the one dead letter."""
    rejects: Sequence[Reject]
    """When it cannot be read: why."""

    @property
    def rows(self) -> int:
        """How many rows it makes."""
        return len(self.events) + len(self.rejects)


@dataclass(frozen=True, slots=True)
class Block:
    """What one insert holds: rows of one table and one month, so that ClickHouse stores all of them at once."""

    table: str
    month: int
    """YYYYMM."""
    names: tuple[str, ...]
    columns: tuple[Sequence[Any], ...]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.columns[0])


def read(place: Place, value: bytes | None) -> Message:
    """Decode a message; what cannot be decoded is a reject, never an exception."""
    table = TABLES.get(place.topic)
    raw = value or b""
    found: Sequence[Any]
    try:
        found = (topics.SSI_DLQ.decode(raw),) if table is None else table.topic.decode(raw).events
    except InvalidMessage as error:
        return Message(place, (), (Reject(place, 0, "bad_message", error.reason, _text(raw)),))
    return Message(place, found, ())


def blocks(messages: Sequence[Message], types: Mapping[str, Mapping[str, str]]) -> tuple[list[Block], list[Reject]]:
    """Make the blocks of messages of one topic and partition, and say which of their rows do not fit.

    The same messages make the same blocks in the same order: an insert that is repeated must be the same insert.

    Args:
        messages: In order.
        types: The ClickHouse type of each column, by table.
    """
    rejects = [reject for message in messages for reject in message.rejects]
    table = TABLES.get(messages[0].place.topic)
    if table is None:
        letters = [_letter(m.place, event) for m in messages for event in m.events]
        return _dead(letters + [_rejected(reject) for reject in rejects]), rejects
    found = [(message.place, idx, event) for message in messages for idx, event in enumerate(message.events)]
    columns = _columns(found, table)
    if wrong := _misfits(columns, table, types[table.name]):
        rejects += [
            Reject(found[n][0], found[n][1], "bad_value", why, _text(topics.encode(found[n][2])))
            for n, why in sorted(wrong.items())
        ]
        found = [row for n, row in enumerate(found) if n not in wrong]
        columns = _columns(found, table)
    months = [event.day // 100 for _, _, event in found]
    made = []
    for month in sorted(set(months)):
        its = (
            columns
            if months.count(month) == len(months)
            else _columns([row for row, row_month in zip(found, months, strict=True) if row_month == month], table)
        )
        made.append(Block(table.name, month, table.names, tuple(its)))
    return made + _dead([_rejected(reject) for reject in rejects]), rejects


def _columns(found: Sequence["_Row"], table: Table) -> list[list[Any]]:
    """The columns of rows, those of their places last."""
    events = [event for _, _, event in found]
    columns = []
    for column in table.columns:
        values = map(attrgetter(column.field), events)
        columns.append(list(values if column.convert is None else map(column.convert, values)))
    columns.append([place.partition for place, _, _ in found])
    columns.append([place.offset for place, _, _ in found])
    columns.append([idx for _, idx, _ in found])
    return columns


def _misfits(columns: Sequence[Sequence[Any]], table: Table, types: Mapping[str, str]) -> dict[int, str]:
    """Rows with a number that its column cannot hold, and why. Columns are judged whole first: a misfit is rare."""
    wrong: dict[int, str] = {}
    for column, values in zip(table.columns, columns, strict=False):
        bounds = _bounds(types[column.name])
        if bounds is None:
            continue
        low, high = bounds
        distinct = set(values) - {None}
        if not distinct or (low <= min(distinct) and max(distinct) <= high):
            continue
        for n, value in enumerate(values):
            if value is not None and not low <= value <= high:
                wrong.setdefault(n, f"{column.field} does not fit {column.name} {types[column.name]}")
    return wrong


def _dead(letters: list[tuple[int, tuple[Any, ...]]]) -> list[Block]:
    """Blocks of the table dlq: rows of it, each with its month in front."""
    made = []
    for month in sorted({month for month, _ in letters}):
        columns = zip(*(row for its, row in letters if its == month), strict=True)
        made.append(Block(DLQ, month, DLQ_NAMES, tuple(map(list, columns))))
    return made


def _letter(place: Place, letter: Any) -> tuple[int, tuple[Any, ...]]:
    found = (letter.topic, letter.partition, letter.offset, letter.idx)
    said = (letter.source, letter.reason, letter.detail, letter.feed, letter.epoch, *found, letter.payload[:_PAYLOAD_CHARACTERS])
    return _month(place.taken_ms), (place.taken_ms, *said, place.topic, place.partition, place.offset, 0)


def _rejected(reject: Reject) -> tuple[int, tuple[Any, ...]]:
    place = reject.place
    found = (place.topic, place.partition, place.offset, reject.idx)
    said = ("archive", reject.reason, reject.detail, None, None, *found, reject.payload)
    return _month(place.taken_ms), (place.taken_ms, *said, place.topic, place.partition, place.offset, reject.idx)


def _month(ms: int) -> int:
    """The month in Vietnam (UTC+7, no summer time), as the table dlq is split."""
    day = date.fromordinal(EPOCH + (ms + 7 * 3_600_000) // 86_400_000)
    return day.year * 100 + day.month


@cache
def _bounds(type_: str) -> tuple[int, int] | None:
    """What a column of this ClickHouse type can hold; None where anything goes."""
    inner = type_.removeprefix("LowCardinality(").removeprefix("Nullable(").partition("(")[0].rstrip(")")
    if inner in _RANGES:
        return _RANGES[inner]
    if unsigned := _UNSIGNED.fullmatch(inner):
        return 0, 2 ** int(unsigned[1]) - 1
    if signed := _SIGNED.fullmatch(inner):
        return -(2 ** (int(signed[1]) - 1)), 2 ** (int(signed[1]) - 1) - 1
    return None


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")[:_PAYLOAD_CHARACTERS]


_Row = tuple[Place, int, Any]
