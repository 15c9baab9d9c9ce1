"""One side of a symbol's foreign day: readings of a counter that should only grow in, how it moved out.

A reading that contradicts the count is not booked but *held*: a counter below the mark at a newer time, or one so far above it
that neither its size nor its value can be true. The earliest of those that are held is the suspect. The first reading of a later
second decides about it, and then all that was held is folded in the order of its own time, as if nothing had stood in its way.
"""

from bisect import insort
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import msgspec

from pipelines.core.codec import LARGEST
from pipelines.core.speed import Volumes
from pipelines.core.suspects import (
    MAX_HELD,
    Bounds,
    SuspectVerdict,
    Thresholds,
    is_restart,
    judge,
    judge_at_close,
    judge_rise,
)

EntryKind = Literal["delta", "catch_up", "correction", "reset", "revaluation", "room"]

MAX_PAST: Final = 4
"""How many counts that ended with a restart are remembered, for what a lagging feed still tells of them."""

UNKNOWN_MARK: Final = -1
"""The mark of a reading that release 0.2.0 accepted: it did not keep marks."""

_ANY_PRICE: Final = Bounds(1, LARGEST)
"""What a share can cost where nobody knows more: a dong at least."""

Price = Callable[[], int]
"""Says what a share costs elsewhere, in VND; 0 when nobody knows."""


