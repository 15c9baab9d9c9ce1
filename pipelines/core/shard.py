"""What a frame of records means, in every shard alike. What differs is what each shard does with the records: its fold.

:func:`fold_records` walks a frame, record by record:

===================  ==========================================================================================================
clock ticks          move market time forward, and the trading day
loss markers         break the coverage of their feed. They are the connector's own word that it threw records away, so whatever
                     else one says, it is never rejected, and it moves neither time nor day
reference records    have a date and no time: they go to the fold, and do not move the day
other records        go to the fold, or are counted as ``ignored``, as the fold says; both kinds move the day forward, at most to
                     the trading day after the one that the clock ticks have come to
===================  ==========================================================================================================

A record goes to the dead letters alone, and has changed nothing, when its kind does not belong on the topic, when its time or its
date cannot be (no date, or one further on than the clock allows), or when its fold's check refuses it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pipelines.core.codec import LARGEST, DayState, State
from pipelines.core.errors import RecordRejected, StateUnreadable
from pipelines.core.feeds import Delivery, Feeds, is_date, require_date
from pipelines.core.frames import Folded, Shard
from pipelines.core.terms import Offers, ShardTerms
from schemas.kinds import FRAME_KINDS
from schemas.position import Position
from schemas.session import close_ms
from schemas.structs import ClockTick, Frame, LossMarker, ReferenceRecord
from schemas.units import TradingDay


@dataclass(slots=True)
class Folding:
    """A frame while it is folded: what a shard's fold can know and use besides the records."""

    shard: Shard
    position: Position
    """Where in Kafka the frame was found."""
    state: DayState
    """The state of the shard, on the day of the frame."""
    feeds: Feeds
    """The feeds of the shard, as they stand after the last record."""
    delivery: Delivery
    """Where the frame stands among those of its feed."""
    folded: Folded
    """What comes of the frame: what is to be published, and counts."""
    terms: ShardTerms
    """The shard's: what it folds with. They may change when the day turns."""


class ShardFold(Protocol):
    """What one kind of shard does; made anew for each frame."""

    def turn(self) -> None:
        """Bring the day before to its end, under the terms that it had, and begin the one that ``feeds.day`` says."""

    def advance(self) -> None:
        """Do what the market second that ``feeds.now_ms`` says asks for; it has just begun."""

    def finish(self) -> None:
        """Publish what came of the frame, and store what it changed."""


F = TypeVar("F", bound=ShardFold)


class Use(NamedTuple, Generic[F]):
    """How a fold uses a kind of record."""

    check: Callable[[Any], None]
    """Raises RecordRejected for a record that cannot be true."""
    take: Callable[[F, Any], None]
    """Folds a record that passed the check. Its day is the shard's, or an earlier one; of a reference record it may be later."""


ALIKE = frozenset((ClockTick, LossMarker))
"""The kinds that mean the same in every shard."""
_NOTHING_BUT_TIME = ALIKE | {ReferenceRecord}
"""The kinds that say nothing of what happens on the market."""


class Kinds(Generic[F]):
    """What one fold does with each kind of record. Every kind is in one of the three places, so that none is forgotten.

    Args:
        fold: Whose.
        used: Kinds that are folded.
        ignored: Kinds that come on the topic and say nothing that the fold wants.
        unexpected: Kinds that do not belong on the topic: they are rejected.

    Raises:
        ValueError: A kind is in none of the three, or in two.
    """

    __slots__ = ("ignored", "reference", "unexpected", "used")

    def __init__(
        self, fold: type[F], *, used: Mapping[type, Use[F]], ignored: Iterable[type], unexpected: Iterable[type]
    ) -> None:
        self.used = {kind: use for kind, use in used.items() if kind is not ReferenceRecord}
        self.reference: Use[F] | None = used.get(ReferenceRecord)
        self.ignored = frozenset(ignored)
        self.unexpected = frozenset(unexpected)
        stated = [*used, *self.ignored, *self.unexpected, *ALIKE]
        wrong = [kind.__name__ for kind in FRAME_KINDS | set(stated) if stated.count(kind) != 1 or kind not in FRAME_KINDS]
        if wrong:
            raise ValueError(f"{fold.__name__} has to say once what it does with {', '.join(sorted(wrong))}")


def fold_records(
    frame: Frame, position: Position, shard: Shard, state: State, kinds: Kinds[F], begin: Callable[[Folding], F], offers: Offers
) -> Folded:
    """Fold the records of ``frame`` into the state of its shard, and say what to publish because of them.

    Args:
        frame: As it was found.
        position: Where it was found.
        shard: Where that is.
        state: The shard's; changed.
        kinds: What the fold does with each kind of record.
        begin: Makes the fold.
        offers: The terms to fold with, from the next trading day on.

    Raises:
        StateUnreadable: Another release wrote today's state.
        TermsUnusable: The day was begun with terms that this release cannot use.
    """
    folded = Folded()
    of_day = DayState(state, lambda: day_of(frame, kinds, feeds), folded.counts, forced=offers.forced)
    feeds = Feeds()
    try:
        feeds = Feeds.load(of_day)
        if _may_be_after_the_close(frame, feeds) and _is_after_the_close(frame, kinds, feeds):
            # Where today's state turns out to be unreadable, the frame is undone, and nothing else.
            of_day.flush()
        _fold_records(frame, position, shard, of_day, feeds, folded, kinds, begin, offers)
    except StateUnreadable:
        if not _is_after_the_close(frame, kinds, feeds):
            raise
        # The connector's clock ticks go on till midnight, and another release has folded the day to its end.
        of_day.undo()
        folded = Folded()
        folded.counts["after_close"] += 1
    folded.finish(of_day)
    return folded


