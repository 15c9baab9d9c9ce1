"""A whole stack as a user starts it, and the means to break it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from stock_tracker.home import Home, cache
from stock_tracker.stack import runfile
from stock_tracker.stack.simulator import SimulatorClient

COMMAND = (sys.executable, "-m", "stock_tracker")


@dataclass
class Outcome:
    """How ``up --for`` ended."""

    code: int
    result: dict[str, Any]
    said: str


class RunningUp:
    """``stock-tracker up`` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, home: Path, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.home = home
        self._session = session

    @property
    def runfile(self) -> runfile.RunningStack | None:
        return runfile.read(Home(self.home / "simulated").runfile)

    @property
    def simulator(self) -> SimulatorClient:
        running = self.runfile
        assert running is not None
        return SimulatorClient(self._session, running.environment["SSI_CLOCK"].removesuffix("/sim/clock"))

    async def market_ms(self) -> int:
        """Market time, once the simulated day has begun."""
        while self.runfile is None or self.runfile.parts["connector"]["pid"] is None:
            await self._look()
        clock = await self.simulator.clock()
        while clock.state == "waiting":
            await self._look()
            clock = await self.simulator.clock()
        return clock.market_ms

    async def reach(self, market_ms: int) -> None:
        """Wait until market time is ``market_ms``."""
        while await self.market_ms() < market_ms:
            await self._look()

    async def kill(self, part: str) -> None:
        """SIGKILL a process of the stack, and wait until it has been started again."""
        before = self._pid(part)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        while self._pid(part) in (None, before):
            await self._look()

    async def outcome(self) -> Outcome:
        """Wait for the end."""
        out, said = await self.process.communicate()
        assert self.process.returncode is not None
        words = said.decode()
        assert out, words
        return Outcome(self.process.returncode, json.loads(out), words)

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """Run another ``stock-tracker`` command on the same home: exit code, stdout, stderr."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            env=os.environ | {"STOCK_TRACKER_HOME": str(self.home)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, said = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), said.decode()

    def _pid(self, part: str) -> int | None:
        running = self.runfile
        assert running is not None, "the stack is gone"
        return running.parts[part]["pid"]

    async def _look(self) -> None:
        assert self.process.returncode is None, "up ended"
        await asyncio.sleep(0.1)


@pytest.fixture
async def start_up(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[RunningUp]]]:
    """Start ``stock-tracker up`` with arguments, in a home of the test's own; it is stopped at the end."""
    started: list[RunningUp] = []
    async with aiohttp.ClientSession() as session:

        async def start(*arguments: str) -> RunningUp:
            environ = {name: value for name, value in os.environ.items() if not name.startswith("SSI_")}
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                "up",
                "--free-ports",
                *arguments,
                env=environ | {"STOCK_TRACKER_HOME": str(tmp_path), "STOCK_TRACKER_CACHE": str(cache(os.environ))},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            started.append(RunningUp(process, tmp_path, session))
            return started[-1]

        yield start
        for up in started:
            if up.process.returncode is None:
                up.process.terminate()
                await up.process.communicate()
            # One that died left everything running.
            await up.command("down")
