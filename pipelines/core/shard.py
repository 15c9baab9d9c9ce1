"""What a frame of records means, in every shard alike. What differs is what each shard does with the records: its fold.

:func:`fold_records` walks a frame, record by record:

===================  ==========================================================================================================
clock ticks          move market time forward, and the trading day
loss markers         break the coverage of their feed. They are the connector's own word that it threw records away, so whatever
                     else one says, it is never rejected, and it moves neither time nor day
reference records    have a date and no time: they go to the fold, and do not move the day
other records        go to the fold, or are counted as ``ignored``, as the fold says; both kinds move the day forward
===================  ==========================================================================================================

A record goes to the dead letters alone, and has changed nothing, when its kind does not belong on the topic, when its time or its
date cannot be, or when its fold's check refuses it.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pipelines.core.codec import DayState, State
from pipelines.core.errors import RecordRejected, StateUnreadable
from pipelines.core.feeds import Delivery, Feeds, is_date, require_date
from pipelines.core.frames import Folded, Shard
from pipelines.core.terms import Offers, ShardTerms
from schemas.kinds import FRAME_KINDS
from schemas.position import Position
from schemas.records import FrameRecord
from schemas.session import close_ms
from schemas.structs import ClockTick, Frame, LossMarker, ReferenceRecord
from schemas.units import TradingDay


@dataclass(slots=True)
class Folding:
    """A frame while it is folded: what a shard's fold can know and use besides the records."""

    shard: Shard
    position: Position
    """Of the frame."""
    state: DayState
    """The shard's, on the day of the frame."""
    feeds: Feeds
    """The shard's, as they stand after the last record."""
    delivery: Delivery
    """The frame's place among them."""
    folded: Folded
    """Gets what is to be published, and counts."""
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
    of_day = DayState(state, lambda: latest_day(frame), folded.counts, forced=offers.forced)
    try:
        _fold_records(frame, position, shard, of_day, folded, kinds, begin, offers)
    except StateUnreadable:
        if not _is_after_the_close(frame, of_day):
            raise
        # The connector's clock ticks go on till midnight, and another release has folded the day to its end.
        folded = Folded()
        folded.counts["after_close"] += 1
    return folded


def latest_day(frame: Frame) -> int:
    """The latest trading day that a record of ``frame`` says; 0 when none says any."""
    return max((record.trading_day for record in frame.records if _says_a_day(record)), default=0)


def _says_a_day(record: FrameRecord) -> bool:
    # Nothing is believed of a loss marker but that there was a loss.
    return not isinstance(record, LossMarker) and is_date(record.trading_day)


def _is_after_the_close(frame: Frame, state: DayState) -> bool:
    """Whether a frame says nothing but that time passes, on a day that is over."""
    if not all(isinstance(record, ClockTick | LossMarker | ReferenceRecord) for record in frame.records):
        return False
    now_ms = max((record.ts_ms for record in frame.records if isinstance(record, ClockTick)), default=0)
    with suppress(StateUnreadable):
        now_ms = max(now_ms, Feeds.load(state).now_ms)
    day = latest_day(frame)
    return day > 0 and now_ms >= close_ms(TradingDay(day))


def _fold_records(
    frame: Frame,
    position: Position,
    shard: Shard,
    state: DayState,
    folded: Folded,
    kinds: Kinds[F],
    begin: Callable[[Folding], F],
    offers: Offers,
) -> None:
    feeds = Feeds.load(state)
    state.reached = feeds.day
    delivery = feeds.arrive(frame.feed, frame.epoch, frame.seq)
    terms = ShardTerms(offers, position, state, feeds.day)
    fold = begin(Folding(shard, position, state, feeds, delivery, folded, terms))
    used = kinds.used

    def meet(record: Any) -> None:
        if feeds.meet(record.trading_day, record.ts_ms):
            fold.turn()
            terms.reach(feeds.day)

    for idx, record in enumerate(frame.records):
        kind = type(record)
        try:
            use = used.get(kind)
            if use is not None:
                check, take = use
                check(record)
                meet(record)
                take(fold, record)
            elif isinstance(record, ClockTick):
                meet(record)
                if delivery.tick(record):
                    fold.advance()
            elif isinstance(record, LossMarker):
                delivery.lose()
            elif isinstance(record, ReferenceRecord) and kinds.reference is not None:
                require_date(record.trading_day)
                check, take = kinds.reference
                check(record)
                take(fold, record)
            elif kind in kinds.ignored:
                if not isinstance(record, ReferenceRecord):
                    meet(record)
                folded.counts["ignored"] += 1
            else:
                raise RecordRejected("unexpected_kind", f"a {kind.__name__} does not belong on {position.topic}")
        except RecordRejected as error:
            folded.reject(error, frame, idx, position, shard)
    fold.finish()
    terms.finish(folded, shard)
    feeds.store(state)
