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
from pipelines.core.suspects import SuspectVerdict, Thresholds, judge, judge_at_close
from schemas.events import GapCause, TradePhase
from schemas.session import open_ms
from schemas.structs import TradeEvent, TradeRecord
from schemas.units import Side, UnixMs

MAX_GAPS: Final = 32
"""How many open gaps of a symbol are kept. With one more the oldest becomes final: what comes for it later counts as a repeat."""

MAX_DISMISSED: Final = 8
"""How many glitches of a symbol are remembered."""


class Suspect(msgspec.Struct, array_like=True, gc=False):
    """A record whose total was below the top, with all that is needed to book it once a newer record has decided about it.

    ``cause``, ``epoch`` and ``mark`` are those of the moment when it came.
    """

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
    """The highest TotalVol accepted since the counter last began at 0."""
    top_value: int = 0
    """TotalVal of the record that said so, in VND."""
    top_ms: int = 0
    """Exchange time of the newest record whose TotalVol was ``top``; 0 before the first record."""
    mark: int = 0
    """:attr:`Feeds.mark` as it was when that record came: with it the feeds can say whether anything may have been lost since."""
    generation: int = 0
    settled_ms: int = 0
    """Exchange time of the last correction or reset. Totals up to then belong to a count that no longer holds."""
    base: int = 0
    """What the counter had reached each time before it began at 0 again, added up. ``base_value`` is the same of TotalVal."""
    base_value: int = 0
    prints: int = 0
    printed: int = 0
    """Volume of the prints that have a total."""
    gap_count: int = 0
    missed: int = 0
    """Volume of all gaps, final ones too, less that of their fills."""
    repeats: int = 0
    unanchored: int = 0
    gaps: list[Gap] = msgspec.field(default_factory=list)
    """Open gaps, lowest first."""
    suspect: Suspect | None = None
    dismissed: list[tuple[int, int, int]] = msgspec.field(default_factory=list)
    """Time, total and volume of the last few glitches. What another feed repeats of them later must not fill a gap."""

    @property
    def total(self) -> int:
        """The day's volume as the feed counts it, restarts added up."""
        return self.base + self.top

    @property
    def total_value(self) -> int:
        """The day's value as the feed counts it, restarts added up."""
        return self.base_value + self.top_value


class Booked(NamedTuple):
    """A print that was booked, as the day of its symbol takes it."""

    record: TradeRecord
    label: Label
    volume: int
    """What was booked: its record's volume, or what of it no earlier print covered."""
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
            record: Of a match, or without one (price or volume 0). A match without a total goes to :meth:`take_unanchored`.
            label: For the match, if it is one.
            epoch: The connection that it came from.

        Returns:
            The prints that were booked: this record's, if it is one, and before it the suspect's, if this record decides that the
            counter had begun at 0 again.
        """
        booked: list[Booked] = []
        if record.ts_ms <= tape.settled_ms or (tape.dismissed and _identity(record) in tape.dismissed):
            self._repeat(tape, record)
            return booked
        if record.total_volume == 0 and tape.top > 0:
            # In the middle of a day the feed sends zeros when it has nothing to say. Had the counter restarted, the next match
            # would show it.
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
        """Book a match without a total. It has no place in the counted volume, so it is a line of its own, counted apart."""
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
        if verdict is SuspectVerdict.CORRECTION:
            self._correct(tape, suspect)

    def _grow(
        self, tape: Tape, record: TradeRecord, label: Label, epoch: int, cause: GapCause | None, booked: list[Booked]
    ) -> None:
        """Raise the top to a record's total. Of the volume between, the last part is its print, and what is before that a gap."""
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

        A counter does not run backwards, so a total below the top at a *newer* time is no late print but a fall, even where a gap
        lies. Else a counter that had begun at 0 again would fill the gap, and the last price would stay as it was.
        """
        if not tape.gaps or record.price <= 0 or record.volume <= 0:
            return False
        if record.total_volume < tape.top and record.ts_ms > tape.top_ms:
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
        """Book a print: volume ``above`` the top, and what it fills of the gaps below."""
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
        if verdict is SuspectVerdict.GLITCH:
            tape.dismissed = [*tape.dismissed, _identity(suspect.record)][-MAX_DISMISSED:]
        elif verdict in (SuspectVerdict.CORRECTION, SuspectVerdict.AMBIGUOUS):
            self._correct(tape, suspect)
        elif verdict is SuspectVerdict.RESET:
            self._restart(tape, suspect, booked)

    def _correct(self, tape: Tape, suspect: Suspect) -> None:
        record = suspect.record
        total = record.total_volume
        self._events.append(correction_line(record, tape.generation, tape.top, tape.top_value))
        # The feed will count the volume above the new top once more; nothing would tell that from a gap up there.
        tape.gaps = [Gap(gap.start, min(gap.end, total), gap.cause) for gap in tape.gaps if gap.start < total]
        tape.top, tape.top_value = total, record.total_value
        tape.top_ms = tape.settled_ms = record.ts_ms
        tape.mark = suspect.mark

    def _restart(self, tape: Tape, suspect: Suspect, booked: list[Booked]) -> None:
        """Begin to count from 0 again. What was counted stays, and the suspect becomes the first record of the new count."""
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
