"""What ``stock-tracker up`` does with a stack: keep it until it is stopped, or play, drain, verify and stop it by itself."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

from stock_tracker.errors import Abandoned
from stock_tracker.stack.display import Display
from stock_tracker.stack.plan import Stack
from stock_tracker.stack.simulator import SimulatorClient
from stock_tracker.stack.up import Up, played_and_drained, running
from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.run import FILLED_BY_A_MORNING, Verification
from stock_tracker.verify.stack import ask_simulator, gateway_of, verify_against

STOPPED: Final = "a signal came before the end: nothing was verified"
MORNING_S = 50 * 60
"""Market seconds from 08:55 until the simulated stories have left rows in all tables; before that there may be no alert yet."""


async def play(stack: Stack, as_json: bool) -> bool:
    """Run ``stack`` until a signal comes or its time is over; return whether it did what it was asked to, and reconciled.

    Raises:
        StockTrackerError: Something did not come up, or was not worked through in time.
        PortTaken, KafkaUnavailable: Kafka did not come up.
    """
    began = time.monotonic()
    seconds = stack.options.seconds
    verdicts: list[bool] = []

    def report(verification: Verification, messages: int) -> None:
        # At once: whatever happens while the stack is stopped, the verdict stands.
        verdicts.append(verification.reconciled)
        _report(verification, messages, time.monotonic() - began, as_json)

    ended = await until_signalled(lambda display: _run(stack, display, report))
    if verdicts:
        return verdicts[0]
    if not ended and seconds is not None:
        if as_json:
            print(json.dumps({"reconciled": False, "stopped": STOPPED}), flush=True)
        return False
    return True


async def until_signalled(run: Callable[[Display], Coroutine[Any, Any, None]]) -> bool:
    """Run to the end or until a signal comes, and then cancel and wait; return whether it came to its end.

    Raises:
        Abandoned: It was cancelled, and by no signal.
        Exception: Whatever it raised.
    """
    with _signals() as stop, Display() as display:
        running = asyncio.create_task(run(display))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            display.tell("Stopping …")
            running.cancel()
        stopped.cancel()
        ended = (await asyncio.gather(running, stopped, return_exceptions=True))[0]
    if isinstance(ended, asyncio.CancelledError):
        if not stop.is_set():
            raise Abandoned from ended
        return False
    if isinstance(ended, BaseException):
        raise ended
    return True


async def _run(stack: Stack, display: Display, report: Callable[[Verification, int], None]) -> None:
    """Start the stack; then either keep it until cancelled, or play, drain and verify. The end of the block stops it."""
    async with running(stack, display.tell) as up, display.watching(up):
        for name, url in up.urls.items():
            display.tell(f"{name}: {url}")
        if stack.options.seconds is None or up.simulator is None:
            display.tell("Ctrl-C stops everything")
            await asyncio.Event().wait()
            raise AssertionError  # nobody sets that event
        await played_and_drained(up, up.simulator, stack.options.seconds)
        report(await verified(up, up.simulator), up.watcher.messages)


async def verified(up: Up, simulator: SimulatorClient) -> Verification:
    """Verify a stack whose simulated day is over and has been worked through."""
    options = up.stack.options
    up.tell("Everything has been worked through; verifying")
    simulated = await ask_simulator(simulator)
    filled = FILLED_BY_A_MORNING if (options.seconds or 0) * options.speed >= MORNING_S else ()
    environment = up.stack.environment
    verification = await asyncio.to_thread(verify_against, simulated, environment, up.tell, filled, gateway_of(environment))
    if holes := up.watcher.holes:
        said = f"{holes} message numbers were skipped or repeated within a connection to the gateway"
        verification.differences.append(Difference("missing_message", "", said, None))
    return verification


def _report(verification: Verification, messages: int, seconds: float, as_json: bool) -> None:
    if as_json:
        # Not left to the end of the process, which may come in an uglier way than by its last line.
        print(json.dumps(verification.as_json() | {"gateway_messages": messages, "seconds": round(seconds, 1)}), flush=True)
        return
    for line in verification.sentences():
        print(line)
    print(f"The gateway sent {messages:,} messages to one watcher; all of it took {seconds:.0f} s", flush=True)


@contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """Give an event that is set by SIGINT, by SIGTERM, and when the terminal closes."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
