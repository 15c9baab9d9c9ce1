"""Asks a simulator for the market time and tells :class:`~connectors.ssi.core.market_clock.SimulatedClock`, which does no I/O."""

import asyncio
import time
from collections.abc import Callable

import aiohttp
import msgspec

from connectors.ssi.calls import proxy_for
from connectors.ssi.core.errors import ClockUnavailable, SsiUnavailable
from connectors.ssi.core.market_clock import SimulatedClock, read_clock_answer
from schemas.units import UnixMs


async def follow(
    clock: SimulatedClock, url: str, http: aiohttp.ClientSession, trouble: Callable[[ClockUnavailable | None], None]
) -> None:
    """Ask the simulator at ``url`` for the time again and again, until cancelled.

    Args:
        clock: Told each answer; it says how soon to ask again.
        url: The simulator's ``/sim/clock``.
        http: Makes the calls.
        trouble: Called after each attempt: with None when an answer came, else with what went wrong.
    """
    while True:
        try:
            async with http.get(url, timeout=aiohttp.ClientTimeout(total=5), proxy=proxy_for(url, "clock")) as reply:
                body = await reply.read()
                if reply.status != 200:
                    raise ClockUnavailable(url, f"HTTP {reply.status}")
                clock.answered(read_clock_answer(body), UnixMs(int(time.time() * 1000)))
                trouble(None)
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError, msgspec.MsgspecError) as error:
            trouble(ClockUnavailable(url, str(error) or type(error).__name__))
        except ClockUnavailable as error:
            trouble(error)
        except SsiUnavailable as error:
            trouble(ClockUnavailable(url, error.why))
        await asyncio.sleep(clock.poll_s)
