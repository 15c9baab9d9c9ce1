"""Our load's clients against a gateway with a board and no Kafka: what they count, and what they find."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway.app import Gateway, now_ms
from gateway.core.board import Board, Change
from gateway.core.events import recents
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from schemas.topics import encode
from stock_tracker.bench.clients import ClientsProcess, ClientsReport, Orders
from stock_tracker.errors import NotMeasured
from tests.patience import LOOK_S, PATIENCE_S, reached


def a_change(channel: str, key: str, value: int) -> Change:
    return Change(
        channel=channel, key=key, slot=0, offset=value, day=20261120, src=value, fragment=encode([key, value]), exchange="HOSE",
        groups=None,
    )  # fmt: skip


class Served:
    """A gateway that somebody moves."""

    def __init__(self) -> None:
        board = Board()
        board.begin("0123abcd")
        self.fanout = Fanout(board, recents(), Connectors(), ClientLimits(), now_ms, str)
        self.address = ""

    def change(self, value: int) -> None:
        self.fanout.apply([a_change(channel, key, value) for channel in ("px", "flow") for key in ("VNM", "FPT")])


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    served = Served()
    served.change(1)
    served.fanout.complete()
    gateway = Gateway(GatewaySettings(kafka={}, topic_prefix="", port=0), served.fanout, str)
    runner = web.AppRunner(gateway.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.address = f"127.0.0.1:{runner.addresses[0][1]}"
    pumping = asyncio.create_task(served.fanout.pump_forever())
    try:
        yield served
    finally:
        pumping.cancel()
        await runner.cleanup()


async def met(process: ClientsProcess) -> ClientsReport:
    return await asyncio.to_thread(process.end)


async def until_rows(process: ClientsProcess, rows: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await asyncio.to_thread(process.rows) < rows:
            await asyncio.sleep(LOOK_S)


async def test_clients_count_what_comes_and_keep_when_it_came() -> None:
    async with serving() as served:
        process = ClientsProcess(Orders(served.address, "stream", 3, throttle_ms=0, keep=2))
        await asyncio.to_thread(process.wait)
        for value in (2, 3):
            served.change(value)
        await until_rows(process, 3 * 3 * 2)
        report = await met(process)
    assert report.holes == 0
    assert report.errors == {}
    assert report.rows == 3 * 3 * 2
    assert [[(dict(one.offsets), sorted(one.symbols)) for one in kept] for kept in report.deliveries] == 2 * [
        [({0: offset}, ["FPT", "VNM"]) for offset in (1, 2, 3)]
    ]


async def test_rows_of_every_page_of_a_delta_are_kept() -> None:
    """Only the last of its messages has a cursor, and it is that of all of them."""
    symbols = [f"SYMBOL{number:05}" for number in range(6_000)]
    async with serving() as served:
        process = ClientsProcess(Orders(served.address, "stream", 1, throttle_ms=0, keep=1))
        await asyncio.to_thread(process.wait)
        served.fanout.apply([a_change("px", symbol, 7) for symbol in symbols])
        await until_rows(process, 2 + len(symbols))
        report = await met(process)
    kept = report.deliveries[0][1:]
    assert len(kept) > 1
    assert sorted(symbol for one in kept for symbol in one.symbols) == symbols
    assert {one.offsets[0] for one in kept} == {7}


async def test_a_storm_comes_back_with_its_cursor() -> None:
    async with serving() as served:
        process = ClientsProcess(Orders(served.address, "storm", 4, storm_every_s=0.2))
        await asyncio.to_thread(process.wait)
        joined: set[Any] = set()

        def came_often() -> bool:
            joined.update(served.fanout.clients)
            return len(joined) >= 12

        await reached(came_often, "clients that come and go")
        report = await met(process)
    assert report.returns >= 8
    assert report.unrecovered == 0
    assert report.holes == 0
    assert report.errors == {}


async def test_rest_is_asked_and_timed() -> None:
    async with serving() as served:
        process = ClientsProcess(Orders(served.address, "rest", 2, "flow"))
        await asyncio.to_thread(process.wait)
        report = await met(process)
    assert len(report.rest_ms) >= 2
    assert report.errors == {}


async def test_a_gateway_that_ends_connections_is_an_error() -> None:
    async with serving() as served:
        process = ClientsProcess(Orders(served.address, "stream", 2))
        await asyncio.to_thread(process.wait)
        before = set(served.fanout.clients)
        served.fanout.begin("89abcdef")
        served.fanout.complete()
        await reached(lambda: len(served.fanout.clients - before) == 2, "clients that come back")
        report = await met(process)
    assert report.errors["the gateway ended a connection: 4003"] == 2


async def test_what_nobody_serves_is_said() -> None:
    async with serving() as served:
        process = ClientsProcess(Orders(served.address, "stream", 1, channel="none"))
        with pytest.raises(NotMeasured, match="refused"):
            await asyncio.to_thread(process.wait)
