"""The condition of a stack as a page of a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stock_tracker.stack.core.condition import DayCondition, StackCondition

_OLD_S = 5.0
"""Data that is older is marked."""


def page(condition: StackCondition) -> RenderableType:
    """All that is known of a stack."""
    kind = "simulated" if condition.simulated else "live"
    table = Table(title=f"{kind} stack in {condition.home}", title_justify="left")
    table.add_column("process", no_wrap=True)
    table.add_column("pid", justify="right", no_wrap=True)
    table.add_column("state")
    for name in ("lag", "waiting", "age", "restarts", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    for part in condition.parts:
        table.add_row(
            part.name,
            _or_dash(part.pid, "{}"),
            Text("ready", style="green") if part.ready else Text("not ready", style="red"),
            _or_dash(part.lag_messages, "{:,}"),
            _seconds(part.lag_seconds),
            _seconds(part.age_seconds),
            Text(str(part.restarts), style="yellow" if part.restarts else ""),
            _or_dash(None if part.memory_bytes is None else part.memory_bytes / 2**20, "{:,.0f} MiB"),
        )
    reasons = [Text(f"{part.name}: {part.reason}", style="red") for part in condition.parts if part.reason]
    feeds = [
        Text(f"feed {feed.feed}: {feed.state}, {feed.connects} connects, {feed.dropped:,} records dropped. {feed.reason}".strip())
        for feed in condition.feeds
    ]
    letters = _or_dash(condition.dead_letters, "{:,}")
    urls = [Text(f"{name}: {url}") for name, url in condition.urls.items()]
    return Group(table, *reasons, *feeds, Text(f"dead letters since midnight: {letters}"), _day(condition.day), *urls)


def _day(day: DayCondition | None) -> Text:
    if day is None:
        return Text("day: the gateway shows nothing yet")
    return Text(
        f"day {day.day}: {day.symbols:,} symbols, {day.prints:,} prints, {day.gaps:,} gaps, {day.missed_volume:,} missing, "
        f"{day.suspects:,} suspects, {day.unresolved:,} unresolved, {day.repeats:,} repeats"
    )


def _seconds(value: float | None) -> Text:
    return Text(_or_dash(value, "{:,.1f} s"), style="" if value is None or value < _OLD_S else "yellow")


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
