"""What a comparison is worth: whether anything was compared at all, and what was left out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.core.numbers import NotJudged

MOST_NAMED = 5
"""How many symbols are named of those that were left out for the same reason."""


@dataclass(frozen=True)
class LeftOut:
    """What was not judged for one reason."""

    topic: str
    reason: str
    count: int
    symbols: tuple[str, ...]
    """The first :data:`MOST_NAMED` symbols or scopes, sorted."""

    def __str__(self) -> str:
        named = ", ".join(self.symbols) + (", …" if self.count > len(self.symbols) else "")
        return f"{self.topic}, {self.count:,} × ({named}): {self.reason}"


def by_reason(not_judged: Iterable[NotJudged]) -> list[LeftOut]:
    """What was left out, counted by topic and reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for left_out in not_judged:
        groups.setdefault((left_out.topic, left_out.reason), []).append(left_out.symbol)
    return [
        LeftOut(topic, reason, len(symbols), tuple(sorted(symbols)[:MOST_NAMED]))
        for (topic, reason), symbols in sorted(groups.items())
    ]


def compared_anything(prints: int, records: int) -> Iterator[Difference]:
    """Yield a difference for a run that proves nothing, because nothing had happened in it.

    Args:
        prints: How many prints the simulator put on its connections.
        records: How many records of SSI are on the topics.
    """
    if not records:
        yield Difference("nothing_compared", "", "no record is on the ssi.* topics: let the market play for longer", None)
    elif not prints:
        detail = "the simulator has sent no print yet, the first ones come at 09:15: let the market play for longer"
        yield Difference("nothing_compared", "", detail, None)
