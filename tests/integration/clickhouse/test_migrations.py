"""Migrations on a real engine: applied once, in order, never guessed."""

from dataclasses import replace
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from connectors.clickhouse.client import connect
from connectors.clickhouse.core.errors import ColumnsMissing, MigrationChanged, MigrationsNotAllowed, NewerTables
from connectors.clickhouse.core.migration import Migration
from connectors.clickhouse.core.tables import STORED
from connectors.clickhouse.layout import describe, inspect

pytestmark = pytest.mark.clickhouse


def test_they_are_applied_once(writer: Client, database: str) -> None:
    known = migrations.load()
    assert migrations.applied(writer, database) == {}
    assert migrations.pending(writer, database) == known
    assert migrations.migrate(writer, database) == known
    assert migrations.migrate(writer, database) == ()
    assert list(migrations.applied(writer, database).values()) == [(m.number, m.name, m.checksum, "") for m in known]


def test_a_database_is_made_when_there_is_none(server: Any, database: str) -> None:
    client = connect(server.url, server.user, server.password, database)
    assert migrations.applied(client, database) == {}
    migrations.migrate(client, database)
    assert client.query("SELECT * FROM candles_1d").column_names == ()
    client.close()


def test_one_that_was_interrupted_is_run_again(writer: Client, database: str) -> None:
    first, *_ = migrations.load()
    for statement in first.statements[:3]:
        writer.command(statement)
    assert first in migrations.migrate(writer, database)


def test_all_of_them_can_be_run_again(writer: Client, database: str) -> None:
    known = migrations.migrate(writer, database)
    before = describe(writer, database)
    assert migrations.migrate(writer, database, again=range(100)) == known
    assert describe(writer, database) == before


def test_one_that_changed_afterwards_is_an_error(writer: Client, database: str) -> None:
    migrations.migrate(writer, database)
    first, *rest = migrations.load()
    with pytest.raises(MigrationChanged, match="stock-tracker archive migrate"):
        migrations.migrate(writer, database, [replace(first, sql=first.sql + "\n"), *rest])


def test_a_database_of_a_later_program_needs_nothing_more_when_that_has_only_added(writer: Client, database: str) -> None:
    migrations.migrate(writer, database)
    assert migrations.pending(writer, database, migrations.load()[:-1]) == ()
    assert migrations.migrate(writer, database, migrations.load()[:-2]) == ()


def test_a_later_program_that_did_more_than_add_keeps_this_one_away(writer: Client, database: str) -> None:
    newer = Migration(99, "late", "-- not additive: late prints have a table of their own\nSELECT 1;\n")
    migrations.migrate(writer, database, [*migrations.load(), newer])
    with pytest.raises(NewerTables, match=r"099_late\.sql .*late prints have a table.*upgrade this program first"):
        migrations.pending(writer, database)


def test_what_release_0_1_0_made_is_brought_up_to_date(writer: Client, database: str) -> None:
    migrations.migrate(writer, database, migrations.load()[:5])
    writer.command("ALTER TABLE schema_migrations DROP COLUMN not_additive")
    assert migrations.pending(writer, database) == migrations.load()[5:]
    assert migrations.migrate(writer, database) == migrations.load()[5:]
    assert migrations.pending(writer, database) == ()


def test_a_user_who_may_not_change_tables_is_told_what_to_run(embedded: Any, writer: Client, database: str) -> None:
    migrations.migrate(writer, database, migrations.load()[:-1])
    reader = connect(embedded.url, "default", "", database)
    with pytest.raises(MigrationsNotAllowed, match=r"archive migrate` with ARCHIVE_USER") as refusal:
        migrations.migrate(reader, database)
    assert refusal.value.migrations == (str(migrations.load()[-1]),)
    migrations.migrate(writer, database)
    assert migrations.migrate(reader, database) == ()
    reader.close()


def test_a_table_or_column_that_was_dropped_is_named_with_the_file_that_brings_it(writer: Client, database: str) -> None:
    migrations.migrate(writer, database)
    inspect(writer, database)
    writer.command("DROP TABLE alerts")
    writer.command("ALTER TABLE quotes DROP COLUMN session")
    with pytest.raises(ColumnsMissing) as refusal:
        inspect(writer, database)
    assert refusal.value.missing == (
        "quotes has no session, with which 002_quotes_and_days.sql makes it: add it by hand as it stands there",
        "there is no table alerts, which 005_alerts_and_dead_letters.sql makes: run `stock-tracker archive migrate --again 5`",
    )
    migrations.migrate(writer, database, again=[5, 10])
    writer.command("ALTER TABLE quotes ADD COLUMN session LowCardinality(Nullable(String))")
    inspect(writer, database)


def test_every_column_that_people_see_says_what_it_is(writer: Client, database: str) -> None:
    migrations.migrate(writer, database)
    bare = writer.query(
        "SELECT table, name FROM system.columns WHERE database = {d:String} AND comment = '' AND table NOT LIKE '%_mv'",
        parameters={"d": database},
    )
    assert bare.result_rows == []


def test_the_engine_has_the_columns_that_the_sink_fills(writer: Client, database: str) -> None:
    migrations.migrate(writer, database)
    for table in STORED.values():
        described = [row[0] for row in writer.query(f"DESCRIBE TABLE {table.name}").result_rows]
        assert [name for name in described if name not in table.retired][: len(table.names)] == list(table.names)
