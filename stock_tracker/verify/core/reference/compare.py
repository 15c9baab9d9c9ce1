"""How a published message is held against what it must say."""

from collections.abc import Iterator, Mapping
from typing import Any

from stock_tracker.verify.core.differences import Difference, EventPosition

Placed = tuple[EventPosition, Any]
"""An event or a row, with its place."""
Rows = Mapping[str, Placed]
"""The last row of each key of a ``state.*`` topic."""


def differ(part: str, name: str, message: Any, expected: Mapping[str, object], at: EventPosition | None) -> Iterator[Difference]:
    """Name the fields of a message that are not as expected, as ``wrong_`` and the part."""
    wrong = {key: found for key, value in expected.items() if (found := getattr(message, key)) != value}
    if wrong:
        detail = ", ".join(f"{key} is {found}, not {expected[key]}" for key, found in wrong.items())
        yield Difference(f"wrong_{part}", name, detail, at, fields=tuple(wrong))
