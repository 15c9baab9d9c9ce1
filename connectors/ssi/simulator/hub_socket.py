"""A hub connection on its WebSocket: one task reads, one writes, and nobody else waits for either.

What a client has read it says itself: after a message it is sent a WebSocket ping that names how much was put on the socket
before it, and it answers in order. So what its pong names was taken off the socket, and all that came later may be lost with it.
"""

import asyncio
import contextlib
import fcntl
import logging
import math
import socket
import struct
import termios
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import WSCloseCode, WSMsgType, web

from connectors.ssi.simulator.core.errors import InvalidInvocation
from connectors.ssi.simulator.core.faults import Unanswered
from connectors.ssi.simulator.core.feed import Spoken
from connectors.ssi.simulator.core.gates import Gates
from connectors.ssi.simulator.core.hub import Customs, HubConnection, HubSubscription
from connectors.ssi.simulator.core.journal import Journal
from connectors.ssi.simulator.core.logbook import Closed, Entry, Opened, Put, Read, SubscriptionNoted
from connectors.ssi.simulator.core.record_faults import DueRecord, RecordPath
from connectors.ssi.simulator.core.sent import SentRecord, state_of
from connectors.ssi.simulator.core.truth import ConnectionStatus, Deliveries, Ending
from schemas.units import UnixMs

logger = logging.getLogger(__name__)

CLOSE_S = 1.0
"""How long a client may take to read the last of what was sent to it, and to answer our WebSocket close frame, in seconds; then
its socket is reset."""
SHUTDOWN_S = 5.0
"""How long a client may stay after it was told that the server is about to go, in seconds."""
_LOOK_S = 0.005
_CLOSE_CODE = struct.Struct("!H")

_GONE = (WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)

TakeSnapshot = Callable[[HubSubscription], list[Spoken]]
"""The last record of everything that a subscription names."""


@dataclass(frozen=True)
class HubRoom:
    """What all connections have in common."""

    customs: Customs
    deliveries: Deliveries
    """Told of every record that is put on a socket."""
    now_ms: Callable[[], UnixMs]
    """Gives the market time."""
    wall_ms: Callable[[], UnixMs]
    """Gives the time by this machine's clock."""
    snapshot: TakeSnapshot
    """Gives what a new subscription is answered with."""
    on_answered: Callable[[], None]
    """Called after each message to a client that has subscribed."""
    gates: Gates
    """Says which step of the protocol a fault spoils."""
    path: Callable[[int], RecordPath]
    """Makes the way of the records to a connection, by its number."""
    note: Callable[[Entry], None] | None
    """Told of everything that a simulator has to remember which is killed, before it happens; None where none is to."""


