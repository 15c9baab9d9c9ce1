"""The embedded ClickHouse's HTTP interface: what an unmodified clickhouse-connect, curl or notebook talks to.

Of ClickHouse's interface it has: statements in the body or in ``query``, bind parameters (``param_…``, also as a form),
settings in the query string, sessions for writers, lz4 and zstd both ways, summaries, exceptions with their codes (also in the
middle of an answer), ``/ping`` and ``/metrics``. It has no ``compress=1`` framing, no external data and no native TCP.
"""

import asyncio
import logging
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from connectors.clickhouse import metrics
from connectors.clickhouse.access import Access, ForeignRequest, Guard, Users
from connectors.clickhouse.answer import Answer, TooLarge, decompress
from connectors.clickhouse.core import statements
from connectors.clickhouse.core.errors import ArchiveError, StatementFailed, StatementRefused
from connectors.clickhouse.core.statements import Insert
from connectors.clickhouse.engine import Engine, Handle, PathLock
from connectors.clickhouse.settings import ServerSettings
from schemas.errors import PortTaken

log = logging.getLogger(__name__)

_TRANSPORT = frozenset(
    {
        "database", "default_format", "query", "query_id", "user", "password", "session_id", "session_timeout", "session_check",
        "compress", "decompress", "wait_end_of_query", "buffer_size", "client_protocol_version", "quota_key", "role",
        "send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression",
        "cancel_http_readonly_queries_on_client_close", "stacktrace", "network_compression_method",
    }
)  # fmt: skip
"""Parameters of a request that are not settings of its query."""
_SESSION_SECONDS = 60
"""How long a session lasts after its last request, if that does not say."""
_LONGEST_SESSION_SECONDS = 3600
_SESSIONS = 64
_WAIT_SECONDS = 10
"""For a reader's place, or for a session that is in use."""
_GRACE_SECONDS = 2
"""For the engine to end a query that computes too long itself, with a better error."""
_TIMEOUT_EXCEEDED = 159  # ClickHouse's own
_READER_STATEMENT_BYTES = 1 << 20
_SPILL_BYTES = 1 << 30
"""What a reader's query may put on disk when its memory is full."""
_WRITER_THREADS = 4
"""Calls into the engine that run beside the readers'."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, understood."""

    user: str
    access: Access
    database: str | None
    session: str | None
    session_seconds: int
    settings: Mapping[str, str]
    params: Mapping[str, str]
    statement: str | Insert
    default_format: str
    whole: bool
    """Answer only once the statement is done."""
    encoding: str | None
    """How to compress the answer."""


