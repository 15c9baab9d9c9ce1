"""A server that speaks SSI's REST and hub, and misbehaves in whatever way a test wants; it runs on a real socket."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.patience import PATIENCE_S

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[web.WebSocketResponse], Awaitable[None]]

LISTED = {"HOSE": ("FPT", "VNM"), "HNX": ("SHS",), "UPCOM": ("ACV",), "DER": ("41I1GC000",)}
"""What its REST lists, by market."""
INDICES = {"HOSE": ("VNINDEX", "VN30", "VN100"), "HNX": ("HNXIndex", "HNX30")}
MEMBERS = {"VN30": ("FPT", "VNM"), "VN100": ("FPT", "VNM"), "HNX30": ("SHS",)}


def said(data: Any, total: int | None = None) -> web.Response:
    """An answer of SSI's REST."""
    return web.json_response({"message": "Success", "status": "Success", "data": data, "totalRecord": total})


async def nothing_more(_: web.WebSocketResponse) -> None:
    """Say nothing once the client has subscribed."""


class HostileHub:
    """Behaves like SSI, but for the steps that a test has replaced in ``odd``."""

    def __init__(self) -> None:
        self.odd: dict[str, Handler] = {}
        """What is done instead, by step: ``AccessToken``, ``Securities``, …, ``negotiate``, ``connect``, ``start``."""
        self.keep_alive_s: Any = 20.0
        self.first_message: str | None = '{"C":"d-1","S":1,"M":[]}'
        self.reply: str | None = '{"R":null,"I":"0"}'
        """The answer to SwitchChannels."""
        self.is_deaf = False
        """Whether it reads nothing more once a client has subscribed, close frames included."""
        self.holds_s: float | None = PATIENCE_S
        """For how many seconds it holds a connection at most; None for as long as the client does."""
        self.talk: Talk = nothing_more
        """What is said on a connection once its client has subscribed; the connection stays open afterwards."""
        self.tokens = 0
        """Tokens given out."""
        self.asked: Counter[str] = Counter()
        """How often each step was asked for."""
        self.authorizations: list[str] = []
        """The Authorization header of each negotiate."""
        self.hosts: set[str] = set()
        """Whom requests were meant for: another host than this one when it is used as a proxy."""
        self.invoked: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.most_live = 0
        """How many sockets there were at once at most."""
        self._upgrades: list[web.Request] = []
        self._closing = asyncio.Event()

    async def never(self, _: web.Request) -> web.StreamResponse:
        """Do not answer."""
        await self._closing.wait()
        return web.Response(status=503)

    @property
    def live(self) -> int:
        """How many clients have a socket here, or wait for one."""
        return sum(1 for one in self._upgrades if one.transport is not None and not one.transport.is_closing())

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Run it; gives the URL, with a slash at the end."""
        app = web.Application()
        app.router.add_route("*", "/api/v2/Market/{step}", self._answer)
        app.router.add_route("*", "/v2.0/signalr/{step}", self._answer)
        async with TestServer(app) as server:
            try:
                yield str(server.make_url("/"))
            finally:
                self._closing.set()
                for socket in self.sockets:
                    await socket.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        step = request.match_info["step"]
        self.asked[step] += 1
        self.hosts.add(request.host)
        if step == "negotiate":
            self.authorizations.append(request.headers["Authorization"])
        if step == "connect":
            self._upgrades.append(request)
            self.most_live = max(self.most_live, self.live)
        try:
            return await self.odd.get(step, self.as_ssi)(request)
        finally:
            if step == "connect":
                self._upgrades.remove(request)

    async def as_ssi(self, request: web.Request) -> web.StreamResponse:
        """Answer as SSI does."""
        match request.match_info["step"]:
            case "AccessToken":
                self.tokens += 1
                return web.json_response({"message": "Success", "status": 200, "data": {"accessToken": f"token-{self.tokens}"}})
            case "negotiate":
                return web.json_response(
                    {"ConnectionToken": "t+/=", "TryWebSockets": True, "KeepAliveTimeout": self.keep_alive_s}
                )
            case "start":
                return web.json_response({"Response": "started"})
            case "connect":
                return await self._connect(request)
            case "Securities":
                symbols = LISTED[request.query["market"]]
                return said(
                    [{"Market": request.query["market"], "Symbol": name, "StockName": name} for name in symbols], len(symbols)
                )
            case "SecuritiesDetails":
                symbols = LISTED[request.query["market"]]
                rows = [{"Symbol": name, "LotSize": "100"} for name in symbols]
                return said([{"TotalNoSym": str(len(rows)), "RepeatedInfo": rows}], 1)
            case "IndexList":
                market = request.query["exchange"]
                indices = [{"IndexCode": name, "IndexName": None, "Exchange": market} for name in INDICES[market]]
                return said(indices, len(indices))
            case "IndexComponents":
                symbols = MEMBERS[request.query["indexCode"]]
                members = [{"StockSymbol": name} for name in symbols]
                return said([{"TotalSymbolNo": str(len(members)), "IndexComponent": members}], 1)
        return web.Response(status=404)

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoclose=not self.is_deaf)
        await socket.prepare(request)
        self.sockets.append(socket)
        if self.first_message is not None:
            await socket.send_str(self.first_message)
        async with asyncio.timeout(self.holds_s):
            async for message in socket:
                self.invoked.append(message.data)
                if self.reply is not None:
                    await socket.send_str(self.reply)
                    await self.talk(socket)
                if self.is_deaf:
                    await self._closing.wait()
        return socket
