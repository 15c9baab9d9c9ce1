"""A whole stack as a user starts it, and the means to hold and to break it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from connectors.ssi.simulator.core.truth import Truth
from schemas.units import UnixMs
from stock_tracker.home import Home, cache
from stock_tracker.stack.drain import worked_through
from stock_tracker.stack.runfile import RunningStack, read
from stock_tracker.stack.simulator import SimulatorClient
from tests.patience import reached

COMMAND = (sys.executable, "-m", "stock_tracker")
KILLABLE = ("prices", "foreign", "sink", "indices", "archive", "gateway", "alerts")
"""What may die without a trace: every process but the connector, which cannot ask SSI for what it missed."""


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    said: str

    @property
    def result(self) -> dict[str, Any]:
        """What it printed, with ``--json``."""
        assert self.out, f"it ended with {self.code} and printed nothing\n{self.said}"
        result: dict[str, Any] = json.loads(self.out)
        return result


class RunningUp:
    """``stock-tracker up`` in a process of its own."""

    def __init__(self, home: Path, *arguments: str, **environ: str) -> None:
        self.home = home
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("SSI_")} | environ
        self._environ |= {"STOCK_TRACKER_HOME": str(home), "STOCK_TRACKER_CACHE": str(cache(os.environ))}
        self._out, self._said = home / "out", home / "said"
        with self._out.open("wb") as out, self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [*COMMAND, "up", "--free-ports", *arguments],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=said,
            )

    @property
    def said(self) -> str:
        """All that it told its user so far."""
        return self._said.read_text()

    @property
    def runfile(self) -> RunningStack | None:
        return read(Home(self.home / "simulated").runfile)

    @property
    def running(self) -> RunningStack:
        running = self.runfile
        assert running is not None, f"the stack is gone\n{self.said}"
        return running

    @asynccontextmanager
    async def simulator(self) -> AsyncIterator[SimulatorClient]:
        async with aiohttp.ClientSession() as session:
            yield SimulatorClient(session, self.running.environment["SSI_CLOCK"].removesuffix("/sim/clock"))

    async def market_ms(self) -> UnixMs:
        """Market time, once the simulated day has begun."""
        await reached(lambda: self.lives() and self.runfile and self._pid("connector"), "the connector's start")
        async with self.simulator() as simulator:

            async def has_begun() -> bool:
                return self.lives() and (await simulator.clock()).state != "waiting"

            await reached(has_begun, "the simulated day's begin")
            return (await simulator.clock()).market_ms

    async def reach(self, market_ms: int, *, stand: bool = False) -> None:
        """Let the market play on until it is ``market_ms`` there; it goes on, or stands from that very moment on."""
        await self.market_ms()
        async with self.simulator() as simulator:
            await simulator.resume(UnixMs(market_ms) if stand else None)

            async def is_reached() -> bool:
                return self.lives() and (await simulator.clock()).market_ms >= market_ms

            await reached(is_reached, "that market time")

    async def hold(self) -> Truth:
        """Let the market stand from now on; what has happened on it. Called again, it stands longer."""
        async with self.simulator() as simulator:
            await simulator.hold()
            return await simulator.truth()

    async def play_to(self, market_ms: int) -> Truth:
        """Let the market play on until it is ``market_ms`` there, and stand; what has happened on it by then.

        So nothing that a test then waits for passes by meanwhile, however long the stack and the test take.
        """
        await self.reach(market_ms, stand=True)
        return await self.hold()

    async def drain(self) -> None:
        """Wait until all that has happened on the market, which must stand, is in the topics and in the archive."""
        environment = self.running.environment
        kafka = {"bootstrap.servers": environment["KAFKA_BOOTSTRAP"]}
        async with self.simulator() as simulator:
            await worked_through(simulator, kafka, environment.get("TOPIC_PREFIX", ""))

    async def strike(self, part: str) -> int:
        """SIGKILL a process of the stack; the process id that it had."""
        await reached(lambda: self.lives() and self._pid(part), f"a start of {part}")
        pid = self._pid(part)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    async def come_back(self, part: str, before: int) -> None:
        """Wait until a process that was struck has been started again."""
        await reached(lambda: self.lives() and self._pid(part) not in (None, before), f"another start of {part}")

    async def kill(self, part: str) -> None:
        """Strike a process and wait until it has been started again."""
        await self.come_back(part, await self.strike(part))

    async def outcome(self) -> Ended:
        """Wait for the end."""
        await reached(lambda: self.process.poll() is not None, "the end of up")
        return Ended(self.process.returncode, self._out.read_text(), self.said)

    async def command(self, *arguments: str, **environ: str) -> Ended:
        """Run another ``stock-tracker`` command on the same home."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            env=self._environ | environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, said = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), said.decode())

    @asynccontextmanager
    async def beside(self, *arguments: str, **environ: str) -> AsyncIterator[None]:
        """Run a service of the stack once more, beside it, for as long as the block lasts; it must end well."""
        said = self.home / "beside"
        with said.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *COMMAND, *arguments, env=self._environ | environ, stdout=file, stderr=file
            )
        try:
            yield
            assert process.returncode is None, said.read_text()
        finally:
            if process.returncode is None:
                process.terminate()
            code = await process.wait()
        assert code == 0, said.read_text()

    def stop(self) -> None:
        """See that nothing of it runs any more."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        # One that died left everything running.
        subprocess.run([*COMMAND, "down"], env=self._environ, capture_output=True, check=True)

    def _pid(self, part: str) -> int | None:
        return self.running.parts[part]["pid"]

    def lives(self) -> bool:
        """True; fails, with all that was said, when it has ended by itself."""
        assert self.process.poll() is None, f"up ended\n{self.said}"
        return True


StartUp = Callable[..., RunningUp]