@dataclass(slots=True)
class Session:
    """A writer's handle, kept between requests."""

    handle: Handle
    expires: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Front:
    """Answers requests out of an :class:`~connectors.clickhouse.engine.Engine`."""

    def __init__(self, engine: Engine, users: Users, settings: ServerSettings) -> None:
        self._engine = engine
        self._users = users
        self._settings = settings
        self._guard: Guard | None = None
        self._sessions: dict[tuple[str, str], Session] = {}
        self._opening = asyncio.Lock()
        self._reading = asyncio.Semaphore(settings.readers)

    def application(self) -> web.Application:
        """Build the aiohttp application."""
        app = web.Application(client_max_size=self._settings.insert_bytes, middlewares=[self._admit])
        app.router.add_get("/ping", _ping)
        app.router.add_get("/replicas_status", _ping)
        app.router.add_get("/metrics", _metrics)
        app.router.add_route("*", "/", self._statement)
        return app

    def listening(self, port: int) -> None:
        """Say which port it has got: before, it answers nobody."""
        self._guard = Guard(self._settings.allowed_hosts, port)

    async def close(self) -> None:
        """End the sessions."""
        for session in self._sessions.values():
            await self._engine.call(session.handle.close)
        self._sessions.clear()

    @web.middleware
    async def _admit(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            if self._guard is None:
                return web.Response(status=503, text="starting\n")
            self._guard.check(request.headers)
        except ForeignRequest as refusal:
            metrics.FOREIGN_REQUESTS.inc()
            return web.Response(status=403, text=f"{refusal}\n")
        return await handler(request)

    async def _statement(self, request: web.Request) -> web.StreamResponse:
        answer = Answer(request, self._engine.timezone)
        access, code, began = "none", 0, time.perf_counter()
        metrics.RUNNING.inc()
        try:
            ask = await self._understand(request)
            if ask is None:
                return web.Response(text="Ok.\n")
            access = ask.access.value
            answer.encoding = ask.encoding
            await self._run(ask, answer)
        except (StatementFailed, StatementRefused) as error:
            code = error.code
            await answer.failed(code, str(error))
        except ConnectionResetError:
            log.info("a client left before its answer was complete")
        except TimeoutError:
            code = _TIMEOUT_EXCEEDED
            log.warning("a reader did not take its answer within %.0f s and was dropped", self._settings.reader_seconds)
            if request.transport is not None:
                request.transport.abort()
        except asyncio.CancelledError:
            log.info("a client left; its query is cancelled")
            raise
        finally:
            metrics.RUNNING.dec()
            metrics.REQUESTS.labels(access, str(code)).inc()
            metrics.REQUEST_SECONDS.labels(access).observe(time.perf_counter() - began)
        return answer.response

    async def _understand(self, request: web.Request) -> Ask | None:
        """Read a request to its end; None when it asks for nothing."""
        query = dict(request.query)
        user, access = self._users.identify(request.headers, query)
        largest = self._settings.insert_bytes if access is Access.WRITE else _READER_STATEMENT_BYTES
        request = request.clone(client_max_size=largest)
        try:
            if request.content_type.startswith("multipart/"):
                body = b""
                for name, value in (await request.post()).items():
                    if not isinstance(value, str):
                        raise StatementRefused(
                            48, "NOT_IMPLEMENTED", "external data is not supported: insert it into a table first"
                        )
                    query[name] = value
            else:
                body = decompress(await request.read(), request.headers.get("Content-Encoding", ""), largest)
        except (web.HTTPRequestEntityTooLarge, TooLarge) as error:
            limit = (
                f"a request of this user has {largest} bytes at most: send several (or raise ARCHIVE_INSERT_BYTES, for writers)"
            )
            raise StatementRefused(307, "TOO_MANY_BYTES", limit) from error
        if query.get("query"):
            body = query["query"].encode() + b"\n" + body
        if not body.strip():
            return None
        # As on a ClickHouse server, a GET never writes: it is what a browser sends for a link.
        access = Access.READ if request.method in ("GET", "HEAD") else access
        encodings = {name.partition(";")[0].strip() for name in request.headers.get("Accept-Encoding", "").split(",")}
        compress = query.get("enable_http_compression") == "1"
        try:
            statement: str | Insert = statements.split_insert(body) or body.decode()
        except UnicodeDecodeError as error:
            raise StatementRefused(62, "SYNTAX_ERROR", f"Syntax error: the statement is not UTF-8: {error}") from error
        return Ask(
            user=user,
            access=access,
            database=query.get("database") or request.headers.get("X-ClickHouse-Database"),
            session=query.get("session_id"),
            session_seconds=_seconds(query.get("session_timeout")),
            settings={name: value for name, value in query.items() if _is_setting(name)},
            params={name.removeprefix("param_"): value for name, value in query.items() if name.startswith("param_")},
            statement=statement,
            default_format=query.get("default_format") or statements.DEFAULT_FORMAT,
            whole=query.get("wait_end_of_query") == "1",
            encoding=next((name for name in ("lz4", "zstd") if name in encodings), None) if compress else None,
        )

    async def _run(self, ask: Ask, answer: Answer) -> None:
        tag = self._engine.tag()
        async with self._place(ask), self._handle(ask, tag) as handle:
            if ask.access is Access.READ:
                await self._engine.call(self._check_reader, handle, ask)
            if isinstance(ask.statement, Insert):
                summary = await self._engine.call(handle.insert, ask.statement)
                await answer.whole(b"", None, summary)
                return
            sql = ask.statement
            if ask.access is Access.WRITE:
                statements.only_one(await self._engine.call(handle.parse, sql))
            wanted = statements.format_of(sql, ask.default_format)
            if wanted in statements.STREAMED_FORMATS and statements.gives_rows(sql) and not ask.whole:
                await self._stream(handle, sql, wanted, ask.params, tag, answer)
            else:
                result = await self._engine.call(handle.fetch, sql, wanted, ask.params, tag=tag)
                await answer.whole(result.body, wanted, result.summary)

    async def _stream(self, handle: Handle, sql: str, format_: str, params: Mapping[str, str], tag: str, answer: Answer) -> None:
        try:
            await self._engine.call(handle.start, sql, format_, params, tag=tag)
            while (chunk := await self._engine.call(handle.next, tag=tag)) is not None:
                await answer.chunk(chunk, format_)
            await answer.end(format_)
        finally:
            await self._engine.call(handle.finish)

    def _check_reader(self, handle: Handle, ask: Ask) -> None:
        if isinstance(ask.statement, Insert):
            statements.only_reads(statements.Parsed("write", 1))
            return
        statements.only_reads(handle.parse(ask.statement))
        statements.only_tables(handle.canonical(ask.statement), self._engine.table_functions)

    @asynccontextmanager
    async def _place(self, ask: Ask) -> AsyncIterator[None]:
        """Wait for one of the places that readers share, so that they leave the sink its threads and memory."""
        if ask.access is Access.WRITE:
            yield
            return
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._reading.acquire()
        except TimeoutError as error:
            raise StatementRefused(
                202,
                "TOO_MANY_SIMULTANEOUS_QUERIES",
                f"{self._settings.readers} readers' queries are running already: try again later",
            ) from error
        try:
            # The engine's own limit stands still while nobody takes what it has: a slow client's place is given up here.
            async with asyncio.timeout(self._settings.reader_seconds + _GRACE_SECONDS):
                yield
        finally:
            self._reading.release()

    @asynccontextmanager
    async def _handle(self, ask: Ask, tag: str) -> AsyncIterator[Handle]:
        """A handle with the request's database and settings: its session's, or a fresh one."""
        settings = {"max_memory_usage": str(self._settings.query_memory_bytes), **ask.settings, "log_comment": tag}
        if ask.access is Access.READ:
            if (ask.database or "").lower() == "system":
                raise StatementRefused(497, "ACCESS_DENIED", "this user may not have system as its database")
            settings = {**statements.reader_settings(ask.settings), "log_comment": tag, **self._reader_limits()}
        if ask.session is None or ask.access is Access.READ:
            async with self._engine.handle() as handle:
                await self._engine.call(_prepare, handle, ask.database, settings)
                yield handle
            return
        async with self._session(ask.user, ask.session, ask.session_seconds) as handle:
            # Settings in the query string last for one request; those that the session itself has set come back after it.
            before = await self._engine.call(handle.changed, list(settings))
            await self._engine.call(_prepare, handle, ask.database, settings)
            try:
                yield handle
            finally:
                await self._engine.call(handle.reset, [name for name in settings if name not in before])
                await self._engine.call(handle.set, before)

    def _reader_limits(self) -> dict[str, str]:
        limits = self._settings
        return {
            "max_memory_usage": str(limits.query_memory_bytes),
            "max_execution_time": str(limits.reader_seconds),
            "max_result_rows": str(limits.reader_rows),
            "max_result_bytes": str(limits.reader_bytes),
            "result_overflow_mode": "throw",
            "max_temporary_data_on_disk_size_for_query": str(_SPILL_BYTES),
            "max_threads": "2",
            # Last: from here on the handle takes no setting, and the engine itself refuses to write.
            "readonly": "1",
        }

    @asynccontextmanager
    async def _session(self, user: str, name: str, seconds: int) -> AsyncIterator[Handle]:
        async with self._opening:
            now = asyncio.get_running_loop().time()
            await self._expire(now)
            session = self._sessions.get((user, name))
            if session is None:
                session = Session(await self._engine.call(Handle, self._engine.path), now)
                self._sessions[user, name] = session
            session.expires = max(session.expires, now + _WAIT_SECONDS + seconds)
        try:
            # One statement at a time in a session, as on a server.
            async with asyncio.timeout(_WAIT_SECONDS):
                await session.lock.acquire()
        except TimeoutError as error:
            raise StatementRefused(373, "SESSION_IS_LOCKED", f"session {name} is in use by another request") from error
        try:
            yield session.handle
        finally:
            session.expires = asyncio.get_running_loop().time() + seconds
            session.lock.release()

    async def _expire(self, now: float) -> None:
        """Close sessions that nobody has asked for, and the stalest when there are too many."""
        idle = sorted((s.expires, key) for key, s in self._sessions.items() if not s.lock.locked())
        excess = len(self._sessions) - _SESSIONS + 1
        for i, (expires, key) in enumerate(idle):
            if expires < now or i < excess:
                session = self._sessions.pop(key)
                await self._engine.call(session.handle.close)


async def run(settings: ServerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``; then finish what is running, and close the engine.

    Raises:
        PathInUse: Another process has the archive's path.
        PortTaken: Another process listens on the port.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    with PathLock(settings.lock_file, settings.engine_path) as lock:
        users = Users.load(settings.password_file, settings.users_file)
        # The sink and its kin, and a reader on each place, at the same time.
        engine = await asyncio.to_thread(
            Engine, settings.engine_path, settings.server_memory_bytes, threads=settings.readers + _WRITER_THREADS
        )
        try:
            async with _listening(engine, users, settings) as address:
                lock.say(address)
                settings.address_file.write_text(address + "\n")
                log.info("ClickHouse %s of %s answers at %s", engine.version, settings.engine_path, address)
                await stop.wait()
                log.info("stopping")
        finally:
            settings.address_file.unlink(missing_ok=True)
            await asyncio.to_thread(engine.close)


@asynccontextmanager
async def _listening(engine: Engine, users: Users, settings: ServerSettings) -> AsyncIterator[str]:
    front = Front(engine, users, settings)
    runner = web.AppRunner(
        front.application(), access_log=None, handler_cancellation=True, shutdown_timeout=settings.stop_seconds
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except OSError as error:
            remedy = (
                "If a ClickHouse already runs there, use it; else choose another port with ARCHIVE_PORT "
                "(and name it in CLICKHOUSE_URL for whoever connects)"
            )
            raise PortTaken.of(error, settings.host, settings.port, remedy) from error
        host, port = runner.addresses[0][:2]
        front.listening(port)
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        await runner.cleanup()
        await front.close()


async def _ping(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _prepare(handle: Handle, database: str | None, settings: Mapping[str, str]) -> None:
    if database:
        handle.use(database)
    handle.set(settings)


def _seconds(text: str | None) -> int:
    if not text:
        return _SESSION_SECONDS
    if not text.isdecimal():
        raise StatementRefused(36, "BAD_ARGUMENTS", f"Invalid session timeout: '{text[:20]}'")
    return min(int(text), _LONGEST_SESSION_SECONDS)


def _is_setting(name: str) -> bool:
    return name not in _TRANSPORT and not name.startswith("param_") and re.fullmatch(r"[A-Za-z]\w*", name) is not None


async def _main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(ServerSettings(), stop)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(_main())
    except (ArchiveError, PortTaken) as error:
        sys.exit(str(error))
