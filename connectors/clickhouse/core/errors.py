"""What can go wrong around ClickHouse, and what to do about it. Errors of Kafka, and of ports, are in :mod:`schemas.errors`.

::

    ArchiveError
    ├── ClickHouseUnreachable   retry: nothing answers at the URL
    ├── StatementFailed         ClickHouse answered, and said no
    │   └── WrongPassword
    ├── InsertStillRuns         retry: an insert that is to be repeated has not ended
    ├── RowsLost                retry: what was repeated is lost again and again
    ├── SchemaMismatch          the tables are not what this program needs; it names the remedy
    │   ├── NewerTables
    │   ├── MigrationChanged
    │   ├── MigrationsNotAllowed
    │   ├── TablesOfCluster
    │   ├── ColumnsMissing
    │   ├── ColumnsUnknown
    │   └── TypesUnknown
    ├── OtherDatabase           what is committed is in another database than this one
    ├── SinkStillRuns           what was asked for needs the sink to be stopped
    ├── DayChanges              a day that is exported is still being written
    ├── UnknownIntent           a newer release declared what it was about to insert
    ├── PathInUse               another process has the embedded engine's path
    ├── UsersFileInvalid        the embedded server's users file has to be mended
    ├── StatementRefused        the embedded server does not run it; it says so in ClickHouse's own codes
    ├── ForeignRequest          a web page made a browser ask the embedded server
    └── TooLarge                a request to the embedded server is, when it is unpacked
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from schemas.errors import Halt

if TYPE_CHECKING:
    from pathlib import Path


class ArchiveError(Exception):
    """Base of everything that this package raises."""


class ClickHouseUnreachable(ArchiveError):
    """Nothing that speaks ClickHouse answers; it may come back."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"ClickHouse does not answer at {self.url} ({self.reason}): start the embedded one with"
            " `stock-tracker archive serve`, or name another with CLICKHOUSE_URL"
        )


class StatementFailed(ArchiveError):
    """ClickHouse refused a statement."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        """ClickHouse's error code, 0 when it gave none."""
        self.message = message

    def __str__(self) -> str:
        return self.message


class WrongPassword(StatementFailed):
    """ClickHouse does not know this user with this password."""

    def __init__(self, url: str, user: str, password_file: "Path | None") -> None:
        super().__init__(516, f"{url} refuses the password of user {user!r}")
        self.user = user
        self.password_file = password_file

    def __str__(self) -> str:
        if self.password_file is None:
            return f"{self.message}: set ARCHIVE_USER and ARCHIVE_PASSWORD"
        return (
            f"{self.message}: the embedded server's is in {self.password_file} (same STOCK_TRACKER_HOME for both);"
            " for another server set ARCHIVE_USER and ARCHIVE_PASSWORD"
        )


class InsertStillRuns(ArchiveError):
    """An insert still runs whose outcome has to be known before it is repeated; it ends by itself."""

    def __init__(self, token: str) -> None:
        super().__init__(token)
        self.token = token

    def __str__(self) -> str:
        return (
            f"ClickHouse still works on an insert of an earlier attempt ({self.token}): it is waited for; if it never ends, find"
            " it in system.processes and kill it"
        )


class RowsLost(ArchiveError):
    """ClickHouse acknowledges rows, and then does not have them."""

    def __init__(self, table: str, token: str) -> None:
        super().__init__(table, token)
        self.table = table
        self.token = token

    def __str__(self) -> str:
        return (
            f"{self.table} takes the rows of an insert again and again and does not have them afterwards ({self.token}): look"
            " into ClickHouse's log, and whether its disk is full"
        )


class SchemaMismatch(ArchiveError):
    """The tables of the database are not what this program needs."""

    def __init__(self, database: str, reason: str) -> None:
        self.database = database
        self.reason = reason

    def __str__(self) -> str:
        return f"database {self.database}: {self.reason}"


class NewerTables(SchemaMismatch):
    """A newer release has changed the tables so that this one must not write into them."""

    def __init__(self, database: str, migration: str, why: str) -> None:
        super().__init__(database, f"a newer release has applied {migration} to it ({why}): upgrade this program first")
        self.migration = migration
        """The file, which this program does not have."""
        self.why = why


class MigrationChanged(SchemaMismatch):
    """A migration file is not what it was when it was applied."""

    def __init__(self, database: str, migration: str) -> None:
        super().__init__(
            database,
            f"{migration} was changed after it was applied: put the file back, write the change into a new one, and run"
            " `stock-tracker archive migrate`",
        )
        self.migration = migration


class MigrationsNotAllowed(SchemaMismatch):
    """Migrations have to be applied, by somebody who may change tables."""

    def __init__(self, database: str, migrations: Sequence[str]) -> None:
        super().__init__(
            database,
            f"it lacks {', '.join(migrations)}, and this user may not change tables: run `stock-tracker archive migrate` with"
            " ARCHIVE_USER and ARCHIVE_PASSWORD of one who may",
        )
        self.migrations = tuple(migrations)
        """The files, in order."""


