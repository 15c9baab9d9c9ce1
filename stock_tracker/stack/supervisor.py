"""Runs the processes of one stack: starts them, starts them again when they die, stops them in reverse order.

A part is a process of the operating system. The crash of one is never the end of the stack: the part is started again, after a
pause that doubles with each crash, and the operator is told. A part that halts, which it says by its exit code, stays down: it
would meet the same again, so a person has to act first.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schemas.errors import HALTED
from stock_tracker.errors import PartFailed, PartHalted

FIRST_PAUSE_S = 0.3
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
"""After a part has run for this long, its next crash counts as the first: the pause before its start is the shortest again."""
STOP_S = 12.0
"""How long a part may take to stop by itself before it is killed."""
TAIL_LINES = 12
"""How many lines at the end of a log are shown."""


@dataclass(frozen=True)
class Part:
    """A process of the stack."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    """Its whole environment. It may hold a secret, if the part needs that secret."""
    port: int
    """The port of this machine on which it serves its health."""
    log: Path
    ready_path: str = "/readyz"
    """The path on that port which answers 200 when it is ready."""

    @property
    def ready_url(self) -> str:
        """The URL that answers 200 when it is ready."""
        return f"http://127.0.0.1:{self.port}{self.ready_path}"

    def tail(self) -> str:
        """The last lines of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        return ""

    def last_words(self) -> str:
        """What it said when it ended: the last lines of its log, from the last error on if there is one among them."""
        before, error, words = self.tail().rpartition("Error: ")
        return words if error else before


@dataclass
class Life:
    """The process of a part, and how often it was started and has died."""

    part: Part
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    crashes: int = 0
    halted: str = ""
    """What it said when it halted; empty when it did not."""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        running = self.process is not None and self.process.returncode is None
        return self.process.pid if running and self.process else None


class Supervisor:
    """Runs parts. ``tell`` takes a line for each thing that an operator should know."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lives: dict[str, Life] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}

    @property
    def lives(self) -> Sequence[Life]:
        """The parts, in the order in which they were started first."""
        return tuple(self._lives.values())

    async def start(self, part: Part) -> None:
        """Start ``part`` and keep it running from now on."""
        life = self._lives.setdefault(part.name, Life(part))
        await self._spawn(life)
        self._watches[part.name] = asyncio.create_task(self._watch(life), name=f"watch {part.name}")

    async def stop(self, names: Sequence[str] | None = None) -> None:
        """Stop all parts (or those named), the last started first, and wait until they are gone."""
        for name in reversed(list(self._lives)):
            if names is not None and name not in names:
                continue
            watch = self._watches.pop(name, None)
            if watch is not None:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
            await self._end(self._lives[name])

    async def _spawn(self, life: Life) -> None:
        life.part.log.parent.mkdir(parents=True, exist_ok=True)
        with life.part.log.open("ab") as log:
            # A session of its own, so that Ctrl-C in the terminal reaches only us: we then stop the parts in their order.
            life.process = await asyncio.create_subprocess_exec(
                *life.part.argv,
                env=dict(life.part.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        life.starts += 1

    async def _watch(self, life: Life) -> None:
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while True:
            began = loop.time()
            assert life.process is not None  # noqa: S101 - set by _spawn, which came before
            code = await life.process.wait()
            if code == HALTED:
                life.halted = life.part.last_words() or f"it exited with {HALTED}"
                self._tell(f"{life.part.name} has halted and is not started again: {life.halted} (log: {life.part.log})")
                return
            life.crashes += 1
            if loop.time() - began > STEADY_S:
                pause_s = FIRST_PAUSE_S
            self._tell(f"{life.part.name} {_how(code)}; starting it again in {pause_s:.1f} s (log: {life.part.log})")
            while not await self._spawned(life, pause_s):
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _spawned(self, life: Life, pause_s: float) -> bool:
        """Start a part again after a pause; False when the system refuses (no memory, a full disk), which may pass."""
        await asyncio.sleep(pause_s)
        try:
            await self._spawn(life)
        except OSError as error:
            self._tell(f"{life.part.name} cannot be started, trying again: {error}")
            return False
        return True

    async def _end(self, life: Life) -> None:
        process = life.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            self._tell(f"{life.part.name} did not stop within {STOP_S:.0f} s; killing it")
            # If it ended at this very moment there is nothing to kill. That is no error: other parts are still to be stopped.
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def end_hung(self, name: str, pid: int, silent_s: float) -> None:
        """Kill a part that hangs, so that it is started again. Nothing happens when its process is another one by now.

        Args:
            name: The part's.
            pid: The process that hangs.
            silent_s: For how many seconds it has answered nothing.
        """
        life = self._lives[name]
        if life.process is None or life.pid != pid:
            return
        self._tell(f"{name} lives, but has not answered a health check for {silent_s:.0f} s; killing it (log: {life.part.log})")
        # It would not hear a milder signal.
        with contextlib.suppress(ProcessLookupError):
            life.process.kill()

    def check_halted(self) -> None:
        """Raise when a part halted.

        Raises:
            PartHalted: One did; the first one started, if several did.
        """
        for life in self._lives.values():
            if life.halted:
                raise PartHalted(life.part.name, life.halted)

    def check(self, name: str, crashes: int) -> None:
        """Raise when the part halted, or died at least ``crashes`` times, with the end of its log.

        Raises:
            PartHalted: It halted.
            PartFailed: It keeps dying.
        """
        life = self._lives[name]
        if life.halted:
            raise PartHalted(name, life.halted)
        if life.crashes >= crashes:
            raise PartFailed(name, life.crashes, life.part.tail())


def _how(code: int) -> str:
    """What an exit code says, in words."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"exited with {code}"
