"""What is kept of a symbol's tape: how far its volume is counted, what of it was not seen, and what waits for a verdict.

:mod:`pipelines.core.prints` writes it; ``docs/tape.md`` has the hard cases.
"""

from typing import Any, Final, Literal, NamedTuple

import msgspec

from pipelines.core.codec import LARGEST
from pipelines.core.lines import Gap, Label, SideSource
from schemas.events import GapCause, TradePhase
from schemas.structs import TradeEvent, TradeRecord
from schemas.terms import DealCounting
from schemas.units import Side

Doubt = Literal["fall", "rise"]
"""Why a record waits: its total fell, or it rose beyond belief."""


class Received(msgspec.Struct, array_like=True, gc=False):
    """A record, and what was known when it came: so it can be booked later as it would have been booked then."""

    record: TradeRecord
    side: Side
    side_source: SideSource
    phase: TradePhase
    epoch: int
    """The connection that it came from."""
    mark: int
    """:attr:`Feeds.mark` at that moment."""
    covered_since: int | None = None
    """:attr:`Feeds.covered_since` at that moment; None as long as the record need not wait and the feeds can be asked."""
    opening: GapCause | None = None
    """Why volume before it was not seen, were it the first record of its day; None likewise."""
    waits_for: Doubt = "fall"
    """Why it waits."""
    top: int = 0
    """The top when it came to wait."""

    @property
    def label(self) -> Label:
        """Who made its match, and in which phase, as it looked when it came."""
        return Label(self.side, self.side_source, self.phase)

    @property
    def is_print(self) -> bool:
        """Whether it tells of a match."""
        return self.record.price > 0 and self.record.volume > 0

    @property
    def start(self) -> int:
        """The counter before its match; its total if it tells of none."""
        return max(self.record.total_volume - self.record.volume, 0) if self.is_print else self.record.total_volume


class Count(msgspec.Struct, array_like=True, gc=False):
    """The feed's counter of a symbol, from where it began to run."""

    generation: int = 0
    """How often it had begun at 0 again before."""
    top: int = 0
    """The highest TotalVol accepted."""
    top_value: int = 0
    """TotalVal of the record that said so, in VND."""
    top_ms: int = 0
    """Exchange time of the newest record whose TotalVol was ``top``; 0 before the day's first record."""
    mark: int = 0
    """:attr:`Feeds.mark` as it was when that record came: with it the feeds can say whether anything may have been lost since."""
    gaps: list[Gap] = msgspec.field(default_factory=list)
    """Open gaps, lowest first."""
    risen_from: int = 0
    """The top before its last rise that was so large that the way back would be taken for a restart, and ``risen_to`` the one
    after it; 0 as long as there was none."""
    risen_to: int = 0
    has_final_holes: bool = False
    """Whether a gap over time that no feed covered has become final."""
    begun_ms: int = 0
    """Exchange time of the correction or reset that it began with; 0 of the day's first."""
    begun_below: int = 0
    """The top from which the count before it fell."""

    def may_precede(self, record: TradeRecord) -> bool:
        """Whether a record may be of a count before this one."""
        if record.ts_ms == self.begun_ms:
            return record.total_volume >= self.begun_below
        return record.ts_ms < self.begun_ms


class BookedDeal(msgspec.Struct, array_like=True, gc=False):
    """A put-through deal that was booked. Its interval tells it from others."""

    start: int
    total: int
    price: int
    ts_ms: int
    explains: bool = False
    """Whether it was taken off a gap of the order book's counter."""
    disputed: bool = False
    """Whether a match has told of the same volume: whatever the counter did, the deal explains nothing any more."""


