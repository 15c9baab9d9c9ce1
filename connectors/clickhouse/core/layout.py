"""What the tables of a database look like, and whether the sink can write into them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from connectors.clickhouse.core.migration import Migration
from connectors.clickhouse.core.native import is_known
from connectors.clickhouse.core.tables import DLQ, DLQ_NAMES, STORED


class Described(NamedTuple):
    """A column as ClickHouse describes it."""

    type: str
    default_kind: str
    """``DEFAULT``, ``MATERIALIZED`` …, empty when it has none."""

    @property
    def may_be_left_out(self) -> bool:
        """Whether a row that says nothing of it is still right."""
        return bool(self.default_kind) or "Nullable(" in self.type


Layout = Mapping[str, Mapping[str, Described]]
"""Columns by table and name."""

NEEDED: Final[Mapping[str, tuple[str, ...]]] = {table.name: table.names for table in STORED.values()} | {DLQ: DLQ_NAMES}
"""The columns that the sink fills, by table."""


def missing(found: Layout, needed: Mapping[str, Sequence[str]], known: Sequence[Migration]) -> list[str]:
    """For each table and column that is needed and not there: what it is, which file brings it, what to do."""
    said = []
    for table, columns in needed.items():
        if table not in found:
            said.append(_missing_table(table, known))
            continue
        said += [_missing_column(table, column, known) for column in columns if column not in found[table]]
    return said


def unknown(found: Layout, needed: Mapping[str, Sequence[str]]) -> list[str]:
    """The columns, as ``table.column``, that the sink does not fill and that ClickHouse cannot fill for it."""
    return [
        f"{table}.{column}"
        for table, columns in needed.items()
        for column, described in found.get(table, {}).items()
        if column not in columns and not described.may_be_left_out
    ]


def unwritable(found: Layout, needed: Mapping[str, Sequence[str]]) -> list[str]:
    """The columns, as ``table.column TYPE``, that the sink fills and whose type it cannot write."""
    return [
        f"{table}.{column} {found[table][column].type}"
        for table, columns in needed.items()
        for column in columns
        if not is_known(found[table][column].type)
    ]


def _missing_table(table: str, known: Sequence[Migration]) -> str:
    maker = next((migration for migration in known if migration.makes(table)), None)
    return f"there is no table {table}" + (f", which {maker} makes: {_again(maker)}" if maker else "")


def _missing_column(table: str, column: str, known: Sequence[Migration]) -> str:
    adder = next((migration for migration in known if migration.adds(table, column)), None)
    if adder is not None:
        return f"{table} has no {column}, which {adder} adds: {_again(adder)}"
    maker = next((migration for migration in known if migration.makes(table)), None)
    return f"{table} has no {column}" + (f", with which {maker} makes it: add it by hand as it stands there" if maker else "")


def _again(migration: Migration) -> str:
    return f"run `stock-tracker archive migrate --again {migration.number}`"
