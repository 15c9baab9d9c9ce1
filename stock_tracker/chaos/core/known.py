"""Differences that chaos is known to bring, because something is not mended yet. None is excused: each is called by its name."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from stock_tracker.chaos.core.recovery import Recovery
from stock_tracker.chaos.core.schedule import How


class Known(NamedTuple):
    """Something that is known not to withstand a strike."""

    name: str
    part: str
    """Who must have been struck for it to happen."""
    how: How
    kinds: frozenset[str]
    """The kinds of differences that come of it."""
    says: str
    """What happens, in a sentence for people."""


KNOWN: Final[tuple[Known, ...]] = ()
"""Nothing, as far as we know."""


class Suspicion(NamedTuple):
    """Something known that may have happened, and the differences that it may explain."""

    known: Known
    differences: int
    """How many are of its kinds."""

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return {"name": self.known.name, "differences": self.differences, "says": self.known.says}


def suspicions(kinds: Collection[str], recoveries: Sequence[Recovery], known: Sequence[Known] = KNOWN) -> list[Suspicion]:
    """All that may have happened, given who was struck, each with how many of the differences it may explain, which may be none.

    Args:
        kinds: Those of the differences, one for each of them.
        recoveries: What was struck.
        known: What is not mended yet.
    """
    struck = {(one.part, one.how) for one in recoveries if one.pid is not None}
    return [Suspicion(one, sum(kind in one.kinds for kind in kinds)) for one in known if (one.part, one.how) in struck]
