"""What is missing or doubtful of a day, added up from the rows that the gateway shows (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stock_tracker.stack.core.condition import DayCondition, FeedCondition

Rows = Sequence[Mapping[str, Any]]


def rows_of(snapshot: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a REST snapshot of the gateway, by column."""
    return [dict(zip(snapshot["cols"], row, strict=True)) for row in snapshot["rows"]]


def day_of(prices: Rows, foreign: Rows) -> DayCondition | None:
    """The figures of the newest day among the rows; None where there are no rows.

    Args:
        prices: Of channel ``px``.
        foreign: Of channel ``flow``.
    """
    days = [row["day"] for row in prices]
    if not days:
        return None
    day = max(days)
    of_day = [row for row in prices if row["day"] == day]
    # Rows of a scope, such as a sector, have no suspects of their own.
    flows = [row for row in foreign if row["day"] == day]
    return DayCondition(
        day=day,
        symbols=len(of_day),
        prints=_sum(of_day, "prints"),
        gaps=_sum(of_day, "gaps"),
        missed_volume=_sum(of_day, "missed_volume"),
        suspects=_sum(flows, "suspects"),
        unresolved=_sum(flows, "unresolved"),
        repeats=_sum(of_day, "repeats") + _sum(flows, "stale"),
    )


def feeds_of(rows: Rows) -> list[FeedCondition]:
    """What channel ``status`` says."""
    return [FeedCondition.model_validate({name: row[name] for name in FeedCondition.model_fields}) for row in rows]


def _sum(rows: Iterable[Mapping[str, Any]], column: str) -> int:
    return sum(row[column] or 0 for row in rows)
