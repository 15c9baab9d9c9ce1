"""The sink's writer on tables that another release has made, older and newer than its own."""

from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.errors import ColumnsUnknown, MigrationsNotAllowed, NewerTables
from connectors.clickhouse.core.intent import Batch
from connectors.clickhouse.core.migration import Migration
from connectors.clickhouse.settings import SinkSettings
from connectors.clickhouse.writer import Writer
from schemas import topics
from schemas.position import Partition, Position
from schemas.structs import TradesFrame
from tests.builders import a_trade_event

pytestmark = pytest.mark.clickhouse

TAKEN_MS = 1_795_140_900_123
VENUE = Migration(
    99,
    "venue",
    "ALTER TABLE trades ADD COLUMN IF NOT EXISTS venue LowCardinality(String) DEFAULT 'main' COMMENT 'V' AFTER epoch;\n"
    "ALTER TABLE trades ADD COLUMN IF NOT EXISTS desk Nullable(String) COMMENT 'D' AFTER venue;\n"
    "ALTER TABLE trades MODIFY COLUMN IF EXISTS generation UInt32 COMMENT 'G';\n",
)


@pytest.fixture
def sink(server: Any, database: str) -> Iterator[Writer]:
    """A writer of this release."""
    settings = SinkSettings.model_validate(
        {"kafka": {}, "CLICKHOUSE_URL": server.url, "database": database, "user": server.user, "password": server.password}
    )
    writer = Writer(settings)
    yield writer
    writer.close()


def insert(sink: Writer, offset: int = 0) -> None:
    """A message of a print and a gap."""
    value = topics.encode(TradesFrame(events=[a_trade_event(), a_trade_event(kind="gap")]))
    message = rows.decode(Position("market.trades", 0, offset), TAKEN_MS, value)
    batch = Batch(Partition("market.trades", 0), offset, offset + 1, (message,), replayed=False)
    sink.insert(sink.make(batch), "topic")


def test_it_brings_the_tables_of_an_older_release_up_to_date(sink: Writer, writer: Client, database: str) -> None:
    migrations.migrate(writer, database, migrations.load()[:5])
    sink.open()
    assert migrations.pending(writer, database) == ()
    insert(sink)
    assert writer.command("SELECT count() FROM trades") == 2


def test_it_writes_into_the_tables_of_a_newer_release(sink: Writer, writer: Client, database: str) -> None:
    migrations.migrate(writer, database, [*migrations.load(), VENUE])
    sink.open()
    insert(sink)
    found = writer.query("SELECT kind, venue, desk FROM trades ORDER BY idx").result_rows
    assert found == [("print", "main", None), ("gap", "main", None)]
    assert writer.command("SELECT sum(prints) FROM candles_1d") == 1


def test_it_goes_on_while_a_newer_release_changes_the_tables(sink: Writer, writer: Client, database: str) -> None:
    sink.open()
    insert(sink, 0)
    migrations.migrate(writer, database, [*migrations.load(), VENUE])
    insert(sink, 1)
    # What it has inserted before is still a repeat.
    insert(sink, 0)
    assert writer.query("SELECT offset, venue FROM trades ORDER BY offset, idx").result_rows == [
        (0, "main"), (0, "main"), (1, "main"), (1, "main"),
    ]  # fmt: skip


def test_it_does_not_write_where_a_newer_release_did_more_than_add(sink: Writer, writer: Client, database: str) -> None:
    newer = Migration(99, "lots", "-- not additive: volumes are in lots\nALTER TABLE trades MODIFY COMMENT 'In lots';\n")
    migrations.migrate(writer, database, [*migrations.load(), newer])
    with pytest.raises(NewerTables, match="volumes are in lots"):
        sink.open()


def test_it_does_not_leave_empty_what_it_does_not_know(sink: Writer, writer: Client, database: str) -> None:
    migrations.migrate(writer, database)
    writer.command("ALTER TABLE trades ADD COLUMN desk String")
    with pytest.raises(ColumnsUnknown, match=r"trades\.desk.*upgrade this program"):
        sink.open()


def test_where_it_may_not_change_tables_it_names_what_to_run(embedded: Any, database: str) -> None:
    settings = {"kafka": {}, "CLICKHOUSE_URL": embedded.url, "database": database, "user": "default", "password": ""}
    with pytest.raises(MigrationsNotAllowed, match=r"001_trades\.sql.*`stock-tracker archive migrate`"):
        Writer(SinkSettings.model_validate(settings)).open()
