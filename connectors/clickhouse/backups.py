"""Backups of a database, made and brought back by ClickHouse itself."""

import secrets
import time
from pathlib import Path

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.errors import StatementFailed
from connectors.clickhouse.core.statements import quote, quote_name

_NAME = "archive"
"""What the database is called in a backup, whatever it is called in ClickHouse."""
_LOOK_SECONDS = 0.2
_DONE = ("BACKUP_CREATED", "RESTORED")
_UNDER_WAY = ("CREATING_BACKUP", "RESTORING")


def file_of(folder: Path, name: str) -> str:
    """ClickHouse's words for a backup of that name in the embedded server's folder."""
    return f"File({quote(str((folder / f'{name}.tar.zst').absolute()))})"


def back_up(client: Client, database: str, to: str) -> None:
    """Make a backup of a database, and wait for its end.

    Args:
        client: Of a writer.
        database: Which one.
        to: Where, in ClickHouse's words: ``File('/…')``, ``Disk('backups', 'x')``, ``S3('…')``.

    Raises:
        StatementFailed: ClickHouse says why it could not.
    """
    _run(client, f"BACKUP DATABASE {quote_name(database)} AS {_NAME} TO {to}")


def restore(client: Client, database: str, from_: str) -> None:
    """Bring back what a backup holds, into a database that is not there, and wait for its end. It gets an id of its own.

    Args:
        client: Of a writer.
        database: What it is to be called.
        from_: Where the backup is, as in :func:`back_up`.

    Raises:
        StatementFailed: ClickHouse says why it could not.
    """
    if client.command(f"EXISTS DATABASE {quote_name(database)}", use_database=False) == 1:
        raise StatementFailed(82, f"database {database} is there already: name another with ARCHIVE_DATABASE, or drop it first")
    _run(client, f"RESTORE DATABASE {_NAME} AS {quote_name(database)} FROM {from_}")


def _run(client: Client, statement: str) -> None:
    id_ = secrets.token_hex(16)
    # It may take longer than an answer over HTTP is waited for.
    client.command(f"{statement} SETTINGS id = {quote(id_)} ASYNC", use_database=False)
    ask = "SELECT toString(status), error FROM system.backups WHERE id = {id:String}"
    before, client.database = client.database, "default"
    try:
        status, error = _UNDER_WAY[0], ""
        while status in _UNDER_WAY:
            time.sleep(_LOOK_SECONDS)
            status, error = client.query(ask, parameters={"id": id_}).result_rows[0]
    finally:
        client.database = before
    if status not in _DONE:
        raise StatementFailed(0, str(error).splitlines()[0][:500] if error else str(status))
