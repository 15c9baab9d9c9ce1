"""Says whether a load was borne: each promise, what was seen, and whether that keeps it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from stock_tracker.bench.core.charts import number

MOST_ERRORS: Final = 0.001
"""Of all messages and answers; the predecessor allowed one in a hundred."""
AGE_MS: Final = 2_000.0
"""The data that a client sees is never older, in a burst either."""
SETTLED_AGE_MS: Final = 1_000.0
"""Nor than this once a burst has been over for :data:`SETTLED_S`."""
SETTLED_S: Final = 5.0
REST_P95_MS: Final = 200.0
RETURN_P95_MS: Final = 2_000.0
"""From a new connection to the end of its snapshot, while all others come back too."""


@dataclass(frozen=True)
class Promise:
    """Something that is to hold under a load."""

    name: str
    seen: float
    most: float
    unit: str

    @property
    def is_kept(self) -> bool:
        """Whether it holds."""
        return self.seen <= self.most


def sentences(promises: list[Promise]) -> Iterator[str]:
    """A line for each."""
    for one in promises:
        kept = "ok" if one.is_kept else "BROKEN"
        yield f"  {kept:<6} {one.name}: {number(one.seen)} {one.unit}, at most {number(one.most)}"
