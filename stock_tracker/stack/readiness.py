"""Asks processes over HTTP whether they are ready, and waits until they are."""

import asyncio
from collections.abc import Sequence

import aiohttp

from stock_tracker.errors import NotInTime
from stock_tracker.stack.supervisor import Part, Supervisor

READY_S = 60.0
"""How long the parts may take to get ready; the first start on a slow machine takes longest."""
CRASHES = 3
"""A part that has died this often while we wait for it is given up."""
_PAUSE_S = 0.1
_ANSWER = aiohttp.ClientTimeout(total=2.0)


async def why_not_ready(session: aiohttp.ClientSession, url: str) -> str:
    """Ask ``url`` whether a process is ready; the answer is empty when it is, else it says why it is not."""
    try:
        async with session.get(url, timeout=_ANSWER) as answer:
            return "" if answer.status == 200 else (await answer.text()).strip()
    except (aiohttp.ClientError, TimeoutError) as error:
        return str(error) or type(error).__name__


async def wait_until_ready(session: aiohttp.ClientSession, supervisor: Supervisor, parts: Sequence[Part]) -> None:
    """Wait until all of ``parts`` say that they are ready.

    Raises:
        PartFailed: One of them keeps dying.
        NotInTime: One of them did not get ready in time; the error has the reason that it gave.
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
