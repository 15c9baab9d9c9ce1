"""The gateway's routes: the dashboard, the WebSocket, REST snapshots, and what operators ask."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from socket import gethostname

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway import metrics
from gateway.core import wire
from gateway.core.access import (
    HEADERS,
    HISTORY,
    BadToken,
    Identity,
    bearer,
    client_address,
    cross_origin_headers,
    host_allowed,
    is_within,
    origin_allowed,
)
from gateway.core.channels import CHANNELS
from gateway.core.errors import ArchiveAway, Refused, TooManyQuestions
from gateway.core.history import QUESTIONS, ArchiveQuestion, BadQuestion, statement
from gateway.core.selection import EVERYTHING, Audience, Selection
from gateway.core.subscriber import Close, Subscriber, knows
from gateway.door import Door
from gateway.event_stream import serve_events
from gateway.fanout import Client, Fanout, Until
from gateway.framer import SocketOutlet
from gateway.history import ArchiveAnswers
from gateway.replays import Replays
from gateway.settings import THIS_MACHINE, GatewaySettings
from gateway.tokens import TokenCheck
from schemas.stock_v1 import PROTOCOL, CloseCode

SPREAD = 0.1
"""By which part of it a connection may end before it is as old as it may get."""
AT_ONCE_MS = 1_000
"""Within how long clients are told to come back whose connection was too old: there is no reason to wait."""
STREAM = "/v1/stream"
EXTENSIONS = "Sec-WebSocket-Extensions"
NO_TAKEOVER = ("server_no_context_takeover", "client_no_context_takeover")
WEB = Path(__file__).parent / "web"
PING_S = 20.0
"""How often clients are sent a ping, in seconds; a connection is dropped when one is not answered in half that time."""
FAREWELL_S = 3.0
"""How long a client may take to answer a close frame, in seconds."""

IDENTITY = web.RequestKey("identity", Identity)
"""Whom the token of a request names."""
_NAMED = 20
"""Of how many symbols that are not known an answer says so."""
_REASON_LENGTH = 400

log = logging.getLogger(__name__)


def now_ms() -> int:
    """The gateway's wall clock."""
    return time.time_ns() // 1_000_000


