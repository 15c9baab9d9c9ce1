"""The rows of a day in two databases of one ClickHouse: where they differ, and the one's put in the place of the other's."""

from collections.abc import Callable
from datetime import date
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.repair import DERIVED
from connectors.clickhouse.core.statements import quote_name
from connectors.clickhouse.core.tables import POSITION, TABLES, Table
from schemas.calendar import as_date
from schemas.units import TradingDay

OFFSETS_FROM: Final = 1 << 35
"""Added to the offsets of rows that were computed again. Their messages are on other topics: under their own numbers they would
look like rows of messages that the sink may still have to count. No topic of ours gets that far; candles have 36 bits for it."""
_SHOWN: Final = 5


class TableDifference(NamedTuple):
    """What two databases have of a day in one table."""

    table: str
    standing: int
    """Rows that stand."""
    again: int
    """Rows that were computed again."""
    differing: list[str]
    """The symbols, or scopes of flow, whose rows are not the same; where Kafka has them does not count."""

    def sentence(self) -> str:
        """A line of the table of differences."""
        said = ", ".join(self.differing[:_SHOWN]) + (" …" if len(self.differing) > _SHOWN else "")
        return f"{self.table:<16} {self.standing:>10,} {self.again:>10,} {len(self.differing):>8,}  {said}".rstrip()


def compare(client: Client, standing: str, again: str, day: TradingDay) -> list[TableDifference]:
    """Compare the rows of ``day`` table by table, symbol by symbol: of events, for a day is computed *with* the reference data.

    Args:
        client: That may read both.
        standing: The database that people query.
        again: The database beside it.
        day: The trading day.
    """
    return [_compare(client, table, standing, again, as_date(day)) for table in TABLES.values()]


def _compare(client: Client, table: Table, standing: str, again: str, day: date) -> TableDifference:
    key = "scope" if "scope" in table.names else "symbol"
    columns = ", ".join(f"toString({quote_name(column.name)})" for column in table.columns)

    def sums(database: str) -> dict[str, tuple[int, int]]:
        rows = f"{quote_name(database)}.{quote_name(table.view)}"
        hashed = f"sum(cityHash64(concat({_joined(columns)})))"
        asked = f"SELECT {key}, count(), {hashed} FROM {rows} WHERE day = toDate('{day}') GROUP BY {key}"  # noqa: S608
        return {name: (rows, total) for name, rows, total in client.query(asked).result_rows}

    before, now = sums(standing), sums(again)
    differing = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return TableDifference(table.view, _rows(before), _rows(now), differing)


def _joined(columns: str) -> str:
    # NULL would make all of it NULL.
    return ", '|', ".join(f"ifNull({column}, '-')" for column in columns.split(", "))


def _rows(sums: dict[str, tuple[int, int]]) -> int:
    return sum(rows for rows, _ in sums.values())


def swap(client: Client, standing: str, again: str, day: TradingDay, tell: Callable[[str], None]) -> None:
    """Put the rows of ``day`` that were computed again in the place of those that stand.

    Table by table: the day's rows are deleted, the others inserted, and views of minutes follow. Killed in between it is run once
    more, with the same result.
    """
    when = f"toDate('{as_date(day)}')"
    for table in TABLES.values():
        tell(f"Putting {table.view} of {day} in its place")
        for derived in DERIVED.get(table.name, ()):
            _delete(client, standing, derived.storage, f"toDate({derived.start}, 'Asia/Ho_Chi_Minh') = {when}")
        _delete(client, standing, table.name, f"day = {when}")
        # Read from the view: a table may keep some of what is inserted in another form, and more rows than the last ones.
        names = [column.name for column in table.columns]
        into = ", ".join(quote_name(name) for name in (*names, *POSITION))
        chosen = ", ".join([*(quote_name(name) for name in names), "partition", f"offset + {OFFSETS_FROM}", "idx"])
        client.command(
            f"INSERT INTO {quote_name(standing)}.{quote_name(table.name)} ({into})"  # noqa: S608
            f" SELECT {chosen} FROM {quote_name(again)}.{quote_name(table.view)} WHERE day = {when}",
            # What was inserted before a kill is deleted by now: a server that takes the rows for a repeat would store nothing.
            settings={"insert_deduplicate": 0},
        )


def _delete(client: Client, database: str, table: str, where: str) -> None:
    client.command(f"ALTER TABLE {quote_name(database)}.{quote_name(table)} DELETE WHERE {where} SETTINGS mutations_sync = 2")
