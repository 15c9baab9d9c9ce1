"""The embedded ClickHouse's HTTP interface: what an unmodified clickhouse-connect, curl or notebook talks to.

Of ClickHouse's interface it has: statements in the body or in ``query``, bind parameters (``param_…``, also as a form),
settings in the query string, sessions for writers, gzip, lz4 and zstd both ways, ClickHouse's own compressed blocks
(``compress=1``, ``decompress=1``), summaries, exceptions with their codes (also in the middle of an answer), ``/ping`` and
``/metrics``. It has no external data and no native TCP.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from connectors.clickhouse import metrics
from connectors.clickhouse.answer import Answer
from connectors.clickhouse.core import statements
from connectors.clickhouse.core.access import Access, Guard, Users
from connectors.clickhouse.core.errors import ForeignRequest, StatementFailed, StatementRefused, TooLarge
from connectors.clickhouse.core.request import Ask, understand
from connectors.clickhouse.core.statements import Insert
from connectors.clickhouse.encodings import decompress, unpack_blocks
from connectors.clickhouse.engine import Engine, Handle
from connectors.clickhouse.sessions import EngineSessions
from connectors.clickhouse.settings import ServerSettings

log = logging.getLogger(__name__)

_WAIT_SECONDS = 10
"""How long a reader's query waits for its turn."""
_GRACE_SECONDS = 2
"""How much longer than allowed a reader's query may take: the engine ends one that computes for too long with a better error."""
_TIMEOUT_EXCEEDED = 159  # ClickHouse's own
_READER_STATEMENT_BYTES = 1 << 20
_OPEN_A_TURN = 8
"""So many readers' queries may be open for each that may compute: the others wait for their clients."""
_SPILL_BYTES = 1 << 30
"""What a reader's query may put on disk when its memory is full."""


