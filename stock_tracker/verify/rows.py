"""Tables and events as plain rows under the same names: event fields, times as milliseconds, days as YYYYMMDD."""

import json
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.tables import Table
from schemas.position import Position
from schemas.units import TradingDay
from stock_tracker.verify.core.archive import Row
from stock_tracker.verify.core.differences import EventPosition


def event_row(event: Any) -> dict[str, Any]:
    """An event as a row."""
    return {name: _plain(getattr(event, name)) for name in event.__struct_fields__}


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


def read_rows(archive: Client, table: Table, day: TradingDay | None = None) -> Iterator[tuple[EventPosition, Row]]:
    """Yield every row that people find in a table, with the position of its event; in any order.

    Args:
        archive: Where the table is.
        table: Which.
        day: Only the rows of this trading day, and in the order of their positions.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse would not say.
    """
    described = archive.query(f"DESCRIBE TABLE {table.view}").result_rows
    columns = {str(row[0]): str(row[1]) for row in described}
    names = [name + "_ms" if "DateTime64" in kind else name for name, kind in columns.items()]
    selected = ", ".join(_selected(name, kind) for name, kind in columns.items())
    of_day = "" if day is None else f" WHERE toYYYYMMDD(day) = {day:d} ORDER BY partition, offset, idx"
    # Table and columns are names of ours, from the schema.
    with archive.query_rows_stream(f"SELECT {selected} FROM {table.view}{of_day}") as rows:  # noqa: S608
        for values in rows:
            row = dict(zip(names, values, strict=True))
            if "data" in row:
                row["data"] = json.loads(row["data"])
            yield EventPosition(Position(table.topic.name, row["partition"], row["offset"]), row["idx"]), row


def _selected(name: str, kind: str) -> str:
    if "DateTime64" in kind:
        return f"toUnixTimestamp64Milli(toDateTime64(`{name}`, 3))"
    if kind == "Date":
        return f"toYYYYMMDD(`{name}`)"
    return f"`{name}`"


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
