"""Conversations with hubs that do not do what they should, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.ssi import client
from connectors.ssi.client import Conversation
from connectors.ssi.core.errors import SsiError
from connectors.ssi.core.hub_client import HubClient
from connectors.ssi.core.market_clock import make_clock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream

Hold = Callable[["OddHub"], Awaitable[tuple[SsiError, bool]]]


class OddHub:
    """A hub that shakes hands; start and what follows are up to the test."""

    def __init__(self, *, answers_start: bool, keep_alive_s: float) -> None:
        self._answers_start = answers_start
        self._keep_alive_s = keep_alive_s
        self.invoked: list[str] = []
        self.hung = asyncio.Event()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v2.0/signalr/negotiate", self._negotiate)
        app.router.add_get("/v2.0/signalr/connect", self._connect)
        app.router.add_get("/v2.0/signalr/start", self._start)
        return app

    async def _negotiate(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"ConnectionToken": "t", "TryWebSockets": True, "KeepAliveTimeout": self._keep_alive_s, "ProtocolVersion": "1.5"}
        )

    async def _start(self, _: web.Request) -> web.Response:
        if not self._answers_start:
            await self.hung.wait()
        return web.json_response({"Response": "started"})

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str('{"C":"d-1","S":1,"M":[]}')
        async for message in socket:
            self.invoked.append(message.data)
            await socket.send_str('{"R":null,"I":"0"}')
        return socket


@pytest.fixture
async def hold() -> AsyncIterator[Hold]:
    """Hold one conversation with a hub to its end: why it ended, and whether data could flow."""
    async with aiohttp.ClientSession() as http:

        async def hold(hub: OddHub) -> tuple[SsiError, bool]:
            subscribed: list[bool] = []
            async with TestServer(hub.application()) as server:
                stream = RecordStream("a", 3, make_clock("wall"), Outbox(1_000, 1_000_000), "ALL")
                hub_client = HubClient(str(server.make_url("/")), "X-TRADE:ALL")
                conversation = Conversation(http, hub_client, "token", stream, lambda: subscribed.append(True))
                try:
                    return await conversation.hold(), bool(subscribed)
                finally:
                    hub.hung.set()

        yield hold


async def test_a_hub_that_never_answers_start_is_subscribed_to_all_the_same(hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "START_S", 0.2)
    hub = OddHub(answers_start=False, keep_alive_s=1.0)
    _, subscribed = await hold(hub)
    assert subscribed
    assert len(hub.invoked) == 1
    assert "SwitchChannels" in hub.invoked[0]


async def test_a_hub_that_falls_silent_is_left(hold: Hold) -> None:
    error, subscribed = await hold(OddHub(answers_start=True, keep_alive_s=0.5))
    assert subscribed
    assert "not even a keep-alive" in str(error)
