"""The breadth of an index, counted from its members: how many stand above, at and below their reference, and at their limits.

SSI counts the breadth of whole exchanges, and sends zeros for VN30 and other baskets. Members live in all shards, so it is
counted in two stages. A shard of the prices counts its own members, and says so at the end of a market second in which that
changed: a *partial*. The second stage adds up what the shards said last. It publishes rows and no events: the last row of a day
is the same however the partials of different shards interleave, so a shard in which nothing changes has nothing to say.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar, Final

import msgspec

from pipelines.core.codec import Codec, DayState, State, Stored
from pipelines.core.frames import Folded, Shard
from pipelines.core.symbol_day import Place, SymbolDay
from pipelines.core.terms import Offers, ShardTerms
from schemas.position import Position
from schemas.structs import BreadthRow, IndexShare, PartialBreadth
from schemas.topics import STATE_BREADTH
from schemas.units import Symbol, TradingDay, UnixMs

PLACES: Final[tuple[Place, ...]] = ("advance", "no_change", "decline", "ceiling", "floor", "untraded")
"""In the order in which they are counted."""


class MemberCounts(Stored):
    """How many members of each index a shard has at each place today."""

    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    indices: dict[str, list[int]] = msgspec.field(default_factory=dict)
    """Counts in the order of :data:`PLACES`, by index."""
    told: dict[str, list[int]] = msgspec.field(default_factory=dict)
    """The counts that the shard's last partial of the day said."""


class Members:
    """The members of indices in one shard, while a frame is folded.

    Args:
        state: The shard's.
        day: The shard's.
        enrolled: The symbols of the day so far, for when the counts of the day are not there.
    """

    def __init__(self, state: DayState, day: int, enrolled: Iterable[SymbolDay]) -> None:
        self._state = state
        self._counts = state.load(_COUNTS, _COUNTS_KEY) or MemberCounts()
        self._is_stored = self._counts.day == day
        if not self._is_stored:
            self._counts = MemberCounts(day)
            for symbol_day in enrolled:
                self._add(symbol_day, 1)

    def join(self, symbol_day: SymbolDay, groups: Sequence[str]) -> None:
        """Take what reference data says of the indices that a symbol is in."""
        if symbol_day.groups != groups:
            self._add(symbol_day, -1)
            symbol_day.groups, symbol_day.place = list(groups), None
        self.move(symbol_day)

    def move(self, symbol_day: SymbolDay) -> None:
        """Count a symbol where it stands now."""
        stands = symbol_day.stands
        if stands != symbol_day.place:
            self._add(symbol_day, -1)
            symbol_day.place = stands
            self._add(symbol_day, 1)

    def report(self, shard: Shard, now_ms: int) -> PartialBreadth | None:
        """What the shard says with a market second; None when the members stand as it last said."""
        counts = self._counts
        # A member that moved and came back within the second has changed nothing, wherever the frames were cut.
        said = {index: each for index, each in counts.indices.items() if any(each) or any(counts.told.get(index, ()))}
        if all(counts.told.get(index) == each for index, each in said.items()):
            return None
        counts.told, self._is_stored = {index: list(each) for index, each in said.items()}, False
        shares = [IndexShare(symbol=Symbol(index), counts=list(each)) for index, each in sorted(said.items())]
        return PartialBreadth(
            shard=shard.number, shards=shard.shards, day=TradingDay(counts.day), ts_ms=UnixMs(now_ms), indices=shares
        )

    def store(self) -> None:
        """Keep the counts, if they changed."""
        if not self._is_stored:
            self._state.store(_COUNTS, _COUNTS_KEY, self._counts)

    def _add(self, symbol_day: SymbolDay, times: int) -> None:
        """Add a symbol to the counts of its indices where it was counted last, or with −1 take it away."""
        if symbol_day.place is None:
            return
        for index in symbol_day.groups:
            self._counts.indices.setdefault(index, [0] * len(PLACES))[PLACES.index(symbol_day.place)] += times
            self._is_stored = False


class Share(msgspec.Struct, array_like=True, gc=False):
    """What a shard said last of an index."""

    ts_ms: int
    """The market second in which it changed."""
    counts: list[int]


class Shares(Stored):
    """What all shards said last today: their shares, by index and shard."""

    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    indices: dict[str, dict[int, Share]] = msgspec.field(default_factory=dict)


def fold_partial(partial: PartialBreadth, position: Position, shard: Shard, state: State, *, offers: Offers) -> Folded:
    """Fold what a shard says of its members, and publish the rows of the indices whose breadth that changes.

    Raises:
        StateUnreadable: Another release wrote today's state.
    """
    folded = Folded()
    of_day = DayState(state, lambda: partial.day, folded.counts, forced=offers.forced)
    shares = of_day.load(_SHARES, _SHARES_KEY) or Shares()
    of_day.reached = shares.day
    terms = ShardTerms(offers, position, of_day, shares.day)
    if partial.day < shares.day:
        folded.count(["stale_partial"])
        return folded
    if partial.day > shares.day:
        shares = Shares(partial.day)
    for told in partial.indices:
        index = shares.indices.setdefault(told.symbol, {})
        known = index.get(partial.shard)
        if known is None or known.counts != told.counts:
            index[partial.shard] = Share(partial.ts_ms, told.counts)
            row = _row(told.symbol, index.values(), shares.day, position.offset)
            folded.show(STATE_BREADTH, told.symbol, row)
            folded.count(["breadth"])
    of_day.store(_SHARES, _SHARES_KEY, shares)
    terms.reach(shares.day)
    terms.finish(folded, shard)
    folded.finish(of_day)
    return folded


def _row(index: Symbol, shares: Collection[Share], day: int, src: int) -> BreadthRow:
    advances, no_changes, declines, ceilings, floors, untraded = map(sum, zip(*(share.counts for share in shares), strict=True))
    return BreadthRow(
        day=TradingDay(day),
        src=src,
        ts_ms=UnixMs(max(share.ts_ms for share in shares)),
        symbol=index,
        advances=advances,
        no_changes=no_changes,
        declines=declines,
        ceilings=ceilings,
        floors=floors,
        untraded=untraded,
    )


_COUNTS = Codec(MemberCounts)
_COUNTS_KEY: Final = b"members"
_SHARES = Codec(Shares)
_SHARES_KEY: Final = b"breadth"
