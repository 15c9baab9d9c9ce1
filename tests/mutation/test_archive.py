# ruff: noqa: E501
"""Faults planted in the sink and in the views of the archive: the comparison with the topics names each, on a real engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.tables import DLQ, TABLES, Table
from schemas.position import Position
from schemas.topics import SSI_DLQ, encode
from stock_tracker.verify.core import derived
from stock_tracker.verify.core.archive import compare_rows
from stock_tracker.verify.core.derived import DERIVED
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.numbers import things_in
from stock_tracker.verify.rows import ArchiveTables, compare_table, letter_row, read_dead_letters
from tests.builders import a_dead_letter
from tests.mutation.planting import plant
from tests.mutation.simulated_day import Outputs

ARCHIVE = "archive"
TAKEN_MS = 1_795_140_900_123
LETTERS = [(Position(SSI_DLQ.name, 0, offset), a_dead_letter(payload="x" * 200, offset=offset)) for offset in range(3)]


@dataclass
class Archive:
    """The embedded engine in memory, with the tables of a day."""

    engine: Client
    day: Outputs
    types: dict[str, dict[str, str]]

    def insert(self, topic: str, messages: list[tuple[Position, Any]]) -> None:
        """Insert messages as the sink does, into the database that names without one mean now."""
        decoded = [rows.decode(at, TAKEN_MS, encode(message)) for at, message in messages]
        for block in rows.blocks(decoded, self.types)[0]:
            sent = rows.encoded(block, self.types).encoded
            self.engine.raw_insert(block.table, block.names, sent, {"insert_deduplicate": 0}, fmt="Native")

    @contextmanager
    def database(self, name: str) -> Iterator[None]:
        """Make a database, which names without one mean until the block ends."""
        self.engine.command(f"CREATE DATABASE {name}", use_database=False)
        self.engine.database = name
        try:
            yield
        finally:
            self.engine.database = ARCHIVE

    @property
    def tables(self) -> ArchiveTables:
        """The tables of the database that names without one mean now."""
        return ArchiveTables(self.engine)

    def stored(self, table: Table) -> tuple[int, list[Difference]]:
        """How many rows a table has, and what differs in them."""
        return compare_table(table, things_in(self.day[table.topic.name]), self.tables.rows(table, 0))

    def differences(self) -> list[Difference]:
        """What differs in the derived tables."""
        found: list[Difference] = []
        for table in DERIVED:
            made = self.tables.derived_rows(table, lambda symbol: True)
            found += derived.compare(table, things_in(self.day[table.topic.name]), made)
        return found


@pytest.fixture(scope="module")
def archive(published: Outputs) -> Iterator[Archive]:
    """The archive of a day, as the sink fills it: in several inserts."""
    engine = clickhouse_connect.get_client(interface="chdb", path=":memory:")
    engine.database = ARCHIVE
    migrations.migrate(engine, ARCHIVE)
    types: dict[str, dict[str, str]] = {}
    described = engine.query(f"SELECT table, name, type FROM system.columns WHERE database = '{ARCHIVE}'").result_rows
    for table, column, kind in described:
        types.setdefault(table, {})[column] = kind
    made = Archive(engine, published, types)
    for topic in TABLES:
        for first in range(0, len(made.day[topic]), 500):
            made.insert(topic, made.day[topic][first : first + 500])
    yield made
    engine.close()


def test_an_archive_that_is_right_brings_no_difference(archive: Archive) -> None:
    for topic, table in TABLES.items():
        count, found = archive.stored(table)
        assert (found, count > 0) == ([], topic != "market.basis" or bool(archive.day[topic]))
    assert archive.differences() == []


def test_rows_of_some_symbols_are_those_of_the_table_in_the_same_order(archive: Archive) -> None:
    table = TABLES["market.trades"]
    every = list(archive.tables.rows(table, 0))
    assert [at for at, _ in every] == sorted(at for at, _ in every)
    symbol = every[len(every) // 2][1]["symbol"]
    assert list(archive.tables.rows(table, 0, lambda name: name == symbol)) == [
        one for one in every if one[1]["symbol"] == symbol
    ]
    assert list(archive.tables.rows(table, 0, lambda name: False)) == []


class WrongView(NamedTuple):
    """A fault in a view: one piece of its query is another."""

    view: str
    """The view that people query."""
    right: str
    wrong: str
    of_storage: bool = False
    """Whether it is in the materialized view that fills the table behind."""


WRONG_VIEWS = {
    "high is the lowest": WrongView("candles_1m", "max(p.paid) AS high", "min(p.paid) AS high", True),
    "volume doubled": WrongView("candles_1m", "sum(p.volume) AS volume", "2 * sum(p.volume) AS volume", True),
    "buyers are sellers": WrongView("candles_1m", "sumIf(p.volume, p.side = 'buy') AS bought", "sumIf(p.volume, p.side = 'sell') AS bought", True),
    "minutes of an hour": WrongView("candles_1m", "toStartOfMinute", "toStartOfHour", True),
    "average of volumes": WrongView("candles_1m", "sum(s.price_volume) / sum(s.volume)", "sum(s.value) / sum(s.volume)"),
    "ten minutes": WrongView("candles_5m", "toStartOfFiveMinutes", "toStartOfTenMinutes"),
    "prints of a minute counted once": WrongView("candles_5m", "sum(s.prints)", "toUInt64(count())"),
    "low of a day": WrongView("candles_1d", "min(s.low)", "max(s.low)"),
    "both sides bought": WrongView("foreign_1m", "sumIf(volume, side = 'buy')", "sum(volume)", True),
    "net of foreigners": WrongView("foreign_1m", "sum(s.bought_value) - sum(s.sold_value)", "sum(s.bought_value) + sum(s.sold_value)"),
    "close of an index": WrongView("indices_1m", "argMax(i.value", "argMin(i.value"),
    "volume of an index": WrongView("indices_1m", "max(i.volume)", "min(i.volume)"),
    "price of a basis": WrongView("basis_1m", "argMax(b.price", "argMin(b.price"),
    "open of a basis": WrongView("basis_1m", "min(b.basis) AS low", "max(b.basis) AS low"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_VIEWS)
def test_a_wrong_view_is_found_and_named(archive: Archive, name: str) -> None:
    fault = WRONG_VIEWS[name]
    engine, database = archive.engine, f"v{list(WRONG_VIEWS).index(name)}"
    made = _query_of(archive, fault.view)
    storage = f"{fault.view}_state"
    with archive.database(database):
        for table in DERIVED:
            if table.view != fault.view:
                engine.command(f"CREATE VIEW {table.view} AS SELECT * FROM {ARCHIVE}.{table.view}")
        if fault.of_storage:
            engine.command(f"CREATE TABLE {storage} AS {ARCHIVE}.{storage}")
            engine.command(f"INSERT INTO {storage} {_planted(_query_of(archive, f'{fault.view}_%mv'), fault)}")
            made = made.replace(f"{ARCHIVE}.{storage}", f"{database}.{storage}")
        else:
            made = _planted(made, fault)
        engine.command(f"CREATE VIEW {fault.view} AS {made}")
        found = archive.differences()
    assert {difference.kind for difference in found} <= {"wrong_row", "missing_row", "unknown_row"}
    assert found
    assert all(fault.view in difference.detail for difference in found)


def _query_of(archive: Archive, view: str) -> str:
    asked = f"SELECT as_select FROM system.tables WHERE database = '{ARCHIVE}' AND name LIKE '{view}'"
    query: str = archive.engine.query(asked).result_rows[0][0]
    return query


def _planted(query: str, fault: WrongView) -> str:
    assert query.count(fault.right) == 1, f"the view does not say so any more: {query}"
    return query.replace(fault.right, fault.wrong)


class WrongSink(NamedTuple):
    """A fault in what the sink makes of messages."""

    topic: str
    function: str
    right: str
    wrong: str
    named: str


WRONG_SINKS = {
    "bid for ask": WrongSink("market.quotes", "_turn", "zip(*map(table.values_of, events), strict=True)", "(lambda c: c[:6] + c[4:5] + c[7:])(list(zip(*map(table.values_of, events))))", "wrong_row"),
    "one event in place of all": WrongSink("market.trades", "_columns", "its = message.events", "its = message.events[:1]", "missing_row"),
    "a message left out": WrongSink("market.foreign", "_columns", "for message in messages:", "for message in messages[1:]:", "missing_row"),
    "a message twice": WrongSink("market.foreign", "_columns", "for message in messages:", "for message in [*messages, messages[0]]:", "doubled_row"),
    "the next offset": WrongSink("market.indices", "_columns", "(message.position.offset,)", "(message.position.offset + 1,)", "unknown_row"),
    "no conversion of days": WrongSink("market.alerts", "_columns", "column.convert)", "column.convert if column.name != 'day' else lambda day: 20_000)", "wrong_row"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_SINKS)
def test_a_wrong_row_of_the_sink_is_found_and_named(archive: Archive, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = WRONG_SINKS[name]
    table = TABLES[fault.topic]
    plant(monkeypatch, rows, fault.function, fault.right, fault.wrong)
    with archive.database(f"s{list(WRONG_SINKS).index(name)}"):
        archive.engine.command(f"CREATE TABLE {table.name} AS {ARCHIVE}.{table.name}")
        if table.view != table.name:
            archive.engine.command(f"CREATE VIEW {table.view} AS {_query_of(archive, table.view).replace(f'{ARCHIVE}.', '')}")
        archive.insert(fault.topic, archive.day[fault.topic])
        _, found = archive.stored(table)
    assert fault.named in {difference.kind for difference in found}
    assert all(difference.position is not None and difference.position.message.topic == fault.topic for difference in found)


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("", "", None),
        ('letter["payload"][:PAYLOAD_CHARACTERS]', 'letter["payload"][:100]', "wrong_row"),
        ("*read_at, idx)", "*read_at[:2], 7, idx)", "missing_row"),
    ],
)
def test_dead_letters_that_are_not_those_of_the_topic_are_named(
    archive: Archive, right: str, wrong: str, named: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if named is not None:
        plant(monkeypatch, rows, "_letter_row", right, wrong)
    with archive.database(f"d{named}"):
        archive.engine.command(f"CREATE TABLE {DLQ} AS {ARCHIVE}.{DLQ}")
        archive.insert(SSI_DLQ.name, LETTERS)
        stored = dict(read_dead_letters(archive.engine))
    expected = [(EventPosition(at, 0), letter_row(letter)) for at, letter in LETTERS]
    found = {difference.kind for difference in compare_rows(DLQ, expected, stored, [])}
    assert (named in found) if named else (found == set())
