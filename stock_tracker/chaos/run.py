"""Strikes the processes of a running stack by a schedule, and measures how long each needs to be there again."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import replace

from connectors.clickhouse.core.tables import GROUP
from pipelines.catalogue import NAMES, named
from schemas.errors import KafkaUnavailable
from stock_tracker.chaos.core.recovery import RECOVER_S, Recovery, overlaps_noted
from stock_tracker.chaos.core.schedule import STOP_S, How, ProcessStrike
from stock_tracker.chaos.cuts import cut_connections
from stock_tracker.kafka import metadata
from stock_tracker.stack.drain import Backlog, ConsumerGroup, consumer_groups
from stock_tracker.stack.readiness import why_not_ready
from stock_tracker.stack.together import together
from stock_tracker.stack.up import Up

KAFKA = "kafka"
"""The name of the local broker among the parts."""
_LOOK_S = 0.1
_ASK_S = 2.0
_DONE: dict[How, str] = {"kill": "killed", "stop": "stopped", "cut": "cut off"}


class Chaos:
    """Strikes ``up`` as ``strikes`` say."""

    def __init__(self, up: Up, strikes: Sequence[ProcessStrike]) -> None:
        self._up = up
        self._strikes = strikes
        self._began_s = 0.0
        self._readers = _readers(up)
        self.recoveries: list[Recovery] = []
        """What became of each strike, in the order in which that was known."""
        self.cuts_refused = ""
        """Why the system does not let connections be cut; empty as long as it does."""

    async def run(self) -> None:
        """ProcessStrike, and wait until all that was struck is there again."""
        self._began_s = self._now_s()
        backlog = Backlog(self._up.stack.kafka, _ASK_S)
        try:
            await together(self._do(strike, backlog) for strike in self._strikes)
        finally:
            await asyncio.to_thread(backlog.close)
        self.recoveries = overlaps_noted(self.recoveries)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def _do(self, strike: ProcessStrike, backlog: Backlog) -> None:
        await asyncio.sleep(max(self._began_s + strike.at_s - self._now_s(), 0.0))
        pid = await self._pid_once_it_runs(strike)
        at_s = round(self._now_s() - self._began_s, 3)
        recovery = Recovery(at_s, strike.part, strike.how, pid)
        cut = await self._strike(strike, pid) if pid is not None else None
        if pid is None or cut is None:
            self.recoveries.append(replace(recovery, pid=None))
            return
        since_s = self._now_s()
        try:
            async with asyncio.timeout(RECOVER_S):
                recovery = replace(recovery, connections=cut)
                await self._restarted(strike, pid)
                recovery = replace(recovery, restarted_s=round(self._now_s() - since_s, 2) if strike.how == "kill" else 0.0)
                await self._ready_again(strike, pid)
                recovery = replace(recovery, ready_s=round(self._now_s() - since_s, 2))
                await self._caught_up(strike.part, backlog)
                recovery = replace(recovery, caught_up_s=round(self._now_s() - since_s, 2))
        except TimeoutError:
            self._up.tell(f"chaos: {strike.part} was {_DONE[strike.how]} and has not come back within {RECOVER_S:.0f} s")
        self.recoveries.append(recovery)

    async def _strike(self, strike: ProcessStrike, pid: int) -> int | None:
        """Do it; return how many connections were cut, and None when nothing was done."""
        self._up.tell(f"chaos: {strike.part} (pid {pid}) is {_DONE[strike.how]}")
        try:
            if strike.how == "kill":
                os.kill(pid, signal.SIGKILL)
            elif strike.how == "stop":
                os.kill(pid, signal.SIGSTOP)
                try:
                    await asyncio.sleep(STOP_S)
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)
            else:
                return await asyncio.to_thread(cut_connections, pid)
        except (ProcessLookupError, FileNotFoundError):
            # It ended at this very moment.
            return None
        except OSError as error:
            self.cuts_refused = str(error)
            return None
        return 0

    async def _pid_once_it_runs(self, strike: ProcessStrike) -> int | None:
        """The process id of the part as soon as it has one; None when it gets none.

        It may be struck while it starts, but for a cut: before it is ready there may be no connection to cut.
        """
        deadline = self._now_s() + RECOVER_S
        while self._now_s() < deadline:
            pid = await self._pid(strike.part)
            if pid is not None and (strike.how != "cut" or await self._is_ready(strike.part)):
                return pid
            await asyncio.sleep(_LOOK_S)
        return None

    async def _pid(self, part: str) -> int | None:
        if part == KAFKA:
            running = await asyncio.to_thread(self._up.broker.running) if self._up.broker else None
            return running.pid if running else None
        return next((life.pid for life in self._up.supervisor.lives if life.part.name == part), None)

    async def _restarted(self, strike: ProcessStrike, pid: int) -> None:
        """After a kill, wait until the part has another process."""
        while True:
            if strike.how != "kill" or await self._pid(strike.part) not in (None, pid):
                return
            await asyncio.sleep(_LOOK_S)

    async def _ready_again(self, strike: ProcessStrike, pid: int) -> None:
        """Wait until the part is ready; after a kill in another process, else in whichever it is by then."""
        while True:
            now = await self._pid(strike.part)
            if now is not None and (strike.how != "kill" or now != pid) and await self._is_ready(strike.part):
                return
            await asyncio.sleep(_LOOK_S)

    async def _is_ready(self, part: str) -> bool:
        if part == KAFKA:
            return await asyncio.to_thread(metadata.cluster_at, self._up.stack.kafka["bootstrap.servers"]) is not None
        (url,) = [life.part.ready_url for life in self._up.supervisor.lives if life.part.name == part]
        return not await why_not_ready(self._up.session, url)

    async def _caught_up(self, part: str, backlog: Backlog) -> None:
        """Wait until those that read through this part have read all that is on their topics now."""
        for group in self._readers.get(part, ()):
            ends: dict[tuple[str, int], int] | None = None
            before: dict[tuple[str, int], int] | None = None
            while True:
                # A broker that is away is waited for.
                with contextlib.suppress(KafkaUnavailable):
                    if ends is None:
                        ends = await asyncio.to_thread(backlog.ends, group)
                    behind = await asyncio.to_thread(backlog.behind, group, ends)
                    if not behind or (behind == before and not await asyncio.to_thread(backlog.has_left, behind, ends)):
                        break
                    before = behind
                await asyncio.sleep(_LOOK_S)


def _readers(up: Up) -> dict[str, tuple[ConsumerGroup, ...]]:
    """The consumer groups that cannot get on without a part; one that is not named holds up none."""
    prefix = up.stack.prefix
    groups = {group.name: group for group in consumer_groups(prefix)}
    sink = groups[f"{prefix}{GROUP}"]
    of_pipelines = {name: (groups[f"{prefix}{named(name).group}"],) for name in NAMES}
    return of_pipelines | {"sink": (sink,), "archive": (sink,), KAFKA: tuple(groups.values())}
