"""A broker that dies under a running gateway and comes back."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stock_tracker.kafka import topics
from stock_tracker.kafka.broker import Broker
from stock_tracker.ports import free_port
from tests.patience import reached

pytestmark = pytest.mark.kafka

AWAY_S = 3.0


def silent(line: str) -> None:
    """Tell nobody."""


async def test_a_killed_broker_is_said_and_its_return_goes_on_with_the_rows(
    tmp_path: Path, new_market_at: Callable[[str], Any], start_gateway: Any, connect: Any
) -> None:
    broker = Broker(tmp_path / "kafka", os.environ)
    running = await asyncio.to_thread(broker.start, free_port(), silent)
    try:
        kafka = {"bootstrap.servers": running.bootstrap}
        await asyncio.to_thread(topics.apply, kafka, "", 3, 1)
        market = new_market_at(running.bootstrap)
        market.price("VNM", last=61_000)
        market.flush()
        gateway = await start_gateway(running.bootstrap, "")
        wire = await connect(await gateway.ready())
        await wire.subscribe("px", "VNM")

        os.kill(running.pid, signal.SIGKILL)

        async def is_missed() -> bool:
            status, _ = await gateway.readiness()
            return bool(status != 200)

        await reached(is_missed, "the gateway's word that Kafka is away")
        assert "stock-tracker kafka start" in (await gateway.readiness())[1]
        # It asks about once a second; before it was taught to, complaints and looks chased one another on a whole core.
        assert await _cores_in_use_for(AWAY_S) < 0.5

        await asyncio.to_thread(broker.start, int(running.bootstrap.rpartition(":")[2]), silent)
        await gateway.ready()
        market.price("VNM", last=62_000)
        await asyncio.to_thread(market.flush)
        await wire.until(lambda: wire.shown["px"]["VNM"]["last"] == 62_000)
    finally:
        await asyncio.to_thread(broker.stop, silent)


async def _cores_in_use_for(seconds: float) -> float:
    """CPU time a second that this process, the gateway in it, takes meanwhile."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    await asyncio.sleep(seconds)
    after, ended = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / (ended - began)
