"""The gateway as a service: reads Kafka, serves clients, and leaves in good order."""

import asyncio
import logging
import random
import socket
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from aiohttp import web

from gateway.app import Gateway, now_ms
from gateway.core.board import Board
from gateway.core.doorkeeper import IDLE_MS, Doorkeeper
from gateway.core.errors import ReaderDied
from gateway.core.events import recents
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.core.subscriber import Close
from gateway.door import PORT_REMEDY, Door, places, raise_descriptors
from gateway.event_reader import EventReader
from gateway.fanout import Fanout
from gateway.follower import Follower, Post
from gateway.settings import THIS_MACHINE, GatewaySettings
from gateway.state_reader import StateReader
from schemas.errors import PortTaken
from schemas.stock_v1 import CloseCode
from schemas.tracing import Tracer

COME_BACK_WITHIN_MS = 5_000
"""Clients that are sent away are told to come back after a random time of at most this, so that they do not come all at once."""
GOODBYE_S = 0.5
"""How long clients have to read that, before their connections are closed."""
LOOPBACK = "127.0.0.1"
READERS_S = 5.0
"""How long a reader's thread may take to end."""
WATCH_S = 1.0
"""How often to see that the readers' threads are there, in seconds."""
FORCE_S = 2.0
"""How long requests that are being answered may take to end."""

log = logging.getLogger(__name__)


class Readiness:
    """Why the gateway is not ready, by the reader that says so, and whether one of them cannot go on."""

    def __init__(self, *names: str, when_ready: Callable[[], None]) -> None:
        self._reasons = dict.fromkeys(names, "starting: Kafka has not been read yet")
        self._was_ready = False
        self._when_ready = when_ready
        self.failure: Exception | None = None
        """What ended a reader before its time."""
        self.failed = asyncio.Event()
        """Set with it."""

    def note(self, name: str, reason: str) -> None:
        """Take what ``name`` says of itself; empty means ready."""
        self._reasons[name] = reason
        if not self._was_ready and not self.reason():
            self._was_ready = True
            self._when_ready()

    def ended(self, error: Exception) -> None:
        """Take what ended a reader; the first one counts."""
        log.error("the gateway cannot go on: %s", str(error) or repr(error))
        self.failure = self.failure or error
        self.failed.set()

    async def watch_forever(self, readers: Iterable[Follower]) -> None:
        """See that the readers' threads are there, whatever has become of them."""
        while True:
            await asyncio.sleep(WATCH_S)
            for reader in readers:
                if reader.is_over and not self.failed.is_set():
                    self.ended(ReaderDied(reader.name))

    def stopping(self) -> str:
        """Be ready no more, because the gateway stops; what to tell the clients."""
        self._reasons = {"gateway": str(self.failure or "shutting down")}
        return "shutdown" if self.failure is None else "cannot go on"

    def reason(self) -> str:
        """All reasons; empty when there is none."""
        return "; ".join(dict.fromkeys(reason for reason in self._reasons.values() if reason))


class Worker(NamedTuple):
    """One of several gateways that share an address."""

    number: int
    """From 1 on. It listens by itself, too, at the port that is so much higher, on this machine only: for its metrics."""
    listening: socket.socket
    """Its own (:func:`gateway.door.shared_sockets`)."""


