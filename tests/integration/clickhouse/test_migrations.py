"""Migrations on a real engine: applied once, in order, never guessed."""

from dataclasses import replace
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from connectors.clickhouse.client import connect
from connectors.clickhouse.core.errors import ColumnsMissing, MigrationChanged, MigrationsNotAllowed, NewerTables, TablesOfCluster
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
    assert list(migrations.applied(writer, database).values()) == [(m.number, m.name, m.checksum, m.not_additive) for m in known]


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
    newer = [Migration(n, "more", f"CREATE TABLE IF NOT EXISTS more_{n} (x Int8) ENGINE = Memory;\n") for n in (98, 99)]
    migrations.migrate(writer, database, [*migrations.load(), *newer])
    assert migrations.pending(writer, database) == ()
    assert migrations.migrate(writer, database) == ()


COLUMNS = (
    "kind, symbol, exchange, day, ts, start, total_volume, volume, value, price, last_volume, clipped, partition, offset, idx"
)
TAPE = (
    ("print", "VNM", "HOSE", "2026-10-30", 1, 900, 1000, 100, 6_000_000, 60_000, 100, False, 0, 1, 0),
    ("gap", "VNM", "HOSE", "2026-11-02", 2, 0, 700, 700, 41_000_000, None, None, False, 0, 2, 0),
    # Booked less than it was, and the feed's value is not price x volume.
    ("print", "VNM", "HOSE", "2026-11-02", 3, 700, 800, 60, 3_600_050, 60_000, 100, True, 0, 2, 1),
    ("correction", "VNM", "HOSE", "2026-11-02", 4, 800, 750, -50, -3_000_000, None, None, False, 1, 2, 0),
    ("print", "41I1GC000", "DER", "2026-11-02", 5, 7, 9, 2, 260_050_000, 130_025, 2, False, 2, 2, 0),
)
"""A tape as the release before stored it, with all that does not follow from the other columns."""


def tape(client: Client) -> list[tuple[Any, ...]]:
    found = client.query(
        f"SELECT {COLUMNS.replace(' ts,', ' toUnixTimestamp(ts),').replace(' day,', ' toString(day),')} FROM trades"
    )
    return sorted((tuple(row) for row in found.result_rows), key=lambda row: (row[3], row[4]))


def test_the_tape_is_the_same_when_it_is_stored_in_less_also_if_that_was_interrupted(writer: Client, database: str) -> None:
    known = migrations.load()
    smaller = next(n for n, migration in enumerate(known) if migration.name == "smaller_trades")
    migrations.migrate(writer, database, known[:smaller])
    values = ", ".join("(" + ", ".join("NULL" if value is None else repr(value) for value in row) + ")" for row in TAPE)
    writer.command(f"INSERT INTO trades ({COLUMNS}) VALUES {values}")
    candles = writer.query("SELECT * FROM candles_1m ORDER BY ALL").result_rows
    make, copy, *_ = known[smaller].statements
    writer.command(make)
    writer.command(copy)
    # It was killed when it had copied one day and a part of the other.
    writer.command("DELETE FROM trades_state WHERE offset = 2 AND idx = 0 AND partition < 2")
    assert writer.command("SELECT count() FROM trades_state") == len(TAPE) - 2
    migrations.migrate(writer, database)
    assert tape(writer) == list(TAPE)
    assert writer.query("SELECT * FROM candles_1m ORDER BY ALL").result_rows == candles
    shifts = "SELECT countIf(start_shift != 0), countIf(value_shift != 0), countIf(last_volume_shift != 0) FROM trades_state"
    assert writer.query(shifts).result_rows == [(1, 3, 1)]
    # New rows come to the same minutes as before.
    writer.command(f"INSERT INTO trades_state ({COLUMNS}, anchored) VALUES {(*TAPE[0], True)!s}")
    (made,) = writer.query("SELECT open, volume, value, prints FROM candles_1m WHERE day = '1970-01-01'").result_rows
    assert made == (60_000, 100, 6_000_000, 1)


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


def test_a_cluster_gets_the_same_statements_with_engines_that_replicate(writer: Client, database: str) -> None:
    """What is printed parses, and is what is run here but for the cluster: as the engine itself writes both."""
    made, used, *printed = migrations.for_cluster(database, "the stocks")
    assert (made, used) == (f"CREATE DATABASE IF NOT EXISTS `{database}` ON CLUSTER `the stocks`", f"USE `{database}`")
    ours = [statement for migration in migrations.load() for statement in migration.statements]
    books = [sql for sql in printed if sql.startswith("INSERT INTO schema_migrations ")]
    rest = [sql for sql in printed if sql not in books]
    assert len(books) == len(migrations.load())
    for sql in books:
        assert canonical(writer, sql)
    for sql in rest:
        assert ("ON CLUSTER" in sql) != sql.startswith("INSERT INTO ")
    plain = [
        canonical(writer, sql)
        .replace(" ON CLUSTER `the stocks`", "")
        .replace("ENGINE = Replicated", "ENGINE = ")
        .replace(", replicated_deduplication_window_seconds = 604800", "")
        .replace(" replicated_deduplication_window", " non_replicated_deduplication_window")
        for sql in rest
    ]
    assert plain[-len(ours) :] == [canonical(writer, sql) for sql in ours]
    engines = [sql for sql in rest if "\nENGINE = " in sql]
    assert engines
    assert [sql for sql in engines if "\nENGINE = Replicated" not in sql or "non_replicated" in sql] == []


def canonical(client: Client, sql: str) -> str:
    """A statement as the engine writes it, having parsed it."""
    said = client.query("SELECT formatQuerySingleLine({sql:String})", parameters={"sql": sql})
    return str(said.result_rows[0][0])


def test_tables_of_a_cluster_are_not_changed_on_one_of_its_servers(
    writer: Client, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An engine that replicates is not to be had without a cluster: the book says so in its place.
    first, *rest = migrations.load()
    migrations.migrate(writer, database, [first])
    real = writer.command

    def command(sql: str, **options: Any) -> Any:
        return "ReplicatedReplacingMergeTree" if "any(engine)" in sql else real(sql, **options)

    monkeypatch.setattr(writer, "command", command)
    with pytest.raises(TablesOfCluster, match="stock-tracker archive cluster-sql"):
        migrations.migrate(writer, database, [first, *rest])
    assert len(migrations.applied(writer, database)) == 1
