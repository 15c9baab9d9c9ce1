"""How tests wait: for something that stays true once it is, and for as long as that takes.

How long depends on the machine and on what else runs there, so no test is judged by it. The limit is only there so that what
never comes fails with a word instead of hanging.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

PATIENCE_S = 300.0
"""After this long a thing that is waited for is taken not to come: many times what a slow machine needs."""
LOOK_S = 0.02
"""Between two looks."""


def until(condition: Callable[[], object], what: str, look_s: float = LOOK_S) -> None:
    """Wait until ``condition()`` holds, looking every ``look_s``; ``what`` that is, for the failure."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        _still_before(deadline, what)
        time.sleep(look_s)


async def reached(condition: Callable[[], object | Awaitable[object]], what: str) -> None:
    """As :func:`until`, in an event loop; the condition may be a coroutine."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        holds = condition()
        if inspect.isawaitable(holds):
            holds = await holds
        if holds:
            return
        _still_before(deadline, what)
        await asyncio.sleep(LOOK_S)


def _still_before(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise AssertionError(f"{what}: not within {PATIENCE_S:.0f} s")