async def run(
    settings: GatewaySettings,
    stop: asyncio.Event,
    listening: Callable[[str], None] | None = None,
    when_ready: Callable[[], None] = lambda: None,
    when_leaving: Callable[[], None] = lambda: None,
    worker: Worker | None = None,
    tracer: Tracer | None = None,
) -> None:
    """Serve until ``stop`` is set, then send the clients away and return within ten seconds.

    Args:
        settings: Where to listen and what to read.
        stop: Set by the caller when it is time to go.
        listening: Told the URL once connections are accepted; readiness comes later (``/readyz``).
        when_ready: Called once, when Kafka has been read for the first time: the board, which stays for good, is there.
        when_leaving: Called once, before the clients are sent away.
        worker: Which of several this is; None when it is alone.
        tracer: Takes the spans of messages that have a trace; None to look for none.

    Raises:
        InsecureBind: The address can be reached from outside, and nobody said that this is meant.
        PortTaken: Another process listens there.
        NewerMessage: A newer release writes one of the topics. The clients have been sent away.
        TooManyDeadLetters: Most of what was read cannot be used. The clients have been sent away.
    """
    settings.require_safe_bind()
    limits = ClientLimits(default_ms=settings.throttle_ms)
    readiness = Readiness("state", "events", when_ready=when_ready)
    fanout = Fanout(Board(), recents(), Connectors(), limits, now_ms, readiness.reason)
    gateway = Gateway(settings, fanout, readiness.reason)

    keeper = Doorkeeper(places(settings.max_connections, raise_descriptors()), settings.max_per_address)
    gateway.door = door = Door(keeper, (*THIS_MACHINE, *settings.proxies))
    runner = web.AppRunner(gateway.application(), access_log=None, keepalive_timeout=IDLE_MS / 1_000, shutdown_timeout=FORCE_S)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - set up
    try:
        url = await _listen(settings, gateway, door, runner.server, worker)
    except PortTaken:
        await runner.cleanup()
        raise
    log.info("dashboard at %s/, WebSocket at %s/v1/ws", url, url.replace("http", "ws", 1))
    if listening is not None:
        listening(url)

    loop = asyncio.get_running_loop()
    post = Post(loop, readiness.ended)
    readers: tuple[Follower, ...] = (
        StateReader(fanout, settings, post, readiness, tracer),
        EventReader(fanout, settings, post, readiness, tracer),
    )
    for reader in readers:
        reader.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                *(tasks.create_task(fanout.flush_forever(throttle_ms)) for throttle_ms in limits.classes if throttle_ms),
                tasks.create_task(fanout.pump_forever()),
                tasks.create_task(fanout.watch_forever()),
                tasks.create_task(door.sweep_forever()),
                tasks.create_task(readiness.watch_forever(readers)),
                *([tasks.create_task(gateway.tokens.fetch_forever())] if gateway.tokens else []),
            ]
            await _first_of(stop, readiness.failed)
            # Nobody who is sent away may come back to this instance.
            door.close()
            when_leaving()
            await _send_away(fanout, gateway, readiness.stopping())
            for task in running:
                task.cancel()
        if readiness.failure is not None:
            raise readiness.failure
    finally:
        door.close()
        for reader in readers:
            reader.stop()
        for reader in readers:
            await asyncio.to_thread(reader.join, READERS_S)
        await runner.cleanup()


async def _listen(settings: GatewaySettings, gateway: Gateway, door: Door, server: web.Server, worker: Worker | None) -> str:
    """Accept connections from now on; the URL that clients use.

    Raises:
        PortTaken: Another process listens there.
    """
    host, port = settings.host, settings.port
    try:
        if worker is None:
            _, port = await door.listen(host, port, server)
        else:
            _, port = await door.listen_at(worker.listening, server)
            host, gateway.own_port = LOOPBACK, port + worker.number
            await door.listen(host, gateway.own_port, server)
            log.info("worker %d, whose metrics are at http://%s:%d/metrics", worker.number, host, gateway.own_port)
    except OSError as error:
        raise PortTaken.of(error, host, gateway.own_port or port, PORT_REMEDY) from error
    return f"http://{_bracketed(settings.host)}:{port}"


async def _first_of(*events: asyncio.Event) -> None:
    """Wait until one of ``events`` is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _send_away(fanout: Fanout, gateway: Gateway, reason: str) -> None:
    if not fanout.clients:
        return
    began = time.monotonic()
    fanout.say_goodbye(lambda: random.randrange(COME_BACK_WITHIN_MS), reason)
    await asyncio.sleep(GOODBYE_S)
    fanout.end_all(Close(CloseCode.SHUTDOWN, reason))
    await gateway.say_farewells()
    log.info("sent the clients away in %.1f s", time.monotonic() - began)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