class Tape(msgspec.Struct, array_like=True, gc=False):
    """The prints of one symbol and day."""

    count: Count = msgspec.field(default_factory=Count)
    """The counter that runs now."""
    before: Count | None = None
    """The counter as it was before its last correction or reset: what comes late from before that is booked there."""
    settled_ms: int = 0
    """Exchange time of that correction or reset: totals up to then belong to ``before``, unless :meth:`is_before` says no."""
    settled_total: int = 0
    """The lowest total that is known of a time after it."""
    corrected_to: int = 0
    """The total to which it was corrected; 0 after a reset. Gaps below it are those of ``count``."""
    base: int = 0
    """What the counters before these two had reached, added up. ``base_value`` is the same of TotalVal."""
    base_value: int = 0
    prints: int = 0
    printed: int = 0
    """Volume of the prints that have a total."""
    gap_count: int = 0
    missed: int = 0
    """Volume of all gaps, final ones too, less that of their fills."""
    repeats: int = 0
    unanchored: int = 0
    waiting: list[Received] = msgspec.field(default_factory=list)
    """The suspect and what waits behind it, in the order in which they came."""
    judged: list[tuple[int, int, int]] = msgspec.field(default_factory=list)
    """Time, total and volume of the last records that a verdict was about. What another feed repeats of them later is no news: a
    glitch must not be believed then, and what is booked must not be booked again."""
    deals: list[BookedDeal] = msgspec.field(default_factory=list)
    """The newest put-through deals, in the order in which they came."""
    deals_until: int = 0
    """The highest total of the deals that are not kept any more."""
    explained: int = 0
    """Volume of the deals that were taken off gaps, because they share the counter, and their value in VND."""
    explained_value: int = 0

    @property
    def total(self) -> int:
        """The day's volume as the feed counts it, restarts added up."""
        if self.before is None:
            return self.base + self.count.top
        return self.begins_at(self.count) + self.count.top

    @property
    def total_value(self) -> int:
        """The day's value as the feed counts it, restarts added up."""
        before = self.before
        if before is None:
            return self.base_value + self.count.top_value
        earlier = before.top_value if before.generation < self.count.generation else 0
        return self.base_value + earlier + self.count.top_value

    def begins_at(self, count: Count) -> int:
        """The day's volume at which ``count``, one of the two, was 0."""
        before = self.before
        if before is None or before.generation == self.count.generation or count is before:
            return self.base
        return self.base + before.top

    def knows(self, record: TradeRecord) -> bool:
        """Whether a record waits already, or a verdict was about it."""
        told = identity(record)
        return told in self.judged or any(identity(other.record) == told for other in self.waiting)

    def falls_with_suspect(self, record: TradeRecord) -> bool:
        """Whether a record of the suspect's second fell as the suspect did, though the old count has grown in that second too."""
        if not self.waiting or self.waiting[0].waits_for != "fall":
            return False
        suspect = self.waiting[0]
        return record.ts_ms == suspect.record.ts_ms and record.total_volume < suspect.top

    def is_before(self, record: TradeRecord) -> bool:
        """Whether a record belongs to the counter as it was before its last correction or reset.

        A counter grows with time, so a record between the old counter's last and the new one's first belongs to the new one only
        if its total is no higher than what the new one told later.
        """
        if self.before is None or record.ts_ms > self.settled_ms:
            return False
        return record.ts_ms <= self.before.top_ms or record.total_volume > self.settled_total

    def may_miss_before(self, volume: int) -> bool:
        """Whether prints below ``volume`` of the day may have been made in time that no feed covered, and have not come since."""
        if volume == 0:
            return False
        counts = [self.count] if self.before is None else [self.before, self.count]
        return any(
            count.has_final_holes
            or any(gap.cause != "unseen" and self.begins_at(count) + gap.start < volume for gap in count.gaps)
            for count in counts
        )

    def may_have_fallen_by(self, ts_ms: int) -> bool:
        """Whether the counter may have fallen by then, and no newer record has said so or otherwise."""
        return any(each.waits_for == "fall" and each.record.ts_ms <= ts_ms for each in self.waiting)

    def counts(self, deal: BookedDeal) -> bool:
        """Whether the total of a deal can be compared with those of the counter that runs now.

        Not where a later deal began below it: then their counter fell in between, though no match has told of it.
        """
        fell = any(later.ts_ms > deal.ts_ms and later.start < deal.total for later in self.deals)
        return self.is_of_this_count(deal) and not fell

    def is_of_this_count(self, deal: BookedDeal) -> bool:
        """Whether a deal was made since the last correction or reset, or lies below what was corrected to."""
        return deal.ts_ms > self.settled_ms or deal.total <= self.corrected_to


def identity(record: TradeRecord) -> tuple[int, int, int]:
    """What a record of one symbol and day is known again by, whichever feed tells it: its time, total and volume."""
    return record.ts_ms, record.total_volume, record.volume


class Booked(NamedTuple):
    """A print that was booked, as the day of its symbol takes it."""

    record: TradeRecord
    line: TradeEvent
    """What was booked: its record's volume, or what of it no earlier print covered."""
    start: int
    """The day's volume before it, earlier generations included."""


class DealCounter(msgspec.Struct, array_like=True, gc=False):
    """What a shard has learnt today of how its feed counts put-through deals."""

    counter: DealCounting = "unknown"
    """The first proof of a day holds."""


_EVERYTHING: Final = 0
"""A mark that every break comes after."""


def tape_of_version_1(fields: list[Any]) -> list[Any]:
    """The array of a tape as release 0.2.0 kept it, in today's order."""
    (top, top_value, top_ms, mark, generation, settled_ms, base, base_value, prints, printed, gap_count, missed, repeats,
     unanchored, gaps, suspect, dismissed) = fields  # fmt: skip
    # What the counter was before a correction or a reset was not kept: a record of that time says nothing any more.
    before = [generation, LARGEST, 0, settled_ms] if settled_ms else None
    return [
        [generation, top, top_value, top_ms, mark, gaps], before, settled_ms, 0, 0, base, base_value, prints, printed, gap_count,
        missed, repeats, unanchored, [] if suspect is None else [_received_of_version_1(suspect)], dismissed,
    ]  # fmt: skip


def _received_of_version_1(fields: list[Any]) -> list[Any]:
    record, side, side_source, phase, cause, epoch, mark = fields
    return [record, side, side_source, phase, epoch, mark, _EVERYTHING if cause == "unseen" else mark + 1, cause]
