"""The way in: TCP connections, before and beside what aiohttp makes of them.

aiohttp has no time-out for a request that does not come, no limit of connections, and takes WebSocket frames that are not masked.
:mod:`gateway.core.doorkeeper` decides who may come and stay; here that is done.
"""

import asyncio
import logging
import resource
import socket
import time
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from aiohttp import WSCloseCode, web

from gateway import metrics
from gateway.core.access import is_within
from gateway.core.doorkeeper import Doorkeeper
from gateway.core.frame_check import FrameCheck
from gateway.core.limits import Allowance
from schemas.errors import PortTaken
from schemas.stock_v1 import CloseCode
from schemas.units import MonotonicMs

ACCEPTED_AT_ONCE: Final = 16
"""Connections that are accepted in a turn of the event loop. Each takes a descriptor, and one that is refused gives it back some
turns later: those of four turns have to fit into what is reserved."""
BACKLOG: Final = 4_096
"""Connections that the kernel keeps until they are accepted."""
RESERVED: Final = 128
"""Descriptors that are kept for Kafka, files, and connections that are being refused."""
PORT_REMEDY: Final = "Stop what is there, or set GATEWAY_PORT to a free port"
SWEEP_S: Final = 1.0
"""How often to look who has waited too long, in seconds."""
FRAMES_PER_S: Final = 100
"""WebSocket frames that a client may send, pings and parts of messages among them, after :data:`FRAMES_AT_ONCE`. aiohttp answers
pings by itself and waits for the end of a message, so that what is held against commands does not see these."""
FRAMES_AT_ONCE: Final = 1_000

Network = IPv4Network | IPv6Network

log = logging.getLogger(__name__)