class TablesOfCluster(SchemaMismatch):
    """Migrations have to be applied on a whole cluster: made on one of its servers, tables would be that one's only."""

    def __init__(self, database: str, migrations: Sequence[str]) -> None:
        super().__init__(
            database,
            f"it is on a cluster and lacks {', '.join(migrations)}: have its administrator run what `stock-tracker archive"
            " cluster-sql NAME` prints",
        )
        self.migrations = tuple(migrations)
        """The files, in order."""


class ColumnsMissing(SchemaMismatch):
    """All migrations have been applied, yet tables or columns that they bring are not there."""

    def __init__(self, database: str, missing: Sequence[str]) -> None:
        """Say what.

        Args:
            database: Where.
            missing: For each table or column a sentence that names the migration which brings it, and what to do.
        """
        super().__init__(database, "; ".join(missing))
        self.missing = tuple(missing)


class ColumnsUnknown(SchemaMismatch):
    """Columns that this program does not know and that have no default: it would leave them empty, as if that were said."""

    def __init__(self, database: str, columns: Sequence[str]) -> None:
        super().__init__(
            database,
            f"this program does not know {', '.join(columns)}, and without a DEFAULT they would stay empty: upgrade this program"
            " first, or give them one",
        )
        self.columns = tuple(columns)
        """Each as ``table.column``."""


class TypesUnknown(SchemaMismatch):
    """Columns of types that this program does not write."""

    def __init__(self, database: str, columns: Sequence[str]) -> None:
        super().__init__(
            database, f"this program does not write {', '.join(columns)}: upgrade it first, or give them the types that it made"
        )
        self.columns = tuple(columns)
        """Each as ``table.column TYPE``."""


class OtherDatabase(ArchiveError, Halt):
    """The commits of the sink's group are true of another database, and would make this one lack what that one has."""

    def __init__(self, database: str, id_: str, committed: str) -> None:
        super().__init__(database, id_, committed)
        self.database = database
        self.id = id_
        """ClickHouse's own id of the database that was found."""
        self.committed = committed
        """The id of the database of which the commits are true."""

    def __str__(self) -> str:
        return (
            f"database {self.database} is not the one that the archive's commits in Kafka speak of (its id is {self.id}, theirs"
            f" {self.committed}: it was restored, made anew, or is on another server), so it may lack what they say is stored:"
            " `stock-tracker archive backfill` stores that from the topics, with --from URL also from the other archive; then"
            " start the sink again"
        )


class SinkStillRuns(ArchiveError):
    """A sink still is, or has been until a moment ago, a member of the archive's group."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Kafka takes no commit for the archive's group ({self.reason}): stop every sink, then run this again"


class DayChanges(ArchiveError):
    """Rows of ``day`` came into ``table`` while it was exported."""

    def __init__(self, table: str, day: str) -> None:
        super().__init__(table, day)
        self.table = table
        self.day = day

    def __str__(self) -> str:
        return (
            f"{self.table} of {self.day} changes while it is written: export a day when it is over and the sink has stored it. "
            "What was written before stays, and the same command goes on from there"
        )


class UnknownIntent(ArchiveError, Halt):
    """A commit of the sink's group says something that this release does not understand.

    Taken for "nothing is under way", it could lead to rows being inserted twice: under the other release's token and ours.
    """

    def __init__(self, metadata: str) -> None:
        super().__init__(metadata)
        self.metadata = metadata

    def __str__(self) -> str:
        return (
            f"the archive's consumer group has a commit that says {self.metadata!r}, which a newer release wrote: run that one "
            "until it has closed what it declared (a stop does), or upgrade this one"
        )


class PathInUse(ArchiveError):
    """One process at a time has an engine's path; another one does."""

    def __init__(self, path: "Path", owner: str) -> None:
        self.path = path
        self.owner = owner
        """Who has it, for a person: a pid, and where it serves if it does."""

    def __str__(self) -> str:
        return f"{self.path} is in use by {self.owner}: ask that server over HTTP, stop it, or choose another STOCK_TRACKER_HOME"


class UsersFileInvalid(ArchiveError):
    """The embedded server's users file cannot be used."""

    def __init__(self, path: "Path", reason: str) -> None:
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f'{self.path}: {self.reason} (a user is `[NAME]`, `password_sha256 = "…"`, `access = "read"` or `"write"`)'


class ForeignRequest(ArchiveError):
    """A request to the embedded server that no program on this machine would send."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return f"refused: {self.reason}. The archive answers programs on this machine, not web pages from elsewhere"


class TooLarge(ArchiveError):
    """The body of a request to the embedded server is larger than allowed when it is unpacked."""


class StatementRefused(ArchiveError):
    """The embedded server does not run this statement for this user, or not now."""

    def __init__(self, code: int, name: str, message: str) -> None:
        self.code = code
        self.name = name
        """ClickHouse's word for the code: ``READONLY``."""
        self.message = message

    def __str__(self) -> str:
        return f"Code: {self.code}. DB::Exception: {self.message}. ({self.name})"
