"""Runs a command of ``stock-tracker`` with a probe in its event loop: ``python -m stock_tracker.bench.probe FILE gateway``.

Each hundredth of a second the probe asks to be called, and writes by how much it was called too late: the lag of the loop. On a
machine with fewer processors than busy processes this has the wait for a processor in it too. A sample is two signed 64-bit
numbers in the machine's order, microseconds since 1970 and microseconds of lag.
"""

import asyncio
import contextlib
import signal
import sys
import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from stock_tracker import cli
from stock_tracker import service as services

STEP_S: Final = 0.01
_WRITE_AFTER: Final = 100
_Service = Callable[[asyncio.Event], Awaitable[None]]


class LagSample(NamedTuple):
    """One look at a loop."""

    at_us: int
    lag_us: int


def read_lags(file: Path) -> list[LagSample]:
    """What a probe has written so far."""
    values = array("q")
    data = file.read_bytes() if file.exists() else b""
    values.frombytes(data[: len(data) // 16 * 16])
    return [LagSample(values[place], values[place + 1]) for place in range(0, len(values), 2)]


async def note_lags(file: Path) -> None:
    """Look until cancelled."""
    loop = asyncio.get_running_loop()
    values = array("q")
    with file.open("wb", buffering=0) as out:
        while True:
            due = loop.time() + STEP_S
            await asyncio.sleep(STEP_S)
            values.append(time.time_ns() // 1_000)
            values.append(max(int((loop.time() - due) * 1e6), 0))
            if len(values) >= 2 * _WRITE_AFTER:
                out.write(values.tobytes())
                values = array("q")


def main() -> None:
    """Run the command that is named, as ``stock-tracker`` does."""
    file = Path(sys.argv[1])
    sys.argv = ["stock-tracker", *sys.argv[2:]]
    run_until_signalled = services.run_until_signalled

    def probed(service: _Service, signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> None:
        async def both(stop: asyncio.Event) -> None:
            probe = asyncio.create_task(note_lags(file))
            try:
                await service(stop)
            finally:
                probe.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await probe

        run_until_signalled(both, signals)

    # The commands look it up when they run.
    services.run_until_signalled = probed
    cli.main()


if __name__ == "__main__":
    main()
