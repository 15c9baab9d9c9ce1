"""The embedded engine: chDB on one path, asked from many threads at a time.

A *handle* is one connection to the engine, with its own settings, database and temporary tables. It costs about a millisecond,
so each request without an engine session has a fresh one and leaves nothing behind. Calls into the engine block (it releases the
GIL), so they run in worker threads. When a client leaves before its answer is complete, its query is cancelled.
"""

import asyncio
import fcntl
import itertools
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Literal, TypeVar

import chdb
import msgspec

from connectors.clickhouse.core import statements
from connectors.clickhouse.core.errors import PathInUse, StatementFailed
from connectors.clickhouse.core.statements import Insert, Parsed

T = TypeVar("T")

_KINDS: Final[dict[str, Literal["read", "write", "control"]]] = {"READ_ONLY": "read", "MUTATING": "write", "CONTROL": "control"}
_CODE = re.compile(r"Code: (\d+)\.")
_NO_SUCH_ERROR = 1002  # ClickHouse's UNKNOWN_EXCEPTION


@dataclass(frozen=True, slots=True)
class Summary:
    """What a statement did."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """The complete result of a statement."""

    body: bytes
    """What the statement gave, in the format that was asked for."""
    summary: Summary


class Handle:
    """One connection to the engine. Every method blocks; one call at a time."""

    def __init__(self, path: Path) -> None:
        with _engine_errors():
            self._connection = chdb.connect(str(path))
        self._stream: Any = None

    def close(self) -> None:
        """Close the connection. A query that still runs on it is cancelled."""
        self._connection.close()

    def set(self, settings: Mapping[str, str]) -> None:
        """Change settings, for all statements that follow."""
        if settings:
            self._ask("SET " + ", ".join(f"{name}={statements.quote(value)}" for name, value in settings.items()))

    def changed(self, names: list[str]) -> dict[str, str]:
        """Values by name of those among the named settings that differ from their default."""
        listed = ", ".join(map(statements.quote, names))
        body = self._ask(f"SELECT name, value FROM system.settings WHERE changed AND name IN ({listed})", "JSONCompactEachRow")  # noqa: S608
        return dict(msgspec.json.decode(line, type=tuple[str, str]) for line in body.splitlines())

    def reset(self, names: list[str]) -> None:
        """Put settings back to their default values."""
        if names:
            self._ask("SET " + ", ".join(f"{name}=DEFAULT" for name in names))

    def use(self, database: str) -> None:
        """Change the current database."""
        self._ask(f"USE {statements.quote_name(database)}")

    def parse(self, sql: str) -> Parsed:
        """Ask the engine's parser what ``sql`` is. It runs nothing."""
        # The public class hides it; chdb.durable builds its own gate on the same call.
        report = self._connection._conn.classify_query(sql, "default")
        return Parsed(_KINDS.get(report["query_class"].name, "unknown"), int(report["statement_count"]))

    def canonical(self, sql: str) -> str:
        """Write ``sql`` the way the engine itself writes its syntax tree.

        Raises:
            StatementFailed: It does not parse.
        """
        return self._ask(f"SELECT formatQuerySingleLine({statements.quote(sql)})", "RawBLOB").decode()

    def names(self, sql: str) -> frozenset[str]:
        """Collect the one column that ``sql`` selects."""
        return frozenset(self._ask(sql, "TabSeparatedRaw").decode().split())

    def fetch(self, sql: str, format_: str, params: Mapping[str, str]) -> Result:
        """Run a statement to its end.

        Raises:
            StatementFailed: The engine says why.
        """
        try:
            with _engine_errors():
                result = self._connection.query(sql, format_, params=dict(params))
        except StatementFailed:
            # What it had written before it failed would come out in front of this handle's next result.
            self._connection.query("SELECT 1 FORMAT Null")
            raise
        summary = Summary(
            read_rows=result.storage_rows_read(), read_bytes=result.storage_bytes_read(), result_rows=result.rows_read()
        )
        return Result(result.bytes() or b"", summary)

    def start(self, sql: str, format_: str, params: Mapping[str, str]) -> None:
        """Begin a query; :meth:`next` hands its result out piece by piece."""
        with _engine_errors():
            self._stream = self._connection.send_query(sql, format_, params=dict(params))

    def next(self) -> bytes | None:
        """The next piece of the started query's result, one or several blocks; None after the last.

        Raises:
            StatementFailed: It failed on the way.
        """
        with _engine_errors():
            chunk = self._stream.fetch()
        if chunk is None:
            self._stream = None
            return None
        body: bytes = chunk.bytes()
        return body

    def finish(self) -> None:
        """Cancel the started query if it is not over."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.cancel()

    def insert(self, insert: Insert) -> Summary:
        """Feed an INSERT's data to the engine: all of them or, on an error, none.

        Raises:
            StatementFailed: The engine says why.
        """
        if insert.structure is not None:
            return self._insert_query(insert, insert.structure)
        with _engine_errors(), self._connection.send_insert(insert.sql, insert.format) as stream:
            if insert.data:
                stream.append(insert.data)
            done = stream.finish()
        return Summary(
            read_rows=done.rows_written,
            read_bytes=done.bytes_written,
            written_rows=done.rows_written,
            written_bytes=done.bytes_written,
        )

    def _insert_query(self, insert: Insert, structure: str) -> Summary:
        """Feed the data of an INSERT … SELECT to a temporary table, from which its query then takes them."""
        self._ask(f"CREATE TEMPORARY TABLE {statements.INPUT} ({structure}) ENGINE = Memory")
        try:
            landed = self.insert(Insert(f"INSERT INTO {statements.INPUT}", insert.format, insert.data))
            self._ask(insert.sql)
        finally:
            self._ask(f"DROP TEMPORARY TABLE IF EXISTS {statements.INPUT}")
        return landed

    def _ask(self, sql: str, format_: str = "TabSeparated") -> bytes:
        return self.fetch(sql, format_, {}).body


class Engine:
    """The engine on one path, held by this process alone until :meth:`close`."""

    def __init__(self, path: Path, backups: Path, memory_bytes: int, threads: int) -> None:
        """Open the engine. It repairs by itself what a killed process left half done.

        Args:
            path: Its data; made if it is not there.
            backups: The only folder for backups; made if it is not there.
            memory_bytes: For everything it does together.
            threads: How many calls may run at a time.

        Raises:
            PathInUse: Another process has opened the path.
        """
        self.path = path
        for folder in (path, backups):
            folder.mkdir(parents=True, exist_ok=True)
        options = f"backups.allowed_path={backups.absolute()}&max_server_memory_usage={memory_bytes}"
        try:
            # The first handle starts the engine, with its settings, and the last one to close ends it.
            self._keeper = Handle(Path(f"{path}?{options}"))
        except StatementFailed as error:
            owner = _status_owner(path)
            if owner is None:
                raise
            raise PathInUse(path, owner) from error
        self._keeper_lock = asyncio.Lock()
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._tags = itertools.count(1)
        self.table_functions = self._keeper.names("SELECT name FROM system.table_functions")
        version, timezone = (self._keeper.fetch(f"SELECT {f}()", "TabSeparatedRaw", {}).body for f in ("version", "timezone"))
        self.version = version.decode().strip()
        self.timezone = timezone.decode().strip()

    @asynccontextmanager
    async def handle(self) -> AsyncIterator[Handle]:
        """A fresh handle, closed afterwards."""
        handle = await self.call(Handle, self.path)
        try:
            yield handle
        finally:
            await self.call(handle.close)

    def tag(self) -> str:
        """A name for one query, for its setting ``log_comment``: by that :meth:`call` finds the query to cancel it."""
        return f"request-{next(self._tags)}"

    async def call(self, work: Callable[..., T], *args: object, tag: str | None = None) -> T:
        """Run ``work`` in a worker thread and wait for its end, even when the caller is cancelled.

        When the caller is cancelled meanwhile, the query that carries ``tag`` is killed, and the work waited for: a handle must
        not be touched while the engine is still on it.
        """
        running = asyncio.get_running_loop().run_in_executor(self._workers, work, *args)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if tag is not None:
                await asyncio.shield(self._kill(tag))
            await asyncio.wait([running])
            if not running.cancelled():
                running.exception()  # seen: the caller is gone
            raise

    def close(self) -> None:
        """Close the engine, so that another process can open the path. No handle may be open any more."""
        self._workers.shutdown(wait=True)
        self._keeper.close()

    async def _kill(self, tag: str) -> None:
        sql = f"KILL QUERY WHERE Settings['log_comment'] = {statements.quote(tag)} ASYNC"
        async with self._keeper_lock:
            # Not in the pool: that may be full of the very queries to be killed.
            await asyncio.to_thread(self._keeper.fetch, sql, "Null", {})


class PathLock(AbstractContextManager["PathLock"]):
    """A file that one process at a time holds, with its process id and address in it for another one that wants it."""

    def __init__(self, file: Path, path: Path) -> None:
        self._file = file
        self._path = path
        self._open: IO[str] | None = None

    def __enter__(self) -> "PathLock":
        """Hold the file from now on.

        Raises:
            PathInUse: Another process has it.
        """
        with ExitStack() as opened:
            held = opened.enter_context(self._file.open("a+"))
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                held.seek(0)
                raise PathInUse(self._path, held.read().strip() or "another process") from error
            opened.pop_all()
        self._open = held
        self.say("")
        return self

    def say(self, address: str) -> None:
        """Write down who holds it, and where it serves."""
        assert self._open is not None, "take it first"  # noqa: S101
        self._open.truncate(0)
        self._open.write(f"process {os.getpid()}" + (f", serving {address}" if address else ""))
        self._open.flush()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Hold the file no more. It is not removed: two processes could then hold two files of the same name."""
        if self._open is not None:
            self._open.close()
            self._open = None


def _status_owner(path: Path) -> str | None:
    """Who holds the engine's own lock on ``path``; None when nobody does."""
    status = path / "status"
    if not status.exists():
        return None
    with status.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = re.search(r"PID: (\d+)", file.read())
            return f"process {pid[1]}" if pid else "another process"
    return None


@contextmanager
def _engine_errors() -> Iterator[None]:
    """Turn the engine's errors into :class:`StatementFailed`, with ClickHouse's own code and text."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        start = text.find("Code: ")
        code = _CODE.match(text, start) if start >= 0 else None
        raise StatementFailed(int(code[1]) if code else _NO_SUCH_ERROR, text[start:] if start >= 0 else text) from error