class Reading(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a record says of one side, and what its shard knew in the moment when it came."""

    counter: int
    value: int
    ts_ms: int
    mark: int
    """:attr:`~pipelines.core.feeds.Feeds.mark` in that moment."""
    covered: bool
    """Whether some feed had run without a break since the reading of this side that came before it."""
    feed: str = ""
    epoch: int = 0
    """The connection that it came from; both empty where release 0.2.0 held it, or it is not known any more."""
    first_since_ms: int = 0
    """Since when the counter has grown, if this is the first reading of the day."""
    first_shows: bool = False
    """Whether the first reading of the day counts for the speeds. Not when the exchange had opened before the shard listened:
    then nobody knows over which time the counter grew."""

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among the readings of its side: by time, and within a second by the counter."""
        return self.ts_ms, self.counter


class Move(NamedTuple):
    """How the counter of a side moved: a line of the ledger."""

    kind: EntryKind
    ts_ms: int
    since_ms: int
    generation: int
    counter_from: int
    counter: int
    value: int
    """By how much the day's value has changed, in VND."""
    ambiguous: bool = False


class PastCount(msgspec.Struct, array_like=True, gc=False):
    """A count of the feed that ended when its counter began at 0 again. A lagging feed may still tell of its last seconds."""

    generation: int
    counter: int
    """The highest that was accepted."""
    value: int
    ts_ms: int
    """Exchange time of the reading that said so."""
    until_ms: int
    """Exchange time of the first reading of the next count."""
    covered: bool
    """Whether some feed ran without a break from the one to the other."""


class SideTotals(msgspec.Struct, array_like=True, gc=False):
    """What foreigners bought, or sold, today."""

    counter: int = 0
    """The mark: the feed's counter as last accepted, in shares. A fall is measured by it."""
    value: int = 0
    """The feed's value in the same record, in VND."""
    ts_ms: int = 0
    """Exchange time of the last accepted record; 0 before the day's first."""
    mark: int = 0
    """:attr:`~pipelines.core.feeds.Feeds.mark` when that record came."""
    generation: int = 0
    """How often the feed's counter has restarted today."""
    earlier: int = 0
    """What the counter had reached in earlier generations, summed."""
    earlier_value: int = 0
    booked_value: int = 0
    """The sum of the values of the lines so far."""
    leapt_from: int | None = None
    """The mark before the last accepted reading, where that more than doubled it; else None. A fall back to there, or to a little
    above, may mean that the reading was wrong, though its value agreed."""
    settled_ms: int = 0
    """Exchange time of the first record after the last fall that was booked. What was said before it is of another count."""
    held: list[Reading] = msgspec.field(default_factory=list)
    """Readings that contradict the count, and what came after them: by time, then by counter. The first is the suspect."""
    past: list[PastCount] = msgspec.field(default_factory=list)
    """The last counts that ended today, oldest first."""
    volumes: Volumes = msgspec.field(default_factory=Volumes)
    """What the speeds are made of."""

    @property
    def volume(self) -> int:
        """The day's total: the sum of the volumes of its lines."""
        return self.earlier + self.counter

    @property
    def total_value(self) -> int:
        """The day's total in VND."""
        return self.earlier_value + self.value

    @property
    def price(self) -> int:
        """What a share cost on average today, in VND; 0 when nobody knows."""
        return price_of(self.volume, self.total_value)

    @property
    def heard_mark(self) -> int:
        """The mark of the last reading that came, held ones included."""
        return max([reading.mark for reading in self.held]) if self.held else self.mark

    def holds(self, counter: int, ts_ms: int) -> bool:
        """Whether a reading with this counter and time is held."""
        return bool(self.held) and any(reading.place == (ts_ms, counter) for reading in self.held)

    def is_too_much(self, counter: int) -> bool:
        """Whether ``counter`` would take the day's total beyond every market."""
        return self.earlier + counter + (self.counter if counter < self.counter else 0) >= LARGEST

    def is_behind(self, reading: Reading) -> bool:
        """Whether a reading is older than the mark, or of its second and no more than it."""
        return reading.ts_ms < self.ts_ms or (reading.ts_ms == self.ts_ms and reading.counter <= self.counter)

    def leaps(self, reading: Reading, thresholds: Thresholds) -> bool:
        """Whether a reading is so far above the mark that the way back would look like a restart."""
        return is_restart(reading.counter, self.counter, thresholds)

    def accept(self, reading: Reading) -> None:
        """Let the count go on from ``reading``."""
        self.counter, self.value, self.ts_ms, self.mark = reading.counter, reading.value, reading.ts_ms, reading.mark

    def grow(self, reading: Reading, thresholds: Thresholds, now_ms: int) -> Move | None:
        """Accept a reading that is no lower than the mark. None when nothing moves but the time."""
        before, since_ms = self.counter, min(self.ts_ms, reading.ts_ms)
        volume = reading.counter - before
        self.leapt_from = before if before and volume and self.leaps(reading, thresholds) else None
        self.accept(reading)
        if self.held:
            # A rise that was held, and is no more than another reading said by then, is explained.
            self.held = [held for held in self.held if held.ts_ms > self.ts_ms or not before < held.counter <= self.counter]
        if not volume:
            moved = self.earlier_value + self.value != self.booked_value
            return self.book("revaluation", reading.ts_ms, since_ms or reading.ts_ms, before) if moved else None
        if since_ms and reading.covered:
            self.volumes.add(volume, reading.ts_ms, now_ms)
            return self.book("delta", reading.ts_ms, since_ms, before)
        if since_ms:
            self.volumes.spread(volume, since_ms, reading.ts_ms, now_ms)
        elif reading.first_shows:
            self.volumes.spread(volume, reading.first_since_ms, reading.ts_ms, now_ms)
        return self.book("catch_up", reading.ts_ms, since_ms or reading.first_since_ms, before)

    def go_on(self, counter: int, value: int, ts_ms: int, mark: int, now_ms: int) -> int:
        """As :meth:`take` with a reading that is neither earlier nor lower, while some feed runs and nothing is in doubt.

        Returns:
            By how much the day's value has changed, in VND.
        """
        before = self.counter
        if counter != before:
            self.volumes.add(counter - before, ts_ms, now_ms)
        elif ts_ms == self.ts_ms:
            return 0
        self.counter, self.value, self.ts_ms, self.mark, self.leapt_from = counter, value, ts_ms, mark, None
        moved = self.earlier_value + value - self.booked_value
        self.booked_value += moved
        return moved

    def book(self, kind: EntryKind, ts_ms: int, since_ms: int, counter_from: int, *, ambiguous: bool = False) -> Move:
        """Make the line of what has been accepted."""
        return Move(kind, ts_ms, since_ms, self.generation, counter_from, self.counter, self.take_value(), ambiguous)

    def take_value(self) -> int:
        """By how much the day's value has changed since the last line."""
        value = self.earlier_value + self.value - self.booked_value
        self.booked_value += value
        return value

    def take(self, reading: Reading, price: Price, thresholds: Thresholds, notes: list[str], now_ms: int) -> list[Move]:
        """Accept what a record says, hold it, or pass over it; then decide what it decides.

        Args:
            reading: What it says.
            price: Says what a share costs, for as long as this side does not tell.
            thresholds: What decides about a counter that fell.
            notes: Gets words to count by.
            now_ms: Market time.

        Returns:
            How the counter moved, in the order of time.
        """
        if not self.held:
            if self.is_behind(reading) and reading.counter <= self.counter and not self.past:
                return []
            if not self.is_behind(reading) and self.counter <= reading.counter and not self.leaps(reading, thresholds):
                move = self.grow(reading, thresholds, now_ms)
                return [] if move is None else [move]
        fold = _Fold(self, price, thresholds, notes, now_ms)
        waiting = len(self.held)
        fold.place(reading)
        while fold.decide():
            pass
        if 0 < waiting < len(self.held):
            notes.append("held")
        return fold.moves

    def settle(self, price: Price, thresholds: Thresholds, notes: list[str], now_ms: int) -> list[Move]:
        """Decide about what is held, because the day is over and no newer record will."""
        fold = _Fold(self, price, thresholds, notes, now_ms)
        while self.held:
            if not fold.decide(closing=True):
                fold.decide_at_close()
        return fold.moves


class _Fold:
    """One side, while a reading is folded into it or its day is closed."""

    __slots__ = ("_notes", "_now_ms", "_price", "_side", "_thresholds", "moves")

    def __init__(self, side: SideTotals, price: Price, thresholds: Thresholds, notes: list[str], now_ms: int) -> None:
        self._side = side
        self._now_ms = now_ms
        self._price = price
        self._thresholds = thresholds
        self._notes = notes
        self.moves: list[Move] = []

    def place(self, reading: Reading) -> bool:
        """Accept a reading, hold it, or pass over it. True when it is accepted or held: what comes next goes on from it."""
        side = self._side
        if side.is_behind(reading):
            self._look_back(reading)
            return False
        # What is newer than the suspect waits for its verdict. Growth up to then is real, whatever becomes of the suspect.
        if (side.held and _comes_after(reading, side.held[0])) or not self._is_sound(reading):
            self._hold(reading)
        else:
            self._grow(reading)
        return True

    def decide(self, *, closing: bool = False) -> bool:
        """Decide about the suspect, if something that is held can, and fold the rest. False when nothing is to be decided."""
        side = self._side
        if len(side.held) < 2:
            return False
        suspect, *rest = side.held
        decider = next((reading for reading in rest if self._can_decide(reading, suspect, rest, closing=closing)), None)
        if decider is None:
            if len(side.held) <= MAX_HELD:
                return False
            self._notes.append("forced")
            decider = max(rest, key=lambda reading: reading.counter)
        if suspect.counter >= side.counter:
            verdict = judge_rise(suspect.counter, decider.counter)
        else:
            verdict = judge(side.counter, suspect.counter, decider.counter, self._thresholds)
        self._carry_out(verdict, suspect, rest)
        return True

    def _can_decide(self, reading: Reading, suspect: Reading, rest: list[Reading], *, closing: bool) -> bool:
        """Whether ``reading`` is of a later second than the suspect.

        A rise that is doubtful itself has to be confirmed before it can say something about the suspect. At the close it may say
        that another rise was real: nothing more will come.
        """
        side = self._side
        if reading.ts_ms <= suspect.ts_ms:
            return False
        if closing and suspect.counter >= side.counter:
            return True
        if not self._is_doubtful(reading, side.counter, side.value):
            return True
        return any(other.ts_ms > reading.ts_ms and other.counter >= reading.counter for other in rest)

    def decide_at_close(self) -> None:
        """Decide about the suspect without any later reading, and fold what was held."""
        suspect, *rest = self._side.held
        if suspect.counter >= self._side.counter:
            verdict = SuspectVerdict.UNRESOLVED
        else:
            verdict = judge_at_close(self._side.counter, suspect.counter, self._thresholds)
        self._carry_out(verdict, suspect, rest)

    def _carry_out(self, verdict: SuspectVerdict, suspect: Reading, rest: list[Reading]) -> None:
        """Book the suspect, or drop it, and fold the rest."""
        self._side.held = []
        dropped = verdict is SuspectVerdict.GLITCH or verdict is SuspectVerdict.UNRESOLVED
        if verdict is SuspectVerdict.CONFIRMED:
            self._grow(suspect)
        elif dropped:
            self._notes.append(verdict)
        else:
            self._fall(suspect, verdict)
        # Each reading says whether the time since the one before it is covered. Where that is dropped, its own time counts too.
        covered = suspect.covered or not dropped
        for reading in rest:
            since_mark = reading if covered else msgspec.structs.replace(reading, covered=False)
            covered = self.place(since_mark) or since_mark.covered

    def _is_sound(self, reading: Reading) -> bool:
        """Whether a reading that is newer than the mark, or above it, does not contradict the count."""
        side = self._side
        return reading.counter >= side.counter and not self._is_doubtful(reading, side.counter, side.value)

    def _is_doubtful(self, reading: Reading, counter: int, value: int) -> bool:
        """Whether a rise from ``counter`` can only be a mistake.

        Its size would look like a restart on the way back, and its value is none that today's prices can make. A foreign record
        tells no price limits: an average price tells them.
        """
        if not is_restart(reading.counter, counter, self._thresholds):
            return False
        price = self._side.price or self._price()
        bounds = Bounds.around(price) if price else _ANY_PRICE
        return not bounds.allow(reading.counter - counter, reading.value - value)

    def _hold(self, reading: Reading) -> None:
        held = self._side.held
        if any(known.place == reading.place for known in held):
            return
        if not held:
            self._notes.append("suspect")
        insort(held, reading, key=lambda each: each.place)

    def _grow(self, reading: Reading) -> None:
        move = self._side.grow(reading, self._thresholds, self._now_ms)
        if move is not None:
            self.moves.append(move)

    def _fall(self, suspect: Reading, verdict: SuspectVerdict) -> None:
        """Book a fall that is believed."""
        side = self._side
        before, since_ms = side.counter, side.ts_ms
        if verdict is SuspectVerdict.RESET:
            is_doubtful = side.leapt_from is not None and suspect.counter >= side.leapt_from
            if is_doubtful:
                self._notes.append(SuspectVerdict.UNRESOLVED)
            ended = PastCount(side.generation, before, side.value, since_ms, suspect.ts_ms, suspect.covered)
            side.past = [*side.past, ended][-MAX_PAST:]
            side.generation += 1
            side.earlier += before
            side.earlier_value += side.value
            side.accept(suspect)
            side.volumes.spread(suspect.counter, since_ms, suspect.ts_ms, self._now_ms)
            self.moves.append(side.book("reset", suspect.ts_ms, since_ms, 0, ambiguous=is_doubtful))
        else:
            is_doubtful = verdict is SuspectVerdict.AMBIGUOUS
            if is_doubtful:
                self._notes.append(verdict)
            # A correction says that shares counted earlier were none, and not when they had been counted: no speed changes.
            side.accept(suspect)
            self.moves.append(side.book("correction", suspect.ts_ms, since_ms, before, ambiguous=is_doubtful))
        side.leapt_from = None
        side.settled_ms = suspect.ts_ms

    def _look_back(self, reading: Reading) -> None:
        """Book what a reading of a past second adds to the count of that time. Mostly that is nothing: it is stale."""
        side = self._side
        past = next((past for past in side.past if _is_of(past, reading, side.counter)), None)
        if past is not None:
            if self._is_believed(reading, past.counter, past.value):
                self._extend(past, reading)
            return
        if reading.counter <= side.counter or not side.settled_ms < reading.ts_ms < side.ts_ms:
            return
        # It was more than what a later record said: in between the counter fell, and no feed has told of that yet.
        if self._is_believed(reading, side.counter, side.value):
            later = Reading(side.counter, side.value, side.ts_ms, side.mark, covered=True)
            self._grow(reading)
            self._hold(later)

    def _is_believed(self, reading: Reading, counter: int, value: int) -> bool:
        """Whether a rise of the past may be true. If it is doubtful, what came after it was lower and has decided."""
        doubtful = self._is_doubtful(reading, counter, value)
        if doubtful:
            self._notes.append(SuspectVerdict.GLITCH)
        return not doubtful

    def _extend(self, past: PastCount, reading: Reading) -> None:
        """Book what a reading adds to a count that has ended."""
        side = self._side
        before, since_ms, growth = past.counter, past.ts_ms, reading.counter - past.counter
        side.earlier += growth
        side.earlier_value += reading.value - past.value
        past.counter, past.value, past.ts_ms = reading.counter, reading.value, reading.ts_ms
        if past.covered:
            side.volumes.add(growth, reading.ts_ms, self._now_ms)
        else:
            side.volumes.spread(growth, since_ms, reading.ts_ms, self._now_ms)
        kind: EntryKind = "delta" if past.covered else "catch_up"
        self.moves.append(Move(kind, reading.ts_ms, since_ms, past.generation, before, reading.counter, side.take_value()))


def price_of(volume: int, value: int) -> int:
    """What a share cost on average, in VND; 0 when that says nothing."""
    return max(value // volume, 0) if volume else 0


def _comes_after(reading: Reading, suspect: Reading) -> bool:
    """Whether a reading is newer than the suspect: of a later second, or told later in its second by the same connection."""
    if reading.ts_ms != suspect.ts_ms:
        return reading.ts_ms > suspect.ts_ms
    return bool(suspect.epoch) and (reading.feed, reading.epoch) == (suspect.feed, suspect.epoch)


def _is_of(past: PastCount, reading: Reading, counter: int) -> bool:
    """Whether a reading adds to a past count. ``counter`` is what the count of today has come to since."""
    if reading.counter <= past.counter or not past.ts_ms <= reading.ts_ms <= past.until_ms:
        return False
    # In the second of the restart it may as well be of the new count, if that has come as far by now.
    return reading.ts_ms < past.until_ms or reading.counter > counter
