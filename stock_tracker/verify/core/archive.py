"""The archive against the event topics: every event is one row, with the same values."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stock_tracker.verify.core.differences import Difference, EventPosition

_ABSENT = "not a column"
Row = Mapping[str, Any]
"""A row of a table, or an event, as plain values by the name of the column."""


def compare_rows(
    table: str,
    events: Iterable[tuple[EventPosition, Row]],
    rows: Mapping[EventPosition, Row],
    doubled: Iterable[EventPosition],
) -> Iterator[Difference]:
    """Compare the events of a topic with the rows of its table.

    Args:
        table: The name of the table.
        events: The events that it must hold.
        rows: The table's rows by the position of their event.
        doubled: Positions of which the table has more than one row.
    """
    expected = set()
    for position, event in events:
        expected.add(position)
        row = rows.get(position)
        symbol = str(event.get("symbol", event.get("scope", "")))
        if row is None:
            yield Difference("missing_row", symbol, f"{table} lacks the event {position}", position)
            continue
        wrong = [name for name, value in event.items() if name not in row or row[name] != value]
        if wrong:
            said = ", ".join(f"{name} is {row.get(name, _ABSENT)!r}, not {event[name]!r}" for name in wrong)
            yield Difference("wrong_row", symbol, f"{table}: {said}", position, fields=tuple(wrong))
    for position in doubled:
        yield Difference("doubled_row", "", f"{table} has it more than once", position)
    for position in sorted(rows.keys() - expected):
        symbol = str(rows[position].get("symbol", rows[position].get("scope", "")))
        yield Difference("unknown_row", symbol, f"{table} has a row that the topic lacks", position)


class RepeatedAlerts:
    """Finds the alerts whose id came before: each alert is published once, whatever was killed meanwhile."""

    def __init__(self) -> None:
        self.count = 0
        """How many alerts have been seen."""
        self._seen: set[str] = set()

    def see(self, alerts: Iterable[tuple[EventPosition, Any]]) -> Iterator[Difference]:
        """Yield those of some alerts that were told before."""
        for position, alert in alerts:
            self.count += 1
            if alert.alert_id in self._seen:
                yield Difference("repeated_alert", str(alert.symbol), f"{alert.alert_id} was told before", position)
            self._seen.add(alert.alert_id)
