"""Messages into rows: the events of a frame, what does not fit, and blocks of columns for ClickHouse. Pure.

:mod:`connectors.clickhouse.core.tables` says what a row is. Columns hold what ClickHouse stores, times as integers since the
epoch: a datetime without a zone would be taken for UTC.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from itertools import compress
from typing import Any, Final

from connectors.clickhouse.core.native import Misfit, encode
from connectors.clickhouse.core.tables import DLQ, DLQ_NAMES, EPOCH, LETTER, STORED, Table
from schemas import topics
from schemas.errors import InvalidMessage
from schemas.position import Position
from schemas.structs import DeadLetter

ARCHIVE: Final = "archive"
"""The source of the dead letters that the archive itself writes."""
BAD_MESSAGE: Final = "bad_message"
"""The reason of a message that cannot be decoded."""
BAD_VALUE: Final = "bad_value"
"""The reason of an event with a number that its column cannot hold."""
PAYLOAD_CHARACTERS: Final = 100_000
"""So much of what was rejected is kept."""
_TOGETHER: Final = 64
"""So many events are turned into columns at a time: few enough to be in the processor's cache still."""
_UNSIGNED = re.compile(r"UInt(8|16|32|64)")
_SIGNED = re.compile(r"Int(8|16|32|64)")
# Days and milliseconds since 1970 that Date and DateTime64 hold; what is beyond would become another time, without an error.
_RANGES: Final = {"Date": (0, 65_535), "DateTime64": (0, 4_102_444_800_000)}


@dataclass(frozen=True, slots=True)
class Reject:
    """A message, or one event of it, that does not go into its table."""

    position: Position
    taken_ms: int
    """When Kafka took the message, in Unix milliseconds."""
    idx: int
    """The event's place in the message, from 0."""
    reason: str
    """A short word to count by."""
    detail: str
    """What is wrong with it, for a person to read."""
    payload: str
    """What was rejected."""

    def __str__(self) -> str:
        event = "" if self.reason == BAD_MESSAGE else f", event {self.idx}"
        return f"{self.detail} ({self.reason}, at {self.position}{event})"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A Kafka message, decoded or rejected."""

    position: Position
    """Where it is in Kafka; the topic is named without prefix."""
    taken_ms: int
    """When Kafka took the message, in Unix milliseconds."""
    table: Table | None
    """Where its events go; None for dead letters, which go to :data:`~connectors.clickhouse.core.tables.DLQ`."""
    events: Sequence[Any]
    """The events that the message holds, in order; a message of ``ssi.dlq`` holds one dead letter."""
    reject: Reject | None
    """Why it has no events, where it could not be decoded."""

    @property
    def rows(self) -> int:
        """How many rows it makes."""
        return len(self.events) if self.reject is None else 1


@dataclass(frozen=True, slots=True)
class Block:
    """What one insert holds: rows of one table and one month, so that ClickHouse stores all of them at once."""

    table: str
    month: int
    """YYYYMM."""
    names: tuple[str, ...]
    columns: tuple[Sequence[Any], ...]
    encoded: bytes | None = field(default=None, repr=False, compare=False)
    """The same in ClickHouse's Native format, where it has been made."""

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.columns[0])


def decode(position: Position, taken_ms: int, value: bytes | None, tables: Mapping[str, Table] = STORED) -> Decoded:
    """Decode a message; one that cannot be decoded becomes a reject.

    Args:
        position: Where it is, its topic without prefix.
        taken_ms: When Kafka took it.
        value: Its bytes.
        tables: By topic, where events go.

    Raises:
        NewerMessage: A newer release wrote it: no dead letter must be made of it.
    """
    table = tables.get(position.topic)
    raw = value or b""
    events: Sequence[Any]
    try:
        events = (topics.SSI_DLQ.decode(raw),) if table is None else table.events_of(table.topic.decode(raw))
    except InvalidMessage as error:
        reject = Reject(position, taken_ms, 0, BAD_MESSAGE, error.reason, _text(raw))
        return Decoded(position, taken_ms, table, (), reject)
    return Decoded(position, taken_ms, table, events, None)


def blocks(messages: Sequence[Decoded], types: Mapping[str, Mapping[str, str]]) -> tuple[list[Block], list[Reject]]:
    """Make the blocks of messages of one topic and partition, and say which of their rows do not fit.

    The same messages make the same blocks in the same order: an insert that is repeated must be the same insert.

    Args:
        messages: In order.
        types: The ClickHouse type of each column, by table.
    """
    rejects = [message.reject for message in messages if message.reject is not None]
    table = messages[0].table
    if table is None:
        letters = [_letter(event, message) for message in messages for event in message.events]
        return _dead(letters + [_rejected(reject) for reject in rejects]), rejects
    columns, days = _columns(messages, table)
    try:
        made = [encoded(block, types) for block in _by_month(table, columns, days)]
    except Misfit:
        wrong = _misfits(columns, table, types[table.name])
        found = [(message, idx) for message in messages for idx in range(len(message.events))]
        for n, why in sorted(wrong.items()):
            message, idx = found[n]
            payload = _text(topics.encode(message.events[idx]))
            rejects.append(Reject(message.position, message.taken_ms, idx, BAD_VALUE, why, payload))
        fits = [n not in wrong for n in range(len(found))]
        kept = [list(compress(column, fits)) for column in columns]
        made = [encoded(block, types) for block in _by_month(table, kept, list(compress(days, fits)))]
    return made + _dead([_rejected(reject) for reject in rejects]), rejects


