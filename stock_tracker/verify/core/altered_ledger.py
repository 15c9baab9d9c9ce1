"""The foreign ledger of a symbol whose counters a fault of the simulator altered, against what was put on the sockets. Pure.

The true counters of the simulator only grow. What a fault makes of them may fall, so such a ledger may have corrections and
restarts. These are always true of it:

- within a generation the entries form a chain, and a record that was put on a socket said each counter in it;
- where no record said less than half of the true counter, nothing can have looked like a restart: all is one generation, and if
  the last record that arrived was left as it was, the ledger comes to what it says, in shares and in VND;
- otherwise it comes to no more than really was traded, and to no less than the last record said that arrived for certain. What
  exactly it must come to depends on which of the fallen counters arrived, so the reference judges that
  (:mod:`stock_tracker.verify.core.reference`).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.structs import LedgerEntry
from schemas.units import Side
from stock_tracker.verify.core.differences import Difference, EventPosition


class CounterStep(NamedTuple):
    """A step of a side's counter, in shares, and what became of its record."""

    true: int
    value: int
    """What foreigners had paid or got by then, in VND."""
    told: frozenset[int]
    """What its records said on the sockets on which they were put: the true counter, or what a fault made of it."""
    is_put: bool
    """Whether one of them was put on a socket."""
    is_lost: bool
    """Whether all of them were lost with their connections; or others were, that said the same."""


def is_exact(steps: Sequence[CounterStep], highest: int) -> bool:
    """Whether the steps of a side, in order, say to the share what its ledger comes to; ``highest`` arrived of its counter."""
    last = _last_exact(steps, highest)
    return not _may_restart(steps) and (last is None or last.told == {last.true})


def check_altered(
    symbol: str, side: Side, chain: Sequence[tuple[EventPosition, LedgerEntry]], steps: Sequence[CounterStep], highest: int
) -> Iterator[Difference]:
    """Compare the entries of a side, in order, with all steps of its counter, in order; ``highest`` arrived of its counter."""
    yield from _check_entries(symbol, side, chain, steps)
    at = chain[-1][0] if chain else None
    total, booked = sum(entry.volume for _, entry in chain), sum(entry.value for _, entry in chain)
    if is_exact(steps, highest):
        last = _last_exact(steps, highest)
        low, high = (last.true, last.true) if last else (0, 0)
        value = last.value if last else 0
    else:
        low = next((min(step.told) for step in reversed(steps) if step.is_put and not step.is_lost), 0)
        high = next((step.true for step in reversed(steps) if step.is_put), 0)
        value = booked
    if total < low:
        yield Difference("missing_entry", symbol, f"{side}: the ledger comes to {total}, and at least {low} must be in it", at)
    elif total > high:
        yield Difference("unknown_entry", symbol, f"{side}: the ledger comes to {total}, and only {high} were traded", at)
    elif booked != value:
        yield Difference("wrong_value", symbol, f"{side}: the ledger holds {booked} VND, the simulator said {value}", at)


def _last_exact(steps: Sequence[CounterStep], highest: int) -> CounterStep | None:
    """The last step that arrived, of a counter that no restart lowered. One that may be lost was, if nothing said as much."""
    return next((step for step in reversed(steps) if step.is_put and not (step.is_lost and step.true > highest)), None)


def _may_restart(steps: Sequence[CounterStep]) -> bool:
    """Whether a counter was told that is so low that it may be taken for one that began again at 0."""
    return any(2 * told < step.true for step in steps for told in step.told)


def _check_entries(
    symbol: str, side: Side, chain: Sequence[tuple[EventPosition, LedgerEntry]], steps: Sequence[CounterStep]
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
