"""How many members of each index stand where, counted from the rows of all symbols."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.core.reference.compare import Rows, differ
from stock_tracker.verify.core.reference.day import ToldDay

_COUNTS: Final = ("advances", "no_changes", "declines", "ceilings", "floors", "untraded")


class BreadthCounts:
    """Where the members of indices stand, by the figures of their rows, which are judged themselves."""

    def __init__(self) -> None:
        self.day = 0
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._moving: dict[str, set[str]] = defaultdict(set)
        """By index, members of which something was told that no second of the market's clock has followed yet."""

    def add(self, told: ToldDay, rows: Rows) -> None:
        """Add some symbols.

        Args:
            told: What their records said.
            rows: Of ``state.prices``.
        """
        self.day = max(self.day, told.day)
        for symbol, reference in told.references.items():
            for index in reference.groups:
                self._counts[index][_place(rows[symbol][1]) if symbol in rows else "untraded"] += 1
                if told.waiting(symbol):
                    self._moving[index].add(symbol)

    def check(self, rows: Rows, doubts: list[tuple[str, str, str]]) -> Iterator[Difference]:
        """Compare ``state.breadth`` with the counts of all symbols; ``doubts`` says what is left out."""
        for index, counts in sorted(self._counts.items()):
            if self._moving[index]:
                doubts.append(("state.breadth", index, "members were traded after the last second of the market's clock"))
            elif index in rows:
                at, row = rows[index]
                yield from differ("breadth_row", index, row, {name: counts[name] for name in _COUNTS}, at)
            else:
                yield Difference("missing_state", index, "state.breadth has no row of it", None, "state.breadth")
        for index in sorted(rows.keys() - self._counts.keys()):
            at, _ = rows[index]
            yield Difference("unknown_state", index, "no reference record names a member of it", at)


def _place(row: Any) -> str:
    if row.last is None or not row.reference:
        return "untraded"
    if row.last in (row.ceiling, row.floor):
        return "ceilings" if row.last == row.ceiling else "floors"
    if row.last == row.reference:
        return "no_changes"
    return "advances" if row.last > row.reference else "declines"
