"""One stack for all scenarios: a fake SSI, the connector, the pipelines and the gateway, each on real sockets and a real Kafka.

A scenario has a trading day to itself, so it finds nothing of the others, in whatever order they run; ``SCENARIOS_SEED`` repeats
an order. Nobody waits for market time: it moves with what SSI says.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest
import pytest_asyncio

from schemas.deployment import LOCAL_SHARDS
from stock_tracker.testing.topic_sets import TopicSets
from tests.e2e.scenarios.fake_ssi import FakeSsi, MarketDay
from tests.e2e.scenarios.stack import running_stack
from tests.e2e.scenarios.viewer import Viewer, Watch


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def gateway_and_ssi(
    kafka: str, topic_sets: Callable[[int], TopicSets], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, FakeSsi]]:
    """The stack, and what it is connected to."""
    sets = topic_sets(LOCAL_SHARDS)
    prefix, ssi = sets.take(), FakeSsi()
    async with ssi.hub.serving() as url:
        alive = asyncio.create_task(ssi.keep_alive())
        async with running_stack(tmp_path_factory.mktemp("stack"), url, kafka, prefix) as gateway:
            yield gateway, ssi
            alive.cancel()
        with suppress(asyncio.CancelledError):
            await alive
    sets.give_back(prefix)


@pytest_asyncio.fixture(loop_scope="session")
async def ssi(gateway_and_ssi: tuple[str, FakeSsi]) -> FakeSsi:
    """SSI, and a connector that has subscribed there."""
    ssi = gateway_and_ssi[1]
    await ssi.connected()
    return ssi


@pytest_asyncio.fixture(loop_scope="session")
async def market(ssi: FakeSsi) -> MarketDay:
    """A trading day of the scenario's own, before the open."""
    return await ssi.next_day()


@pytest_asyncio.fixture(loop_scope="session")
async def watch(gateway_and_ssi: tuple[str, FakeSsi], market: MarketDay) -> AsyncIterator[Watch]:
    """Connects viewers of the day, each subscribed to the channels that it names, of which it is told every change."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def watch(*channels: str) -> Viewer:
            socket = await stack.enter_async_context(http.ws_connect(f"{gateway_and_ssi[0]}/v1/ws"))
            viewer = Viewer(socket, market.day)
            for channel in channels:
                await viewer.subscribe(channel, throttle_ms=0)
            return viewer

        yield watch
