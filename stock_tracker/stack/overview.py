"""How a running stack is, for ``stock-tracker status``: each process is asked whether it is ready."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stock_tracker.errors import NotRunning
from stock_tracker.stack import runfile
from stock_tracker.stack.readiness import why_not_ready
from stock_tracker.stack.shutdown import homes

_READY_PATHS = {"archive": "/ping", "simulator": "/sim/status"}
_WITHOUT_METRICS = ("simulator",)


@dataclass(frozen=True)
class PartState:
    """How one process of a stack is."""

    name: str
    pid: int | None
    port: int
    reason: str
    """Why it is not ready; empty when it is."""

    @property
    def metrics(self) -> str | None:
        """Where its metrics are; None when it has none."""
        return None if self.name in _WITHOUT_METRICS else f"http://127.0.0.1:{self.port}/metrics"


@dataclass(frozen=True)
class Overview:
    """How a stack is."""

    running: runfile.RunningStack
    parts: tuple[PartState, ...]

    @property
    def ready(self) -> bool:
        """Whether all its processes are ready."""
        return all(not part.reason for part in self.parts)

    def as_json(self) -> dict[str, object]:
        """The same as plain values, for ``--json``."""
        return {
            "home": self.running.home,
            "simulated": self.running.simulated,
            "pid": self.running.pid,
            "urls": self.running.urls,
            "ready": self.ready,
            "parts": [
                {"name": p.name, "pid": p.pid, "ready": not p.reason, "reason": p.reason, "metrics": p.metrics}
                for p in self.parts
            ],
        }

    def show(self) -> None:
        """Print it as a table, with the URLs below."""
        console = Console()
        kind = "simulated" if self.running.simulated else "live"
        table = Table("process", "pid", "state", "metrics", title=f"{kind} stack in {self.running.home}", title_justify="left")
        for part in self.parts:
            state = Text(part.reason, style="red") if part.reason else Text("ready", style="green")
            table.add_row(part.name, str(part.pid or "–"), state, part.metrics or "–")
        console.print(table)
        for name, url in self.running.urls.items():
            console.print(f"{name}: {url}", highlight=False)


async def look(environ: Mapping[str, str]) -> list[Overview]:
    """Look at every stack that runs in the home that ``environ`` names.

    Raises:
        NotRunning: None runs.
    """
    known = [running for home in homes(environ) if (running := runfile.read(home.runfile))]
    found = [running for running in known if running.alive]
    if not found:
        left = [pid for running in known for part in running.parts.values() if (pid := part["pid"]) and runfile.is_ours(pid)]
        raise NotRunning(homes(environ)[0].root, len(left))
    async with aiohttp.ClientSession() as session:
        return [Overview(running, await _parts(session, running)) for running in found]


async def _parts(session: aiohttp.ClientSession, running: runfile.RunningStack) -> tuple[PartState, ...]:
    async def part(name: str, pid: int | None, port: int) -> PartState:
        reason = await why_not_ready(session, f"http://127.0.0.1:{port}{_READY_PATHS.get(name, '/readyz')}")
        if name in running.halted:
            reason = f"halted: {running.halted[name]}"
        return PartState(name, pid, port, reason if pid else reason or "not running")

    return tuple(await asyncio.gather(*(part(name, said["pid"], said["port"] or 0) for name, said in running.parts.items())))
