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
    base: int = 0
    """Where it begins: a corrected counter goes on from what the suspect said."""


@dataclass
class CounterReading:
    """What a day's records come to."""

    stretches: list[Stretch]
    dropped: set[int] = field(default_factory=set)
    """Records that were wrong."""
    undecided: set[int] = field(default_factory=set)
    """Records of which the day ended before a newer one said what they were."""
    unclear: bool = False
    """In which order things came matters, or what the design does not say in figures. See :class:`_Reader`."""

    @property
    def tops(self) -> list[int]:
        """The total that each generation came to."""
        last = {stretch.generation: stretch.top for stretch in self.stretches}
        return [last[generation] for generation in sorted(last)]


def read(told: Sequence[Told], floor: int, ceiling: int) -> CounterReading:
    """Read a day's records, in the order in which they arrived.

    Args:
        told: By any connection, repeats included.
        floor: The lowest price of the day in VND.
        ceiling: The highest.
    """
    seconds: dict[int, list[int]] = {}
    for place, one in enumerate(told):
        seconds.setdefault(one.second, []).append(place)
    reader = _Reader(told, floor, ceiling)
    for second in sorted(seconds):
        reader.take(sorted(seconds[second], key=lambda place: told[place].total))  # stable: equals stay as they arrived
    return reader.end()


class _Reader:
    """Somebody who reads second by second.

    Each ``doubt`` is a case in which a reader of one record at a time, who cannot know what is still on its way, may come to
    something else and be right by the same rules.
    """

    def __init__(self, told: Sequence[Told], floor: int, ceiling: int) -> None:
        self._told = told
        self._floor, self._ceiling = floor, ceiling
        self._reading = CounterReading([Stretch("day", 0, 0)])
        self._value = 0
        self._fall: list[int] = []
        self._spike: list[int] = []

    @property
    def _now(self) -> Stretch:
        return self._reading.stretches[-1]

    def take(self, group: list[int]) -> None:
        """Read the records of a second, the lowest total first."""
        self._doubt(bool(self._fall and self._spike))
        if self._spike:
            self._answer_spike(group)
        if self._fall and self._total(group[-1]) < self._now.top and min(group) < min(self._fall):
            # The one that is older by the exchange's time came later: the other is the suspect, and it waits with it.
            self._fall += group
            return
        if self._fall:
            self._answer_fall(group)
        # It fell and grew within one second.
        self._doubt(self._total(group[0]) < self._now.top <= self._total(group[-1]))
        for place in group:
            self._count(place)

    def end(self) -> CounterReading:
        """Close the day."""
        reading, fall = self._reading, self._fall
        verdicts = {self._verdict(place) for place in fall}
        self._doubt(len(verdicts) > 1 or len({self._told[place].second for place in fall}) > 1)
        if verdicts == {"correction"}:
            self._judge()
        else:
            reading.undecided |= set(fall)
        reading.undecided |= set(self._spike)
        return reading

    def _count(self, place: int) -> None:
        one, now = self._told[place], self._now
        if one.total < now.top:
            # What fell arrived before what it fell from.
            self._doubt(place < min(above for above in now.records if self._total(above) > one.total))
            self._fall.append(place)
        elif self._is_implausible(one):
            # The design says in no figures how large a rise has to be.
            self._doubt(one.total - now.top <= max(1_000_000, 100 * now.top))
            # Nothing was known when it came, no price either.
            self._doubt(all(known > place or not self._total(known) for known in now.records))
            self._spike.append(place)
        else:
            now.records.append(place)
            if one.total >= now.top:
                now.top, self._value = one.total, one.value

    def _answer_spike(self, group: list[int]) -> None:
        spike, self._spike = self._spike, []
        risen = self._told[spike[-1]]
        is_true = self._total(group[-1]) >= self._total(spike[0])
        self._compare_arrivals(spike, self._total(spike[0]), is_true=is_true)
        if is_true:
            # It is believed at no price, so what the next rise has to be worth nobody knows.
            self._doubt(True)
            self._now.records += spike
            self._now.top, self._value = risen.total, risen.value
        else:
            self._reading.dropped |= set(spike)

    def _answer_fall(self, group: list[int]) -> None:
        is_glitch = self._total(group[-1]) >= self._now.top
        self._compare_arrivals(self._fall, self._now.top, is_true=is_glitch)
        # A wrong total answers.
        self._doubt(any(self._is_implausible(self._told[place]) for place in group))
        if is_glitch:
            # By the exchange's time a later one had confirmed it.
            self._doubt(len({self._told[place].second for place in self._fall}) > 1)
            self._reading.dropped |= set(self._fall)
            self._fall = []
            return
        several = len(self._fall) > 1
        self._judge()
        # What answers falls itself.
        self._doubt(several and self._total(group[0]) < self._now.top)

    def _judge(self) -> None:
        """Begin the stretch that the records of a fall belong to."""
        fall, self._fall = self._fall, []
        first = min(fall)
        # The first to arrive is the one that is judged.
        verdict = self._verdict(first)
        self._doubt(any(self._verdict(place) != verdict for place in fall))
        held = sorted(fall, key=self._total)
        top = self._told[held[-1]]
        generation = self._now.generation + (verdict == "reset")
        base = 0 if verdict == "reset" else self._total(first)
        self._reading.stretches.append(Stretch(verdict, generation, top.total, held, base))
        self._value = top.value

    def _verdict(self, place: int) -> Beginning:
        mark, suspect = self._now.top, self._total(place)
        if (mark - suspect) * 100 <= CORRECTION_PERCENT * mark:
            return "correction"
        return "reset" if suspect * 100 < RESET_PERCENT * mark else "ambiguous"

    def _is_implausible(self, one: Told) -> bool:
        """Whether the counter more than doubled at a price that no share can have today."""
        growth = one.total - self._now.top
        return growth > self._now.top and not self._floor * growth <= one.value - self._value <= self._ceiling * growth

    def _compare_arrivals(self, suspects: list[int], mark: int, *, is_true: bool) -> None:
        """Doubt an answer if the first newer record to arrive says otherwise, or some arrived before the suspects were there."""
        first = min(suspects)
        newer = (one for one in self._told[first:] if one.second > self._told[first].second)
        answer = next(newer, None)
        self._doubt(answer is not None and (answer.total >= mark) != is_true)
        second = self._told[suspects[0]].second
        self._doubt(any(one.second > second and one.total >= mark for one in self._told[: max(suspects)]))

    def _total(self, place: int) -> int:
        return self._told[place].total

    def _doubt(self, is_in_doubt: bool) -> None:
        self._reading.unclear |= is_in_doubt
