"""A whole stack to be measured: as `stock-tracker up` starts it, on free ports, in a folder that goes, fed at any rate."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from stock_tracker.bench.core.paced_day import FeedRate
from stock_tracker.bench.usage import ProcessUsage, usage_of
from stock_tracker.errors import ProcessDied
from stock_tracker.stack.plan import Options, Stack, plan
from stock_tracker.stack.simulator import SimulatorClient
from stock_tracker.stack.up import Up, running

BROKER: Final = "broker"
_TAKEN_FROM_US: Final = ("KAFKA_BOOTSTRAP", "CLICKHOUSE_URL", "TOPIC_PREFIX", "ARCHIVE_DATABASE")
"""Variables that would have it use services that others use too: what these need would be counted as ours."""


class MeasuredStack:
    """A stack that runs, and its processes' usage."""

    def __init__(self, up: Up) -> None:
        self.up = up

    @property
    def simulator(self) -> SimulatorClient:
        """Holds and resumes the market."""
        if self.up.simulator is None:
            raise AssertionError("the stack has a simulated feed")
        return self.up.simulator

    @property
    def gateway(self) -> str:
        """Its address, without a scheme."""
        return f"127.0.0.1:{self.up.stack.gateway.port}"

    def check(self) -> None:
        """See that no process has died since the start: what is measured would not be what runs.

        Raises:
            ProcessDied: One has.
        """
        for life in self.up.supervisor.lives:
            if life.crashes:
                raise ProcessDied(life.part.name, life.part.tail())

    def pids(self) -> dict[str, int]:
        """Its processes, by name."""
        found = {life.part.name: life.pid for life in self.up.supervisor.lives if life.pid is not None}
        if self.up.broker is not None and (broker := self.up.broker.running()) is not None:
            found[BROKER] = broker.pid
        return found

    def usage(self) -> dict[str, ProcessUsage]:
        """What each process has used, by name."""
        found = {name: usage_of(pid) for name, pid in self.pids().items()}
        return {name: usage for name, usage in found.items() if usage is not None}


@asynccontextmanager
async def measured_stack(
    home: Path,
    tell: Callable[[str], None],
    *,
    paced: Sequence[FeedRate] | None = None,
    fast: bool = False,
    speed: float = 1.0,
    seconds: float | None = None,
    hours: tuple[str, str] | None = None,
    scale: float | None = None,
    lags: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[MeasuredStack]:
    """Run one as long as the block does. Its market begins when the connector has subscribed.

    Args:
        home: A folder for its data.
        tell: Takes a line for each thing that a person should know.
        paced: The rates of the feed; None for the light day of ``stock-tracker up``.
        fast: Whether a paced day goes as fast as the connector reads, whatever its rates.
        speed: Market seconds a second, where the day is not paced.
        seconds: For how long that day plays; None for all of it.
        hours: From when to when that day plays instead of its usual hours, in market time, HH:MM.
        scale: Plays a generated day of so much of a real one's records instead, as fast as the connector reads.
        settings: Further variables for its processes.
        lags: A folder in which gateway and connector write the lags of their event loops; None where nobody is to measure them.

    Raises:
        StockTrackerError: Something did not come up.
        SystemExit: SIGTERM came; everything has been stopped.
    """
    environ = {name: value for name, value in os.environ.items() if name not in _TAKEN_FROM_US}
    environ |= {**(settings or {}), "STOCK_TRACKER_HOME": str(home)}
    options = Options(speed=speed, seconds=seconds, free_ports=True)
    stack = plan(options, environ, run_id=f"{int(time.time())}")
    if paced is not None:
        stack = _fed(stack, paced, fast=fast)
    if hours is not None:
        stack = _from_to(stack, *hours)
    if scale is not None:
        stack = _of_scale(stack, scale)
    if lags is not None:
        stack = _probed(stack, lags)
    with _ended_by_sigterm():
        async with running(stack, tell) as up:
            yield MeasuredStack(up)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Whoever ends the measurement ends its processes, too: they are stopped in good order first.

    Raises:
        SystemExit: SIGTERM came, and all that ran has been stopped.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        raise AssertionError("a stack is run by a task")
    came = asyncio.Event()

    def end() -> None:
        came.set()
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        yield
    except asyncio.CancelledError:
        if came.is_set():
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _fed(stack: Stack, paced: Sequence[FeedRate], *, fast: bool) -> Stack:
    if stack.simulator is None:
        raise AssertionError("a live stack is fed by SSI")
    rates = json.dumps([list(stretch) for stretch in paced])
    argv = [sys.executable, "-m", "stock_tracker.bench.feed", "--port", str(stack.simulator.port), "--rates", rates]
    return replace(stack, simulator=replace(stack.simulator, argv=(*argv, *(["--fast"] if fast else []))))


def _from_to(stack: Stack, start: str, end: str) -> Stack:
    if stack.simulator is None:
        raise AssertionError("a live stack is fed by SSI")
    argv = list(stack.simulator.argv)
    argv[argv.index("--start") + 1] = start
    return replace(stack, simulator=replace(stack.simulator, argv=(*argv, "--end", end)))


def _of_scale(stack: Stack, scale: float) -> Stack:
    if stack.simulator is None:
        raise AssertionError("a live stack is fed by SSI")
    argv = (
        sys.executable,
        "-m",
        "stock_tracker",
        "ssi",
        "simulate",
        "--port",
        str(stack.simulator.port),
        "--scale",
        f"{scale:g}",
    )
    return replace(stack, simulator=replace(stack.simulator, argv=(*argv, "--speed", "max", "--start", "08:55", "--wait")))


def _probed(stack: Stack, lags: Path) -> Stack:
    def with_probe(name: str, argv: tuple[str, ...]) -> tuple[str, ...]:
        # `python -m stock_tracker …` becomes `python -m stock_tracker.bench.probe FILE …`.
        return (argv[0], "-m", "stock_tracker.bench.probe", str(lags / f"{name}.lags"), *argv[3:])

    return replace(
        stack,
        gateway=replace(stack.gateway, argv=with_probe("gateway", stack.gateway.argv)),
        connector=replace(stack.connector, argv=with_probe("connector", stack.connector.argv)),
    )
