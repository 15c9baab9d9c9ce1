"""What a block that may have been inserted before lacks in ClickHouse, as questions to ask. Pure.

An engine writes down an insert's token *before* it moves what was inserted to its place. Killed between the two, it takes a
repeat for done and the rows are gone; and it does so for the table behind each view on its own. So after a repeat the rows of the
block are counted by their positions, and the rows of derived tables that they belong to are computed anew.

What lacks is inserted under *another* token, ``…#rows-1`` or ``…#TABLE-1``; and if the engine is killed in that, too, under
``…-2``. Before that, no insert under the token before may still run: it could yet move its part to its place, and the rows would
be there twice. One that begins later stores nothing, for its token is known by then. So the tokens keep apart also two sinks of
which one was stopped in the middle of this and wakes after the other has done it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.clickhouse.core.rows import Block
from connectors.clickhouse.core.statements import quote, quote_name
from connectors.clickhouse.core.tables import DLQ, STORED

REPAIRS: Final = 20
"""How many repairs of a block are tried: each can fail only by the engine's being killed in the middle of it."""
_NAMED: Final = 2_000
"""So many symbols can be named in a question; with more, all are looked at."""
_KEPT = re.compile(r"\bTTL day \+ toIntervalDay\((\d+)\)")

REPLACING: Final = frozenset(made.name for made in STORED.values() if made.last_wins is not None)
"""Tables that show the last row of a thing only, and drop the others when they like: their rows cannot be counted, and it does no
harm to insert one again."""


@dataclass(frozen=True, slots=True)
class DerivedTable:
    """A table that a materialized view fills with sums, minima and maxima of another one's rows."""

    storage: str
    view: str
    """The materialized view. Its query says what the rows are."""
    key: tuple[str, ...]
    """The columns that name a row."""
    start: str
    """Of the key the time at which the row's minute starts."""


DERIVED: Final[Mapping[str, tuple[DerivedTable, ...]]] = {
    "trades_state": (DerivedTable("candles_1m_state", "candles_1m_state_mv", ("symbol", "t"), "t"),),
    "foreign_ledger": (DerivedTable("foreign_1m_state", "foreign_1m_mv", ("symbol", "t"), "t"),),
}
"""The derived tables by the table that their views read."""
_DERIVED_MS: Final = 60_000
"""So long is the time that a row of a derived table covers."""


def kept_days(engine: str) -> int | None:
    """For how many days a table keeps its rows, by what the engine says of it; None for ever."""
    found = _KEPT.search(engine)
    return int(found[1]) if found else None


def positions(block: Block) -> list[tuple[int, int]]:
    """Offset and idx of each row of a block, which is of one partition of one topic."""
    return list(zip(_column(block, "offset"), _column(block, "idx"), strict=True))


def question(block: Block) -> str:
    """A query for offset and idx of those rows of the block's partition, offsets and time that its table has."""
    return f"SELECT offset, idx FROM {quote_name(block.table)} WHERE {' AND '.join(_places(block))}"  # noqa: S608


def lacking(block: Block, found: Iterable[Sequence[int]], oldest_day: int | None) -> Block | None:
    """The rows of a block that its table does not have; None when it has all.

    Args:
        block: What was inserted.
        found: What :func:`question` brought.
        oldest_day: The first day, since 1970, of which the table still keeps rows; None when it keeps all. Earlier rows may be
            missing: they would be deleted again.
    """
    there = {(int(offset), int(idx)) for offset, idx in found}
    days = _column(block, "day") if oldest_day is not None else ()
    kept = [n for n, place in enumerate(positions(block)) if place not in there and (oldest_day is None or days[n] >= oldest_day)]
    if not kept:
        return None
    return Block(block.table, block.month, block.names, tuple([column[n] for n in kept] for column in block.columns))


def correction(table: DerivedTable, types: Mapping[str, str], made_by: str) -> str:
    """A query for what has to be added to a derived table's rows, so that they are what its view makes of all rows there are.

    A sum gets the difference, which may be negative; a minimum, a maximum or a state of one gets the right one once more. So it
    mends what was counted too seldom or too often, and nothing else can happen to a row by an insert that was cut off. It gives
    no row where all is right. Settings are to filter what it reads: :func:`filters`.

    Args:
        table: Which.
        types: The type of each of its columns, in order.
        made_by: The query of its view.
    """
    sums = [name for name, type_ in types.items() if type_.startswith("SimpleAggregateFunction(sum,")]
    key = ", ".join(map(quote_name, table.key))
    columns = [
        f"CAST(made.{quote_name(name)} - held.{quote_name(name)}, {quote(_plain(type_))}) AS {quote_name(name)}"
        if name in sums
        else f"made.{quote_name(name)} AS {quote_name(name)}"
        for name, type_ in types.items()
    ]
    held = ", ".join(f"sum({quote_name(name)}) AS {quote_name(name)}" for name in sums)
    differs = " OR ".join(f"made.{quote_name(name)} != held.{quote_name(name)}" for name in sums)
    return (
        f"SELECT {', '.join(columns)} FROM ({made_by}) AS made LEFT JOIN"  # noqa: S608
        f" (SELECT {key}, {held} FROM {quote_name(table.storage)} GROUP BY {key}) AS held USING ({key}) WHERE {differs}"
        f" ORDER BY {', '.join(f'made.{quote_name(name)}' for name in table.key)}"
    )


def filters(block: Block, table: DerivedTable, database: str) -> dict[str, str]:
    """Conditions, by table, that leave only the rows that make the derived table's rows to which the block's rows belong."""
    times = _column(block, "ts")
    start = min(times) // _DERIVED_MS * _DERIVED_MS
    end = (max(times) // _DERIVED_MS + 1) * _DERIVED_MS
    said = {}
    for name, column in ((block.table, "ts"), (table.storage, table.start)):
        conditions = [f"{column} >= {_time(start)}", f"{column} < {_time(end)}", *_things(block)]
        said[f"{database}.{name}"] = " AND ".join(conditions)
    return said


def filter_setting(conditions: Mapping[str, str]) -> str:
    """Conditions by table as the text of ClickHouse's setting ``additional_table_filters``."""
    return "{" + ", ".join(f"{quote(table)}: {quote(condition)}" for table, condition in conditions.items()) + "}"


def _places(block: Block) -> list[str]:
    """Conditions for the rows that a block may have put into its table, those that an index serves among them."""
    offsets = _column(block, "offset")
    said = [f"partition = {_column(block, 'partition')[0]}", f"offset BETWEEN {min(offsets)} AND {max(offsets)}"]
    if block.table == DLQ:
        said.append(f"topic = {quote(_column(block, 'topic')[0])}")
    if "ts" in block.names:
        times = _column(block, "ts")
        said += [f"ts >= {_time(min(times))}", f"ts <= {_time(max(times))}"]
    return said + _things(block)


def _things(block: Block) -> list[str]:
    """A condition for what the block's rows are about, where few enough things are; every table is ordered by them."""
    if "symbol" not in block.names:
        return []
    symbols: Collection[str] = set(_column(block, "symbol"))
    if len(symbols) > _NAMED:
        return []
    return [f"symbol IN ({', '.join(map(quote, sorted(symbols)))})"]


def _time(ms: int) -> str:
    return f"fromUnixTimestamp64Milli({ms})"


def _plain(type_: str) -> str:
    """The type of the number that a SimpleAggregateFunction keeps."""
    return type_.partition(",")[2].strip().removesuffix(")")


def _column(block: Block, name: str) -> Sequence[Any]:
    column: Sequence[Any] = block.columns[block.names.index(name)]
    return column
