"""A client of the gateway: ``stock.v1`` over a WebSocket, as an asynchronous iterator that comes back by itself.

::

    async with MarketStream("ws://127.0.0.1:8080/v1/ws") as stream:
        await stream.subscribe("px", "VNM", "@VN30")
        async for told in stream:
            if isinstance(told, Rows):
                for symbol, row in told.rows.items():
                    print(symbol, row["last"])

It notices a lost message and a dead connection, comes back with a random delay, and goes on by cursor: of rows it gets those that
changed meanwhile, of events each once and in order.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Final, Self

import aiohttp

from schemas.stock_v1 import PROTOCOL
from stock_tracker.client.core.session import (
    CommandRefused,
    StreamBroken,
    StreamEnded,
    StreamError,
    StreamSession,
)
from stock_tracker.client.core.told import DataAge, Disconnected, Happened, Missed, Rows, Told

__all__ = [
    "CommandRefused", "DataAge", "Disconnected", "Happened", "MarketStream", "Missed", "Rows", "StreamEnded", "StreamError",
    "Told",
]  # fmt: skip

TICK_S: Final = 1.0
"""How often to look whether the gateway still speaks, in seconds."""
OPEN_WITHIN_S: Final = 10.0
MESSAGE_BYTES: Final = 1 << 20
"""The longest message that is taken; the gateway's are of 64 KiB at most."""


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class MarketStream:
    """What the gateway at one address tells, over as many connections as it takes."""

    def __init__(self, url: str, token: Callable[[], Awaitable[str]] | None = None) -> None:
        """Nothing is opened yet.

        Args:
            url: That of the WebSocket: ``ws://127.0.0.1:8080/v1/ws``.
            token: Gives a token, for each connection a fresh one; None for a gateway without accounts.
        """
        self._url = url
        self._token = token
        self._session = StreamSession()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._told: deque[Told] = deque()
        self._back_at_ms = 0

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._socket is not None:
            await self._socket.close()
        await self._http.close()

    async def subscribe(self, channel: str, *symbols: str, throttle_ms: int | None = None) -> None:
        """Ask for symbols, groups (``@VN30``) or, without any, everything of a channel: now, and on every later connection.

        Args:
            channel: ``px``, ``index``, ``flow``, ``alert``, …: docs/gateway.md has all.
            symbols: What of it.
            throttle_ms: How often rows may come: 0 (every change), 100, 250, 500 or 1000; None for the gateway's default.
        """
        await self._send(self._session.subscribe(channel, symbols or ("*",), throttle_ms))

    async def unsubscribe(self, channel: str, *symbols: str) -> None:
        """Ask for these, words that were subscribed, no more."""
        await self._send(self._session.unsubscribe(channel, symbols or ("*",)))

    @property
    def is_up_to_date(self) -> bool:
        """Whether all that was there when the last subscription was made has been handed out."""
        return not self._told and self._session.is_whole

    def __aiter__(self) -> AsyncIterator[Told]:
        return self

    async def __anext__(self) -> Told:
        """What the gateway tells next.

        Raises:
            CommandRefused: A subscription will not be carried out.
            StreamEnded: The gateway sent this client away for good.
        """
        while not self._told:
            if self._socket is None:
                await self._open()
            else:
                await self._take(self._socket)
        return self._told.popleft()

    async def _open(self) -> None:
        await asyncio.sleep(max(0, self._back_at_ms - _now_ms()) / 1_000)
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                if self._token is not None:
                    self._session.token = await self._token()
                self._socket = await self._http.ws_connect(self._url, protocols=(PROTOCOL,), max_msg_size=MESSAGE_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._lose(None, f"{self._url} cannot be reached: {error or 'no answer'}")
        else:
            self._session.opened(_now_ms())

    async def _take(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            try:
                message = await socket.receive(timeout=TICK_S)
            except TimeoutError:
                await self._send(self._session.tick(_now_ms()))
                return
            if message.type is aiohttp.WSMsgType.TEXT:
                told, texts = self._session.receive(message.data, _now_ms())
                self._told.extend(told)
                await self._send([*texts, *self._session.tick(_now_ms())])
                return
        except StreamBroken as error:
            await socket.close()
            self._lose(None, str(error))
            return
        self._lose(socket.close_code, str(message.extra or ""))

    async def _send(self, texts: Iterable[str]) -> None:
        if self._socket is None:
            return
        for text in texts:
            try:
                await self._socket.send_str(text)
            except (ConnectionError, aiohttp.ClientError):
                # Reading finds out as well, and comes back; then everything that is wanted is asked for again.
                return

    def _lose(self, code: int | None, reason: str) -> None:
        self._socket = None
        retry_ms = self._session.closed(code, reason, random.random())
        self._back_at_ms = _now_ms() + retry_ms
        self._told.append(Disconnected(reason, retry_ms))
