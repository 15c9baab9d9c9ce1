"""The migrations as a cluster runs them: the same statements, ``ON CLUSTER``, with engines that copy what they have. Pure.

They are made of the same files, so that no second copy of the tables can fall behind. What they say is held against the engine's
parser; no cluster has run them.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from connectors.clickhouse.core.migration import Migration
from connectors.clickhouse.core.statements import quote, quote_name

_HEADS: Final = re.compile(
    r"(CREATE TABLE IF NOT EXISTS|CREATE (?:MATERIALIZED )?VIEW IF NOT EXISTS|CREATE OR REPLACE VIEW|ALTER TABLE"
    r"|DROP (?:TABLE|VIEW) IF EXISTS) (\w+)"
)
"""What begins a statement that changes tables, and the name behind it."""
_ENGINE: Final = re.compile(r"^ENGINE = (\w*MergeTree)", re.MULTILINE)
_WINDOW: Final = re.compile(r"\bnon_replicated_deduplication_window = (\d+)")
_WINDOW_S: Final = 7 * 86_400
"""For so many seconds a cluster knows an insert again; each table on its own machine goes by their number only."""


class NotForCluster(ValueError):
    """A statement begins in no way that is known here: say in this module what becomes of it."""

    def __init__(self, statement: str) -> None:
        super().__init__(f"no cluster has been told what to do with: {statement.partition(chr(10))[0]}")


def on_cluster(statement: str, cluster: str) -> str:
    """A statement of a migration as a cluster runs it.

    Raises:
        NotForCluster: It is of a kind that is not known here.
    """
    if statement.startswith("INSERT INTO "):
        # On one machine: the tables copy what is in them.
        return statement
    head = _HEADS.match(statement)
    if head is None:
        raise NotForCluster(statement)
    said = f"{head[0]} ON CLUSTER {quote_name(cluster)}{statement[head.end() :]}"
    said = _ENGINE.sub(r"ENGINE = Replicated\1", said)
    window = rf"replicated_deduplication_window = \1, replicated_deduplication_window_seconds = {_WINDOW_S}"
    return _WINDOW.sub(window, said)


def script(book: Iterable[str], migrations: Iterable[Migration], database: str, cluster: str) -> Iterator[str]:
    """All statements that make the tables of a database on a cluster, in order; each bears being run again.

    Args:
        book: What makes the table of migrations.
        migrations: Which to apply.
        database: Where.
        cluster: Its name in the servers' configuration.

    Raises:
        NotForCluster: One of them is of a kind that is not known here.
    """
    yield f"CREATE DATABASE IF NOT EXISTS {quote_name(database)} ON CLUSTER {quote_name(cluster)}"
    yield f"USE {quote_name(database)}"
    for statement in book:
        yield on_cluster(statement.strip(), cluster)
    for migration in migrations:
        for statement in migration.statements:
            yield on_cluster(statement, cluster)
        values = f"{migration.number}, {quote(migration.name)}, {quote(migration.checksum)}, {quote(migration.not_additive)}"
        yield (
            "INSERT INTO schema_migrations (number, name, checksum, not_additive)"  # noqa: S608
            f" SETTINGS async_insert = 0, insert_deduplication_token = {quote(f'{migration.number}-{migration.checksum}')}"
            f" VALUES ({values})"
        )
