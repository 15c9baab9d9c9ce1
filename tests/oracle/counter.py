"""How a day-cumulative counter is to be read, by somebody who has the whole day before him. From design §5, without the folds.

All that a symbol's records said of one counter is put in the order of the exchange's time, whichever connection brought it, and
read second by second. A counter only grows within a *stretch*; a stretch ends where the counter truly fell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

CORRECTION_PERCENT, RESET_PERCENT = 10, 50
"""A fall of at most the one is a correction; to less than the other of the mark it is a reset; between them nobody can tell."""

Beginning = Literal["day", "correction", "ambiguous", "reset"]


class Told(NamedTuple):
    """What one record said of the counter."""

    second: int
    total: int
    value: int
    """VND that belong to ``total``."""


@dataclass
class Stretch:
    """Records between two falls."""

    begins_with: Beginning
    generation: int
    top: int
    """The highest total in it."""
    records: list[int] = field(default_factory=list)
    """Places in the list that was read, in order of time."""


@dataclass
class Reading:
    """What a day's records come to."""

    stretches: list[Stretch]
    dropped: set[int] = field(default_factory=set)
    """Records that were wrong."""
    undecided: set[int] = field(default_factory=set)
    """Records of which the day ended before a newer one said what they were."""
    unclear: bool = False
    """It would matter in which order things came: one second both fell and rose, or says two kinds of fall, two suspects met, or
    the first newer record to arrive after a suspect says otherwise than the next one by the exchange's time."""

    @property
    def tops(self) -> list[int]:
        """The total that each generation came to."""
        last = {stretch.generation: stretch.top for stretch in self.stretches}
        return [last[generation] for generation in sorted(last)]


def read(told: Sequence[Told], floor: int, ceiling: int) -> Reading:
    """Read a day's records, in the order in which they arrived.

    Args:
        told: By any connection, repeats included.
        floor: The lowest price of the day in VND.
        ceiling: The highest.
    """
    reading = Reading([Stretch("day", 0, 0)])
    seconds: dict[int, list[int]] = {}
    for place, one in enumerate(told):
        seconds.setdefault(one.second, []).append(place)
    value = 0
    fall: list[int] = []
    spike: list[int] = []

    for second in sorted(seconds):
        group = sorted(seconds[second], key=lambda place: told[place].total)  # stable: equals stay as they arrived
        highest = told[group[-1]].total
        now = reading.stretches[-1]
        reading.unclear |= bool(fall and spike)

        if spike:
            mark = told[spike[0]].total
            reading.unclear |= (highest >= mark) != (_first_answer(told, spike) >= mark)
            if highest >= told[spike[0]].total:
                now.records += spike
                now.top, value = told[spike[-1]].total, told[spike[-1]].value
            else:
                reading.dropped |= set(spike)
            spike = []

        if fall and highest < now.top and min(group) < min(fall):
            # The one that is older by the exchange's time came later: the other is the suspect, and it waits with it.
            fall += group
            continue

        if fall:
            believable = [place for place in group if not _is_implausible(told[place], now.top, value, floor, ceiling)]
            reading.unclear |= len(believable) < len(group) or told[group[0]].total < now.top <= highest
            reading.unclear |= (highest >= now.top) != (_first_answer(told, fall) >= now.top)
            if highest >= now.top:
                reading.dropped |= set(fall)
            else:
                now = _judge(reading, told, fall)
                value = told[now.records[-1]].value
            fall = []

        for place in group:
            one = told[place]
            if one.total < now.top:  # by an earlier second, since the lowest of a second comes first
                fall.append(place)
            elif _is_implausible(one, now.top, value, floor, ceiling):
                spike.append(place)
            else:
                now.records.append(place)
                if one.total >= now.top:
                    now.top, value = one.total, one.value

    if fall and _verdict(reading.stretches[-1].top, told[min(fall)].total) == "correction":
        _judge(reading, told, fall)
    else:
        reading.undecided |= set(fall)
    reading.undecided |= set(spike)
    return reading


def _first_answer(told: Sequence[Told], suspects: list[int]) -> int:
    """The total of the first record to arrive after a suspect that is newer than it."""
    first = min(suspects)
    return next((one.total for one in told[first:] if one.second > told[first].second), 0)


def _is_implausible(one: Told, top: int, value: int, floor: int, ceiling: int) -> bool:
    """Whether the counter jumped a hundredfold at a price that no share can have today."""
    growth = one.total - top
    if growth <= 1_000_000 or growth <= 100 * top:
        return False
    return not floor * growth <= one.value - value <= ceiling * growth


def _verdict(mark: int, suspect: int) -> Beginning:
    if (mark - suspect) * 100 <= CORRECTION_PERCENT * mark:
        return "correction"
    return "reset" if suspect * 100 < RESET_PERCENT * mark else "ambiguous"


def _judge(reading: Reading, told: Sequence[Told], fall: list[int]) -> Stretch:
    """Begin the stretch that the records of a fall belong to."""
    before = reading.stretches[-1]
    # The first to arrive is the one that is judged.
    verdict = _verdict(before.top, told[min(fall)].total)
    reading.unclear |= any(_verdict(before.top, told[place].total) != verdict for place in fall)
    held = sorted(fall, key=lambda place: told[place].total)
    stretch = Stretch(verdict, before.generation + (verdict == "reset"), told[held[-1]].total, held)
    reading.stretches.append(stretch)
    return stretch
