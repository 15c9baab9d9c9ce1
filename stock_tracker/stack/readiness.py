"""Asking a process over HTTP whether it is ready, and waiting until it is."""

import asyncio
from collections.abc import Sequence

import aiohttp

from stock_tracker.errors import NotInTime
from stock_tracker.stack.supervisor import Part, Supervisor

READY_S = 60.0
"""How long a part may take to be ready; the first start on a slow machine is the longest."""
CRASHES = 3
"""A part that died so often while it was waited for will not come up."""
_PAUSE_S = 0.1
_ANSWER = aiohttp.ClientTimeout(total=2.0)


async def why_not_ready(session: aiohttp.ClientSession, url: str) -> str:
    """Ask a readiness URL; an empty text says ready, any other says why not."""
    try:
        async with session.get(url, timeout=_ANSWER) as answer:
            return "" if answer.status == 200 else (await answer.text()).strip()
    except (aiohttp.ClientError, TimeoutError) as error:
        return str(error) or type(error).__name__


async def wait_until_ready(session: aiohttp.ClientSession, supervisor: Supervisor, parts: Sequence[Part]) -> None:
    """Wait until all of ``parts`` say that they are ready.

    Raises:
        PartFailed: One keeps dying.
        NotInTime: One did not get ready in time; the error has its own words.
    """
    deadline = asyncio.get_running_loop().time() + READY_S
    waiting = list(parts)
    while waiting:
        reasons = {}
        for part in waiting:
            supervisor.check(part.name, CRASHES)
            reasons[part.name] = await why_not_ready(session, part.ready_url)
        waiting = [part for part in waiting if reasons[part.name]]
        if waiting:
            if asyncio.get_running_loop().time() > deadline:
                part = waiting[0]
                raise NotInTime(f"{part.name} is not ready: {reasons[part.name]}\n(log: {part.log})", READY_S)
            await asyncio.sleep(_PAUSE_S)
