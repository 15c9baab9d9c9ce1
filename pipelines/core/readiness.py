"""Why a process of pipelines is not ready, out of what is seen of their loops."""

from collections.abc import Sequence
from typing import Final, NamedTuple

STUCK_S: Final = 5.0
"""For how long a loop may not come round, seconds. It does ten times a second, whatever the market; a commit takes a fraction of
a second, and has an end after ten."""


class Loop(NamedTuple):
    """What is seen of a pipeline's loop."""

    name: str
    """The pipeline's."""
    ready: bool
    """Whether it has its partitions and its state."""
    came_round_s: float
    """When it began its last round, seconds on the clock of whoever looks."""


class LoopReadiness:
    """Why the pipelines of one process are not ready, look by look."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._waited_s: dict[str, float] = {}
        """When each was last seen without partitions or state. Meanwhile it has no rounds."""

    def look(self, loops: Sequence[Loop], now_s: float) -> str:
        """The reason, with the remedy; "" when all are ready.

        Args:
            loops: All of the process.
            now_s: Seconds, on a clock that is never set.
        """
        waiting = [loop.name for loop in loops if not loop.ready]
        self._waited_s.update(dict.fromkeys(waiting, now_s))
        stuck = [loop.name for loop in loops if loop.ready and now_s - self._began_s(loop) > STUCK_S]
        reasons = []
        if waiting:
            reasons.append(
                f"{', '.join(waiting)}: waiting for partitions or recovering state; does another process run as the same "
                f"PIPELINE_INSTANCE ({self._instance})?"
            )
        if stuck:
            reasons.append(
                f"{', '.join(stuck)}: stuck for more than {STUCK_S:.0f} s, in a commit or in a message; see whether all Kafka "
                "brokers answer, and start this process again if it does not go on or end by itself within ten more"
            )
        return "; ".join(reasons)

    def _began_s(self, loop: Loop) -> float:
        return max(loop.came_round_s, self._waited_s.get(loop.name, loop.came_round_s))
