"""Bring a database's tables to what this program needs, by the numbered files in ``migrations/``.

ClickHouse has no transactions over tables, so every statement can be run again; a file that was interrupted is simply run once
more. What has been applied is kept, with a checksum, in ``schema_migrations``: a file that changed afterwards is an error, not a
guess. No file names a database: the connection's is meant, so that tests have their own.
"""

import re
from collections.abc import Sequence
from importlib import resources

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.errors import SchemaMismatch
from connectors.clickhouse.core.migration import Migration
from connectors.clickhouse.core.statements import quote_name

_FILE = re.compile(r"(\d{3})_(\w+)\.sql")
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt16 COMMENT 'Of the file',
    name String COMMENT 'Of the file',
    checksum String COMMENT 'SHA-256 of the file',
    applied_at DateTime64(3, 'Asia/Ho_Chi_Minh') DEFAULT now64(3) COMMENT 'Server time'
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY number
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Which migrations this database has'
"""


def load() -> tuple[Migration, ...]:
    """Read this program's migrations, in order."""
    folder = resources.files("connectors.clickhouse") / "migrations"
    return tuple(
        Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if (match := _FILE.fullmatch(file.name)) is not None
    )


def applied(client: Client, database: str) -> dict[int, str]:
    """Numbers and checksums of the migrations that ``database`` has; empty when there is no such database."""
    exists = f"EXISTS TABLE {quote_name(database)}.schema_migrations"
    if client.command(exists, use_database=False) != 1:
        return {}
    rows = client.query(f"SELECT number, checksum FROM {quote_name(database)}.schema_migrations FINAL").result_rows  # noqa: S608
    return {int(number): str(checksum) for number, checksum in rows}


def pending(client: Client, database: str, migrations: Sequence[Migration] | None = None) -> tuple[Migration, ...]:
    """The migrations that ``database`` still needs.

    Raises:
        SchemaMismatch: It has some that this program does not know, or knows differently.
    """
    known = load() if migrations is None else tuple(migrations)
    done = applied(client, database)
    unknown = set(done) - {m.number for m in known}
    if unknown:
        raise SchemaMismatch(
            database,
            f"it has migration {max(unknown)}, this program knows {len(known)}: upgrade this program, or use another database",
        )
    for migration in known:
        if done.get(migration.number, migration.checksum) != migration.checksum:
            raise SchemaMismatch(
                database,
                f"migration {migration.number:03d}_{migration.name}.sql was changed after it was applied: put the file back,"
                " write the change into a new one, and run `stock-tracker archive migrate`",
            )
    return tuple(m for m in known if m.number not in done)


def migrate(client: Client, database: str, migrations: Sequence[Migration] | None = None) -> tuple[Migration, ...]:
    """Apply what is pending, and say what that was. Several programs may do so at once.

    Raises:
        SchemaMismatch: As :func:`pending`.
    """
    client.command(f"CREATE DATABASE IF NOT EXISTS {quote_name(database)}", use_database=False)
    client.command(_TABLE)
    missing = pending(client, database, migrations)
    for migration in missing:
        for statement in migration.statements:
            client.command(statement)
        client.insert(
            "schema_migrations",
            [[migration.number, migration.name, migration.checksum]],
            column_names=["number", "name", "checksum"],
            settings={"async_insert": 0, "insert_deduplication_token": f"{migration.number}-{migration.checksum}"},
        )
    return missing
