"""The simulator as a process: SSI's REST API, SSI's SignalR hub, and the simulator's own ``/sim/*``, on one loopback port."""

import asyncio
import logging
import secrets
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import islice
from random import Random
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from connectors.ssi.simulator.core import hub, rest
from connectors.ssi.simulator.core.errors import ProtocolError, UnknownFault
from connectors.ssi.simulator.core.market import MarketDay, generate
from connectors.ssi.simulator.core.playback_clock import PlaybackClock
from connectors.ssi.simulator.core.released import Released
from connectors.ssi.simulator.core.tokens import accepts_token, issue_token
from connectors.ssi.simulator.core.truth import Deliveries, SimulatorStatus, StoryTruth
from connectors.ssi.simulator.faults import read_fault, strike
from connectors.ssi.simulator.hub_socket import HubSocket
from connectors.ssi.simulator.playback import Playback
from connectors.ssi.simulator.played_day import PlayedDay
from connectors.ssi.simulator.settings import HOST, SimulatorSettings
from schemas.calendar import ICT, as_day, at, last_trading_day
from schemas.errors import PortTaken
from schemas.units import UnixMs

logger = logging.getLogger(__name__)

_REST = "api/v2/market/"
_HUB = "v2.0/signalr/"
_SIM = "sim/"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_TRUTH_LINES = 500
"""Lines of ``/sim/truth`` that are written at a time; between two such parts the rest of the simulator gets its turn."""


async def run(settings: SimulatorSettings, stop: asyncio.Event) -> None:
    """Play a market day to whoever connects, and answer questions about it, until ``stop`` is set.

    Raises:
        PortTaken: Another process listens on ``settings.port``.

    """
    async with simulator(settings) as port:
        logger.info("SSI simulator on http://%s:%d (REST and stream; market clock at /sim/clock)", HOST, port)
        await stop.wait()


@asynccontextmanager
async def simulator(settings: SimulatorSettings) -> AsyncIterator[int]:
    """Run a simulator inside the ``async with``; gives the port that it listens on.

    Raises:
        PortTaken: Another process listens on ``settings.port``.

    """
    try:
        listening = socket.create_server((HOST, settings.port))
    except OSError as error:
        remedy = "Stop what is there, or set SIM_PORT to another port (0: any free one)"
        raise PortTaken.of(error, HOST, settings.port, remedy) from error
    day = settings.day or last_trading_day(as_day(datetime.now(ICT).date()))
    market = generate(settings.seed, day, Random, settings.size)
    # As fast as clients read is faster than a day is made: so it is made before it is played, and kept for the next time.
    played = PlayedDay(market, settings.cache, keep=settings.speed == "max" and settings.cache is not None)
    server = Simulator(market, played, settings)
    await server.playback.wind()
    application = web.Application(client_max_size=1 << 16)
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    # In a group, so that an error in the playback ends the whole process. Otherwise the market would just fall silent.
    async with asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(server.playback.play())
        try:
            await web.SockSite(runner, listening).start()
            yield int(listening.getsockname()[1])
        finally:
            playing.cancel()
            await server.close()
            await runner.cleanup()
            played.close()


