"""WebSocket frames and server-sent events, written straight to the transport.

Several of them are joined into one write, because the kernel's ``send`` is what a gateway spends most of its time on. aiohttp's
own writer is left with ping, pong and close. Both may write to one socket because these are never compressed, and what we
compress refers to nothing that was sent before.
"""

import socket
from asyncio import Transport
from collections.abc import Sequence
from struct import Struct

from aiohttp import HttpVersion11, web

from gateway.core import wire
from gateway.core.shared import WINDOW_BITS, SharedBody, deflated
from gateway.core.sse import EventWriter

_TEXT = 0x81
_DEFLATED_TEXT = 0xC1
_SHORT = Struct("!BB")
_MEDIUM = Struct("!BBH")
_LONG = Struct("!BBQ")
BUFFER_BYTES = 64 * 1024
"""What may wait in the process for a client's socket before it counts as not writable."""
UNSENT_BYTES = 32 * 1024
"""What may wait in the kernel. The less, the sooner a slow client counts as not writable, and newer rows replace older ones."""

VANISHED_MS = 30_000
"""How long what was sent as events may remain unacknowledged before the kernel gives the connection up."""


def frame_head(size: int, kind: int) -> bytes:
    """What a frame with ``size`` bytes of payload begins with: whole, not masked."""
    if size < 126:
        return _SHORT.pack(kind, size)
    if size < 65_536:
        return _MEDIUM.pack(kind, 126, size)
    return _LONG.pack(kind, 127, size)


def text_frame(payload: bytes) -> bytes:
    """``payload`` as a WebSocket frame: text, whole, not masked."""
    return frame_head(len(payload), _TEXT) + payload


def numbered_frame(n: int, body: bytes, inflates: bool) -> bytes:
    """The ``n``-th message of a connection as a frame; compressed where ``body`` is what many get and the client ``inflates``."""
    number = wire.head(n)
    if inflates and isinstance(body, SharedBody):
        payload = deflated(number, body)
        return frame_head(len(payload), _DEFLATED_TEXT) + payload
    # Joined once: of what costs anything here, most is copying the body.
    return b"".join((frame_head(len(number) + len(body), _TEXT), number, body))


class _TransportOutlet:
    """What the writing sides of both kinds of connections share."""

    def __init__(self, request: web.Request) -> None:
        transport = request.transport
        assert isinstance(transport, Transport)  # noqa: S101 - an accepted request has one
        self._transport = transport
        self._protocol = request.protocol
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        plain = transport.get_extra_info("socket")
        if plain is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    @property
    def is_gone(self) -> bool:
        """Whether the connection is over."""
        return self._transport.is_closing()

    def abort(self) -> None:
        """Drop the connection and whatever waits in it."""
        self._transport.abort()


class SocketOutlet(_TransportOutlet):
    """The writing side of an accepted WebSocket."""

    def __init__(self, request: web.Request, socket_: web.WebSocketResponse) -> None:
        super().__init__(request)
        self._socket = socket_
        self._inflates = socket_.compress == WINDOW_BITS
        """Whether the client takes messages that were compressed without regard to what it can remember."""

    @property
    def writable(self) -> bool:
        """Whether the client has read enough of what it was sent. After a close frame nothing more may be sent."""
        return not (self._protocol.writing_paused or self._socket.closed or self._transport.is_closing())

    def write(self, payloads: Sequence[bytes]) -> int:
        """Send ``payloads``, one at least, each as a frame, in one write; how many bytes."""
        data = text_frame(payloads[0]) if len(payloads) == 1 else b"".join(map(text_frame, payloads))
        self._transport.write(data)
        return len(data)

    def write_bodies(self, first: int, bodies: Sequence[bytes]) -> int:
        """Send bodies, one at least, of which the first is message ``first``; how many bytes."""
        inflates = self._inflates
        if len(bodies) == 1:
            data = numbered_frame(first, bodies[0], inflates)
        else:
            data = b"".join([numbered_frame(n, body, inflates) for n, body in enumerate(bodies, first)])
        self._transport.write(data)
        return len(data)


class EventOutlet(_TransportOutlet):
    """The writing side of an answer that never ends: server-sent events."""

    def __init__(self, request: web.Request, writer: EventWriter) -> None:
        super().__init__(request)
        self._writer = writer
        self._in_chunks = request.version >= HttpVersion11
        self.is_open = False
        """Whether the head of the answer has been written; nothing can be before."""
        plain = self._transport.get_extra_info("socket")
        if plain is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            # There are no pings: a client that vanished without a word would be noticed when the buffers are full.
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_MS)

    @property
    def writable(self) -> bool:
        """Whether the client has read enough of what it was sent."""
        return self.is_open and not (self._protocol.writing_paused or self._transport.is_closing())

    def write(self, payloads: Sequence[bytes]) -> int:
        """Send ``payloads``, one at least, each as an event, in one write; how many bytes."""
        data = b"".join(map(self._writer.event, payloads))
        if self._in_chunks:
            data = b"%x\r\n%s\r\n" % (len(data), data)
        self._transport.write(data)
        return len(data)

    def write_bodies(self, first: int, bodies: Sequence[bytes]) -> int:
        """Send bodies, one at least, of which the first is message ``first``; how many bytes."""
        return self.write([wire.numbered(n, body) for n, body in enumerate(bodies, first)])
