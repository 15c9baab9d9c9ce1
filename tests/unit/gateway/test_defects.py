"""What went wrong in the predecessor's WebSocket server, by the numbers of its list of defects: each shown not to be here.

The gateway has real sockets here and no Kafka: a test puts the rows on its board.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import BaseTestServer, TestServer
from pydantic import ValidationError

from connectors.ssi.settings import SsiSettings
from gateway import fanout as fanouts
from gateway.app import Gateway
from gateway.core.board import Board
from gateway.core.channels import CHANNELS
from gateway.core.errors import InsecureBind
from gateway.core.events import Recents
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.core.subscriber import Close, Subscriber
from gateway.fanout import STALLED_MS, Client, Fanout
from gateway.settings import GatewaySettings
from schemas.stock_v1 import CloseCode
from schemas.topics import encode
from stock_tracker.client import MarketStream, Rows
from tests.patience import PATIENCE_S, reached
from tests.unit.gateway.conftest import Writing
from tests.wire_client import Wire

PLACES = 20
"""Clients that the gateway takes at a time: four times as many as the predecessor took from one address."""
SECRET = "s3cret-of-the-consumer"


class Running:
    """A gateway, and the clients that connect to it, all from this machine's address, as they do from behind a proxy."""

    def __init__(self, fanout: Fanout, server: BaseTestServer, clients: AsyncExitStack) -> None:
        self.fanout = fanout
        self.url = str(server.make_url(""))
        self._clients = clients

    async def connect(self, **options: Any) -> Wire:
        http = await self._clients.enter_async_context(aiohttp.ClientSession())
        return Wire(await self._clients.enter_async_context(http.ws_connect(f"{self.url}/v1/ws", **options)))

    async def get(self, path: str) -> str:
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/{path}") as answer:
            return await answer.text()


@pytest_asyncio.fixture
async def gateway(board: Board, events: Recents) -> AsyncIterator[Running]:
    settings = GatewaySettings(kafka={}, topic_prefix="", max_connections=PLACES)
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: 0, reason=str)
    async with TestServer(Gateway(settings, fanout, str).application()) as server, AsyncExitStack() as clients:
        yield Running(fanout, server, clients)


async def test_d16_one_address_may_have_as_many_clients_as_there_are_places_and_each_is_free_again(gateway: Running) -> None:
    """The predecessor took five clients from an address, that of its own proxy, and never forgot those that failed."""
    wires = [await gateway.connect() for _ in range(PLACES)]
    for wire in wires:
        assert (await wire.message())["op"] == "hello"
    for _ in range(3):
        assert await (await gateway.connect()).closing() == CloseCode.CONNECTION_LIMIT
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await gateway.connect(origin="https://evil.example")
    await wires.pop().socket.close()
    await reached(lambda: len(gateway.fanout.clients) == PLACES - 1, "a place that is free again")
    assert (await (await gateway.connect()).message())["op"] == "hello"
    assert len(gateway.fanout.clients) == PLACES


async def test_d17_a_client_begins_with_what_is_there_and_every_change_follows(gateway: Running, change: Any) -> None:
    """The predecessor sent nothing before the next tick, and nothing of indices and foreign flow to who watched the market."""
    channels = ("px", "index", "flow")

    def a_row(channel: str, value: int) -> list[Any]:
        return ["VNM", *[value] * (len(CHANNELS[channel].columns) - 1)]

    def put(channel: str, value: int) -> None:
        gateway.fanout.apply([change("VNM", channel=channel, value=value, fragment=encode(a_row(channel, value)))])

    for channel in channels:
        put(channel, 1)
    wire = await gateway.connect()
    for channel in channels:
        await wire.subscribe(channel, throttle_ms=0)
    assert {channel: list(wire.shown[channel]) for channel in channels} == {channel: ["VNM"] for channel in channels}
    for channel in channels:
        put(channel, 2)
        delta = await wire.message()
        assert (delta["op"], delta["ch"], delta["rows"]) == ("delta", channel, [a_row(channel, 2)])


