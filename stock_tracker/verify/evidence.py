"""The evidence behind the first differences: the records and events at the places that they name, as ``explain`` tells them."""

from collections.abc import Callable, Sequence
from typing import Final

from pipelines.core.errors import FoldError
from pipelines.errors import PipelineError
from schemas.errors import SchemaError
from stock_tracker.errors import StockTrackerError
from stock_tracker.verify.core.differences import Difference

MOST_EXPLAINED: Final = 5
"""Differences that evidence is shown of."""
MOST_SYMBOLS: Final = 3
"""Of so many symbols at most: for each of them the records of its whole shard are folded again."""


def evidence_of(differences: Sequence[Difference], explain: Callable[[Difference], list[str]]) -> dict[int, list[str]]:
    """The evidence behind the first differences of which there is some: lines of text by the number of the difference.

    Args:
        differences: In the order in which they will be shown.
        explain: Says what came of the record or event at the place that a difference names; nothing where there is none. What it
            cannot say does not spoil the verdict.
    """
    found: dict[int, list[str]] = {}
    symbols: set[str] = set()
    for number, difference in enumerate(differences):
        if len(found) == MOST_EXPLAINED:
            break
        is_new = difference.symbol not in symbols
        if difference.position is None or not difference.symbol or (is_new and len(symbols) == MOST_SYMBOLS):
            continue
        symbols.add(difference.symbol)
        try:
            lines = explain(difference)
        except (FoldError, PipelineError, SchemaError, StockTrackerError) as error:
            lines = [f"  nothing can be said of it: {error}"]
        if lines:
            found[number] = lines
    return found
