"""Carries out what the hub client decides: the only module with a WebSocket."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final, Literal

import aiohttp

from connectors.ssi import calls
from connectors.ssi.calls import bearer, call, proxy_for, why
from connectors.ssi.core.errors import QuotaExceeded, SsiError, SsiUnavailable, TokenRejected
from connectors.ssi.core.hub_client import (
    Action,
    BeginEpoch,
    HubClient,
    Publish,
    Reconnect,
    RejectMessage,
    Send,
    Start,
    Subscribed,
    Warn,
)
from connectors.ssi.core.replies import refusal
from connectors.ssi.core.stream import RecordStream
from schemas.units import MonotonicMs, UnixMs, UnixUs

log = logging.getLogger(__name__)

_Socket = aiohttp.ClientWebSocketResponse[Literal[False]]

WATCH_S: Final = 0.25
"""How often the hub client is told the time, in seconds: it finds out by it that the hub has fallen silent."""
START_S: Final = 4.0
"""How long the call of start may take, in seconds. The hub works without it. It has to be much less than
:data:`~connectors.ssi.core.hub_client.HANDSHAKE_MS`, which is running meanwhile."""
MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""The longest hub message that is accepted. The first after a subscription may hold the cached records of every symbol."""


def now_us() -> UnixUs:
    """The time by this machine's clock, in microseconds."""
    return UnixUs(time.time_ns() // 1000)


def now_ms() -> UnixMs:
    """The time by this machine's clock, in milliseconds."""
    return UnixMs(time.time_ns() // 1_000_000)


def monotonic_ms() -> MonotonicMs:
    """What durations are measured by, in milliseconds: a clock that nobody sets."""
    return MonotonicMs(time.monotonic_ns() // 1_000_000)


class Conversation:
    """One connection to the hub, from negotiate to its end."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        hub_client: HubClient,
        token: str,
        stream: RecordStream,
        subscribed: Callable[[], None],
    ) -> None:
        """Nothing happens before :meth:`hold`.

        Args:
            http: Makes the calls and the WebSocket.
            hub_client: Decides; it must be new.
            token: Authorizes all of it.
            stream: Gets what the hub says.
            subscribed: Called once the hub has accepted the channels, or has sent data, which says the same.
        """
        self._http = http
        self._hub_client = hub_client
        self._headers = bearer(token)
        self._stream = stream
        self._subscribed = subscribed
        self._end: SsiError | None = None
        """Why the conversation ends, once that is decided."""
        self.is_open = False

    async def hold(self) -> SsiError:
        """Talk to the hub until the conversation ends, and return why it ended.

        Reading never waits for Kafka: what is received goes into the outbox, and the publisher takes it from there.

        Raises:
            SsiUnavailable: It did not even begin: negotiate or the WebSocket failed.
        """
        reply = await call(self._http, "GET", self._hub_client.negotiate_url, "negotiate", headers=self._headers)
        if error := refusal("negotiate", reply.status, reply.text, reply.retry_after):
            raise error
        socket = await self._open(self._hub_client.negotiated(reply.body))
        self.is_open = True
        watch = asyncio.create_task(self._watch(socket))
        try:
            await self._carry_out(self._hub_client.connected(monotonic_ms()), socket)
            while self._end is None:
                await self._read(socket)
        finally:
            self.is_open = False
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await socket.close()
        return self._end

    @property
    def awaited(self) -> str:
        """What the hub has to do next before data can flow; empty once it can."""
        return self._hub_client.awaited

    def leave(self, why: SsiError) -> None:
        """End the conversation: :meth:`hold` closes the socket and returns ``why``, unless something else ended it before.

        Nobody else closes it: whoever did would leave :meth:`hold` to return while the hub's answer is still waited for, and
        the next conversation would begin beside this one.
        """
        self._end = self._end or why

    async def _read(self, socket: _Socket) -> None:
        """Take in the next message, or that there will be none."""
        message = await socket.receive()
        match message.type:
            case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                self._stream.keep(message.data, now_us())
                await self._carry_out(self._hub_client.receive(message.data, monotonic_ms()), socket)
            case aiohttp.WSMsgType.PING:
                # On a connection that broke meanwhile it cannot be answered. What came before it broke is still to be read.
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    await socket.pong(message.data)
            case aiohttp.WSMsgType.PONG:
                pass
            case aiohttp.WSMsgType.CLOSE:
                await self._carry_out(self._hub_client.closed(message.data, message.extra or ""), socket)
            case aiohttp.WSMsgType.ERROR:
                await self._carry_out(self._hub_client.closed(None, str(message.data)), socket)
            case _:
                await self._carry_out(self._hub_client.closed(None, ""), socket)

    async def _open(self, url: str) -> _Socket:
        proxy = proxy_for(url, "connect")
        try:
            # aiohttp itself would wait for the upgrade for five minutes.
            async with asyncio.timeout(calls.STEP_S):
                return await self._http.ws_connect(
                    url,
                    headers=self._headers,
                    max_msg_size=MAX_MESSAGE_BYTES,
                    proxy=proxy,
                    # As bytes: a hub message that is not UTF-8 is a dead letter, not the end of the connection.
                    decode_text=False,
                    # aiohttp itself would let a ping that it cannot answer end the process.
                    autoping=False,
                    # The other end of a broken connection never answers our close frame: do not wait long for it.
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                )
        except aiohttp.WSServerHandshakeError as error:
            retry_after = error.headers.get("Retry-After") if error.headers else None
            refused = refusal("connect", error.status, "", retry_after)
            raise refused or SsiUnavailable("connect", "the hub did not upgrade to a WebSocket") from None
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError) as error:
            raise SsiUnavailable("connect", why(error)) from None

    async def _watch(self, socket: _Socket) -> None:
        """Find out that the hub has fallen silent, and wake the reader up once the conversation is to end."""
        while self._end is None:
            await asyncio.sleep(WATCH_S)
            await self._carry_out(self._hub_client.tick(monotonic_ms()), socket)
        await socket.close()

    async def _carry_out(self, actions: list[Action], socket: _Socket) -> None:
        for action in actions:
            match action:
                case Publish(arguments):
                    self._stream.publish(arguments, now_us())
                case BeginEpoch():
                    self._stream.begin(now_us())
                case Start(url):
                    await self._start(url)
                    if self._end is None:
                        await self._carry_out(self._hub_client.started(monotonic_ms()), socket)
                case Send(text):
                    await self._send(text, socket)
                case Subscribed():
                    self._subscribed()
                case RejectMessage(reason, detail, idx, payload, count):
                    self._stream.reject(reason, detail, idx, payload, count=count)
                case Warn(text):
                    log.warning("%s", text)
                case Reconnect(error):
                    self._end = self._end or error

    async def _start(self, url: str) -> None:
        try:
            async with asyncio.timeout(START_S):
                reply = await call(self._http, "GET", url, "start", headers=self._headers)
            error = refusal("start", reply.status, reply.text, reply.retry_after)
        except SsiUnavailable as unavailable:
            error = unavailable
        except TimeoutError:
            error = SsiUnavailable("start", f"no reply in {START_S:.0f} s")
        if isinstance(error, TokenRejected | QuotaExceeded):
            self._end = self._end or error
        elif error is not None:
            log.warning("%s. Subscribing all the same", error)

    async def _send(self, text: str, socket: _Socket) -> None:
        try:
            await socket.send_str(text)
        except (aiohttp.ClientError, OSError) as error:
            self._end = self._end or SsiUnavailable("the stream", why(error))
