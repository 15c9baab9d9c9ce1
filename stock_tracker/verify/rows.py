"""Tables and events as plain rows under the same names: event fields, times as milliseconds, days as YYYYMMDD."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from operator import itemgetter
from typing import Any

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.rows import PAYLOAD_CHARACTERS
from connectors.clickhouse.core.tables import DLQ, LETTER, POSITION, Table
from schemas.position import Position
from schemas.structs import DeadLetter
from schemas.units import TradingDay
from stock_tracker.verify.core.archive import Row, RowsInOrder, compare_rows
from stock_tracker.verify.core.derived import Derived
from stock_tracker.verify.core.differences import Difference, EventPosition

Belongs = Callable[[str], bool]
"""Whether a symbol is among those that are looked at."""


def event_row(event: Any) -> dict[str, Any]:
    """An event as a row."""
    names = getattr(event, "__struct_fields__", None) or event.__slots__
    return {name: _plain(getattr(event, name)) for name in names}


def expected(table: Table, events: Iterable[tuple[EventPosition, dict[str, Any]]]) -> list[tuple[EventPosition, dict[str, Any]]]:
    """The events that people must find in a table: all, or the last of each thing where the last one wins."""
    if table.last_wins is None:
        return list(events)
    fields = [column.field for column in table.columns if column.name in table.last_wins]
    last: dict[tuple[Any, ...], tuple[EventPosition, dict[str, Any]]] = {}
    for position, row in events:
        thing = tuple(row[field] for field in fields)
        # A symbol's events are on one partition, which is read in order.
        last[thing] = (position, row)
    return list(last.values())


def read_rows(
    archive: Client,
    table: Table,
    day: TradingDay | None = None,
    partition: int | None = None,
    symbols: Sequence[str] | None = None,
    *,
    in_order: bool = False,
) -> Iterator[tuple[EventPosition, Row]]:
    """Yield every row that people find in a table, with the position of its event; in any order.

    Args:
        archive: Where the table is.
        table: Which.
        day: Only the rows of this trading day, and in the order of their positions.
        partition: Only the rows of this partition of the topic.
        symbols: Only the rows of these symbols.
        in_order: In the order of their positions, whatever the day.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse would not say.
    """
    wanted = [
        *([] if day is None else [f"toYYYYMMDD(day) = {day:d}"]),
        *([] if partition is None else [f"partition = {partition:d}"]),
        *([] if symbols is None else ["symbol IN {symbols:Array(String)}"]),
    ]
    only = f" WHERE {' AND '.join(wanted)}" if wanted else ""
    order = " ORDER BY partition, offset, idx" if in_order or day is not None else ""
    for row in _read(archive, table.view, only + order, None if symbols is None else {"symbols": list(symbols)}):
        if "data" in row:
            row["data"] = json.loads(row["data"])
        yield EventPosition(Position(table.topic.name, row["partition"], row["offset"]), row["idx"]), row


def read_derived(archive: Client, table: Derived, symbols: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of some symbols in a table that is made of another one, without those of SSI's history.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse would not say.
    """
    if symbols:
        stream = " AND source = 'stream'" if table.has_history else ""
        yield from _read(archive, table.view, f" WHERE symbol IN {{symbols:Array(String)}}{stream}", {"symbols": list(symbols)})


def symbols_in(archive: Client, view: str, partition: int | None = None) -> list[str]:
    """The symbols that a table has rows of, sorted; with a number only those of that partition of its topic.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse would not say.
    """
    only = "" if partition is None else f" WHERE partition = {partition:d}"
    return sorted(symbol for (symbol,) in archive.query(f"SELECT DISTINCT symbol FROM {view}{only}").result_rows)  # noqa: S608


