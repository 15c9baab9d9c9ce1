"""All clients of a gateway lose it at once, and come to another: ``PROVE=1`` makes it two thousand."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway.app import Gateway, now_ms
from gateway.core.board import Board
from gateway.core.channels import CHANNELS
from gateway.core.doorkeeper import Doorkeeper
from gateway.core.events import Recents
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.core.subscriber import Close
from gateway.door import Door, places, raise_descriptors
from gateway.fanout import Fanout
from gateway.settings import THIS_MACHINE, GatewaySettings
from schemas.stock_v1 import CloseCode
from schemas.topics import encode
from stock_tracker import client as client_module
from stock_tracker.client import DataAge, Disconnected, MarketStream, Rows, Told
from stock_tracker.ports import free_port
from tests.patience import PATIENCE_S, reached
from tests.proof import usually

CLIENTS = usually(40, proving=2_000)
SPREAD_MS = usually(200, proving=5_000)
"""Over how long they are told to come back."""
WATCHED = [f"S{number:02}" for number in range(30)]


@asynccontextmanager
async def serving(board: Board, events: Recents, port: int) -> AsyncIterator[tuple[Fanout, Door]]:
    """A gateway with these rows."""
    limits = ClientLimits(heartbeat_ms=int(PATIENCE_S * 1_000))
    fanout = Fanout(board, events, Connectors(), limits, now_ms, reason=str)
    settings = GatewaySettings(kafka={}, topic_prefix="")
    gateway = Gateway(settings, fanout, str)
    gateway.door = door = Door(Doorkeeper(places(CLIENTS, raise_descriptors()), 200), THIS_MACHINE)
    runner = web.AppRunner(gateway.application(), shutdown_timeout=0.1)
    await runner.setup()
    assert runner.server is not None
    await door.listen("127.0.0.1", port, runner.server)
    living = [asyncio.create_task(task) for task in (fanout.watch_forever(), fanout.pump_forever())]
    try:
        yield fanout, door
    finally:
        for task in living:
            task.cancel()
        door.close()
        await runner.cleanup()


def a_row(change: Any, symbol: str, value: int) -> Any:
    """A row of ``px`` whose second column is ``value``, and all after it."""
    fragment = encode([symbol, *[value] * (len(CHANNELS["px"].columns) - 1)])
    return change(symbol, value=value, fragment=fragment)


class Watching:
    """A client, what it was told but for ages, and how often it lost its gateway."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.told: list[Told] = []
        self.is_back = False
        """Whether it was told what changed while it was away."""

    async def run(self) -> None:
        async with MarketStream(self._url) as stream:
            await stream.subscribe("px", *WATCHED)
            async for told in stream:
                if not isinstance(told, DataAge):
                    self.told.append(told)
                    self.is_back = self.is_back or (isinstance(told, Rows) and told.rows.keys() == {"S07"})

    @property
    def rows(self) -> list[dict[str, int]]:
        return [{key: row["day"] for key, row in told.rows.items()} for told in self.told if isinstance(told, Rows)]


async def test_every_client_that_loses_its_gateway_goes_on_at_the_next_one_where_it_stopped(
    new_board: Any, new_recents: Any, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All clients and the gateway share one processor here, and others may want it too: nobody gives up because it is slow.
    monkeypatch.setattr(client_module, "OPEN_WITHIN_S", PATIENCE_S)
    first, second = new_board(), new_board()
    for board in (first, second):
        list(board.apply([a_row(change, symbol, number) for number, symbol in enumerate(WATCHED)]))
    list(second.apply([a_row(change, "S07", 99)]))
    port = free_port()
    clients = [Watching(f"ws://127.0.0.1:{port}/v1/ws") for _ in range(CLIENTS)]
    draw = random.Random(7)
    running: list[asyncio.Task[None]] = []
    try:
        async with asyncio.timeout(4 * PATIENCE_S):
            async with serving(first, new_recents(), port) as (fanout, door):
                running += [asyncio.create_task(client.run()) for client in clients]
                await reached(lambda: all(client.told for client in clients), "a snapshot for each client")
                door.close()
                fanout.say_goodbye(lambda: draw.randrange(SPREAD_MS), "shutdown")
                fanout.end_all(Close(CloseCode.SHUTDOWN, "shutdown"))
                await reached(lambda: not fanout.clients, "a gateway without clients")
            async with serving(second, new_recents(), port) as _:
                await reached(lambda: all(client.is_back for client in clients), "that all are back")
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    whole = {symbol: number for number, symbol in enumerate(WATCHED)}
    for client in clients:
        first_rows, *later = client.rows
        # Where all are slow a client may lose its gateway once more; nobody gets twice what it has.
        assert (first_rows, [rows for rows in later if rows]) == (whole, [{"S07": 99}])
        assert isinstance(client.told[1], Disconnected)
