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


class RowsInOrder:
    """Compares events with rows that come in the same order, so that none of them is kept.

    Args:
        table: The name of the table.
    """

    def __init__(self, table: str) -> None:
        self.rows = 0
        """How many rows there are."""
        self._table = table

    def compare(
        self, events: Iterable[tuple[EventPosition, Row]], rows: Iterable[tuple[EventPosition, Row]]
    ) -> Iterator[Difference]:
        """Compare.

        Args:
            events: The events that the table must hold, by their place in one partition.
            rows: The table's rows that come of it, by the place of their event.
        """
        left = self._each_once(rows)
        row = next(left, None)
        for position, event in events:
            while isinstance(row, Difference) or (row is not None and row[0] < position):
                yield row if isinstance(row, Difference) else self._unknown(*row)
                row = next(left, None)
            if row is None or row[0] != position:
                yield from compare_rows(self._table, [(position, event)], {}, ())
                continue
            yield from compare_rows(self._table, [(position, event)], dict([row]), ())
            row = next(left, None)
        while row is not None:
            yield row if isinstance(row, Difference) else self._unknown(*row)
            row = next(left, None)

    def _each_once(self, rows: Iterable[tuple[EventPosition, Row]]) -> Iterator[tuple[EventPosition, Row] | Difference]:
        """The rows, in place of one that is there again a difference."""
        before: EventPosition | None = None
        for position, row in rows:
            self.rows += 1
            if position == before:
                yield Difference("doubled_row", "", f"{self._table} has it more than once", position)
            else:
                yield position, row
            before = position

    def _unknown(self, position: EventPosition, row: Row) -> Difference:
        symbol = str(row.get("symbol", row.get("scope", "")))
        return Difference("unknown_row", symbol, f"{self._table} has a row that the topic lacks", position)


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