class Simulator:
    """Answers every request. As at SSI, paths may be in upper or lower case and have more than one slash between their parts."""

    def __init__(self, market: MarketDay, played: PlayedDay, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._market = market
        self._key = secrets.token_bytes(32)
        self._tokens = hub.ConnectionTokens(self._key)
        self._reference = rest.ReferenceData(market.universe, market.day)
        released = Released(at(market.day, 0))
        self._deliveries = Deliveries(released)
        self._sockets: list[HubSocket] = []
        """The socket of every connection ever made, in the order of their numbers."""
        clock = PlaybackClock(
            settings.instant(market.day, settings.start),
            settings.instant(market.day, settings.end),
            None if settings.speed == "max" else settings.speed,
        )
        self.playback = Playback(market, played, clock, released, self._open)
        if not settings.wait_for_client:
            self.playback.begin()

    async def close(self) -> None:
        """Close every connection, as a server does that shuts down."""
        await asyncio.gather(*(hub_socket.close() for hub_socket in self._open()))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = "/".join(part for part in request.rel_url.raw_path.lower().split("/") if part)
        if path.startswith(_REST):
            return await self._answer_rest(request, path.removeprefix(_REST))
        if path.startswith(_HUB):
            try:
                return await self._answer_hub(request, path.removeprefix(_HUB))
            except ProtocolError as error:
                return web.Response(status=400, text=str(error))
        if path.startswith(_SIM):
            return await self._answer_sim(request, path.removeprefix(_SIM))
        return web.Response(status=404, text=f"no such path: SSI's are /{_REST}… and /{_HUB}…, the simulator's own /{_SIM}…")

    def _open(self) -> list[HubSocket]:
        return [hub_socket for hub_socket in self._sockets if hub_socket.is_open]

    # -- REST

    async def _answer_rest(self, request: web.Request, operation: str) -> web.Response:
        if operation == "accesstoken":
            return (
                self._grant(rest.read_credentials(await request.read())) if request.method == "POST" else web.Response(status=405)
            )
        token = self._bearer(request)
        if token is None:
            return _json(rest.unauthorized())
        if not accepts_token(self._key, token, int(time.time())):
            return _json(rest.unauthorized("Unauthorized"))
        answer = self._reference.answer(operation, request.query)
        return _json(answer) if answer is not None else web.Response(status=404)

    def _grant(self, credentials: tuple[str, str] | None) -> web.Response:
        wanted = (self._settings.consumer_id, self._settings.consumer_secret.get_secret_value())
        if credentials != wanted:
            logger.info(
                "refused an access token: the simulator takes SIM_CONSUMER_ID and SIM_CONSUMER_SECRET (demo and demo by default)"
            )
            return _json(rest.token_refused())
        return _json(rest.token_granted(issue_token(self._key, wanted[0], int(time.time()))))

    @staticmethod
    def _bearer(request: web.Request) -> str | None:
        """The access token of a request: in its header, or in its query, where the Java client sends it too."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token else request.query.get("access_token")

    def _is_authorized(self, request: web.Request) -> bool:
        token = self._bearer(request)
        return token is not None and accepts_token(self._key, token, int(time.time()))

    # -- SignalR

    async def _answer_hub(self, request: web.Request, verb: str) -> web.StreamResponse:
        if verb == "ping":
            return _text(hub.PONG)
        if verb == "abort":
            # Clients send no Authorization header with an abort.
            self._abort(self._tokens.connection_id(request.query.get("connectionToken")))
            return web.Response()
        if not self._is_authorized(request):
            return web.Response(status=401, text="Unauthorized")
        if verb == "negotiate":
            fresh = uuid.uuid4()
            return _json(hub.negotiated(str(fresh), self._tokens.issue(fresh), request.query.get("clientProtocol")))
        if verb not in ("connect", "reconnect", "start"):
            return web.Response(status=404)
        hub.check_transport(request.query.get("transport"))
        connection_id = self._tokens.connection_id(request.query.get("connectionToken"))
        if verb == "start":
            return _text(hub.STARTED)
        return await self._serve(request, connection_id, is_new=verb == "connect")

    async def _serve(self, request: web.Request, connection_id: str, is_new: bool) -> web.StreamResponse:
        connection = hub.HubConnection(len(self._sockets) + 1, connection_id, self._settings.most_waiting)
        if is_new:
            connection.open()
        else:
            connection.reopen()
        hub_socket = HubSocket(
            connection, request, self._deliveries, self.playback.now_ms, self.playback.snapshot, self.playback.begin
        )
        self._sockets.append(hub_socket)
        return await hub_socket.serve()

    def _abort(self, connection_id: str) -> None:
        for hub_socket in self._open():
            if hub_socket.connection.connection_id == connection_id:
                hub_socket.abort()

    # -- the simulator's own

    async def _answer_sim(self, request: web.Request, name: str) -> web.StreamResponse:
        if not _is_local(request):
            return web.Response(status=403, text="/sim/* answers requests to a loopback Host only: use http://127.0.0.1")
        match name, request.method:
            case "clock", "GET":
                return _json(self.playback.reading())
            case "status", "GET":
                return _json(self._status())
            case "truth", "GET":
                return await self._tell_truth(request)
            case "hold", "POST":
                self.playback.hold()
                return _json(self.playback.reading())
            case "resume", "POST":
                until = request.query.get("until", "")
                if until and not (until.isascii() and until.isdigit() and len(until) < 16):
                    return web.Response(status=400, text="until is a market time: milliseconds since 1970, as /sim/clock says it")
                self.playback.resume(UnixMs(int(until)) if until else None)
                return _json(self.playback.reading())
            case "faults", "POST":
                return await self._make_fault(request)
        return web.Response(
            status=404, text="GET /sim/clock, /sim/status or /sim/truth, or POST /sim/hold, /sim/resume or /sim/faults"
        )

    def _status(self) -> SimulatorStatus:
        return SimulatorStatus(
            state=self.playback.state,
            market_ms=self.playback.now_ms(),
            connections=[hub_socket.status() for hub_socket in self._sockets],
            records=sum(self._deliveries.sent().values()),
        )

    async def _tell_truth(self, request: web.Request) -> web.StreamResponse:
        stories = [
            StoryTruth(name=story.name, symbol=story.symbol, from_ms=story.from_ms, until_ms=story.until_ms)
            for story in self._market.stories
        ]
        malformed = sum(hub_socket.connection.malformed for hub_socket in self._sockets)
        lines = self._deliveries.lines(self.playback.facts(), self.playback.reading(), stories, malformed)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        try:
            while chunk := b"".join(islice(lines, _TRUTH_LINES)):
                await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            logger.info("who asked for the truth left before its end")
        return response

    async def _make_fault(self, request: web.Request) -> web.Response:
        try:
            fault = read_fault(await request.read())
        except UnknownFault as error:
            return web.Response(status=400, text=str(error))
        struck = strike(fault, self._open())
        logger.info("fault on %d connections: %s", struck, fault)
        return _json({"connections": struck})


def _is_local(request: web.Request) -> bool:
    """Whether Host, and Origin where there is one, name this machine: no web page from elsewhere may stop or break the market."""
    origin = request.headers.get("Origin")
    names = [urlsplit(f"//{request.host}").hostname]
    if origin is not None:
        names.append(urlsplit(origin).hostname)
    return all(name in _LOOPBACK for name in names)


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", charset="utf-8")


def _text(body: str) -> web.Response:
    return web.Response(text=body, content_type="application/json", charset="utf-8")
