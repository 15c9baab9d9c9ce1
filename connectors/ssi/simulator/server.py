"""The simulator as a process: SSI's REST API, SSI's SignalR hub, and the simulator's own ``/sim/*``, on one loopback port."""

import asyncio
import logging
import secrets
import socket
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import chain, islice
from random import Random
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import WSCloseCode, web

from connectors.ssi.simulator.captures import read_day
from connectors.ssi.simulator.core import hub, rest
from connectors.ssi.simulator.core.blocks import symbols_of
from connectors.ssi.simulator.core.errors import ProtocolError, UnknownFault, UnknownTransport, UnreadableDay, UnreadableLogbook
from connectors.ssi.simulator.core.faults import Refuse, Step, Unanswered, read_fault
from connectors.ssi.simulator.core.feed import DayFeed
from connectors.ssi.simulator.core.market import MarketDay, generate
from connectors.ssi.simulator.core.playback_clock import PlaybackClock
from connectors.ssi.simulator.core.quota import Quota
from connectors.ssi.simulator.core.record_faults import RecordPath
from connectors.ssi.simulator.core.released import Released
from connectors.ssi.simulator.core.rest import OPERATIONS, RestApi
from connectors.ssi.simulator.core.tokens import issue_token, name_of, owner_of
from connectors.ssi.simulator.core.truth import Deliveries, SimulatorStatus, StoryTruth, encode_line
from connectors.ssi.simulator.faults import Faults, read_schedule
from connectors.ssi.simulator.hub_socket import HubRoom, HubSocket
from connectors.ssi.simulator.logbook import Logbook, PastSocket, end_the_open
from connectors.ssi.simulator.playback import Playback
from connectors.ssi.simulator.played_day import PlayedDay
from connectors.ssi.simulator.settings import HOST, SimulatorSettings
from schemas.calendar import ICT, as_day, at, last_trading_day
from schemas.errors import PortTaken
from schemas.units import TradingDay, UnixMs

logger = logging.getLogger(__name__)

_REST = "api/v2/market/"
_HUB = "v2.0/signalr/"
_SIM = "sim/"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_STEPS: Mapping[str, Step] = {"negotiate": "negotiate", "connect": "connect", "reconnect": "connect", "start": "start"}
"""What is asked of the hub, and which step of the protocol that is."""
_LOOK_S = 0.05
"""How often it is looked whether a client that is not to be answered has given up, in seconds."""
_TRUTH_LINES = 500
"""Lines of ``/sim/truth`` and ``/sim/sent`` that are written at a time; in between the rest of the simulator gets its turn."""


async def run(settings: SimulatorSettings, stop: asyncio.Event, market: MarketDay | None = None) -> None:
    """Play a market day to whoever connects, and answer questions about it, until ``stop`` is set.

    ``market`` is a day of the caller's, instead of the one that ``settings`` ask for. It is made before anybody may connect.

    Raises:
        PortTaken: Another process listens on ``settings.port``.

    """
    async with simulator(settings, market) as port:
        logger.info("SSI simulator on http://%s:%d (REST and stream; market clock at /sim/clock)", HOST, port)
        await stop.wait()


@asynccontextmanager
async def simulator(settings: SimulatorSettings, given: MarketDay | None = None) -> AsyncIterator[int]:
    """Run a simulator inside the ``async with``; gives the port that it listens on. ``given`` is as ``market`` of :func:`run`.

    Raises:
        PortTaken: Another process listens on ``settings.port``.

    """
    try:
        listening = socket.create_server((HOST, settings.port))
    except OSError as error:
        remedy = "Stop what is there, or set SIM_PORT to another port (0: any free one)"
        raise PortTaken.of(error, HOST, settings.port, remedy) from error
    try:
        logbook = None if settings.state is None else Logbook(settings.state)
        remembered = logbook.remembered if logbook else None
        # Another trading day may have begun since.
        market = given or the_day(settings, remembered.day if remembered else None)
        if logbook is not None:
            logbook.begin(market.day, settings.made_from)
    except (UnreadableDay, UnreadableLogbook):
        listening.close()
        raise
    # A captured day is in a file already.
    cache = settings.cache if settings.recording is None and given is None else None
    played = PlayedDay(market, cache, keep=settings.keeps_the_day and given is None)
    if given is not None:
        await asyncio.to_thread(played.make_whole)
    server = Simulator(market, played, settings, logbook)
    await server.playback.wind()
    await server.go_on()
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
            if logbook is not None:
                logbook.close()


