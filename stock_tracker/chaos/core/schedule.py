"""Which process is struck when, and how: the same seed gives the same strikes."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from random import Random

How = Literal["kill", "stop", "cut"]
"""``kill``: SIGKILL. ``stop``: SIGSTOP, and SIGCONT later. ``cut``: all its TCP connections are shut down."""

STOP_S: Final = 15.0
"""How long a stopped process stands still, in seconds: longer than its membership in a group and its transaction last."""
KILLS_A_STOP: Final = 5
"""There is one stop for so many kills, and at least one."""
KILLS_A_CUT: Final = 2
"""There is one cut for so many kills, and at least one."""
FIRST: Final = 0.05
"""The part of the play that goes by before the first strike."""
LAST: Final = 0.9
"""The part of the play that has gone by at the last strike."""


class ProcessStrike(NamedTuple):
    """Something that is done to a process."""

    at_s: float
    """Seconds after the begin of the play."""
    part: str
    """The name of the process."""
    how: How


def plan_strikes(
    seed: int, kills: int, seconds: float, parts: Sequence[str], seeded: "Callable[[str], Random]"
) -> list[ProcessStrike]:
    """Plan the strikes of a play, in their order.

    Every part is killed as often as any other, give or take one; the same for stops and for cuts. A stop ends before the play
    does, where that is long enough.

    Args:
        seed: Decides when, whom and in which order.
        kills: How many kills there are; stops and cuts come on top.
        seconds: How long the play lasts.
        parts: The names of the processes that may be struck.
        seeded: ``random.Random``. Each kind of strike has random numbers of its own.
    """
    if not kills or not parts:
        return []
    counts: dict[How, int] = {"kill": kills, "stop": max(kills // KILLS_A_STOP, 1), "cut": max(kills // KILLS_A_CUT, 1)}
    strikes = []
    for how, count in counts.items():
        chance = seeded(f"{seed} {how}")
        last_s = LAST * seconds
        if how == "stop":
            last_s = max(min(last_s, seconds - STOP_S), FIRST * seconds)
        struck = islice(_in_turn(parts, chance), count)
        strikes += [ProcessStrike(round(chance.uniform(FIRST * seconds, last_s), 3), part, how) for part in struck]
    return sorted(strikes)


def _in_turn(parts: Sequence[str], chance: "Random") -> "Iterator[str]":
    """All parts, each time in another order, for ever."""
    while True:
        yield from chance.sample(parts, len(parts))
