"""A symbol's tape: which part of its counted volume was seen as prints, and which was not.

The feed has no trade ids. What it has is TotalVol, the day's volume after each match, so a print *is* an interval of it::

    TotalVol   0        100       150            400   450
               ├─ print ─┤░░ gap ░░├──── print ────┤     │
                         ▲                         ▲     ▲
                    a record with              top of    a record with LastVol 50 and TotalVol 450
                    TotalVol 100               the tape  books (400, 450]

A record books the part of its interval that no earlier record covered. What it leaves over between the old top and itself
is a gap; a late record closes a gap, or a part of one; one that brings nothing new is a repeat. A total below the top at a newer
time is held as a suspect (:mod:`pipelines.core.suspects`).
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from pipelines.core.feeds import Feeds
from pipelines.core.lines import Gap, Label, SideSource, correction_line, fill_line, gap_line, print_line, reset_line, value_of
from pipelines.core.suspects import Thresholds, Verdict, judge, judge_at_close
from schemas.events import GapCause, TradePhase
from schemas.session import open_ms
from schemas.structs import TradeEvent, TradeRecord
from schemas.units import Side, UnixMs

MAX_GAPS: Final = 32
"""Open gaps of a symbol; one more, and the oldest becomes final: a record that comes for it later counts as a repeat."""

MAX_DISMISSED: Final = 8
"""Glitches of a symbol that are remembered."""


class Suspect(msgspec.Struct, array_like=True, gc=False):
    """A record whose total was below the top, with all that booking it would take."""

    record: TradeRecord
    side: Side
    side_source: SideSource
    phase: TradePhase
    cause: GapCause
    epoch: int
    mark: int


class Tape(msgspec.Struct, array_like=True, gc=False):
    """The prints of one symbol and day."""

    top: int = 0
    """The highest TotalVol accepted, of this generation."""
    top_value: int = 0
    """TotalVal with it."""
    top_ms: int = 0
    """The newest exchange time at which the feed said so; 0 before the first record."""
    mark: int = 0
    """``Feeds.mark`` at that record."""
    generation: int = 0
    settled_ms: int = 0
    """Exchange time of the last correction or reset: totals up to then are of another count, and say nothing any more."""
    base: int = 0
    """Tops of the earlier generations, added up; ``base_value`` alike."""
    base_value: int = 0
    prints: int = 0
    printed: int = 0
    """Volume of anchored prints."""
    gap_count: int = 0
    missed: int = 0
    """Volume of gaps less that of their fills; gaps that have become final stay in it."""
    repeats: int = 0
    unanchored: int = 0
    gaps: list[Gap] = msgspec.field(default_factory=list)
    """Open gaps, lowest first."""
    suspect: Suspect | None = None
    dismissed: list[tuple[int, int, int]] = msgspec.field(default_factory=list)
    """Time, total and volume of the last few glitches: what another feed repeats of them later is no late print."""

    @property
    def total(self) -> int:
        """The day's volume as the feed counts it, restarts added up."""
        return self.base + self.top

    @property
    def total_value(self) -> int:
        """The day's value as the feed counts it, restarts added up."""
        return self.base_value + self.top_value


class Booked(NamedTuple):
    """A print that was booked: what the board has to know of it."""

    record: TradeRecord
    label: Label
    volume: int
    """What it booked; no more than its record's."""
    start: int
    """The day's volume before it, earlier generations included."""
    late: bool


