"""Which processes hang: they live, and have answered no health check for so long that they never will."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

ASK_EVERY_S: Final = 5.0
"""Between two rounds of health checks. Each process has as long as this to answer."""
ASKS: Final = 9
"""So many checks in a row without an answer are a hang. A process that is busy, or starved by others, answers one of them."""
LATE: Final = 1.5
"""A round that comes this many times later than it should says that we did not run ourselves: its silences prove nothing."""


class Heard(NamedTuple):
    """What a round of health checks heard of one process."""

    pid: int
    """Its process id; another one is another process, which begins anew."""
    answered: bool
    moved: bool = False
    """Whether it is seen to get on although it has not answered, as by a log that grows."""


@dataclass
class _Silence:
    """How long a process has been silent."""

    pid: int
    has_answered: bool = False
    """Whether it has ever answered. One that starts is silent until it listens, however long its start takes."""
    asks: int = 0
    """Checks in a row without an answer."""


class Silences:
    """Counts the checks that went unanswered, by the name of the process."""

    def __init__(self, asks: int = ASKS, every_s: float = ASK_EVERY_S) -> None:
        """Nobody has been asked.

        Args:
            asks: So many in a row without an answer are a hang.
            every_s: Seconds between the begins of two rounds.
        """
        self._asks = asks
        self._late_s = every_s * LATE
        self._silences: dict[str, _Silence] = {}
        self._round_s: float | None = None

    def take(self, now_s: float, heard: Mapping[str, Heard]) -> list[str]:
        """Take in a round of checks; return the names of those that hang, which are counted from the beginning again.

        Args:
            now_s: When the round ended, in seconds of a clock that only goes forward.
            heard: What it heard of each process that lives.
        """
        late = self._round_s is not None and now_s - self._round_s > self._late_s
        self._round_s = now_s
        if late:
            for silence in self._silences.values():
                silence.asks = 0
        hung = []
        for name, (pid, answered, moved) in heard.items():
            silence = self._silences.setdefault(name, _Silence(pid))
            if silence.pid != pid:
                silence = self._silences[name] = _Silence(pid)
            silence.has_answered |= answered
            if answered or moved:
                silence.asks = 0
            elif silence.has_answered and not late:
                silence.asks += 1
                if silence.asks >= self._asks:
                    hung.append(name)
                    silence.asks = 0
        return hung