def day_of(frame: Frame, kinds: Kinds[Any], feeds: Feeds) -> int:
    """The trading day for which ``frame`` needs the shard's state; 0 when nothing tells.

    It is the day that the shard has reached or that the first record moves it to. A later one, also of a reference record, counts
    when nothing but time passes on the day before, and that is over.

    Args:
        frame: That is folded.
        kinds: What the fold does with each kind of record.
        feeds: The shard's; new ones when they cannot be read.
    """
    moving = [record for record in frame.records if _moves_the_day(record, kinds, feeds)]
    day = max(feeds.day, moving[0].trading_day if moving else 0)
    references = (record for record in frame.records if isinstance(record, ReferenceRecord))
    dated = moving + [record for record in references if feeds.allows(record.trading_day)]
    later = max((record.trading_day for record in dated), default=0)
    if later <= day or not day:
        return later or day
    is_used = any(record.trading_day == day and not isinstance(record, ClockTick) for record in moving)
    return day if is_used or _market_time(frame, kinds, feeds) < close_ms(TradingDay(day)) else later


def _moves_the_day(record: Any, kinds: Kinds[Any], feeds: Feeds) -> bool:
    """Whether a record would not be rejected, and moves the day forward if it is of a later one."""
    kind = type(record)
    use = kinds.used.get(kind)
    if use is None and kind is not ClockTick and (kind not in kinds.ignored or kind is ReferenceRecord):
        return False
    try:
        if use is not None:
            use.check(record)
    except RecordRejected:
        return False
    allows = is_date if kind is ClockTick else feeds.allows
    return 0 < record.ts_ms < LARGEST and allows(record.trading_day)


_close_ms = cache(close_ms)


def _market_time(frame: Frame, kinds: Kinds[Any], feeds: Feeds) -> int:
    ticks = (record.ts_ms for record in frame.records if isinstance(record, ClockTick) and _moves_the_day(record, kinds, feeds))
    return max(feeds.now_ms, *ticks, 0)


def _may_be_after_the_close(frame: Frame, feeds: Feeds) -> bool:
    """Whether :func:`_is_after_the_close` has to be asked: cheap, for every frame."""
    records = frame.records
    if records and type(records[-1]) not in _NOTHING_BUT_TIME:
        return False
    ends_ms = _close_ms(TradingDay(feeds.day)) if feeds.day else 0
    return feeds.now_ms >= ends_ms or any(type(record) is ClockTick and record.ts_ms >= ends_ms for record in records)


def _is_after_the_close(frame: Frame, kinds: Kinds[Any], feeds: Feeds) -> bool:
    """Whether a frame says nothing but that time passes, on a day that is over."""
    if not all(type(record) in _NOTHING_BUT_TIME for record in frame.records):
        return False
    day = day_of(frame, kinds, feeds)
    return day > 0 and _market_time(frame, kinds, feeds) >= close_ms(TradingDay(day))


def _fold_records(
    frame: Frame,
    position: Position,
    shard: Shard,
    state: DayState,
    feeds: Feeds,
    folded: Folded,
    kinds: Kinds[F],
    begin: Callable[[Folding], F],
    offers: Offers,
) -> None:
    delivery = feeds.arrive(frame.feed, frame.epoch, frame.seq)
    terms = ShardTerms(offers, position, state, feeds.day)
    fold = begin(Folding(shard, position, state, feeds, delivery, folded, terms))
    used = kinds.used
    day = feeds.day
    records: list[Any] = frame.records

    def meet(record: Any, *, is_clock: bool = False) -> None:
        nonlocal day
        if feeds.meet(record.trading_day, record.ts_ms, is_clock=is_clock):
            day = feeds.day
            fold.turn()
            terms.reach(day)

    for idx, record in enumerate(records):
        kind = type(record)
        try:
            use = used.get(kind)
            if use is not None:
                check, take = use
                check(record)
                # Of the shard's day, as nearly all are, a record moves nothing.
                if record.trading_day != day or not day or not 0 < record.ts_ms < LARGEST:
                    meet(record)
                take(fold, record)
            elif isinstance(record, ClockTick):
                meet(record, is_clock=True)
                if delivery.tick(record):
                    fold.advance()
            elif isinstance(record, LossMarker):
                delivery.lose()
            elif isinstance(record, ReferenceRecord) and kind not in kinds.unexpected:
                require_date(record.trading_day)
                feeds.require_soon(record.trading_day)
                if kinds.reference is None:
                    folded.counts["ignored"] += 1
                else:
                    check, take = kinds.reference
                    check(record)
                    take(fold, record)
            elif kind in kinds.ignored:
                meet(record)
                folded.counts["ignored"] += 1
            else:
                raise RecordRejected("unexpected_kind", f"a {kind.__name__} does not belong on {position.topic}")
        except RecordRejected as error:
            folded.reject(error, frame, idx, position, shard)
    fold.finish()
    terms.finish(folded, shard)
    feeds.store(state)
