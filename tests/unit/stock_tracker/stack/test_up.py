import asyncio
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from schemas.errors import PortTaken
from stock_tracker.errors import BrokerFailed
from stock_tracker.kafka.broker import Broker
from stock_tracker.stack.up import keep_running, to_its_end

LOG = Path("broker.log")


class DyingBroker:
    """Does not come up at its first start; runs from the second on."""

    log = LOG

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.starts = 0
        self.came_up = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def running(self) -> object | None:
        return self if self.starts > 1 else None

    def start(self, port: int, tell: Any) -> None:
        self.starts += 1
        if self.starts == 1:
            raise self._error
        self._loop.call_soon_threadsafe(self.came_up.set)


async def test_a_start_that_is_cancelled_is_over_before_anything_is_stopped() -> None:
    launching, launched = threading.Event(), threading.Event()
    events: list[str] = []

    def start() -> None:
        launching.set()
        launched.wait(10)
        events.append("launched")

    async def stack() -> None:
        try:
            await to_its_end(start)
        finally:
            events.append("stopped")

    task = asyncio.create_task(stack())
    await asyncio.to_thread(launching.wait, 10)
    task.cancel()
    await asyncio.wait([task], timeout=0.1)
    assert events == []
    launched.set()
    await asyncio.gather(task, return_exceptions=True)
    assert events == ["launched", "stopped"]


@pytest.mark.parametrize(
    "error",
    [
        BrokerFailed("stopped before it answered", LOG, ""),
        PortTaken("127.0.0.1", 9092, "another process listens there", "Stop it"),
    ],
    ids=["it failed", "its port was taken"],
)
async def test_a_broker_that_dies_while_it_starts_again_is_started_once_more(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("stock_tracker.stack.up._LOOK_S", 0.01)
    told: list[str] = []
    broker = DyingBroker(error)
    keeping = asyncio.create_task(keep_running(cast("Broker", broker), 9092, told.append))
    came_up = asyncio.create_task(broker.came_up.wait())
    await asyncio.wait({keeping, came_up}, return_when=asyncio.FIRST_COMPLETED)
    assert not keeping.done()
    keeping.cancel()
    await asyncio.gather(keeping, came_up, return_exceptions=True)
    assert broker.starts == 2
    assert [line.partition(" (")[0].partition(":")[0] for line in told] == [
        "kafka died; starting it again",
        "kafka did not come up, trying again",
        "kafka died; starting it again",
    ]
