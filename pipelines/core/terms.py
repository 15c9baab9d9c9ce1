"""What a shard folds with besides its state and its messages: thresholds, sectors and rules, and the release of the code.

A shard keeps the terms that it folds with. Where the settings of its process say others, it takes those over when its trading day
moves forward, so that a day is folded with one set of thresholds; only a new release takes effect at once, and what an operator
forces. Each change is published on ``pipelines.terms``, with the place from which it holds. A replay will use :class:`Recorded`:
it gives such messages back to the same folds, so that a range that is folded again says what it said the first time.

A fold uses it like this::

    terms = ShardTerms(offers, position, state, feeds.day)
    ...                                     # terms.thresholds, terms.sectors, terms.rules: always those in force
    terms.reach(feeds.day)                  # when the day has moved forward, and the day before is settled
    terms.finish(folded, shard)             # at the end of the message
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol, cast

import msgspec

from pipelines.core.codec import Codec, DayState, Stored
from pipelines.core.errors import InvalidRules, TermsUnknown, TermsUnusable
from pipelines.core.frames import Folded, Output, Shard
from pipelines.core.rules import Rules, rules_of
from pipelines.core.sectors import Sectors
from pipelines.core.suspects import Thresholds
from schemas.position import Position
from schemas.structs import Terms, TermsAdopted
from schemas.terms import DealCounting
from schemas.topics import PIPELINES_TERMS, encode
from schemas.units import Symbol, TradingDay


@dataclass(frozen=True, slots=True)
class UsableTerms:
    """Terms, and what folds make of them."""

    terms: Terms
    encoded: bytes
    thresholds: Thresholds | None
    sectors: Sectors
    rules: Rules

    @staticmethod
    def of(terms: Terms) -> "UsableTerms":
        """Make ``terms`` usable.

        Raises:
            InvalidRules: A rule in them is none.
        """
        correction, reset = terms.correction_percent, terms.reset_percent
        return UsableTerms(
            terms=terms,
            encoded=encode(terms),
            thresholds=None if correction is None or reset is None else Thresholds(correction, reset),
            sectors={Symbol(symbol): sector for symbol, sector in (terms.sectors or {}).items()},
            rules=rules_of(terms.rules or ()),
        )


class Offer(NamedTuple):
    """The terms that a shard is to fold with, sooner or later."""

    terms: UsableTerms
    forced: bool
    """Whether it takes them at once, instead of at its next trading day."""


class Offers(Protocol):
    """Says which terms the shards of one topic are offered."""

    @property
    def topic(self) -> str:
        """The topic, without a prefix."""

    @property
    def forced(self) -> bool:
        """Whether today's state is passed over where it cannot be read."""

    def at(self, position: Position) -> Offer:
        """What is offered for the message at ``position``."""


class Configured:
    """The terms that the settings of this process say, for every message alike."""

    def __init__(self, topic: str, terms: Terms, *, forced: bool = False) -> None:
        self.topic = topic
        self.forced = forced
        self._offer = Offer(UsableTerms.of(terms), forced)

    def at(self, position: Position) -> Offer:
        """The same for every position."""
        return self._offer


class Recorded:
    """The terms that were in force, from what ``pipelines.terms`` has: a replay will fold a range again with them.

    Args:
        pipeline: Whose fold it is.
        topic: That is folded again, without a prefix.
        history: In any order; what is of other pipelines and topics is left out.
        first_day: The trading day on which the range begins.
        last_day: The one on which it ends. Of other days no offset counts: where the topic was made anew in between, its offsets
            began at 0 again.
    """

    forced: Final = False

    def __init__(
        self, pipeline: str, topic: str, history: Iterable[TermsAdopted], *, first_day: TradingDay, last_day: TradingDay
    ) -> None:
        self.topic = topic
        self._history: dict[int, list[_InForce]] = {}
        for adopted in sorted(history, key=lambda adopted: (adopted.day, adopted.offset)):
            if (adopted.pipeline, adopted.topic) != (pipeline, topic) or adopted.day > last_day:
                continue
            known = self._history.setdefault(adopted.partition, [])
            if adopted.day >= first_day:
                known.append(_InForce(adopted.offset, adopted))
            else:
                known[:] = [_InForce(_BEFORE, adopted)]

    def in_force(self, partition: int, offset: int) -> TermsAdopted:
        """What was adopted last before or at an offset of the range; before the first, which is all that is known, the first.

        Raises:
            TermsUnknown: Nothing is known of the partition up to the end of the range.
        """
        return self._at(partition, offset).adopted

    def at(self, position: Position) -> Offer:
        """What was in force once the message at ``position`` was folded.

        Raises:
            TermsUnknown: Nothing is known of its partition up to the end of the range.
        """
        offset, adopted = self._at(position.partition, position.offset)
        forced = adopted.reason == "forced" and offset == position.offset
        return Offer(_usable(self.topic, encode(adopted.terms)), forced)

    def _at(self, partition: int, offset: int) -> "_InForce":
        known = self._history.get(partition)
        if not known:
            raise TermsUnknown(self.topic, partition)
        return known[max(bisect_right(known, offset, key=lambda each: each.offset) - 1, 0)]