def the_day(settings: SimulatorSettings, day: TradingDay | None = None) -> MarketDay:
    """The day that ``settings`` ask for: generated, or captured or recorded in a file; ``day`` if they leave it open.

    Raises:
        UnreadableDay: The file holds no day, or cannot be read.
        FixtureError: The file is a fixture, and damaged.
    """
    if settings.recording is not None:
        return read_day(settings.recording)
    day = settings.day or day or last_trading_day(as_day(datetime.now(ICT).date()))
    return generate(settings.seed, day, Random, settings.size)


class Simulator:
    """Answers every request. As at SSI, paths may be in upper or lower case and have more than one slash between their parts."""

    def __init__(self, market: MarketDay, played: PlayedDay, settings: SimulatorSettings, logbook: Logbook | None = None) -> None:
        self._settings = settings
        self._market = market
        self._token_key = secrets.token_bytes(32)
        """Signs access tokens. When it changes, those issued before are expired."""
        self._revoked: set[str] = set()
        """The keys that are no longer taken. A simulator that is killed and started again takes them again."""
        self._tokens = hub.ConnectionTokens(secrets.token_bytes(32))
        self._logbook = logbook
        self._sockets: list[HubSocket | PastSocket] = []
        """The socket of every connection ever made, in the order of their numbers."""
        symbols = symbols_of(market)
        schedule = read_schedule(settings.faults)
        self._faults = Faults(market.day, symbols, schedule, self._open, self._expire_tokens, self._revoke)
        derives, remembers = settings.recording is None, self._faults.on_records.need_older
        released = Released(at(market.day, 0), derives=derives)
        feed = DayFeed(symbols, released, derives=derives, remembers=remembers)
        self._deliveries = Deliveries(released)
        self._played = played
        clock = PlaybackClock(*settings.span(market), None if settings.speed == "max" else settings.speed)
        note = None if logbook is None else logbook.write
        self.playback = Playback(market, played, clock, released, feed, self._open, self._faults, note)
        self._rest = RestApi(market, played.facts, lambda symbol: feed.last("MI", symbol), Random)
        self._quota = Quota.parse(settings.quota)
        self._room = HubRoom(
            customs=settings.customs,
            deliveries=self._deliveries,
            now_ms=self.playback.now_ms,
            wall_ms=_wall_ms,
            snapshot=self.playback.snapshot,
            on_answered=self.playback.begin,
            gates=self._faults.gates,
            path=lambda connection: RecordPath(self._faults.on_records, feed.older, self._faults.log, connection),
            note=note,
        )

    async def go_on(self) -> None:
        """Begin the day; or go on with that of an earlier run, if there was one. Call it once the playback is wound."""
        remembered = self._logbook.remembered if self._logbook else None
        if self._logbook is not None and remembered is not None:
            write, clock = self._logbook.write, remembered.clock
            killed_ms = self.playback.at(clock, self._logbook.last_written_s) if clock else self.playback.now_ms()
            end_the_open(remembered, killed_ms, write)
            now_ms = self.playback.at(clock, time.time()) if clock else self.playback.now_ms()
            self._faults.restore(remembered.faults, now_ms)
            if clock is not None:
                await self.playback.go_on(clock)
            # Only now are the records there that had been due.
            self._faults.on_records.restore(remembered.faults, self._played.text_of)
            for place, connection in remembered.delivered:
                self._deliveries.put(place, connection)
            most = self._settings.most_waiting
            self._sockets += [PastSocket(past, self._deliveries, most) for past in remembered.connections]
            logger.info(
                "going on with the day of an earlier run at %s, after %d connections",
                datetime.fromtimestamp(now_ms / 1000, ICT).time(),
                len(self._sockets),
            )
        if self._logbook is not None:
            self._faults.log.note = self._logbook.write
        if not self._settings.wait_for_client:
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
        return _json(rest.no_resource(str(request.url)), status=404)

    def _open(self) -> list[HubSocket]:
        return [hub_socket for hub_socket in self._sockets if isinstance(hub_socket, HubSocket) and hub_socket.is_open]

    # -- REST

    async def _answer_rest(self, request: web.Request, operation: str) -> web.StreamResponse:
        is_token = operation == "accesstoken"
        if (spoilt := await self._spoilt(request, "token" if is_token else "rest")) is not None:
            return spoilt
        if (wait_s := self._quota.call(time.monotonic())) is not None:
            return web.Response(status=429, text=self._quota.exceeded, headers={"Retry-After": str(wait_s)})
        if is_token:
            if request.method != "POST":
                return _json(rest.wrong_method(request.method), status=405)
            return self._grant(rest.read_credentials(await request.read()))
        if operation not in OPERATIONS:
            return _json(rest.no_resource(str(request.url), operation), status=404)
        if request.method != "GET":
            return _json(rest.wrong_method(request.method), status=405)
        token = self._bearer(request)
        if token is None:
            return _json(rest.unauthorized())
        if self._owner(request) is None:
            return _json(rest.unauthorized("Unauthorized"))
        return _json(self._rest.answer(operation, request.query, self.playback.released, self.playback.now_ms()))

    def _grant(self, credentials: tuple[str, str] | None) -> web.Response:
        consumer_id, secret = credentials or ("", "")
        taken = self._settings.consumers - self._revoked
        if consumer_id not in taken or secret != self._settings.consumer_secret.get_secret_value():
            logger.info(
                "refused an access token: the simulator takes SIM_CONSUMER_ID and SIM_CONSUMER_SECRET (demo and demo by default)"
            )
            return _json(rest.token_refused())
        return _json(rest.token_granted(issue_token(self._token_key, consumer_id, int(time.time()))))

    def _expire_tokens(self) -> None:
        self._token_key = secrets.token_bytes(32)

    def _revoke(self, consumer_id: str) -> list[HubSocket]:
        self._revoked.add(consumer_id)
        owner = name_of(self._token_key, consumer_id)
        return [hub_socket for hub_socket in self._open() if hub_socket.owner == owner]

    async def _spoilt(self, request: web.Request, step: Step) -> web.Response | None:
        """What a fault answers a request of ``step``; None where none spoils it. It may never answer at all."""
        match self._faults.gates.take(step, self.playback.now_ms()):
            case Refuse(status=status, body=body, retry_after=retry_after):
                headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
                kind = "application/json" if body.startswith("{") else "text/plain"
                return web.Response(status=status, text=body, headers=headers, content_type=kind)
            case Unanswered():
                await _given_up(request)
                return web.Response()
        return None

    @staticmethod
    def _bearer(request: web.Request) -> str | None:
        """The access token of a request: in its header, or in its query, where the Java client sends it too."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token else request.query.get("access_token")

    def _owner(self, request: web.Request) -> str | None:
        """The key that a request was made with; None when its token is not valid."""
        token = self._bearer(request)
        owner = None if token is None else owner_of(self._token_key, token, int(time.time()))
        return None if owner in {name_of(self._token_key, revoked) for revoked in self._revoked} else owner

    # -- SignalR

    async def _answer_hub(self, request: web.Request, verb: str) -> web.StreamResponse:
        if verb == "ping":
            return _text(hub.PONG)
        if verb == "abort":
            # Clients send no Authorization header with an abort.
            self._abort(self._tokens.connection_id(request.query.get("connectionToken")))
            return web.Response()
        if verb not in _STEPS:
            raise UnknownTransport
        step: Step = _STEPS[verb]
        if (spoilt := await self._spoilt(request, step)) is not None:
            return spoilt
        owner = self._owner(request)
        if owner is None:
            return web.Response(status=401, text="Unauthorized")
        if verb == "negotiate":
            fresh = uuid.uuid4()
            token = self._tokens.issue(fresh)
            return _json(hub.negotiated(str(fresh), token, request.query.get("clientProtocol"), self._room.customs))
        hub.check_transport(request.query.get("transport"))
        connection_id = self._tokens.connection_id(request.query.get("connectionToken"))
        if verb == "start":
            return _text(hub.STARTED)
        return await self._serve(request, connection_id, owner, is_new=verb == "connect")

    async def _serve(self, request: web.Request, connection_id: str, owner: str, is_new: bool) -> web.StreamResponse:
        connection = hub.HubConnection(len(self._sockets) + 1, connection_id, self._settings.most_waiting, self._room.customs)
        hub_socket = HubSocket(connection, request, self._room, owner)
        if self._room.customs.evicts:
            for other in self._open():
                if other.owner == owner:
                    other.part("evicted", WSCloseCode.OK, "")
        self._sockets.append(hub_socket)
        return await hub_socket.serve(connection.open if is_new else connection.reopen)

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
            case "sent", "GET":
                return await self._tell_sent(request)
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
            status=404, text="GET /sim/clock, /sim/status, /sim/truth or /sim/sent, or POST /sim/hold, /sim/resume or /sim/faults"
        )

    def _status(self) -> SimulatorStatus:
        return SimulatorStatus(
            state=self.playback.state,
            market_ms=self.playback.now_ms(),
            told_ms=_wall_ms(),
            connections=[hub_socket.status() for hub_socket in self._sockets],
            records=sum(self._deliveries.sent().values()),
        )

    async def _tell_truth(self, request: web.Request) -> web.StreamResponse:
        stories = [
            StoryTruth(name=story.name, symbol=story.symbol, from_ms=story.from_ms, until_ms=story.until_ms)
            for story in self._market.stories
        ]
        malformed = sum(hub_socket.connection.malformed for hub_socket in self._sockets)
        log = self._faults.log
        lines = self._deliveries.lines(
            self.playback.facts(), self.playback.reading(), stories, malformed, log.faults, log.affected
        )
        faults, affected = log.fault_lines(log.faults), log.affected_lines(log.affected)
        return await _stream(request, chain(lines, map(encode_line, faults), map(encode_line, affected)))

    async def _tell_sent(self, request: web.Request) -> web.StreamResponse:
        """Tell what was put on a connection, record by record, as :class:`~connectors.ssi.simulator.core.journal.SentLine`."""
        number = request.query.get("connection", "")
        if not number.isdecimal() or not 1 <= int(number) <= len(self._sockets):
            return web.Response(status=404, text=f"GET /sim/sent?connection=N, with N from 1 to {len(self._sockets)}")
        return await _stream(request, self._sockets[int(number) - 1].journal.lines(self._played.text_of))

    async def _make_fault(self, request: web.Request) -> web.Response:
        try:
            fault = read_fault(await request.read())
        except UnknownFault as error:
            return web.Response(status=400, text=str(error))
        struck = self._faults.do(fault, self.playback.now_ms())
        logger.info("fault on %d connections: %s", struck, fault)
        return _json({"connections": struck})


def _wall_ms() -> UnixMs:
    """The time by this machine's clock."""
    return UnixMs(time.time_ns() // 1_000_000)


def _is_local(request: web.Request) -> bool:
    """Whether Host, and Origin where there is one, name this machine: no web page from elsewhere may stop or break the market."""
    origin = request.headers.get("Origin")
    names = [urlsplit(f"//{request.host}").hostname]
    if origin is not None:
        names.append(urlsplit(origin).hostname)
    return all(name in _LOOPBACK for name in names)


async def _given_up(request: web.Request) -> None:
    """Wait until the client has closed its connection; aiohttp tells nobody when it does."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_S)


async def _stream(request: web.Request, lines: Iterator[bytes]) -> web.StreamResponse:
    """Answer with many lines, a part at a time."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    try:
        while chunk := b"".join(islice(lines, _TRUTH_LINES)):
            await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        logger.info("who asked for %s left before its end", request.path)
    return response


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json", charset="utf-8")


def _text(body: str) -> web.Response:
    return web.Response(text=body, content_type="application/json", charset="utf-8")
