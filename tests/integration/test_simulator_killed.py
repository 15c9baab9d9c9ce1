"""A simulator that is killed in the middle of its day goes on with it: nothing twice, and what it missed was sent to nobody."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import time
from pathlib import Path

import aiohttp
import pytest

from connectors.ssi.simulator.core.errors import UnreadableLogbook
from connectors.ssi.simulator.core.truth import PrintTruth, Truth
from tests.patience import until
from tests.simulator_client import DAY, Client, prints_of, running

SPEED = 60
ENOUGH = 300
"""Records that a client gets before the simulator is killed."""


class Killable:
    """A simulator in a process of its own."""

    def __init__(self, state: Path, log: Path) -> None:
        command = [sys.executable, "-m", "stock_tracker", "ssi", "simulate", "--port", "0", "--state", str(state), "--wait"]
        command += ["--seed", "7", "--date", str(DAY), "--start", "09:14:50", "--end", "09:24:50", "--speed", str(SPEED)]
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file)
        self._log = log

    @property
    def url(self) -> str:
        """Where it listens, once it does."""

        def listens() -> bool:
            assert self.process.poll() is None, self._log.read_text()
            return "SSI simulator on " in self._log.read_text()

        until(listens, "the simulator's start")
        return self._log.read_text().partition("SSI simulator on ")[2].split()[0]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Killable]]:
    started: list[Killable] = []

    def begin() -> Killable:
        started.append(Killable(tmp_path / "state", tmp_path / f"log{len(started)}"))
        return started[-1]

    yield begin
    for simulator in started:
        simulator.process.kill()
        simulator.process.wait()


async def the_whole_day() -> Truth:
    """What happens on that day if nobody is killed."""
    async with running(end=time(9, 24, 50)) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.read_until(ws, client.finished)
        return await client.truth()


async def test_a_killed_simulator_goes_on_with_its_day_and_its_books(start: Callable[[], Killable]) -> None:
    async with aiohttp.ClientSession() as http:
        killed = start()
        first = Client(http, await asyncio.to_thread(lambda: killed.url))
        async with first.connected() as ws:
            await first.subscribe(ws)
            while len(first.received) < ENOUGH or not prints_of(first):
                first.take(await ws.receive_str())
            before = await first.status()
            killed.kill()
            async for message in ws:
                first.take(message.data)
        assert [connection["id"] for connection in before["connections"]] == [1]

        again = start()
        second = Client(http, await asyncio.to_thread(lambda: again.url))
        after = await second.status()
        (past,) = after["connections"]
        assert after["market_ms"] > before["market_ms"]
        assert (past["id"], past["ended"]) == (1, "reset")
        assert past["connection_id"] == before["connections"][0]["connection_id"]
        assert past["subscribed_ms"] == before["connections"][0]["subscribed_ms"]
        assert past["subscribed_ms"] < past["closed_ms"] < after["market_ms"]
        assert past["records"] >= len(first.received)
        assert len(await second.sent(1)) == past["put"]

        async with second.connected() as ws:
            await second.subscribe(ws)
            await second.read_until(ws, second.finished)
            status, truth = await second.status(), await second.truth()

    other = await the_whole_day()
    day = [(line.symbol, line.due_ms, line.total_vol, line.price) for line in truth.prints]
    assert day == [(line.symbol, line.due_ms, line.total_vol, line.price) for line in other.prints]
    assert status["connections"][1]["records"] == len(second.received)

    told_of = [(line.symbol, line.total_vol, line.last_vol, line.price) for line in truth.prints]
    sent: dict[tuple[str, float, float, float], PrintTruth] = dict(zip(told_of, truth.prints, strict=True))
    for number, client in ((1, first), (2, second)):
        assert all(number in sent[told].connections for told in prints_of(client))
    assert any(not line.connections for line in truth.prints if line.due_ms > past["closed_ms"])
    for symbol in {line.symbol for line in truth.prints}:
        connections = [line.connections for line in truth.prints if line.symbol == symbol]
        # From its snapshot on the second client got all; what both got is the print that this snapshot repeated.
        on_second = [2 in numbers for numbers in connections]
        assert on_second == sorted(on_second)
        assert sum(numbers == (1, 2) for numbers in connections) <= 1


async def test_what_faults_did_before_stays_in_the_books(tmp_path: Path) -> None:
    async with running(state=tmp_path, speed=SPEED, end=time(9, 24, 50)) as a_client:
        first = a_client()
        async with first.connected() as ws:
            await first.subscribe(ws)
            await first.fault(fault="withhold", count=5, channels=["X-QUOTE"])
            await first.fault(fault="garble", how="type", count=5, channels=["X-TRADE"])
            while [sum(fault.records.values()) for fault in (await first.truth()).faults] != [5, 5]:
                first.take(await ws.receive_str())
            before = await first.truth()

    async with running(state=tmp_path, speed=SPEED, end=time(9, 24, 50)) as a_client:
        second = a_client()
        truth = await second.truth()
        assert truth.faults == before.faults
        assert truth.affected == before.affected
        assert truth.header.malformed == before.header.malformed
        await second.fault(fault="drop")
        assert [fault.id for fault in (await second.truth()).faults] == [1, 2, 3]


async def test_a_day_of_another_seed_is_not_gone_on_with(tmp_path: Path) -> None:
    async with running(state=tmp_path, speed=SPEED):
        pass
    with pytest.raises(UnreadableLogbook, match=r"it is of another day: 20261123, seed 7,.* choose another folder with --state"):
        async with running(state=tmp_path, speed=SPEED, seed=8):
            pass
