"""Bring a database's tables to what this program needs, by the numbered files in ``migrations/``.

ClickHouse has no transactions over tables, so every statement can be run again; a file that was interrupted is simply run once
more. What has been applied is kept, with a checksum, in ``schema_migrations``: a file that changed afterwards is an error, not a
guess. Files that a newer release has applied are no obstacle as long as they only add. No file names a database: the connection's
is meant, so that tests have their own.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import NamedTuple

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.httpclient import HttpClient
from urllib3 import Timeout

from connectors.clickhouse.core.cluster import script
from connectors.clickhouse.core.errors import MigrationChanged, MigrationsNotAllowed, NewerTables, TablesOfCluster
from connectors.clickhouse.core.migration import Migration, altered_table
from connectors.clickhouse.core.statements import quote_name

_FILE = re.compile(r"(\d{3})_(\w+)\.sql")
_NOT_ADDITIVE = "not_additive String DEFAULT '' COMMENT 'Why programs that do not know it must not write; empty when they may'"
_BOOK = (
    f"""
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt16 COMMENT 'Of the file',
    name String COMMENT 'Of the file',
    checksum String COMMENT 'SHA-256 of the file',
    applied_at DateTime64(3, 'Asia/Ho_Chi_Minh') DEFAULT now64(3) COMMENT 'Server time',
    {_NOT_ADDITIVE}
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY number
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Which migrations this database has'
""",
    # Release 0.1.0 made it without.
    f"ALTER TABLE schema_migrations ADD COLUMN IF NOT EXISTS {_NOT_ADDITIVE}",
)
_REFUSED = (164, 497)
"""ClickHouse's codes when a user may not change tables: READONLY, ACCESS_DENIED."""


class AppliedMigration(NamedTuple):
    """A migration that a database has."""

    number: int
    name: str
    checksum: str
    not_additive: str
    """Why programs that do not know it must not write; empty when they may."""


def load() -> tuple[Migration, ...]:
    """Read this program's migrations, in order."""
    folder = resources.files("connectors.clickhouse") / "migrations"
    return tuple(
        Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if (match := _FILE.fullmatch(file.name)) is not None
    )


def for_cluster(database: str, cluster: str) -> tuple[str, ...]:
    """The statements that make the tables of ``database`` on a cluster, in order.

    Args:
        database: Made when it is not there.
        cluster: Its name in the servers' configuration.
    """
    return tuple(script(_BOOK, load(), database, cluster))


def applied(client: Client, database: str) -> dict[int, AppliedMigration]:
    """The migrations that ``database`` has, by number; none when there is no such database."""
    exists = f"EXISTS TABLE {quote_name(database)}.schema_migrations"
    if client.command(exists, use_database=False) != 1:
        return {}
    # All columns: how many there are depends on the release that has made the table.
    rows = client.query(f"SELECT * FROM {quote_name(database)}.schema_migrations FINAL").named_results()  # noqa: S608
    found = (AppliedMigration(int(r["number"]), str(r["name"]), str(r["checksum"]), str(r.get("not_additive", ""))) for r in rows)
    return {migration.number: migration for migration in sorted(found)}


def pending(client: Client, database: str, migrations: Sequence[Migration] | None = None) -> tuple[Migration, ...]:
    """The migrations that ``database`` still needs. It may have further ones, of a newer release.

    Raises:
        NewerTables: One that this program does not know has changed the tables so that it must not write into them.
        MigrationChanged: It has one that this program knows differently.
    """
    known = {migration.number: migration for migration in (load() if migrations is None else migrations)}
    done = applied(client, database)
    for migration in done.values():
        if migration.number not in known and migration.not_additive:
            raise NewerTables(database, str(Migration(migration.number, migration.name, "")), migration.not_additive)
        if migration.number in known and migration.checksum != known[migration.number].checksum:
            raise MigrationChanged(database, str(known[migration.number]))
    return tuple(migration for number, migration in sorted(known.items()) if number not in done)


def migrate(
    client: Client, database: str, migrations: Sequence[Migration] | None = None, again: Collection[int] = ()
) -> tuple[Migration, ...]:
    """Apply what is pending, and say what that was. Several programs may do so at once.

    Args:
        client: Of a user who may change tables. When nothing is pending nothing is changed, and any user will do.
        database: Made when it is not there.
        migrations: All that this program knows; None for its own.
        again: Numbers of migrations to apply even though the database has them.

    Raises:
        NewerTables: As :func:`pending`.
        MigrationChanged: As :func:`pending`.
        MigrationsNotAllowed: The user may not change tables, which would be needed.
        TablesOfCluster: The tables are a cluster's, whose statements are not these.
    """
    known = load() if migrations is None else migrations
    missing = {migration.number for migration in pending(client, database, known)}
    due = tuple(migration for migration in known if migration.number in missing or migration.number in again)
    if not due:
        return ()
    if _is_replicated(client, database):
        raise TablesOfCluster(database, [str(migration) for migration in due])
    try:
        _apply(client, database, due)
    except ClickHouseError as error:
        if getattr(error, "code", None) not in _REFUSED:
            raise
        raise MigrationsNotAllowed(database, [str(migration) for migration in due]) from error
    return due


def _is_replicated(client: Client, database: str) -> bool:
    engine = client.command(
        "SELECT any(engine) FROM system.tables WHERE database = {database:String} AND name = 'schema_migrations'",
        parameters={"database": database},
        use_database=False,
    )
    return str(engine).startswith("Replicated")


def _views(client: Client, database: str) -> set[str]:
    found = client.query(
        "SELECT name FROM system.tables WHERE database = {database:String} AND engine = 'View'", parameters={"database": database}
    ).result_rows
    return {str(name) for (name,) in found}


@contextmanager
def _without_haste(client: Client) -> Iterator[None]:
    """Wait for an answer for as long as it takes: a statement may have to go through all that is stored."""
    if not isinstance(client, HttpClient):
        yield
        return
    usual = client.timeout
    client.timeout = Timeout(connect=usual.connect_timeout, read=None)
    try:
        yield
    finally:
        client.timeout = usual


def _apply(client: Client, database: str, migrations: Sequence[Migration]) -> None:
    client.command(f"CREATE DATABASE IF NOT EXISTS {quote_name(database)}", use_database=False)
    for statement in _BOOK:
        client.command(statement)
    # What was a table and is a view now is made whole by the file that made it so. An earlier one, run again, has nothing to add.
    views = _views(client, database)
    for migration in migrations:
        with _without_haste(client):
            for statement in migration.statements:
                if altered_table(statement) not in views:
                    client.command(statement)
        client.insert(
            "schema_migrations",
            [[migration.number, migration.name, migration.checksum, migration.not_additive]],
            column_names=["number", "name", "checksum", "not_additive"],
            settings={"async_insert": 0, "insert_deduplication_token": f"{migration.number}-{migration.checksum}"},
        )