class ArchiveTables:
    """The tables of an archive, a part of their symbols at a time."""

    def __init__(self, archive: Client) -> None:
        self._archive = archive
        self._symbols: dict[tuple[str, int | None], list[str]] = {}

    def rows(self, table: Table, partition: int, belongs: Belongs | None = None) -> Iterator[tuple[EventPosition, Row]]:
        """Yield the rows that come of a partition, by their positions: those of the symbols that ``belongs`` says, or all."""
        symbols = None if belongs is None else self._of(table.view, partition, belongs)
        if symbols != []:
            yield from read_rows(self._archive, table, partition=partition, symbols=symbols, in_order=True)

    def derived_rows(self, table: Derived, belongs: Belongs) -> Iterator[Row]:
        """Yield the rows of the symbols that ``belongs`` says."""
        yield from read_derived(self._archive, table, self._of(table.view, None, belongs))

    def dead_letters(self) -> Iterator[tuple[EventPosition, Row]]:
        """Yield the rows of the dead letters, with the position that the archive read each from."""
        yield from read_dead_letters(self._archive)

    def _of(self, view: str, partition: int | None, belongs: Belongs) -> list[str]:
        known = self._symbols.get((view, partition))
        if known is None:
            known = self._symbols[view, partition] = symbols_in(self._archive, view, partition)
        return [symbol for symbol in known if belongs(symbol)]


def read_dead_letters(archive: Client) -> Iterator[tuple[EventPosition, Row]]:
    """Yield the rows of the dead letters, with the position that the archive read each from.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse would not say.
    """
    for row in _read(archive, DLQ, ""):
        yield EventPosition(Position(row["topic"], row["partition"], row["offset"]), row["idx"]), row


def letter_row(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as a row; the archive has no more than the beginning of a long payload."""
    said = {name: getattr(letter, name) for name in LETTER}
    said["payload"] = said["payload"][:PAYLOAD_CHARACTERS]
    return {f"found_{name}" if name in ("topic", *POSITION) else name: value for name, value in said.items()}


def _read(archive: Client, view: str, clauses: str, parameters: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """Yield rows of a table or view under the names of events: times in milliseconds, days as YYYYMMDD."""
    described = archive.query(f"DESCRIBE TABLE {view}").result_rows
    columns = {str(row[0]): str(row[1]) for row in described}
    names = [name + "_ms" if "DateTime64" in kind else name for name, kind in columns.items()]
    selected = ", ".join(_selected(name, kind) for name, kind in columns.items())
    # View and columns are names of ours, from the schema.
    with archive.query_rows_stream(f"SELECT {selected} FROM {view}{clauses}", parameters) as rows:  # noqa: S608
        for values in rows:
            yield dict(zip(names, values, strict=True))


def compare_table(
    table: Table, events: Iterable[tuple[EventPosition, Any]], stored: Iterable[tuple[EventPosition, Row]]
) -> tuple[int, list[Difference]]:
    """Compare events with their rows; how many rows there are, and the differences.

    Args:
        table: Which.
        events: All of a partition, or of some of its symbols, read committed, in order.
        stored: The rows of the same, in the order of their positions.
    """
    said: Iterable[tuple[EventPosition, Row]]
    if table.last_wins is not None:
        said = sorted(expected(table, ((at, event_row(event)) for at, event in events)), key=itemgetter(0))
    else:
        said = ((at, event_row(event)) for at, event in events)
    compared = RowsInOrder(table.view)
    differences = list(compared.compare(said, stored))
    return compared.rows, differences


def compare_compacted(
    table: Table, messages: Iterable[tuple[Position, Any]], stored: Iterable[tuple[EventPosition, Row]]
) -> tuple[int, list[Difference]]:
    """Compare what a compacted topic still has with its rows; how many rows there are, and the differences.

    Of what the topic does not have any more there may be rows: the archive keeps them. The topic may have what has been said
    again since: of a thing the last row stays.
    """
    rows: dict[EventPosition, Row] = {}
    doubled = []
    for at, row in stored:
        if at in rows:
            doubled.append(at)
        rows[at] = row
    events = [
        (EventPosition(at, n), event_row(event)) for at, message in messages for n, event in enumerate(table.events_of(message))
    ]
    wanted = expected(table, events)
    known = {at: rows[at] for at, _ in wanted if at in rows}
    return len(rows) + len(doubled), list(compare_rows(table.view, wanted, known, doubled))


def _selected(name: str, kind: str) -> str:
    if "DateTime64" in kind:
        return f"toUnixTimestamp64Milli(toDateTime64(`{name}`, 3))"
    if kind in ("Date", "Nullable(Date)"):
        return f"toYYYYMMDD(`{name}`)"
    return f"`{name}`"


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
