"""The archive against the event topics: every event is a row, once, with the same values."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stock_tracker.verify.core.differences import Difference, Position

_ABSENT = "not a column"
Row = Mapping[str, Any]
"""A row or an event by column name, in comparable plain values."""


def compare_rows(
    table: str,
    events: Iterable[tuple[Position, Row]],
    rows: Mapping[tuple[int, int, int], Row],
    doubled: Iterable[tuple[int, int, int]],
) -> Iterator[Difference]:
    """Compare the events of a topic with the rows of its table.

    Args:
        table: Its name.
        events: Every event of the topic, read committed.
        rows: The table's rows by (partition, offset, idx).
        doubled: Positions that stand in the table more than once.
    """
    topic = ""
    expected = set()
    for position, event in events:
        topic = position.topic
        key = position[1:]
        expected.add(key)
        row = rows.get(key)
        symbol = str(event.get("symbol", event.get("scope", "")))
        if row is None:
            yield Difference("missing_row", symbol, f"{table} lacks the event {position}", position)
            continue
        wrong = [name for name, value in event.items() if name not in row or row[name] != value]
        if wrong:
            said = ", ".join(f"{name} is {row.get(name, _ABSENT)!r}, not {event[name]!r}" for name in wrong)
            yield Difference("wrong_row", symbol, f"{table}: {said}", position)
    for key in doubled:
        yield Difference("doubled_row", "", f"{table} has it more than once", Position(topic, *key))
    for key in sorted(rows.keys() - expected):
        symbol = str(rows[key].get("symbol", rows[key].get("scope", "")))
        yield Difference("unknown_row", symbol, f"{table} has a row that the topic lacks", Position(topic, *key))


def repeated_alerts(events: Iterable[tuple[Position, Row]]) -> Iterator[Difference]:
    """Yield the alerts whose id came before: an alert is told once, whatever was killed meanwhile."""
    seen: set[str] = set()
    for position, event in events:
        if event["alert_id"] in seen:
            yield Difference("repeated_alert", str(event["symbol"]), f"{event['alert_id']} was told before", position)
        seen.add(event["alert_id"])
