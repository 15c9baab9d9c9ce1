"""A client of the simulator, reduced to what the protocol asks for; and simulators to be its servers."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import time
from typing import Any, NamedTuple

import aiohttp
import msgspec

from connectors.ssi.simulator.core.journal import SentLine
from connectors.ssi.simulator.core.truth import Truth
from connectors.ssi.simulator.server import simulator
from connectors.ssi.simulator.settings import SimulatorSettings
from schemas.units import TradingDay
from tests.patience import reached

DAY = TradingDay(20261123)
ALL = "X-TRADE:ALL,X-QUOTE:ALL,R:ALL,MI:ALL,F:ALL"
HUB_DATA = '[{"name":"FcMarketDataV2Hub"}]'


class Received(NamedTuple):
    data_type: str
    content: str


def settings(**changes: Any) -> SimulatorSettings:
    """The opening auction, from the first subscription on, as fast as it goes."""
    values: dict[str, Any] = {
        "port": 0,
        "seed": 7,
        "day": DAY,
        "start": time(9, 14, 50),
        "end": time(9, 15, 40),
        "speed": "max",
        "wait_for_client": True,
    }
    return SimulatorSettings(**values | changes)


class ReadsToTheEnd(aiohttp.ClientWebSocketResponse[Any]):
    """A client's socket that goes on reading after the connection broke; aiohttp's own raises at the first ping that it meets."""

    async def pong(self, message: bytes = b"") -> None:
        with contextlib.suppress(ConnectionError):
            await super().pong(message)


class Client:
    """An SSI client reduced to what the protocol asks for."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self.http = http
        self.base = base
        self.headers: dict[str, str] = {}
        self.query: dict[str, str] = {}
        self.connection_id = ""
        self.received: list[Received] = []
        self.messages: list[dict[str, Any]] = []

    async def log_in(self, consumer_id: str = "demo") -> None:
        body = {"consumerID": consumer_id, "consumerSecret": "demo"}
        async with self.http.post(f"{self.base}/api/v2/Market/AccessToken", json=body) as response:
            token = (await response.json())["data"]["accessToken"]
        self.headers = {"Authorization": f"Bearer {token}"}

    async def negotiate(self, method: str = "GET") -> dict[str, Any]:
        query = {"connectionData": HUB_DATA, "clientProtocol": "1.5"}
        async with self.http.request(
            method, f"{self.base}/v2.0/signalr/negotiate", params=query, headers=self.headers
        ) as response:
            assert response.status == 200
            answer: dict[str, Any] = await response.json()
        self.connection_id = answer["ConnectionId"]
        self.query = {**query, "transport": "webSockets", "connectionToken": answer["ConnectionToken"]}
        return answer

    @asynccontextmanager
    async def connected(self, verb: str = "connect") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        if not self.headers:
            await self.log_in()
        await self.negotiate()
        url = f"{self.base}/v2.0/signalr/{verb}"
        async with self.http.ws_connect(url, params=self.query, headers=self.headers, max_msg_size=0) as ws:
            yield ws

    async def subscribe(self, ws: aiohttp.ClientWebSocketResponse, channels: str = ALL) -> None:
        await ws.send_str(json.dumps({"H": "FcMarketDataV2Hub", "M": "SwitchChannels", "A": [channels], "I": 0}))

    async def read_until(self, ws: aiohttp.ClientWebSocketResponse, done: Callable[[], Awaitable[bool]]) -> None:
        """Take what comes until nothing more does and ``done``, or the socket is gone."""
        while True:
            try:
                message = await asyncio.wait_for(ws.receive(), 0.2)
            except TimeoutError:
                if await done():
                    return
                continue
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            self.take(message.data)

    def take(self, text: str) -> None:
        message = json.loads(text)
        self.messages.append(message)
        for invocation in message.get("M", []):
            argument = json.loads(invocation["A"][0])
            self.received.append(Received(argument["DataType"], argument["Content"]))

    async def get(self, path: str, **kwargs: Any) -> bytes:
        async with self.http.get(f"{self.base}{path}", **kwargs) as response:
            assert response.status == 200
            return await response.read()

    async def clock(self) -> dict[str, Any]:
        reading: dict[str, Any] = json.loads(await self.get("/sim/clock"))
        return reading

    async def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(await self.get("/sim/status"))
        return status

    async def sent(self, connection: int) -> list[SentLine]:
        """What the simulator says that it put on a connection."""
        body = await self.get(f"/sim/sent?connection={connection}")
        return [msgspec.json.decode(line, type=SentLine) for line in body.splitlines()]

    async def truth(self) -> Truth:
        return Truth.load(await self.get("/sim/truth"))

    async def finished(self) -> bool:
        """Whether the day is played, and all of it read that was put on the last connection."""
        if (await self.clock())["state"] != "finished":
            return False
        own = [one for one in (await self.status())["connections"] if one["connection_id"] == self.connection_id]
        return all(one["read"] == one["put"] for one in own if one["ended"] is None)

    async def fault(self, **fault: Any) -> None:
        async with self.http.post(f"{self.base}/sim/faults", json=fault) as response:
            assert response.status == 200

    async def order(self, what: str) -> None:
        """Let the market stand (``hold``) or go on (``resume``)."""
        async with self.http.post(f"{self.base}/sim/{what}") as response:
            assert response.status == 200

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask for the status until it is as it should be."""

        async def holds() -> bool:
            return condition(await self.status())

        await reached(holds, "what the simulator was to do")
        return await self.status()


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[Callable[[], Client]]:
    """A simulator, and clients of it."""
    async with simulator(settings(**changes)) as port, aiohttp.ClientSession(ws_response_class=ReadsToTheEnd) as http:
        yield lambda: Client(http, f"http://127.0.0.1:{port}")


def prints_of(client: Client) -> list[tuple[str, float, float, float]]:
    """Symbol, TotalVol, LastVol and price of what a client has to take for prints of the day."""
    contents = [json.loads(content) for kind, content in client.received if kind == "X-TRADE"]
    return [
        (c["Symbol"], c["TotalVol"], c["LastVol"], round(c["LastPrice"] * (100 if c["Exchange"] == "DERIVATIVES" else 1)))
        for c in contents
        if c["LastVol"] and c["TradingDate"] == "23/11/2026" and c["TradingSession"] != "PT"
    ]
