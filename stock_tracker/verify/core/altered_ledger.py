"""The foreign ledger of a symbol whose counters a fault of the simulator altered, against what was put on the sockets. Pure.

The true counters of the simulator only grow. What a fault makes of them may fall, so such a ledger may have corrections and
restarts. These are always true of it:

- within a generation the entries form a chain, and a record that was put on a socket said each counter in it;
- where no record said less than half of the true counter, nothing can have looked like a restart: all is one generation, and if
  the last record was left as it was, the ledger comes to what it says, in shares and in VND;
- otherwise it comes to no more than really was traded, and to no less than the last record said. What exactly it must come to
  depends on which of the fallen counters arrived, so the reference judges that (:mod:`stock_tracker.verify.core.reference`).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.structs import LedgerEntry
from schemas.units import Side
from stock_tracker.verify.core.differences import Difference, EventPosition


class Step(NamedTuple):
    """A step of a side's counter, in shares, and what became of its record."""

    true: int
    value: int
    """What foreigners had paid or got by then, in VND."""
    told: frozenset[int]
    """What its records said on the sockets on which they were put: the true counter, or what a fault made of it."""
    arrived: bool
    """Whether one of them was put on a socket and not lost with its connection."""


def is_exact(steps: Sequence[Step]) -> bool:
    """Whether the steps of a side, in order, say to the share what its ledger must come to."""
    last = next((step for step in reversed(steps) if step.arrived), None)
    return not _may_restart(steps) and (last is None or last.told == {last.true})


def check_altered(
    symbol: str, side: Side, chain: Sequence[tuple[EventPosition, LedgerEntry]], steps: Sequence[Step]
) -> Iterator[Difference]:
    """Compare the entries of a side, in order, with all steps of its counter, in order."""
    yield from _check_entries(symbol, side, chain, steps)
    at = chain[-1][0] if chain else None
    total = sum(entry.volume for _, entry in chain)
    last = next((step for step in reversed(steps) if step.arrived), None)
    if last is None:
        low, high = 0, 0
    elif is_exact(steps):
        low, high = last.true, last.true
    else:
        low, high = min(last.told), last.true
    if total < low:
        yield Difference("missing_entry", symbol, f"{side}: the ledger comes to {total}, and at least {low} must be in it", at)
    elif total > high:
        yield Difference("unknown_entry", symbol, f"{side}: the ledger comes to {total}, and only {high} were traded", at)
    elif last is not None and is_exact(steps) and (booked := sum(entry.value for _, entry in chain)) != last.value:
        yield Difference("wrong_value", symbol, f"{side}: the ledger holds {booked} VND, the simulator said {last.value}", at)


def _may_restart(steps: Sequence[Step]) -> bool:
    """Whether a counter was told that is so low that it may be taken for one that began again at 0."""
    return any(2 * told < step.true for step in steps for told in step.told)


def _check_entries(
    symbol: str, side: Side, chain: Sequence[tuple[EventPosition, LedgerEntry]], steps: Sequence[Step]
) -> Iterator[Difference]:
    said = {counter for step in steps for counter in (step.true, *step.told)}
    may_restart = _may_restart(steps)
    reached: dict[int, int] = {}
    for position, entry in chain:
        before = reached.get(entry.generation, 0)
        reached[entry.generation] = entry.counter
        if entry.generation and not may_restart:
            yield Difference("unexpected_reset", symbol, f"{side}: no record said less than half of the counter", position)
        if entry.counter_from > before:
            yield Difference("missing_entry", symbol, f"{side}: from {before} to {entry.counter_from} is in no entry", position)
        elif entry.counter_from < before:
            yield Difference(
                "doubled_entry", symbol, f"{side}: from {entry.counter_from} to {before} is in two entries", position
            )
        if entry.volume != entry.counter - entry.counter_from:
            yield Difference(
                "wrong_entry", symbol, f"{side}: {entry.volume} between {entry.counter_from} and {entry.counter}", position
            )
        if entry.counter not in said:
            yield Difference("unknown_entry", symbol, f"{side}: no record said {entry.counter}", position)
