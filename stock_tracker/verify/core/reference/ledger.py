"""What one side of the foreign ledger must come to, by generation of its counter: shares and dong."""

from collections.abc import Sequence
from dataclasses import dataclass

from stock_tracker.verify.core.reference.counter import CounterReading, Told, read


@dataclass
class Account:
    """What a side's day must come to."""

    reading: CounterReading
    volumes: list[int]
    """Shares of each generation."""
    values: list[int]
    """VND of each generation: what the newest record of it said."""


def account_of(told: Sequence[Told], floor: int, ceiling: int) -> Account:
    """What a side's records, in the order in which they arrived, must come to; ``floor`` and ``ceiling`` are the day's limits."""
    reading = read(told, floor, ceiling)
    values: dict[int, int] = {}
    for stretch in reading.stretches:
        if stretch.records:
            newest = max(stretch.records, key=lambda place: (told[place].second, told[place].total))
            values[stretch.generation] = told[newest].value
    return Account(reading, reading.tops, [values.get(generation, 0) for generation in range(len(reading.tops))])
