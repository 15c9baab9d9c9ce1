"""Migrations on a real engine: applied once, in order, never guessed."""

from dataclasses import replace
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from connectors.clickhouse.client import connect
from connectors.clickhouse.core.errors import SchemaMismatch
from connectors.clickhouse.core.tables import TABLES

pytestmark = pytest.mark.clickhouse


def test_they_are_applied_once(writer: Client, database: str) -> None:
    known = migrations.load()
    assert migrations.applied(writer, database) == {}
    assert migrations.pending(writer, database) == known
    assert migrations.migrate(writer, database) == known
    assert migrations.migrate(writer, database) == ()
    assert migrations.applied(writer, database) == {m.number: m.checksum for m in known}


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


def test_one_that_changed_afterwards_is_an_error(writer: Client, database: str) -> None:
    migrations.migrate(writer, database)
    first, *rest = migrations.load()
    with pytest.raises(SchemaMismatch, match="stock-tracker archive migrate"):
        migrations.migrate(writer, database, [replace(first, sql=first.sql + "\n"), *rest])


def test_a_database_of_a_later_program_is_an_error(writer: Client, database: str) -> None:
    migrations.migrate(writer, database)
    with pytest.raises(SchemaMismatch, match="upgrade this program"):
        migrations.pending(writer, database, migrations.load()[:-1])


def test_every_column_that_people_see_says_what_it_is(writer: Client, database: str) -> None:
    migrations.migrate(writer, database)
    bare = writer.query(
        "SELECT table, name FROM system.columns WHERE database = {d:String} AND comment = '' AND table NOT LIKE '%_mv'",
        parameters={"d": database},
    )
    assert bare.result_rows == []


def test_the_engine_has_the_columns_that_the_sink_fills(writer: Client, database: str) -> None:
    migrations.migrate(writer, database)
    for table in TABLES.values():
        described = [row[0] for row in writer.query(f"DESCRIBE TABLE {table.name}").result_rows]
        assert described[: len(table.names)] == list(table.names)
