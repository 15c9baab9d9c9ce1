"""A gateway on a test's topics, and a client of it over real sockets, for tests without an event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import msgspec

from gateway.service import run
from gateway.settings import GatewaySettings
from stock_tracker.testing.loop import LoopThread
from stock_tracker.testing.patience import PATIENCE_S, reached

Row = dict[str, Any]


class ClientSubscription:
    """What came of one channel so far."""

    def __init__(self, loop: LoopThread, socket: aiohttp.ClientWebSocketResponse, channel: str) -> None:
        self._loop = loop
        self._socket = socket
        self._channel = channel
        self._columns: list[str] = []
        self.rows: dict[str, Row] = {}
        """The newest row of each key, by column; of ``alert`` and ``candle`` see ``events``."""
        self.events: list[Row] = []
        """Of ``alert`` and ``candle``: each event, in the order of the channel."""

    def until(self, holds: Callable[["ClientSubscription"], object]) -> None:
        """Read on until ``holds`` says so."""
        self._loop.call(self._until(holds))

    async def _until(self, holds: Callable[["ClientSubscription"], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds(self):
                self._take(await self._socket.receive_json())

    async def snapshot(self) -> None:
        """Read to the end of the snapshot with which a subscription begins."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._take(await self._socket.receive_json()):
                pass

    def _take(self, message: Mapping[str, Any]) -> bool:
        """Keep what a message brings; whether it ends the snapshot."""
        if message["op"] == "err":
            raise AssertionError(f"the gateway refuses {self._channel}: {message}")
        if message.get("ch") != self._channel and message["op"] != "event":
            return False
        if message["op"] == "event":
            self.events.append(message["data"])
        elif message["op"] in ("snap", "delta"):
            self._columns = message.get("cols") or self._columns
            rows = [dict(zip(self._columns, row, strict=True)) for row in message["rows"]]
            if self._channel in ("alert", "candle"):
                self.events += rows
            else:
                self.rows.update((row[self._columns[0]], row) for row in rows)
        return bool(message["op"] == "snap" and message["last"])


class GatewayClient:
    """A client of a gateway that has read the topics."""

    def __init__(self, loop: LoopThread, session: aiohttp.ClientSession, url: str) -> None:
        self._loop = loop
        self._session = session
        self.url = url
        """Of the gateway, whose dashboard is there too."""

    def snapshot(self, channel: str, *symbols: str) -> list[Row]:
        """The rows of a channel now, over REST, each by column; of all symbols if none is named."""
        return self._loop.call(self._snapshot(channel, symbols))

    def subscribe(self, channel: str, *symbols: str) -> ClientSubscription:
        """Subscribe over a WebSocket of its own, and read the snapshot; to all symbols if none is named."""
        return self._loop.call(self._subscribe(channel, symbols))

    async def _snapshot(self, channel: str, symbols: tuple[str, ...]) -> list[Row]:
        query = {"sym": ",".join(symbols)} if symbols else {}
        async with self._session.get(f"{self.url}/api/v1/snapshot/{channel}", params=query) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise AssertionError(f"the gateway answers {answer.status}: {body.decode()}")
        told = msgspec.json.decode(body)
        return [dict(zip(told["cols"], row, strict=True)) for row in told["rows"]]

    async def _subscribe(self, channel: str, symbols: tuple[str, ...]) -> ClientSubscription:
        socket = await self._session.ws_connect(f"{self.url}/v1/ws")
        await socket.send_json({"op": "sub", "id": 1, "ch": channel, "sym": list(symbols) or ["*"], "throttle_ms": 0})
        subscription = ClientSubscription(self._loop, socket, channel)
        await subscription.snapshot()
        return subscription


@contextmanager
def gateway_client(kafka: Mapping[str, str], prefix: str) -> Iterator[GatewayClient]:
    """A gateway on the topics of ``prefix``, and a client of it; both end with the block.

    Args:
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of the topics.
    """
    settings = GatewaySettings(kafka=dict(kafka), topic_prefix=prefix, port=0, fetch_wait_ms=5)
    with LoopThread("gateway_client") as loop, loop.entered(_gateway(settings)) as (session, url):
        yield GatewayClient(loop, session, url)


@asynccontextmanager
async def _gateway(settings: GatewaySettings) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A gateway that has read the topics: a session to ask it with, and its URL."""
    stop = asyncio.Event()
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(run(settings, stop, listening.set_result))
    try:
        # Either it listens, or it says why not.
        either: set[asyncio.Future[Any]] = {serving, listening}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        url = await listening
        async with aiohttp.ClientSession() as session:

            async def is_ready() -> bool:
                if serving.done():
                    serving.result()
                async with session.get(f"{url}/readyz") as answer:
                    return answer.status == 200

            await reached(is_ready, "a gateway that has read the topics")
            yield session, url
    finally:
        stop.set()
        await serving