class HubSocket:
    """The WebSocket of one hub connection, and the books of what was put on it."""

    def __init__(self, connection: HubConnection, request: web.Request, room: HubRoom, owner: str) -> None:
        """Nothing is sent before :meth:`serve`.

        Args:
            connection: Says what is to be sent.
            request: The client's request to upgrade.
            room: What it shares with the other connections.
            owner: The key that the client connected with.
        """
        self.connection = connection
        self.owner = owner
        self.journal = Journal()
        self._request = request
        self._socket = web.WebSocketResponse(max_msg_size=1 << 16, compress=False, autoping=False)
        self._room = room
        self._path = room.path(connection.number)
        self._ready = asyncio.Event()
        """Set when there may be something to write."""
        self._silent_until_s = 0.0
        """Until when nothing is sent and nothing is heard, in seconds of the event loop's clock."""
        self._silenced_by = 0
        """The fault that silenced it."""
        self._slow_until_s = 0.0
        """Until when records wait, in seconds of the event loop's clock."""
        self._read_count = 0
        """How many of the first things in the journal the client has read for certain."""
        self._asked: set[int] = set()
        """What the pings name that have not been answered."""
        self._is_closing = False
        """Whether a close frame was sent: nothing may follow it."""
        self._gone = asyncio.Event()
        self._opened_ms = room.now_ms()
        self._upgraded_ms = room.wall_ms()
        self._subscribed_ms: UnixMs | None = None
        self._closed_ms: UnixMs | None = None
        self._ended: Ending | None = None
        self._parting: Callable[[], Awaitable[None]] | None = None
        """How it is ended once all that is queued has been sent; None while it stays."""
        self._note(Opened(connection.number, connection.connection_id, self._opened_ms, self._upgraded_ms))

    @property
    def is_open(self) -> bool:
        """Whether it is there to stay."""
        return self._closed_ms is None

    async def serve(self, first: Callable[[], None]) -> web.WebSocketResponse:
        """Upgrade to a WebSocket, then read and write until either side ends it.

        Args:
            first: Queues the first message; it is not called where a fault keeps that back.
        """
        await self._socket.prepare(self._request)
        if not isinstance(self._room.gates.take("init", self._room.now_ms()), Unanswered):
            first()
        self._ready.set()
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._keep_alive())]
        try:
            await self._read()
        finally:
            self._close_books("reset")
            self._gone.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.connection.skip(self.connection.waiting)
        return self._socket

    def offer(self, spoken: Spoken, due_ms: int) -> None:
        """Queue a record that is due at ``due_ms`` for the client, as far as the faults let it through."""
        key, place, text = spoken
        if self._is_silent():
            self.connection.skip()
            self._path.miss(DueRecord(key, place, text, due_ms), self._silenced_by)
        elif self._path.is_clear:
            self._queue(SentRecord(place, text, state_of(key)))
        else:
            for sent in self._path.pass_on(DueRecord(key, place, text, due_ms)):
                self._queue(sent)

    def finish(self) -> None:
        """Queue what a fault still holds back: the day is over."""
        for sent in self._path.release(None):
            self._queue(sent)

    # -- how it ends, and what goes wrong

    async def close(self, code: int = WSCloseCode.GOING_AWAY, reason: str = "") -> None:
        """Close it as a server does that shuts down; reset the socket if the client does not answer."""
        self._close_books("server_closed")
        try:
            async with asyncio.timeout(CLOSE_S):
                # Not with the close() of aiohttp, which does not listen to the pong while it waits for the client's close frame.
                with contextlib.suppress(ConnectionError):
                    await self._ask_what_is_read(again=True)
                    self._is_closing = True
                    await self._socket.send_frame(_CLOSE_CODE.pack(code) + reason.encode(), WSMsgType.CLOSE)
                await self._gone.wait()
        except TimeoutError:
            self._break()

    def abort(self) -> None:
        """End it because the client has posted ``abort``."""
        self._close_books("aborted")
        self._break()

    def drop(self) -> None:
        """Send what is queued, then reset the socket."""
        self._part("dropped", self._reset)

    def part(self, ended: Ending, code: int, reason: str) -> None:
        """Send what is queued, then close the WebSocket."""
        self._part(ended, lambda: self.close(code, reason))

    def shut_down(self) -> None:
        """Send what is queued, then say that the server is about to go; close the connection if the client does not."""
        self._part("server_closed", self._go, SHUTDOWN_S + CLOSE_S)

    def silence(self, seconds: float | None, fault: int) -> None:
        """Stay connected, but send and hear nothing for ``seconds`` of wall time, not even a keep-alive; None for ever."""
        self._silent_until_s = math.inf if seconds is None else asyncio.get_running_loop().time() + seconds
        self._silenced_by = fault

    def slow(self, seconds: float) -> None:
        """Hold records back for ``seconds`` of wall time."""
        loop = asyncio.get_running_loop()
        self._slow_until_s = loop.time() + seconds
        loop.call_later(seconds, self._ready.set)

    def garble(self) -> None:
        """Send a message and a record that no client can decode."""
        self.connection.garble()
        self._ready.set()

    def say(self, text: str) -> None:
        """Send a message that is none of SignalR's."""
        self.connection.say(text)
        self._ready.set()

    def call_error(self, text: str) -> None:
        """Call the client's method Error."""
        self.connection.call_error(text)
        self._ready.set()

    def status(self) -> ConnectionStatus:
        """What ``/sim/status`` says of it."""
        sent, subscription = self._room.deliveries.sent_on(self.connection.number), self.connection.subscription
        return ConnectionStatus(
            id=self.connection.number,
            connection_id=self.connection.connection_id,
            opened_ms=self._opened_ms,
            upgraded_ms=self._upgraded_ms,
            subscribed_ms=self._subscribed_ms,
            channels=subscription.text if subscription else None,
            closed_ms=self._closed_ms,
            ended=self._ended,
            sent=sent,
            records=sum(sent.values()),
            put=len(self.journal),
            read=self._read_count,
            skipped=self.connection.skipped,
            malformed=self.connection.malformed,
        )

    # -- the two tasks

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.TEXT:
                if not self._is_silent():
                    self._take(message.data)
            elif message.type is WSMsgType.PONG:
                self._hear_pong(message.data)
            elif message.type is WSMsgType.PING:
                if not self._is_silent():
                    with contextlib.suppress(ConnectionError):
                        await self._socket.pong(message.data)
            elif message.type is WSMsgType.CLOSE:
                self._close_books("client_closed")
                return
            elif message.type in _GONE:
                return

    def _take(self, text: str) -> None:
        try:
            subscription = self.connection.receive(text, lambda: self._room.gates.take("subscribe", self._room.now_ms()))
        except InvalidInvocation as error:
            logger.info("connection %d sent what is no invocation: %s", self.connection.number, error)
            return
        if subscription is not None:
            # Without an await in between, so that no record can fall due between the snapshot and what follows it.
            if self._room.customs.snapshot:
                now_ms = self._room.now_ms()
                for spoken in self._room.snapshot(subscription):
                    for sent in self._path.answer(DueRecord(*spoken, now_ms)):
                        self._queue(sent)
            self._subscribed_ms = self._room.now_ms()
            self._note(SubscriptionNoted(self.connection.number, subscription.text, self._subscribed_ms))
            logger.info("connection %d subscribed to %r", self.connection.number, subscription.text)
        self._ready.set()

    def _hear_pong(self, payload: bytes) -> None:
        """Take note of what the client has read. A pong that answers none of our pings says nothing."""
        named = int(payload) if payload.isdigit() else None
        if named in self._asked:
            self._read_count = named
            self._note(Read(self.connection.number, named))
            self._asked = {later for later in self._asked if later > named}
            self._ready.set()

    async def _ask_what_is_read(self, *, again: bool = False) -> None:
        """Send a ping that names how much is on the socket; while one is not answered, only ``again``."""
        put = len(self.journal)
        if put > self._read_count and not self._is_silent() and (again or not self._asked):
            self._asked.add(put)
            await self._socket.ping(b"%d" % put)

    async def _write(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._is_writable() and (message := self.connection.next_message(only_answers=self._is_slow())):
                # Noted before it is sent: sending may wait for room in the kernel's buffer after the client has read a part.
                if message.records and self._room.note is not None:
                    self._room.note(Put.of(self.connection.number, message.records))
                for sent in message.records:
                    self.journal.put(sent)
                    if sent.state in ("good", "altered"):
                        self._room.deliveries.put(sent.place, self.connection.number)
                try:
                    await self._socket.send_frame(message.bytes, WSMsgType.TEXT)
                    await self._ask_what_is_read()
                except ConnectionError:
                    return
                if self._subscribed_ms is not None:
                    self._room.on_answered()
            if self._parting is not None:
                await self._parting()
                return
            if self._is_writable():
                # The pong that woke us may have come after later messages.
                with contextlib.suppress(ConnectionError):
                    await self._ask_what_is_read()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._room.customs.keep_alive_s)
            if not self._is_silent():
                self.connection.keep_alive(records_wait=self._is_slow())
            self._ready.set()

    def _queue(self, sent: SentRecord) -> None:
        self.connection.offer(sent)
        self._ready.set()

    def _is_writable(self) -> bool:
        transport = self._request.transport
        return transport is not None and not transport.is_closing() and not self._is_closing and not self._socket.closed

    def _is_silent(self) -> bool:
        return self._silent_until_s > 0 and asyncio.get_running_loop().time() < self._silent_until_s

    def _is_slow(self) -> bool:
        return self._parting is None and asyncio.get_running_loop().time() < self._slow_until_s

    def _note(self, entry: Entry) -> None:
        if self._room.note is not None:
            self._room.note(entry)

    def _close_books(self, ended: Ending) -> None:
        if self._closed_ms is None:
            self._closed_ms, self._ended = self._room.now_ms(), ended
            self._note(Closed(self.connection.number, self._closed_ms, ended, self.connection.skipped + self.connection.waiting))
            logger.info("connection %d ended: %s", self.connection.number, ended)

    async def _go(self) -> None:
        await self._socket.send_frame(self.connection.leaving().encode(), WSMsgType.TEXT)
        await asyncio.sleep(SHUTDOWN_S)
        await self.close()

    def _part(self, ended: Ending, parting: Callable[[], Awaitable[None]], patience_s: float = CLOSE_S) -> None:
        """End it once all that is queued has been sent; or in any case after ``patience_s``, if the client does not read."""
        self._close_books(ended)
        self._parting = parting
        self._ready.set()
        asyncio.get_running_loop().call_later(patience_s, self._break)

    async def _reset(self) -> None:
        """Reset the socket once the client's kernel has what was written to it: a reset takes back what is still on its way."""
        for _ in range(round(CLOSE_S / _LOOK_S)):
            if not _unsent(self._request.transport):
                break
            await asyncio.sleep(_LOOK_S)
        self._break()

    def _break(self) -> None:
        """Make the kernel send a TCP reset: the client finds the connection broken, not closed."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            return
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def _unsent(transport: asyncio.Transport | None) -> bool:
    """Whether bytes that were written to a socket have not reached the other side's kernel."""
    if transport is None or transport.is_closing():
        return False
    if transport.get_write_buffer_size():
        return True
    file = transport.get_extra_info("socket").fileno()
    (waiting,) = struct.unpack("i", fcntl.ioctl(file, termios.TIOCOUTQ, struct.pack("i", 0)))
    return bool(waiting)