class _InForce(NamedTuple):
    """Terms, and the offset from which they hold in the range."""

    offset: int
    adopted: TermsAdopted


_BEFORE: Final = -1
"""The offset of what was adopted before the range began."""


class HeldTerms(Stored):
    """The terms that a shard folds with."""

    DAY_AT: ClassVar[int | None] = 0

    day: int
    """The trading day that the shard was on when it last kept them."""
    terms: bytes
    """The terms themselves, as JSON."""
    passed_over: int = 0
    """The last day on which values of that day were passed over, because an operator forced it; 0 for never."""


class ShardTerms:
    """The terms of a shard while one message is folded.

    Args:
        offers: What the shard is to fold with.
        position: Of the message.
        state: The shard's.
        day: The shard's; 0 before its first.

    Raises:
        TermsUnusable: What it folds with is nothing that this release can use.
    """

    __slots__ = ("_adopted", "_current", "_held", "_offer", "_position", "_state", "_topic", "day")

    def __init__(self, offers: Offers, position: Position, state: DayState, day: int) -> None:
        self._topic = offers.topic
        self._position = position
        self._state = state
        self._offer = offers.at(position)
        self._held = state.load(_HELD, _KEY)
        self._adopted: Literal["first", "next_day", "release", "forced"] | None = None
        self._current = self._offer.terms
        self.day = day if self._held is None else max(day, self._held.day)
        """The trading day that these terms are for."""
        if self._held is None:
            self._adopted = "forced" if state.passed_over else "first"
        elif self._held.terms != self._current.encoded:
            self._begin(self._held)

    @property
    def thresholds(self) -> Thresholds:
        """What decides about a counter that fell."""
        thresholds = self._current.thresholds
        if thresholds is None:
            raise TypeError(f"the terms of {self._topic} have no thresholds")
        return thresholds

    @property
    def put_through_counter(self) -> DealCounting:
        """What is known beforehand of how put-through deals are counted."""
        return self._current.terms.put_through_counter or "unknown"

    @property
    def sectors(self) -> Sectors:
        """The sector of a symbol, where the reference data does not say."""
        return self._current.sectors

    @property
    def rules(self) -> Rules:
        """The alert rules."""
        return self._current.rules

    def reach(self, day: int) -> None:
        """Take over what is offered if ``day`` is a later one than before. Call it once the day before is settled."""
        if day <= self.day:
            return
        self.day = day
        if self._current.encoded != self._offer.terms.encoded:
            self._current, self._adopted = self._offer.terms, "next_day"

    def finish(self, folded: Folded, shard: Shard) -> None:
        """Keep the terms; publish them if they have changed. A shard without a day yet has folded nothing with them."""
        held = self._held
        passed_over = 0 if held is None else held.passed_over
        if self._state.passed_over and passed_over != self.day:
            # It is told once a day and shard, though values are passed over as they are met.
            self._adopted, passed_over = "forced", self.day
        if not self.day or (self._adopted is None and held is not None and held.day == self.day):
            return
        self._state.store(_HELD, _KEY, HeldTerms(self.day, self._current.encoded, passed_over))
        if self._adopted is None:
            return
        number, offset = self._position.partition, self._position.offset
        key = f"{shard.pipeline}/{self._topic}/{number}/{self.day}/{offset}"
        adopted = TermsAdopted(
            pipeline=shard.pipeline,
            topic=self._topic,
            partition=number,
            offset=offset,
            day=TradingDay(self.day),
            reason=self._adopted,
            terms=self._current.terms,
        )
        folded.adopted = Output(PIPELINES_TERMS, key, encode(adopted))

    def _begin(self, held: HeldTerms) -> None:
        """Begin with terms that are not those that are offered."""
        if self._offer.forced or held.day < self.day:
            # A release that knew nothing of terms may have folded the days in between.
            self._adopted = "forced" if self._offer.forced else "next_day"
            return
        try:
            self._current = _usable(self._topic, held.terms)
        except TermsUnusable:
            if held.day >= self._state.today():
                raise
            self._adopted = "next_day"
            return
        offered = self._offer.terms.terms
        if self._current.terms.release != offered.release:
            self._current = _usable(self._topic, encode(_of_release(self._current.terms, offered.release)))
            self._adopted = "release"


def _of_release(terms: Terms, release: str) -> Terms:
    # To a type checker twins are models, to msgspec they are Structs.
    changed: Any = msgspec.structs.replace(cast(msgspec.Struct, terms), release=release)
    return cast(Terms, changed)


@lru_cache(maxsize=64)
def _usable(topic: str, encoded: bytes) -> UsableTerms:
    try:
        return UsableTerms.of(_decode(encoded))
    except InvalidRules as error:
        raise TermsUnusable(topic, error.problems) from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise TermsUnusable(topic, (str(error),)) from error


_decode = msgspec.json.Decoder(Terms).decode
_HELD = Codec(HeldTerms)
_KEY = b"terms"
