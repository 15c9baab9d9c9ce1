"""A hub connection on its WebSocket: one task reads, one writes, and nobody else waits for either."""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable

from aiohttp import WSCloseCode, WSMsgType, web

from connectors.ssi.simulator.core.errors import InvalidInvocation
from connectors.ssi.simulator.core.hub import KEEP_ALIVE_S, HubConnection, HubSubscription
from connectors.ssi.simulator.core.truth import ConnectionStatus, Deliveries, Ending
from schemas.units import UnixMs

logger = logging.getLogger(__name__)

CLOSE_S = 1.0
"""How long a client may take to answer our WebSocket close frame, in seconds; then its socket is reset."""

_GONE = (WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)

TakeSnapshot = Callable[[HubSubscription], list[tuple[int, str]]]
"""The last record of everything that a subscription names: its place and how it is written."""


class HubSocket:
    """The WebSocket of one hub connection, and the books of what was put on it."""

    def __init__(
        self,
        connection: HubConnection,
        request: web.Request,
        deliveries: Deliveries,
        now_ms: Callable[[], UnixMs],
        snapshot: TakeSnapshot,
        on_answered: Callable[[], None],
    ) -> None:
        """Nothing is sent before :meth:`serve`.

        Args:
            connection: Says what is to be sent.
            request: The client's request to upgrade.
            deliveries: Told of every record that is put on the socket.
            now_ms: Gives the market time.
            snapshot: Gives what a new subscription is answered with.
            on_answered: Called after each message to a client that has subscribed.
        """
        self.connection = connection
        self._request = request
        self._socket = web.WebSocketResponse(max_msg_size=1 << 16, compress=False)
        self._deliveries = deliveries
        self._now_ms = now_ms
        self._snapshot = snapshot
        self._on_answered = on_answered
        self._ready = asyncio.Event()
        """Set when there may be something to write."""
        self._silent_until_s = 0.0
        """Until when nothing is sent, in seconds of the event loop's clock."""
        self._opened_ms = now_ms()
        self._subscribed_ms: UnixMs | None = None
        self._closed_ms: UnixMs | None = None
        self._ended: Ending | None = None

    @property
    def is_open(self) -> bool:
        """Whether its socket is still there."""
        return self._closed_ms is None

    async def serve(self) -> web.WebSocketResponse:
        """Upgrade to a WebSocket, then read and write until either side ends it."""
        await self._socket.prepare(self._request)
        self._ready.set()
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._keep_alive())]
        try:
            await self._read()
        finally:
            self._close_books("reset")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._socket

    def offer(self, place: int, text: str) -> None:
        """Queue a record for the client. While a fault keeps the connection silent it is skipped and counted instead."""
        if self._is_silent():
            self.connection.skip()
            return
        self.connection.offer(place, text)
        self._ready.set()

    # -- how it ends, and what goes wrong

    async def close(self) -> None:
        """Close it as a server does that shuts down; reset the socket if the client does not answer."""
        self._close_books("server_closed")
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(code=WSCloseCode.GOING_AWAY)
        except TimeoutError:
            self._break()

    def abort(self) -> None:
        """End it because the client has posted ``abort``."""
        self._close_books("aborted")
        self._break()

    def drop(self) -> None:
        """End it by a reset of the socket, as the fault ``drop`` asks."""
        self._close_books("dropped")
        self._break()

    def silence(self, seconds: float) -> None:
        """Stay connected, but send nothing for ``seconds`` of wall time, not even a keep-alive."""
        self._silent_until_s = asyncio.get_running_loop().time() + seconds

    def garble(self) -> None:
        """Send a message and a record that no client can decode."""
        self.connection.garble()
        self._ready.set()

    def status(self) -> ConnectionStatus:
        """What ``/sim/status`` says of it."""
        sent, subscription = self._deliveries.sent_on(self.connection.number), self.connection.subscription
        return ConnectionStatus(
            id=self.connection.number,
            connection_id=self.connection.connection_id,
            opened_ms=self._opened_ms,
            subscribed_ms=self._subscribed_ms,
            channels=subscription.text if subscription else None,
            closed_ms=self._closed_ms,
            ended=self._ended,
            sent=sent,
            records=sum(sent.values()),
            skipped=self.connection.skipped,
            malformed=self.connection.malformed,
        )

    # -- the two tasks

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.TEXT:
                self._take(message.data)
            elif message.type is WSMsgType.CLOSE:
                self._close_books("client_closed")
                return
            elif message.type in _GONE:
                return

    def _take(self, text: str) -> None:
        try:
            subscription = self.connection.receive(text)
        except InvalidInvocation as error:
            logger.info("connection %d sent what is no invocation: %s", self.connection.number, error)
            return
        if subscription is not None:
            # Without an await in between, so that no record can fall due between the snapshot and what follows it.
            for place, record in self._snapshot(subscription):
                self.offer(place, record)
            self._subscribed_ms = self._now_ms()
            logger.info("connection %d subscribed to %r", self.connection.number, subscription.text)
        self._ready.set()

    async def _write(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._is_writable() and not self._is_silent() and (message := self.connection.next_message()):
                # Noted before it is sent: send_str may wait for room in the kernel's buffer after the client has read a part.
                for place in message.places:
                    self._deliveries.put(place, self.connection.number)
                try:
                    await self._socket.send_str(message.text)
                except ConnectionError:
                    return
                if self._subscribed_ms is not None:
                    self._on_answered()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            if not self._is_silent():
                self.connection.keep_alive()
            self._ready.set()

    def _is_writable(self) -> bool:
        transport = self._request.transport
        return transport is not None and not transport.is_closing() and not self._socket.closed

    def _is_silent(self) -> bool:
        return asyncio.get_running_loop().time() < self._silent_until_s

    def _close_books(self, ended: Ending) -> None:
        if self._closed_ms is None:
            self._closed_ms, self._ended = self._now_ms(), ended
            self.connection.skip(self.connection.waiting)
            logger.info("connection %d ended: %s", self.connection.number, ended)

    def _break(self) -> None:
        """Make the kernel send a TCP reset: the client finds the connection broken, not closed."""
        transport = self._request.transport
        if transport is None:
            return
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
