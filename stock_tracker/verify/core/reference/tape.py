"""What the tape of a symbol's day must come to: a set of prints, a set of shares that nobody told of, and totals."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stock_tracker.verify.core.reference.counter import CounterReading, Told, read


class TapeRecord(NamedTuple):
    """A record as a connection brought it."""

    second: int
    total: int
    volume: int
    price: int
    value: int
    is_put_through: bool


class Print(NamedTuple):
    """What a print is known by."""

    generation: int
    second: int
    total: int
    volume: int
    price: int


@dataclass
class ExpectedTape:
    """What a day must come to."""

    reading: CounterReading
    prints: set[Print]
    """Each is on the tape exactly once."""
    possible: set[Print]
    """These may be: what was taken back while it was still on its way, the match in a record that corrects the counter, what
    overlaps another (an unseen correction, or a wrong total that was confirmed), and what the day ended too early to decide."""
    deals: set[tuple[int, int]]
    """Put-through deals by (total, volume)."""
    like_a_match: set[tuple[int, int]]
    """Those of them that end where a match ends, on a counter of their own: they look like that match, told again."""
    untold: dict[int, set[tuple[int, int]]]
    """By generation: the stretches of the count, from above the first number to the second, that no print covers."""

    @property
    def can_tell_gaps(self) -> bool:
        """Whether what is missing is beyond dispute: where volume was taken back it is not."""
        return all(stretch.begins_with in ("day", "reset") for stretch in self.reading.stretches) and not self.reading.undecided


def tape_of(records: Sequence[TapeRecord], floor: int, ceiling: int) -> ExpectedTape:
    """What a day's records, in the order in which they arrived, must come to; ``floor`` and ``ceiling`` are its limits."""
    # A record without a total says nothing of the counter; a match in it is told apart.
    matched = [record for record in records if not record.is_put_through and record.total]
    reading = read([Told(record.second, record.total, record.value) for record in matched], floor, ceiling)
    prints: set[Print] = set()
    possible: set[Print] = set()
    covered: dict[int, list[tuple[int, int]]] = {}
    for number, stretch in enumerate(reading.stretches):
        following = reading.stretches[number + 1 :]
        kept = min((later.top for later in following if later.generation == stretch.generation), default=stretch.top)
        told = {matched[place] for place in stretch.records if matched[place].volume and matched[place].price}
        overlapping = _overlapping(told)
        for record in told:
            known = Print(stretch.generation, record.second, record.total, record.volume, record.price)
            is_beyond_doubt = stretch.base < record.total <= kept and record not in overlapping
            (prints if is_beyond_doubt else possible).add(known)
            covered.setdefault(stretch.generation, []).append((record.total - record.volume, record.total))
    for place in reading.undecided:
        record = matched[place]
        last = reading.stretches[-1].generation
        possible |= {Print(last + more, record.second, record.total, record.volume, record.price) for more in (0, 1)}
    deals = {(record.total, record.volume) for record in records if record.is_put_through}
    untold = {generation: _holes(covered.get(generation, []), top) for generation, top in enumerate(reading.tops)}
    totals = {record.total for record in matched}
    return ExpectedTape(reading, prints, possible - prints, deals, {deal for deal in deals if deal[0] in totals}, untold)


def _overlapping(told: Collection[TapeRecord]) -> set[TapeRecord]:
    """Those of the matches that have shares in common with another."""
    in_order = sorted(told, key=lambda record: (record.total - record.volume, record.total))
    overlapping: set[TapeRecord] = set()
    furthest: TapeRecord | None = None
    for record in in_order:
        if furthest is not None and furthest.total > record.total - record.volume:
            overlapping |= {furthest, record}
        if furthest is None or record.total > furthest.total:
            furthest = record
    return overlapping


def _holes(intervals: list[tuple[int, int]], top: int) -> set[tuple[int, int]]:
    """What (0, top] has besides ``intervals``."""
    holes: set[tuple[int, int]] = set()
    reached = 0
    for start, end in sorted(intervals):
        if start > reached:
            holes.add((reached, start))
        reached = max(reached, end)
    return holes | ({(reached, top)} if top > reached else set())