async def test_d17_a_client_that_breaks_off_is_forgotten(gateway: Running) -> None:
    """In the predecessor it was still counted, and its queue filled up."""
    wire = await gateway.connect()
    await wire.subscribe("px")
    assert len(gateway.fanout.clients) == 1
    # Without a word of farewell.
    wire.socket.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
    await reached(lambda: not gateway.fanout.clients, "a gateway that has forgotten it")


class Deaf(Writing):
    """The socket of a client that reads nothing."""

    writable = False

    def write(self, _payloads: Any) -> int:
        raise AssertionError("it takes nothing")


async def test_d17_a_client_that_does_not_read_is_parted_from(
    board: Board, events: Recents, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The predecessor's log said "closing", and nothing was closed."""
    monkeypatch.setattr(fanouts, "_PUMP_S", 0.0)
    now_ms, ended = 0, asyncio.get_running_loop().create_future()
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: now_ms, reason=str)
    client = Client(Subscriber(board, events, fanout.limits, 0), Deaf(), ended.set_result, 0)
    fanout.join(client)
    pumping = asyncio.create_task(fanout.pump_forever())
    try:
        now_ms = STALLED_MS + 1
        async with asyncio.timeout(PATIENCE_S):
            close: Close = await ended
    finally:
        pumping.cancel()
    assert close.code == CloseCode.SLOW


def test_d18_a_gateway_listens_to_this_machine_alone_unless_more_was_meant() -> None:
    """The predecessor's REST, metrics and sockets were open to everybody, by default and with example passwords."""
    assert GatewaySettings(kafka={}, topic_prefix="").is_loopback
    with pytest.raises(InsecureBind, match="GATEWAY_INSECURE"):
        GatewaySettings(kafka={}, topic_prefix="", host="0.0.0.0").require_safe_bind()


def test_d18_credentials_travel_in_tls_and_are_shown_nowhere() -> None:
    """SSI's own client prints its token and checks no certificate."""
    ours = SsiSettings(consumer_id="me", consumer_secret=SECRET, kafka={"sasl.password": SECRET})
    assert SECRET not in repr(ours) + str(ours)
    with pytest.raises(ValidationError, match="https://") as refused:
        SsiSettings(consumer_id="me", consumer_secret=SECRET, kafka={}, api_url="http://fc-data.ssi.com.vn/")
    assert SECRET not in str(refused.value)


async def test_d18_paths_that_nobody_serves_make_no_metric(gateway: Running) -> None:
    """The predecessor kept a series for each path that anybody ever asked for."""
    before = (await gateway.get("metrics")).count("\n")
    for number in range(20):
        await gateway.get(f"wp-login-{number}.php")
    after = await gateway.get("metrics")
    assert "wp-login" not in after
    assert after.count("\n") == before


async def test_d23_all_users_of_a_load_run_in_one_process_and_each_gets_every_change(gateway: Running, change: Any) -> None:
    """In the predecessor's load suite the second user of a process ended with "another loop is running"."""
    shown: list[list[int]] = [[] for _ in range(PLACES)]

    def put(value: int) -> None:
        row = ["VNM", *[value] * (len(CHANNELS["px"].columns) - 1)]
        gateway.fanout.apply([change("VNM", value=value, fragment=encode(row))])

    async def use(values: list[int]) -> None:
        async with MarketStream(f"{gateway.url.replace('http', 'ws', 1)}/v1/ws") as stream:
            await stream.subscribe("px", "VNM", throttle_ms=0)
            async for told in stream:
                values += [told.rows["VNM"]["day"]] if isinstance(told, Rows) and "VNM" in told.rows else []

    def all_see(value: int) -> bool:
        for user in users:
            if user.done():
                user.result()
        return all(values[-1:] == [value] for values in shown)

    put(0)
    living = [asyncio.create_task(task) for task in (gateway.fanout.watch_forever(), gateway.fanout.pump_forever())]
    users = [asyncio.create_task(use(values)) for values in shown]
    try:
        for value in range(5):
            put(value)
            await reached(partial(all_see, value), "a change at every user")
    finally:
        for task in (*users, *living):
            task.cancel()
        await asyncio.gather(*users, *living, return_exceptions=True)
    assert shown == [[*range(5)]] * PLACES
