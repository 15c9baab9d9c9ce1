"""What ``stock-tracker up`` does with a stack: keep it until it is stopped, or play, drain, verify and stop it by itself."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from stock_tracker.stack.display import Display
from stock_tracker.stack.plan import Stack
from stock_tracker.stack.up import played_and_drained, running
from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.run import FILLED_BY_A_MORNING, Verification
from stock_tracker.verify.stack import ask_simulator, gateway_of, verify_against

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
    with _signals() as stop, Display() as display:
        starting = asyncio.create_task(_run(stack, display, seconds))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            display.tell("Stopping …")
            starting.cancel()
        stopped.cancel()
        ended = (await asyncio.gather(starting, stopped, return_exceptions=True))[0]
    if isinstance(ended, asyncio.CancelledError):
        # Stopped by a signal, which is the usual end only of a stack without a time limit.
        return seconds is None
    if isinstance(ended, BaseException):
        raise ended
    verification, messages = ended
    _report(verification, messages, time.monotonic() - began, as_json)
    return verification.reconciled


async def _run(stack: Stack, display: Display, seconds: float | None) -> tuple[Verification, int]:
    """Start the stack; then either keep it until cancelled, or play, drain and verify. The end of the block stops it."""
    async with running(stack, display.tell) as up, display.watching(up):
        for name, url in up.urls.items():
            display.tell(f"{name}: {url}")
        if seconds is None or up.simulator is None:
            display.tell("Ctrl-C stops everything")
            await asyncio.Event().wait()
            raise AssertionError  # nobody sets that event
        await played_and_drained(up, up.simulator, seconds)
        display.tell("Everything has been worked through; verifying")
        simulated = await ask_simulator(up.simulator)
        filled = FILLED_BY_A_MORNING if seconds * stack.options.speed >= MORNING_S else ()
        environment = stack.environment
        verification = await asyncio.to_thread(
            verify_against, simulated, environment, display.tell, filled, gateway_of(environment)
        )
        if holes := up.watcher.holes:
            said = f"{holes} message numbers were skipped or repeated within a connection to the gateway"
            verification.differences.append(Difference("missing_message", "", said, None))
        return verification, up.watcher.messages


def _report(verification: Verification, messages: int, seconds: float, as_json: bool) -> None:
    if as_json:
        print(json.dumps(verification.as_json() | {"gateway_messages": messages, "seconds": round(seconds, 1)}))
        return
    for line in verification.sentences():
        print(line)
    print(f"The gateway sent {messages:,} messages to one watcher; all of it took {seconds:.0f} s")


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