def encoded(block: Block, types: Mapping[str, Mapping[str, str]]) -> Block:
    """A block with its bytes.

    Raises:
        Misfit: A column cannot hold one of its values.
    """
    return replace(block, encoded=encode(block.names, types[block.table], block.columns))


_Letter = tuple[int, tuple[Any, ...]]
"""A month, YYYYMM, and a row of the dead letters' table."""


def _columns(messages: Sequence[Decoded], table: Table) -> tuple[list[list[Any]], list[int]]:
    """The columns of all events, those of their positions last; and the day of each event, YYYYMMDD."""
    columns: list[list[Any]] = [[] for _ in table.columns]
    events: list[Any] = []
    partitions, offsets, places = list[int](), list[int](), list[int]()
    for message in messages:
        its = message.events
        events += its
        partitions += (message.position.partition,) * len(its)
        offsets += (message.position.offset,) * len(its)
        places += range(len(its))
        if len(events) >= _TOGETHER:
            _turn(events, columns, table)
            events.clear()
    _turn(events, columns, table)
    days = columns[table.day]
    for n, column in enumerate(table.columns):
        if column.convert is not None:
            columns[n] = _each(columns[n], column.convert)
    return [*columns, partitions, offsets, places], days


def _turn(events: Sequence[Any], columns: Sequence[list[Any]], table: Table) -> None:
    """Add the fields of events to the columns."""
    for column, values in zip(columns, zip(*map(table.values_of, events), strict=True), strict=False):
        column += values


def _each(values: Sequence[Any], convert: Callable[[Any], Any]) -> list[Any]:
    """What a column's values become. There are few different ones, but for those that cannot be told apart so."""
    try:
        known = {value: convert(value) for value in set(values)}
    except TypeError:
        return list(map(convert, values))
    if len(known) == 1:
        return [*known.values()] * len(values)
    return list(map(known.__getitem__, values))


def _by_month(table: Table, columns: Sequence[list[Any]], days: Sequence[int]) -> Iterator[Block]:
    """Blocks of rows, a month each, in order."""
    months = sorted({day // 100 for day in set(days)})
    for month in months:
        its = columns
        if len(months) > 1:
            mask = [day // 100 == month for day in days]
            its = [list(compress(column, mask)) for column in columns]
        yield Block(table.name, month, table.names, tuple(its))


def _misfits(columns: Sequence[Sequence[Any]], table: Table, types: Mapping[str, str]) -> dict[int, str]:
    """Rows, by number, with a value that its column cannot hold, and why.

    Such rows are rare, so each column is first judged as a whole, by its least and its greatest value.
    """
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


def _dead(letters: Iterable[_Letter]) -> list[Block]:
    """Blocks of the dead letters' table, a month each."""
    by_month: dict[int, list[tuple[Any, ...]]] = {}
    for month, row in letters:
        by_month.setdefault(month, []).append(row)
    return [Block(DLQ, month, DLQ_NAMES, tuple(map(list, zip(*its, strict=True)))) for month, its in sorted(by_month.items())]


def _letter(letter: DeadLetter, message: Decoded) -> _Letter:
    return _letter_row({name: getattr(letter, name) for name in LETTER}, message.position, message.taken_ms, 0)


def _rejected(reject: Reject) -> _Letter:
    said = {"source": ARCHIVE, "reason": reject.reason, "detail": reject.detail, "payload": reject.payload}
    found = {**reject.position._asdict(), "idx": reject.idx}
    return _letter_row({**LETTER, **said, **found}, reject.position, reject.taken_ms, reject.idx)


def _letter_row(letter: Mapping[str, Any], read_at: Position, taken_ms: int, idx: int) -> _Letter:
    """The row of a dead letter of which the archive read at ``read_at``."""
    said = {**letter, "payload": letter["payload"][:PAYLOAD_CHARACTERS]}
    return _month(taken_ms), (taken_ms, *said.values(), *read_at, idx)


def _month(ms: int) -> int:
    """The month in Vietnam (UTC+7, no summer time), by which the dead letters' table is split."""
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
    return raw.decode(errors="backslashreplace")[:PAYLOAD_CHARACTERS]