class Front:
    """Answers requests out of an :class:`~connectors.clickhouse.engine.Engine`."""

    def __init__(self, engine: Engine, users: Users, settings: ServerSettings) -> None:
        self._engine = engine
        self._users = users
        self._settings = settings
        self._guard: Guard | None = None
        self._sessions = EngineSessions(engine)
        self._reading = asyncio.Semaphore(settings.readers)
        self._open = 0
        """How many readers' queries are open."""
        self._sending: dict[Answer, None] = {}
        """Those that wait for their client to take what there is, the one that has waited longest first."""

    def application(self) -> web.Application:
        """Build the aiohttp application."""
        app = web.Application(client_max_size=self._settings.insert_bytes, middlewares=[self._admit])
        app.router.add_get("/ping", _ping)
        app.router.add_get("/replicas_status", _ping)
        app.router.add_get("/metrics", _metrics)
        app.router.add_route("*", "/", self._statement)
        return app

    def listening(self, port: int) -> None:
        """Begin to answer, knowing on which port: until then every request is told to come again."""
        self._guard = Guard(self._settings.allowed_hosts, port)

    async def close(self) -> None:
        """Close what was kept between requests."""
        await self._sessions.close()

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
            ask = await self._read(request)
            if ask is None:
                return web.Response(text="Ok.\n")
            access = ask.access.value
            answer.encoding, answer.blocks = ask.encoding, ask.blocks
            async with self._place(ask):
                await self._run(ask, answer)
        except (StatementFailed, StatementRefused) as error:
            code = error.code
            try:
                async with asyncio.timeout(_GRACE_SECONDS):
                    await answer.failed(code, str(error))
            except TimeoutError:
                _drop(answer)
        except ConnectionResetError:
            log.info("a client left before its answer was complete")
        except TimeoutError:
            code = _TIMEOUT_EXCEEDED
            _drop(answer)
        except asyncio.CancelledError:
            log.info("a client left; its query is cancelled")
            raise
        finally:
            metrics.RUNNING.dec()
            metrics.REQUESTS.labels(access, str(code)).inc()
            metrics.REQUEST_SECONDS.labels(access).observe(time.perf_counter() - began)
        return answer.response

    async def _read(self, request: web.Request) -> Ask | None:
        """Read a request to its end; None when it has no statement."""
        query = dict(request.query)
        user, access = self._users.identify(request.headers, query)
        largest = self._settings.insert_bytes if access is Access.WRITE else _READER_STATEMENT_BYTES
        request = request.clone(client_max_size=largest)
        body = b""
        try:
            if request.content_type.startswith("multipart/"):
                query |= await _form(request)
            else:
                body = decompress(await request.read(), request.headers.get("Content-Encoding", ""), largest)
                if query.get("decompress") == "1":
                    body = unpack_blocks(body, largest)
        except (web.HTTPRequestEntityTooLarge, TooLarge) as error:
            limit = (
                f"a request of this user has {largest} bytes at most: send several (or raise ARCHIVE_INSERT_BYTES, for writers)"
            )
            raise StatementRefused(307, "TOO_MANY_BYTES", limit) from error
        return understand(request.method, query, request.headers, body, user, access)

    async def _run(self, ask: Ask, answer: Answer) -> None:
        tag = self._engine.tag()
        async with self._handle(ask, tag) as handle:
            if ask.access is Access.READ:
                async with self._turn(ask):
                    ask = await self._engine.call(self._check_reader, handle, ask)
            if isinstance(ask.statement, Insert):
                summary = await self._engine.call(handle.insert, ask.statement)
                await answer.whole(b"", None, summary)
                return
            sql = ask.statement
            if ask.access is Access.WRITE:
                statements.only_one(await self._engine.call(handle.parse, sql))
            wanted = statements.format_of(sql, ask.default_format)
            if wanted in statements.STREAMED_FORMATS and statements.gives_rows(sql) and not ask.whole:
                await self._stream(handle, ask, sql, wanted, tag, answer)
            else:
                async with self._turn(ask):
                    result = await self._engine.call(handle.fetch, sql, wanted, ask.params, tag=tag)
                await answer.whole(result.body, wanted, result.summary)

    async def _stream(self, handle: Handle, ask: Ask, sql: str, format_: str, tag: str, answer: Answer) -> None:
        try:
            async with self._turn(ask):
                await self._engine.call(handle.start, sql, format_, ask.params, tag=tag)
                chunk = await self._engine.call(handle.next, tag=tag)
            while chunk is not None:
                # While its client takes what there is, it has no turn: one that does not read keeps nobody else from asking.
                self._sending[answer] = None
                await answer.chunk(chunk, format_)
                self._sending.pop(answer, None)
                async with self._turn(ask):
                    chunk = await self._engine.call(handle.next, tag=tag)
            await answer.end(format_)
        finally:
            self._sending.pop(answer, None)
            await self._engine.call(handle.finish)

    def _check_reader(self, handle: Handle, ask: Ask) -> Ask:
        """Refuse what a reader may not do; what is run instead of what it asks."""
        if isinstance(ask.statement, Insert):
            statements.only_reads(statements.Parsed("write", 1))
            return ask
        statements.only_reads(handle.parse(ask.statement))
        canonical = handle.canonical(ask.statement)
        statements.only_tables(canonical, self._engine.table_functions)
        shown = statements.showing_settings(canonical, self._reader_limits())
        return ask if shown is None else replace(ask, statement=shown)

    @asynccontextmanager
    async def _turn(self, ask: Ask) -> AsyncIterator[None]:
        """Let so many readers' queries compute at a time: the sink needs threads and memory too. Writers never wait."""
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
            yield
        finally:
            self._reading.release()

    @asynccontextmanager
    async def _place(self, ask: Ask) -> AsyncIterator[None]:
        """Let so many readers' queries be open at a time; where there are more, who does not take its answer has to go."""
        if ask.access is Access.WRITE:
            yield
            return
        if self._open >= self._settings.readers * _OPEN_A_TURN:
            slowest = next(iter(self._sending), None)
            if slowest is None:
                raise StatementRefused(
                    202, "TOO_MANY_SIMULTANEOUS_QUERIES", f"{self._open} readers' queries are open already: try again later"
                )
            log.warning("a reader that does not take its answer makes room for another one")
            del self._sending[slowest]
            slowest.abort()
        self._open += 1
        try:
            # The engine's own time limit does not count while nobody takes what it has: a slow client is ended here.
            async with asyncio.timeout(_seconds_of(ask, self._settings.reader_seconds) + _GRACE_SECONDS):
                yield
        finally:
            self._open -= 1

    @asynccontextmanager
    async def _handle(self, ask: Ask, tag: str) -> AsyncIterator[Handle]:
        """A handle with the request's database and settings: its engine session's, or a fresh one."""
        settings = {"max_memory_usage": str(self._settings.query_memory_bytes), **ask.settings, "log_comment": tag}
        if ask.access is Access.READ:
            if (ask.database or "").lower() == "system":
                raise StatementRefused(497, "ACCESS_DENIED", "this user may not have system as its database")
            settings = {
                **statements.reader_settings(ask.settings, self._reader_limits()),
                "log_comment": tag,
                "result_overflow_mode": "throw",
                # Last: from here on the handle takes no setting, and the engine itself refuses to write.
                "readonly": "1",
            }
        if ask.session is None or ask.access is Access.READ:
            async with self._engine.handle() as handle:
                await self._engine.call(_prepare, handle, ask.database, settings)
                yield handle
            return
        async with self._sessions.use(ask.user, ask.session, ask.session_seconds) as handle:
            # Settings in the query string last for one request; those that the session itself has set come back after it.
            before = await self._engine.call(handle.changed, list(settings))
            await self._engine.call(_prepare, handle, ask.database, settings)
            try:
                yield handle
            finally:
                await self._engine.call(handle.reset, [name for name in settings if name not in before])
                await self._engine.call(handle.set, before)

    def _reader_limits(self) -> dict[str, float]:
        """What a reader may have at most, by the engine's setting for it."""
        limits = self._settings
        return {
            "max_memory_usage": limits.query_memory_bytes,
            "max_execution_time": limits.reader_seconds,
            "max_result_rows": limits.reader_rows,
            "max_result_bytes": limits.reader_bytes,
            "max_temporary_data_on_disk_size_for_query": _SPILL_BYTES,
            "max_threads": 2,
        }


def _drop(answer: Answer) -> None:
    log.warning("a client did not take its answer in its time and was dropped")
    answer.abort()


def _seconds_of(ask: Ask, limit: float) -> float:
    """How long a reader's query may take: it may have lowered its limit."""
    try:
        return min(limit, float(ask.settings.get("max_execution_time", limit)))
    except ValueError:
        return limit


async def _form(request: web.Request) -> dict[str, str]:
    """The fields of a form, which are further parameters."""
    fields = {}
    for name, value in (await request.post()).items():
        if not isinstance(value, str):
            raise StatementRefused(48, "NOT_IMPLEMENTED", "external data is not supported: insert it into a table first")
        fields[name] = value
    return fields


async def _ping(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _prepare(handle: Handle, database: str | None, settings: Mapping[str, str]) -> None:
    if database:
        handle.use(database)
    handle.set(settings)
