"""Tables and events as plain rows under the same names: event fields, times as milliseconds, days as YYYYMMDD."""

import json
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.topics import (
    MARKET_ALERTS,
    MARKET_BASIS,
    MARKET_DAILY,
    MARKET_FLOW,
    MARKET_FOREIGN,
    MARKET_INDICES,
    MARKET_QUOTES,
    MARKET_TRADES,
)
from stock_tracker.verify.core.archive import Row
from stock_tracker.verify.core.differences import Position

Place = tuple[int, int, int]
"""Partition, offset, idx."""

TABLES = {
    MARKET_TRADES.name: "trades",
    MARKET_QUOTES.name: "quotes",
    MARKET_DAILY.name: "prices_daily",
    MARKET_FOREIGN.name: "foreign_ledger",
    MARKET_FLOW.name: "flow",
    MARKET_INDICES.name: "indices",
    MARKET_BASIS.name: "basis",
    MARKET_ALERTS.name: "alerts",
}
"""By topic, the table for people that holds its events."""

LAST_WINS = {"prices_daily": ("symbol", "day")}
"""Tables that keep one row a key: the last event of each."""


def event_row(event: Any) -> dict[str, Any]:
    """An event as a row."""
    return {name: _plain(getattr(event, name)) for name in event.__struct_fields__}


def expected(table: str, events: Iterable[tuple[Position, dict[str, Any]]]) -> list[tuple[Position, dict[str, Any]]]:
    """The events that a table must hold: all, or the last of each key where the last one wins."""
    key = LAST_WINS.get(table)
    if key is None:
        return list(events)
    last: dict[tuple[Any, ...], tuple[Position, dict[str, Any]]] = {}
    for position, row in events:
        place = tuple(row[name] for name in key)
        # A symbol's events are on one partition, which is read in order.
        last[place] = (position, row)
    return list(last.values())


def read_rows(archive: Client, table: str) -> Iterator[tuple[Place, Row]]:
    """Yield every row of a table with its place in Kafka.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse would not say.
    """
    described = archive.query(f"DESCRIBE TABLE {table}").result_rows
    columns = {str(row[0]): str(row[1]) for row in described}
    names = [name + "_ms" if "DateTime64" in kind else name for name, kind in columns.items()]
    selected = ", ".join(_selected(name, kind) for name, kind in columns.items())
    # Table and columns are names of ours, from the schema.
    with archive.query_rows_stream(f"SELECT {selected} FROM {table}") as rows:  # noqa: S608
        for values in rows:
            row = dict(zip(names, values, strict=True))
            if "data" in row:
                row["data"] = json.loads(row["data"])
            yield (row["partition"], row["offset"], row["idx"]), row


def _selected(name: str, kind: str) -> str:
    if "DateTime64" in kind:
        return f"toUnixTimestamp64Milli(toDateTime64(`{name}`, 3))"
    if kind == "Date":
        return f"toYYYYMMDD(`{name}`)"
    return f"`{name}`"


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