class Gateway:
    """The routes, and what they share."""

    def __init__(self, settings: GatewaySettings, fanout: Fanout, reason: Callable[[], str]) -> None:
        """Prepare.

        Args:
            settings: Who may connect.
            fanout: The board and the clients.
            reason: Why the gateway is not ready; empty when it is.
        """
        self._settings = settings
        self._fanout = fanout
        fanout.deflates = settings.compress
        self._reason = reason
        self._connections: set[asyncio.Task[None]] = set()
        self._names = {settings.host, gethostname().lower(), *settings.hosts}
        self._per_address: Counter[str] = Counter()
        """How many WebSockets there are from each address that is counted."""
        self._history = ArchiveAnswers(settings)
        self._replays = Replays(self._history, settings.max_replays, now_ms)
        self.tokens = TokenCheck(settings, now_ms) if settings.has_accounts else None
        """Says who clients are; None where there are no accounts."""
        self.door: Door | None = None
        """The way in, if it is this package's own."""
        self.own_port: int | None = None
        """Where only this process listens, if it shares the address that clients use with others."""

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[*([self.door.watch] if self.door else []), self._guard])
        app.on_response_prepare.append(self._add_headers)
        app.router.add_get("/", self._dashboard)
        app.router.add_get("/v1/ws", self._websocket)
        app.router.add_get(STREAM, self._event_stream, allow_head=False)
        app.router.add_get("/api/v1/snapshot/{channel}", self._snapshot)
        app.router.add_get("/api/v1/symbols", self._symbols)
        app.router.add_get("/api/v1/about", self._about)
        for name, question in QUESTIONS.items():
            app.router.add_get(f"/api/v1/{name}{'/{symbol}' if question.has_symbol else ''}", partial(self._past, question))
        app.on_cleanup.append(self._close)
        for path in ("/api/{rest:.*}", STREAM):
            app.router.add_route("OPTIONS", path, self._preflight)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        for folder in ("css", "js", "vendor"):
            app.router.add_static(f"/{folder}", WEB / folder)
        app.router.add_get("/favicon.svg", self._favicon)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        settings = self._settings
        if not host_allowed(request.host, self._names, settings.origins):
            metrics.REFUSED.labels("host").inc()
            text = f"this is {settings.host}: open it by that name, or add the one you use to GATEWAY_HOSTS\n"
            return web.Response(status=421, text=text)
        if self.tokens is not None and request.path.startswith(("/api/", STREAM)) and request.method != "OPTIONS":
            try:
                request[IDENTITY] = self.tokens.identify(bearer(request.headers.get("Authorization")) or "")
            except BadToken as error:
                metrics.REFUSED.labels("token").inc()
                return _problem(401, str(error), {"WWW-Authenticate": "Bearer"})
            except Refused as refused:
                return _problem(503, refused.reason)
        return await handler(request)

    async def _preflight(self, _request: web.Request) -> web.Response:
        # What may be asked is said in the headers, as with every answer.
        return web.Response(status=204)

    async def _dashboard(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(WEB / "index.html")

    async def _favicon(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(WEB / "favicon.svg")

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        reason = self._reason()
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ready'}\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        if "X-Forwarded-For" in request.headers or not is_within(request.remote or "", self._settings.metrics_from):
            metrics.REFUSED.labels("metrics").inc()
            return web.Response(status=403, text="this address may not read metrics: add it to GATEWAY_METRICS_FROM\n")
        if self.own_port is not None and _asked_at(request) != self.own_port:
            return web.Response(status=421, text="each worker has metrics of its own: ask GATEWAY_PORT + its number, from 1 on\n")
        metrics.READY.set(not self._reason())
        metrics.SENT.settle()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _snapshot(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        board, recent = self._fanout.board, self._fanout.recents.get(channel)
        if channel not in CHANNELS:
            return _problem(404, f"no such channel: there are {', '.join(CHANNELS)}")
        if not _may_have(request, channel):
            return _problem(403, f"the token is not good for channel {channel}")
        if not (board if recent is None else recent).complete:
            return _problem(503, self._reason() or "still reading Kafka")
        cursor = board.cursor(channel) if recent is None else recent.cursor()
        headers = {"ETag": f'"{cursor}"'} if cursor else {}
        if cursor and request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        words = dict.fromkeys(request.query.get("sym", EVERYTHING).split(","))
        if unknown := [word for word in words if not knows(board, channel, word)]:
            return _problem(404, f"channel {channel} has none of these now: {', '.join(unknown[:_NAMED])}"[:_REASON_LENGTH])
        # Of its own, not one of the directory's: nobody keeps what somebody asked for once.
        audience = Audience(Selection.of(words), board.directory)
        if recent is not None:
            rows = [event.row for event in recent.since(None)[0] if audience.has(event.symbol)]
        else:
            table = board.tables[channel]
            rows = table.fragments(audience.choose(table.rows))
        return web.Response(body=wire.rest_snapshot(channel, rows, cursor), content_type="application/json", headers=headers)

    async def _symbols(self, request: web.Request) -> web.Response:
        board = self._fanout.board
        if not _may_have(request, "ref"):
            return _problem(403, "the token is not good for channel ref")
        if not board.complete:
            return _problem(503, self._reason() or "still reading Kafka")
        table = board.tables["ref"]
        return web.Response(
            body=wire.rest_snapshot("ref", table.fragments(sorted(table.rows)), board.cursor("ref")),
            content_type="application/json",
        )

    async def _about(self, _request: web.Request) -> web.Response:
        return web.json_response({"release": version("stock-tracker"), "protocol": PROTOCOL})

    async def _past(self, question: ArchiveQuestion, request: web.Request) -> web.Response:
        if not _may_have(request, HISTORY):
            return _problem(403, f"the token is not good for {HISTORY}")
        try:
            asked = statement(question, request.match_info.get("symbol"), dict(request.query))
        except BadQuestion as error:
            return _problem(400, str(error))
        try:
            return web.json_response(await self._history.ask(question, asked, self._counted_address(request)))
        except TooManyQuestions as error:
            metrics.REFUSED.labels("questions").inc()
            return _problem(429, str(error), {"Retry-After": "1"})
        except ArchiveAway as error:
            log.warning("the archive: %s", error.detail)
            return _problem(503, str(error))

    def _counted_address(self, request: web.Request) -> str | None:
        """Where a request comes from; None from this machine and from proxies, which are not counted."""
        proxies = self._settings.proxies
        address = client_address(request.remote or "", request.headers.get("X-Forwarded-For"), proxies)
        return None if is_within(address, (*THIS_MACHINE, *proxies)) else address

    async def _close(self, _app: web.Application) -> None:
        await self._history.close()

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if (foreign := self._foreign(request)) is not None:
            return foreign
        fanout = self._fanout
        socket = web.WebSocketResponse(
            compress=self._settings.compress,
            max_msg_size=fanout.limits.message_bytes,
            heartbeat=PING_S,
            timeout=FAREWELL_S,
            protocols=(PROTOCOL,),
        )
        if not await self._upgrade(request, socket):
            return web.Response()
        with self._place(request) as refused:
            if refused:
                # Accepted first: a browser is not told why an upgrade was refused.
                await socket.close(code=CloseCode.CONNECTION_LIMIT, message=refused.encode())
                metrics.CLOSED.labels(CloseCode.CONNECTION_LIMIT).inc()
                return socket
            return await self._serve(request, socket)

    def _foreign(self, request: web.Request) -> web.Response | None:
        """The answer to a page that may not connect; None where it may."""
        if origin_allowed(request.headers.get("Origin"), request.host, self._settings.origins):
            return None
        metrics.REFUSED.labels("origin").inc()
        return web.Response(status=403, text="this origin may not connect: add it to GATEWAY_ORIGINS\n")

    @contextmanager
    def _place(self, request: web.Request) -> Iterator[str]:
        """Count the connection of ``request`` while it lasts; gives why it may not be, empty where it may."""
        settings = self._settings
        address = self._counted_address(request)
        too_many = address is not None and self._per_address[address] >= settings.max_per_address
        if too_many or len(self._fanout.clients) >= settings.max_connections:
            yield "too many connections from this address" if too_many else "too many connections"
            return
        if address is not None:
            self._per_address[address] += 1
        try:
            yield ""
        finally:
            if address is not None:
                self._per_address[address] -= 1
                if not self._per_address[address]:
                    del self._per_address[address]

    def _until(self) -> Until | None:
        """When a connection that begins now has lasted long enough."""
        if self._settings.max_age_s is None:
            return None
        lasts_s = self._settings.max_age_s * (1 - SPREAD * random.random())
        return Until(now_ms() + int(lasts_s * 1_000), random.randrange(AT_ONCE_MS))

    async def _event_stream(self, request: web.Request) -> web.StreamResponse:
        if (foreign := self._foreign(request)) is not None:
            return foreign
        with self._place(request) as refused:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - aiohttp runs handlers in tasks
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
            identify = None if self.tokens is None else self.tokens.identify
            return await serve_events(request, self._fanout, identify, request.get(IDENTITY), refused, self._until())

    async def _upgrade(self, request: web.Request, socket: web.WebSocketResponse) -> bool:
        """Answer the upgrade; what comes after it is frames. Whether the client is still there."""
        connection = self.door.connection_of(request) if self.door else None
        if connection is not None:
            connection.expect_frames(are_due=True)
        try:
            await socket.prepare(request)
        except ConnectionError:
            metrics.REFUSED.labels("gone").inc()
            return False
        except BaseException:
            if connection is not None:
                connection.expect_frames(are_due=False)
            raise
        return True

    async def _serve(self, request: web.Request, socket: web.WebSocketResponse) -> web.StreamResponse:
        fanout = self._fanout
        outlet = SocketOutlet(request, socket)
        reading = asyncio.current_task()
        assert reading is not None  # noqa: S101 - aiohttp runs handlers in tasks
        farewell: list[Close] = []

        def end(close: Close) -> None:
            farewell.append(close)
            # Unless it is this task itself that ends the connection, it waits for the client's next message.
            if asyncio.current_task() is not reading:
                reading.cancel()

        identify = None if self.tokens is None else self.tokens.identify
        subscriber = Subscriber(fanout.board, fanout.recents, fanout.limits, now_ms(), identify)
        client = Client(subscriber, outlet, end, now_ms(), self._until())
        self._connections.add(reading)
        reading.add_done_callback(self._connections.discard)
        fanout.join(client)
        try:
            await self._read(socket, client)
        except asyncio.CancelledError:
            if not farewell:
                raise
            reading.uncancel()
        finally:
            fanout.leave(client)
            self._replays.leave(client)
        if farewell:
            await _part(socket, outlet, farewell[0])
        # aiohttp says 1006 of what it ended itself. A client may close with any code: ours, and the protocol's, become a label.
        fault = socket.exception()
        code = fault.code if isinstance(fault, WebSocketError) else socket.close_code or 0
        metrics.CLOSED.labels(code if code < 3_000 or code in set(CloseCode) else "client").inc()
        return socket

    async def _read(self, socket: web.WebSocketResponse, client: Client) -> None:
        """Hand the client's messages on until either side ends the connection."""
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"text only")
                return
            self._fanout.receive(client, message.data)
            self._replays.follow(client)
            if client.ending:
                return

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-cache")
        if (taken := response.headers.get(EXTENSIONS)) is not None:
            # Neither side is to remember what was sent before: we make one message for many, and keep nothing of anybody's.
            response.headers[EXTENSIONS] = "; ".join(dict.fromkeys([*taken.split("; "), *NO_TAKEOVER]))
        if request.path.startswith(("/api/", "/js/", STREAM)):
            response.headers.update(cross_origin_headers(request.headers.get("Origin"), self._settings.origins))

    async def say_farewells(self) -> None:
        """Wait until the connections that are being closed are closed."""
        if self._connections:
            await asyncio.wait(self._connections, timeout=2 * FAREWELL_S)


async def _part(socket: web.WebSocketResponse, outlet: SocketOutlet, close: Close) -> None:
    """Close a connection; one whose client does not read is dropped."""
    log.info("closing a connection: %s (%d)", close.reason, close.code)
    try:
        async with asyncio.timeout(FAREWELL_S):
            await socket.close(code=close.code, message=close.reason.encode())
    except TimeoutError:
        outlet.abort()


def _asked_at(request: web.Request) -> int | None:
    """The port that a request came to."""
    name = request.get_extra_info("sockname")
    return name[1] if isinstance(name, tuple) else None


def _may_have(request: web.Request, what: str) -> bool:
    identity = request.get(IDENTITY)
    return identity is None or identity.may_have(what)


def _problem(status: int, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": reason}, status=status, headers=headers)
