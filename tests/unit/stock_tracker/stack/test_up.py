import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from schemas.errors import PortTaken
from stock_tracker.errors import BrokerFailed, PartHalted
from stock_tracker.home import Home
from stock_tracker.kafka.broker import Broker
from stock_tracker.ports import free_port
from stock_tracker.stack import runfile
from stock_tracker.stack.overview import look
from stock_tracker.stack.supervisor import Part, Supervisor
from stock_tracker.stack.up import keep_running, to_its_end, unless_one_halts
from tests.patience import PATIENCE_S

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
        launched.wait(PATIENCE_S)
        events.append("launched")

    async def stack() -> None:
        try:
            await to_its_end(start)
        finally:
            events.append("stopped")

    task = asyncio.create_task(stack())
    await asyncio.to_thread(launching.wait, PATIENCE_S)
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


async def test_what_a_halted_part_would_never_let_end_is_given_up(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda line: None)
    words = "import sys; print('Error: upgrade this process first', file=sys.stderr); sys.exit(3)"
    await supervisor.start(Part("sink", (sys.executable, "-c", words), dict(os.environ), 0, tmp_path / "sink.log"))
    given_up = asyncio.Event()

    async def wait_for_the_sink() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    with pytest.raises(PartHalted, match="sink has halted: upgrade this process first"):
        await unless_one_halts(supervisor, wait_for_the_sink())
    assert given_up.is_set()


async def test_work_that_ends_while_all_parts_are_well_is_over() -> None:
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    await unless_one_halts(Supervisor(lambda line: None), work())
    assert done.is_set()


async def test_status_says_which_process_halted_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runfile, "is_ours", lambda pid: True)
    home = Home(tmp_path)
    parts: dict[str, dict[str, int | None]] = {"prices": {"pid": None, "port": free_port()}}
    stack = runfile.RunningStack(os.getpid(), str(tmp_path), False, parts=parts, halted={"prices": "upgrade this process first"})
    runfile.write(home.runfile, stack)
    (overview,) = await look({"STOCK_TRACKER_HOME": str(tmp_path)})
    assert [(part.name, part.reason) for part in overview.parts] == [("prices", "halted: upgrade this process first")]
    assert not overview.ready
