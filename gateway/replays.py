"""Plays the past to clients that asked for it: reads the archive page by page, and writes what is due as a client reads it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway import metrics
from gateway.core import wire
from gateway.core.errors import ArchiveAway, Refused
from gateway.core.replay import PastEvent, PastPlace, ReplayPace, ReplayPlan, take_due
from gateway.fanout import Client
from gateway.history import ArchiveAnswers
from schemas.stock_v1 import ErrorCode

ROOM_S: Final = 0.05
"""How often to see whether a client reads again, in seconds."""
NAP_S: Final = 0.01
"""The shortest time to wait for what is due next, in seconds: what is due within it goes out together."""
LONGEST_NAP_S: Final = 1.0
AGAIN_MS: Final = 5_000
"""How soon a client may ask again that was refused because there are too many replays, or no archive."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Running:
    """A replay on its way."""

    plan: ReplayPlan
    task: asyncio.Task[None]


class Replays:
    """The replays of all clients."""

    def __init__(self, archive: ArchiveAnswers, at_once: int, now_ms: Callable[[], int]) -> None:
        """Prepare.

        Args:
            archive: Answers.
            at_once: How many clients may have a replay at a time.
            now_ms: The wall clock.
        """
        self._now_ms = now_ms
        self._archive = archive
        self._at_once = at_once
        self._running: dict[Client, _Running] = {}

    def follow(self, client: Client) -> None:
        """See whether ``client`` has asked for a replay, or wants it no more; call it after each of its commands."""
        wanted, running = client.subscriber.replay, self._running.get(client)
        if running is not None and running.plan is not wanted:
            self.leave(client)
            running = None
        if wanted is None or running is not None:
            return
        if len(self._running) >= self._at_once:
            refused = Refused(ErrorCode.TOO_MANY_REPLAYS, "as many replays as there may be are played now", AGAIN_MS)
            client.subscriber.end_replay(wire.err(wanted.command_id, refused))
            client.pump(self._now_ms())
            return
        task = asyncio.get_running_loop().create_task(self._play(client, wanted))
        self._running[client] = _Running(wanted, task)
        metrics.REPLAYS.set(len(self._running))

    def leave(self, client: Client) -> None:
        """Play nothing more to ``client``."""
        running = self._running.pop(client, None)
        if running is not None:
            running.task.cancel()
            metrics.REPLAYS.set(len(self._running))

    async def _play(self, client: Client, plan: ReplayPlan) -> None:
        subscriber = client.subscriber
        try:
            events, following = await self._page(plan, None)
            subscriber.begin_replay()
            client.pump(self._now_ms())
            pace = ReplayPace(plan, self._steady_ms())
            await self._write(client, plan, pace, events)
            while following is not None:
                events, following = await self._page(plan, following)
                await self._write(client, plan, pace, events)
            last = wire.replayed(plan.channel, "end", "")
        except ArchiveAway as error:
            log.warning("the archive: %s", error.detail)
            if subscriber.plays:
                last = wire.replayed(plan.channel, "failed", str(error))
            else:
                last = wire.err(plan.command_id, Refused(ErrorCode.ARCHIVE_AWAY, str(error), AGAIN_MS))
        self._running.pop(client, None)
        metrics.REPLAYS.set(len(self._running))
        subscriber.end_replay(last)
        client.pump(self._now_ms())

    async def _write(self, client: Client, plan: ReplayPlan, pace: ReplayPace, events: Sequence[PastEvent]) -> None:
        """Write ``events`` as they become due; while the client does not read, the market stands still."""
        place = 0
        while place < len(events):
            left = events[place:]
            now_ms = self._steady_ms()
            due = pace.due(left, now_ms)
            if not due:
                wait_s = pace.wait_ms(left[0].place.ts_ms, now_ms) / 1_000
                await asyncio.sleep(max(NAP_S, min(wait_s, LONGEST_NAP_S)))
            elif client.subscriber.waiting or not client.outlet.writable:
                await asyncio.sleep(ROOM_S)
                pace.hold(self._steady_ms() - now_ms)
            else:
                count = take_due(left, due)
                client.send(plan.messages(left[:count], self._now_ms()), self._now_ms())
                place += count
                # Whoever is live comes first.
                await asyncio.sleep(0)

    @staticmethod
    def _steady_ms() -> int:
        return int(asyncio.get_running_loop().time() * 1_000)

    async def _page(self, plan: ReplayPlan, after: PastPlace | None) -> tuple[list[PastEvent], PastPlace | None]:
        rows = await self._archive.rows(plan.statement(after))
        try:
            return plan.events(rows)
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise ArchiveAway("the archive has something else than was published", str(error)) from error