class TapeRecorder:
    """Writes the tapes of a shard while one frame is folded.

    Args:
        feeds: The shard's; its marks tell a lost record from one that was never sent.
        thresholds: Gives those in force, for totals that fell.
        events: Gets what goes to ``market.trades``, in order.
        counts: Gets what the records came to, by name.
    """

    __slots__ = ("_counts", "_events", "_feeds", "_thresholds")

    def __init__(
        self, feeds: Feeds, thresholds: Callable[[], Thresholds], events: list[TradeEvent], counts: Counter[str]
    ) -> None:
        self._feeds = feeds
        self._thresholds = thresholds
        self._events = events
        self._counts = counts

    def take(self, tape: Tape, record: TradeRecord, label: Label, epoch: int) -> list[Booked]:
        """Fold a record of the tape's symbol and day.

        Args:
            tape: Changed in place.
            record: Of a match, or without one (price or volume 0); not a match without a total.
            label: For the match, if it is one.
            epoch: The connection that it came from.

        Returns:
            The prints that it booked: one or none, and another before it when it proves that the counter had restarted.
        """
        booked: list[Booked] = []
        if record.ts_ms <= tape.settled_ms or (tape.dismissed and _identity(record) in tape.dismissed):
            self._repeat(tape, record)
            return booked
        if record.total_volume == 0 and tape.top > 0:
            # Zeros in the middle of a day are what the feed says when it has nothing to say. Had the counter restarted, the next
            # match would show it.
            self._counts["empty"] += 1
            return booked
        if tape.suspect is not None and record.ts_ms > tape.suspect.record.ts_ms:
            self._decide(tape, tape.suspect, record.total_volume, booked)
        total = record.total_volume
        if total > tape.top:
            self._grow(tape, record, label, epoch, None, booked)
            tape.mark = self._feeds.mark
        elif self._fill_late(tape, record, label, booked):
            pass
        elif total < tape.top and record.ts_ms > tape.top_ms and tape.suspect is None:
            cause = self._cause(tape, record)
            tape.suspect = Suspect(record, label.side, label.side_source, label.phase, cause, epoch, self._feeds.mark)
            self._counts["suspect"] += 1
        else:
            self._repeat(tape, record)
        if total == tape.top and record.ts_ms > tape.top_ms:
            tape.top_ms, tape.top_value, tape.mark = record.ts_ms, record.total_value, self._feeds.mark
        return booked

    def take_unanchored(self, tape: Tape, record: TradeRecord, label: Label) -> None:
        """Book a match that says no total: it has no identity, so it is a line of its own and counted apart."""
        tape.unanchored += 1
        self._counts["unanchored"] += 1
        line = print_line(record, label, tape.generation, start=0, volume=record.volume, late=False, anchored=False)
        self._events.append(line)

    def close(self, tape: Tape) -> None:
        """Decide about a suspect that is left when the day is over."""
        suspect, tape.suspect = tape.suspect, None
        if suspect is None:
            return
        verdict = judge_at_close(tape.top, suspect.record.total_volume, self._thresholds())
        self._counts[verdict.value] += 1
        if verdict is Verdict.CORRECTION:
            self._correct(tape, suspect)

    def _grow(
        self, tape: Tape, record: TradeRecord, label: Label, epoch: int, cause: GapCause | None, booked: list[Booked]
    ) -> None:
        """Raise the top to a record's total: what it leaves over is a gap, the rest its print."""
        total, top = record.total_volume, tape.top
        is_print = record.price > 0 and record.volume > 0
        start = max(total - record.volume, 0) if is_print else total
        above = max(start, top)
        if start > top:
            cause = cause or self._cause(tape, record)
            left_over = record.total_value - tape.top_value - value_of(record.price, total - above, record.exchange)
            since_ms = UnixMs(tape.top_ms or min(open_ms(record.trading_day, record.exchange), record.ts_ms))
            self._events.append(gap_line(record, tape.generation, Gap(top, start, cause), left_over, since_ms, epoch))
            self._counts[f"gap_{cause}"] += 1
            tape.gap_count += 1
            tape.missed += start - top
            tape.gaps.append(Gap(top, start, cause))
            del tape.gaps[:-MAX_GAPS]
        if is_print:
            fills = _take_out(tape, start, top)
            first = fills[0].start if fills else above
            self._print(tape, record, label, first, total - above, fills, False, booked)
        tape.top, tape.top_value, tape.top_ms = total, record.total_value, max(tape.top_ms, record.ts_ms)

    def _fill_late(self, tape: Tape, record: TradeRecord, label: Label, booked: list[Booked]) -> bool:
        """Book what a record, not above the top, covers of open gaps. False when that is nothing.

        A counter does not run backwards: a total below the top at a *newer* time is no late print but a fall, though a gap lies
        where it points. Booked as late prints, a restarted counter would fill the gap and leave the last price as it was.
        """
        if not tape.gaps or record.price <= 0 or record.volume <= 0 or record.ts_ms > tape.top_ms:
            return False
        fills = _take_out(tape, max(record.total_volume - record.volume, 0), record.total_volume)
        if fills:
            self._print(tape, record, label, fills[0].start, 0, fills, True, booked)
        return bool(fills)

    def _print(
        self,
        tape: Tape,
        record: TradeRecord,
        label: Label,
        start: int,
        above: int,
        fills: list[Gap],
        late: bool,
        booked: list[Booked],
    ) -> None:
        """Book a print of ``above`` the top and of ``fills`` below it."""
        volume = above + sum(fill.volume for fill in fills)
        event = print_line(record, label, tape.generation, start=start, volume=volume, late=late, anchored=True)
        self._events.append(event)
        self._counts["print"] += 1
        self._counts["late"] += late
        self._counts["clipped"] += event.clipped
        tape.prints += 1
        tape.printed += volume
        for fill in fills:
            self._events.append(fill_line(record, tape.generation, fill))
            self._counts["fill"] += 1
            tape.missed -= fill.volume
        booked.append(Booked(record, label, volume, tape.base + start, late))

    def _repeat(self, tape: Tape, record: TradeRecord) -> None:
        if record.price > 0 and record.volume > 0:
            tape.repeats += 1
            self._counts["repeat"] += 1

    def _decide(self, tape: Tape, suspect: Suspect, decider: int, booked: list[Booked]) -> None:
        tape.suspect = None
        verdict = judge(tape.top, suspect.record.total_volume, decider, self._thresholds())
        self._counts[verdict.value] += 1
        if verdict is Verdict.GLITCH:
            tape.dismissed = [*tape.dismissed, _identity(suspect.record)][-MAX_DISMISSED:]
        elif verdict in (Verdict.CORRECTION, Verdict.AMBIGUOUS):
            self._correct(tape, suspect)
        elif verdict is Verdict.RESET:
            self._restart(tape, suspect, booked)

    def _correct(self, tape: Tape, suspect: Suspect) -> None:
        record = suspect.record
        total = record.total_volume
        self._events.append(correction_line(record, tape.generation, tape.top, tape.top_value))
        # The feed will count the volume above the new top once more: a gap up there can not be told from it any longer.
        tape.gaps = [Gap(gap.start, min(gap.end, total), gap.cause) for gap in tape.gaps if gap.start < total]
        tape.top, tape.top_value = total, record.total_value
        tape.top_ms = tape.settled_ms = record.ts_ms
        tape.mark = suspect.mark

    def _restart(self, tape: Tape, suspect: Suspect, booked: list[Booked]) -> None:
        """Begin to count from 0 again: what was counted stays, and the suspect is the first record of the new generation."""
        record = suspect.record
        tape.generation += 1
        self._events.append(reset_line(record, tape.generation, tape.top))
        tape.base += tape.top
        tape.base_value += tape.top_value
        tape.top = tape.top_value = 0
        tape.gaps = []
        if record.total_volume > 0:
            label = Label(suspect.side, suspect.side_source, suspect.phase)
            self._grow(tape, record, label, suspect.epoch, suspect.cause, booked)
        tape.top_ms = tape.settled_ms = record.ts_ms
        tape.mark = suspect.mark

    def _cause(self, tape: Tape, record: TradeRecord) -> GapCause:
        """Why volume before ``record`` was not seen."""
        if tape.top_ms:
            return "unseen" if self._feeds.covered(tape.mark) else "lost"
        opened_ms = open_ms(record.trading_day, record.exchange)
        if self._feeds.covered_from(opened_ms):
            return "unseen"
        return "before_start" if self._feeds.joined_ms > opened_ms else "lost"


def _identity(record: TradeRecord) -> tuple[int, int, int]:
    return record.ts_ms, record.total_volume, record.volume


def _take_out(tape: Tape, start: int, end: int) -> list[Gap]:
    """Cut (start, end] out of the open gaps; return what was cut out, lowest first."""
    taken: list[Gap] = []
    left: list[Gap] = []
    for gap in tape.gaps:
        low, high = max(gap.start, start), min(gap.end, end)
        if low >= high:
            left.append(gap)
            continue
        taken.append(Gap(low, high, gap.cause))
        if gap.start < low:
            left.append(Gap(gap.start, low, gap.cause))
        if high < gap.end:
            left.append(Gap(high, gap.end, gap.cause))
    if taken:
        tape.gaps = left[-MAX_GAPS:]
    return taken
