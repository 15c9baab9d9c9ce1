"""A gateway behind its own door, over real sockets and without Kafka, and clients that may send it anything."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from gateway.app import Gateway
from gateway.core.board import Board
from gateway.core.doorkeeper import Doorkeeper
from gateway.core.events import Recents
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.door import Door
from gateway.fanout import Fanout
from gateway.settings import THIS_MACHINE, GatewaySettings
from tests.wire_client import Wire

PLACES = 4
PAGE = "https://board.example"


class Served:
    """A gateway behind its own door."""

    def __init__(self, fanout: Fanout, door: Door, keeper: Doorkeeper, port: int, stack: AsyncExitStack) -> None:
        self.fanout, self.door, self.keeper, self.port = fanout, door, keeper, port
        self._stack = stack

    async def plain(self, *pieces: bytes) -> asyncio.StreamReader:
        """A bare TCP connection that sends ``pieces``."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._stack.callback(writer.close)
        for piece in pieces:
            writer.write(piece)
        await writer.drain()
        return reader

    async def get(self, path: str, method: str = "GET", **options: Any) -> tuple[int, str, Any]:
        async with aiohttp.ClientSession() as http, http.request(method, f"{self.url}{path}", **options) as answer:
            return answer.status, await answer.text(), answer.headers

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self, **options: Any) -> Wire:
        http = await self._stack.enter_async_context(aiohttp.ClientSession())
        return Wire(await self._stack.enter_async_context(http.ws_connect(f"{self.url}/v1/ws", **options)))


@asynccontextmanager
async def serving(board: Board, events: Recents) -> AsyncIterator[Served]:
    """The gateway of ``board`` and ``events``."""
    proxies = THIS_MACHINE
    settings = GatewaySettings(kafka={}, topic_prefix="", origins=[PAGE], proxies=proxies, max_per_address=2)
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: 0, reason=str)
    gateway, keeper = Gateway(settings, fanout, str), Doorkeeper(PLACES, per_address=PLACES)
    gateway.door = door = Door(keeper, THIS_MACHINE)
    runner = web.AppRunner(gateway.application())
    await runner.setup()
    assert runner.server is not None
    _, port = await door.listen("127.0.0.1", 0, runner.server)
    async with AsyncExitStack() as stack:
        yield Served(fanout, door, keeper, port, stack)
    door.close()
    await runner.cleanup()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends it, by a close or a reset."""
    with contextlib.suppress(ConnectionResetError):
        return await reader.read() == b""
    return True


def masked(payload: bytes, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + size.to_bytes(2)
    return b"\x81" + length + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


UPGRADE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