def raise_descriptors() -> int:
    """Let this process open as many files and connections as it is ever allowed to; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= hard != resource.RLIM_INFINITY:
        return soft
    # macOS allows an unlimited number by name, and refuses to set it.
    wanted = hard if hard != resource.RLIM_INFINITY else 1 << 20
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        return soft
    return wanted


def places(max_connections: int, descriptors: int) -> int:
    """How many TCP connections to keep: the WebSockets that are allowed and a few more, as far as there are descriptors."""
    wanted = max_connections + RESERVED
    possible = max(ACCEPTED_AT_ONCE, descriptors - RESERVED)
    if wanted > possible:
        log.warning(
            "only %d connections fit into %d descriptors, not GATEWAY_MAX_CONNECTIONS=%d: raise `ulimit -n` (or LimitNOFILE)",
            possible,
            descriptors,
            max_connections,
        )
    return min(wanted, possible)


def shared_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """``count`` sockets that listen on one address, for a process each: the kernel shares the connections out among them.

    All listen when this returns, so that none gets more than its share because its process was there first.

    Raises:
        PortTaken: Another process listens there.
    """
    listening: list[socket.socket] = []
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # Whoever shares an address lets others share it too: one that does not sees that nobody listens there yet.
        with socket.socket(family, kind, protocol) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
        for _ in range(count):
            one = socket.socket(family, kind, protocol)
            listening.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(address)
        for one in listening:
            one.listen(BACKLOG)
    except OSError as error:
        for one in listening:
            one.close()
        raise PortTaken.of(error, host, port, PORT_REMEDY) from error
    return listening


def _close_frame(code: int, reason: str) -> bytes:
    return bytes([0x88, 2 + len(reason)]) + code.to_bytes(2) + reason.encode()


def _now_ms() -> MonotonicMs:
    return MonotonicMs(time.monotonic_ns() // 1_000_000)


class Connection(asyncio.Protocol):
    """Stands between a transport and aiohttp, and passes everything on that it does not have to refuse."""

    def __init__(self, door: "Door", new_handler: Callable[[], Any]) -> None:
        self._door = door
        self._new_handler = new_handler
        self._handler: Any = None
        self._check: FrameCheck | None = None
        self._frames = Allowance(FRAMES_PER_S, FRAMES_AT_ONCE)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in, or be sent away."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is a TCP server's
        self.transport = transport
        if self._door.let_in(transport, self):
            self._handler = self._new_handler()
            self._handler.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Be gone."""
        if self._handler is not None:
            self._door.left(self)
            self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        if self._handler is None:
            return
        if self._check is not None and (farewell := self._objection(self._check, data)):
            self._check = None
            if self.transport is not None:
                self.transport.write(farewell)
                self.transport.close()
            return
        self._door.heard(self)
        self._handler.data_received(data)

    def _objection(self, check: FrameCheck, data: bytes) -> bytes | None:
        """The close frame with which to answer ``data``; None where it may pass."""
        before = check.frames
        if not check.take(data):
            metrics.REFUSED.labels("not masked").inc()
            return _close_frame(WSCloseCode.PROTOCOL_ERROR, "frames must be masked")
        if self._frames.take(_now_ms(), check.frames - before):
            metrics.REFUSED.labels("too many frames").inc()
            return _close_frame(CloseCode.RATE_ABUSE, "too many frames")
        return None

    def eof_received(self) -> bool | None:
        """Pass on that no more will come."""
        return None if self._handler is None else self._handler.eof_received()

    def pause_writing(self) -> None:
        """Pass on that the client does not read."""
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client reads again."""
        if self._handler is not None:
            self._handler.resume_writing()

    def expect_frames(self, *, are_due: bool) -> None:
        """From the next byte on it is WebSocket frames that come, or, where the upgrade came to nothing, requests again."""
        self._check = FrameCheck() if are_due else None

    def drop(self) -> None:
        """End it, whatever waits."""
        if self.transport is not None:
            self.transport.abort()


class Door:
    """Listens, and keeps the connections within bounds."""

    def __init__(self, keeper: Doorkeeper, exempt: tuple[Network, ...]) -> None:
        """Prepare.

        Args:
            keeper: Decides who may stay.
            exempt: Whose connections are not counted by address: this machine's, and proxies, which speak for many.
        """
        self._keeper = keeper
        self._exempt = exempt
        self._by_transport: dict[asyncio.BaseTransport, Connection] = {}
        self._servers: list[asyncio.Server] = []

    async def listen(self, host: str, port: int, new_handler: Callable[[], Any]) -> tuple[str, int]:
        """Accept connections from now on; address and port.

        Args:
            host: Where to listen.
            port: 0 takes a free one.
            new_handler: Makes aiohttp's side of a connection (``AppRunner.server``).

        Raises:
            OSError: The address cannot be had.
        """
        return await self._accept(new_handler, host=host, port=port)

    async def listen_at(self, listening: socket.socket, new_handler: Callable[[], Any]) -> tuple[str, int]:
        """The same at a socket that is bound already."""
        return await self._accept(new_handler, sock=listening)

    async def _accept(self, new_handler: Callable[[], Any], **where: Any) -> tuple[str, int]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self, new_handler), backlog=ACCEPTED_AT_ONCE, **where)
        for listening in server.sockets:
            # asyncio accepts as many at once as it lets wait; these are two things, and only here they can be told apart.
            with socket.socket(fileno=listening.fileno()) as plain:
                try:
                    plain.listen(BACKLOG)
                finally:
                    plain.detach()
        self._servers.append(server)
        name = server.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    def close(self) -> None:
        """Accept no more."""
        for server in self._servers:
            server.close()

    async def sweep_forever(self) -> None:
        """Drop connections that have waited too long to ask for something."""
        while True:
            await asyncio.sleep(SWEEP_S)
            for connection in self._keeper.overdue(_now_ms()):
                assert isinstance(connection, Connection)  # noqa: S101 - nobody else has places
                metrics.REFUSED.labels("no request").inc()
                connection.drop()

    # what connections say

    def let_in(self, transport: asyncio.Transport, connection: Connection) -> bool:
        """Give ``connection`` a place; if there is none it is dropped."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        is_exempt = is_within(address, self._exempt)
        may_stay, leaving = self._keeper.admit(connection, address, _now_ms(), is_exempt=is_exempt)
        if isinstance(leaving, Connection):
            metrics.REFUSED.labels("place needed").inc()
            leaving.drop()
        if not may_stay:
            metrics.REFUSED.labels("no place").inc()
            transport.abort()
            return False
        self._by_transport[transport] = connection
        metrics.TCP_CONNECTIONS.set(len(self._keeper))
        return True

    def left(self, connection: Connection) -> None:
        """Take the place back."""
        self._keeper.leave(connection)
        if connection.transport is not None:
            self._by_transport.pop(connection.transport, None)
        metrics.TCP_CONNECTIONS.set(len(self._keeper))

    def heard(self, connection: Connection) -> None:
        """Note that something came."""
        self._keeper.hear(connection, _now_ms())

    # what requests say

    @web.middleware
    async def watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Note that a connection has asked for something, and that it was answered."""
        connection = self.connection_of(request)
        if connection is None:
            return await handler(request)  # type: ignore[no-any-return]
        self._keeper.begin(connection)
        try:
            return await handler(request)  # type: ignore[no-any-return]
        finally:
            self._keeper.end(connection, _now_ms())

    def connections(self) -> list[Connection]:
        """Those that have a place."""
        return list(self._by_transport.values())

    def connection_of(self, request: web.Request) -> Connection | None:
        """The connection that a request came by; None for one that came by another way in, as in tests."""
        return None if request.transport is None else self._by_transport.get(request.transport)
