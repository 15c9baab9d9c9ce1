"""What foreigners did across all shards: the second stage of the foreign flow.

Each shard says with every market second what its share of the flow is, or that nothing changed: a *partial*. A second is complete
once all shards have reached it. Complete seconds are applied in order, each shard with what it has said up to then. So the same
partials give the same flow however the shards interleave: one may run hours ahead of the others, and what it says waits in the
state.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import msgspec

from pipelines.core.codec import Codec, DayState, State, Stored
from pipelines.core.errors import StateDamaged, StateUnreadable
from pipelines.core.frames import Folded, Shard
from pipelines.core.movers import NetFlow, top_buyers, top_sellers
from pipelines.core.scopes import MARKET, NOTHING, ScopeSum
from pipelines.core.terms import Offers, ShardTerms
from schemas.position import Position
from schemas.session import close_ms
from schemas.structs import FlowEvent, FlowFrame, FlowRow, FlowSum, Mover, Movers, PartialFlow
from schemas.topics import MARKET_FLOW, STATE_FLOW
from schemas.units import Shares, TradingDay, UnixMs, Vnd

_MINUTE_MS = 60_000


class Lane(msgspec.Struct, array_like=True, gc=False):
    """The partials of one shard that wait for the other shards to reach their seconds.

    Each is stored under a number of its own.
    """

    reached_ms: int = 0
    """The last market second that the shard has reported."""
    first: int = 0
    """The number of the oldest waiting partial. Numbers begin at 0 again when none waits, so that state keys are used again."""
    after: int = 0
    """The number that the next partial will get. It equals ``first`` when none waits."""
    first_ms: int = 0
    """The market second of the oldest waiting partial."""


class FlowProgress(Stored):
    """How far the flow has come."""

    DAY_AT: ClassVar[int | None] = 1

    lanes: list[Lane]
    """What waits of each shard, in the order of the shards' numbers."""
    day: int = 0
    moved_ms: int = 0
    """The last second that changed the flow and that no event has told of: an event tells of a whole minute, at its end.

    0 when there is none.
    """


class ShardFlow(Stored):
    """A partial as it is stored: one that waits, or the last one of a shard that was applied."""

    DAY_AT: ClassVar[int | None] = 0

    day: int
    ts_ms: int
    sums: dict[str, ScopeSum]
    movers: list[Movers]


class FlowTold(Stored):
    """What was last published of each scope, on the day of a :class:`FlowProgress`: only what changed is published again."""

    minutes: dict[str, ScopeSum] = msgspec.field(default_factory=dict)
    """The sums in its last event of the day, by scope."""
    rows: dict[str, bytes] = msgspec.field(default_factory=dict)
    """What its last row of the day showed, packed, by scope; empty when that was of the day before."""


def fold_partial(partial: PartialFlow, position: Position, shard: Shard, state: State, *, offers: Offers) -> Folded:
    """Fold a partial. When it completes market seconds, publish the rows that these change and the events of minutes that end.

    Raises:
        StateUnreadable: Another release wrote today's state.
    """
    folded = Folded()
    of_day = DayState(state, lambda: partial.day, folded.counts, forced=offers.forced)
    is_after_the_close = not partial.changed and partial.ts_ms >= close_ms(partial.day)
    if is_after_the_close:
        of_day.flush()
    try:
        _fold(partial, position, shard, of_day, folded, offers)
    except StateUnreadable:
        if not is_after_the_close:
            raise
        # The day is over, and another release has folded it to its end.
        of_day.undo()
        folded = Folded()
        folded.count(["after_close"])
    folded.finish(of_day)
    return folded


def _fold(partial: PartialFlow, position: Position, shard: Shard, state: DayState, folded: Folded, offers: Offers) -> None:
    progress = state.load(_PROGRESS, _PROGRESS_KEY)
    state.reached = progress.day if progress is not None else 0
    terms = ShardTerms(offers, position, state, state.reached)
    if progress is None or len(progress.lanes) != partial.shards:
        progress = FlowProgress(lanes=[Lane() for _ in range(partial.shards)])
    lane = progress.lanes[partial.shard]
    if partial.ts_ms <= lane.reached_ms:
        folded.count(["stale_partial"])
        return
    lane.reached_ms = partial.ts_ms
    if partial.changed:
        _wait(partial, lane, state)
    complete_ms = min(lane.reached_ms for lane in progress.lanes)
    due = any(lane.first < lane.after and lane.first_ms <= complete_ms for lane in progress.lanes)
    if due or (progress.moved_ms and _minute_end(progress.moved_ms) <= complete_ms):
        _Flow(progress, position, shard, state, folded).apply(complete_ms)
    state.store(_PROGRESS, _PROGRESS_KEY, progress)
    terms.reach(progress.day)
    terms.finish(folded, shard)


class _Flow:
    """The flow, while complete seconds are applied to it."""

    def __init__(self, progress: FlowProgress, position: Position, shard: Shard, state: DayState, folded: Folded) -> None:
        self._progress = progress
        self._state = state
        self._position = position
        self._shard = shard
        self._folded = folded
        self._parts = [state.load(_PARTS, _part_key(shard)) for shard in range(len(progress.lanes))]
        self._told = state.load(_TOLD, _TOLD_KEY, progress.day) or FlowTold()
        self._moved: set[int] = set()
        self._rows: dict[str, FlowRow] = {}
        """The newest row of each scope. One message gives no more than one row a scope: a reader would pass over the others,
        since all have the same ``src``."""

    def apply(self, complete_ms: int) -> None:
        """Apply what the shards said up to ``complete_ms``, second by second."""
        progress = self._progress
        while True:
            next_ms = min((lane.first_ms for lane in progress.lanes if lane.first < lane.after), default=complete_ms + 1)
            minute_ms = _minute_end(progress.moved_ms)
            if progress.moved_ms and minute_ms <= complete_ms and minute_ms < next_ms:
                self._tell_minute(minute_ms)
            elif next_ms <= complete_ms:
                self._apply_second(next_ms)
            else:
                break
        for scope, row in self._rows.items():
            self._folded.show(STATE_FLOW, scope, row)
        self._state.store(_TOLD, _TOLD_KEY, self._told)
        for shard in self._moved:
            part = self._parts[shard]
            if part is not None:
                self._state.store(_PARTS, _part_key(shard), part)

    def _apply_second(self, ts_ms: int) -> None:
        progress = self._progress
        for shard, lane in enumerate(progress.lanes):
            if lane.first < lane.after and lane.first_ms == ts_ms:
                part = _next(shard, lane, self._state)
                if part is None:
                    continue
                if part.day > progress.day:
                    self._begin(part.day)
                self._parts[shard] = part
                self._moved.add(shard)
        progress.moved_ms = ts_ms
        self._draw_rows(ts_ms)

    def _begin(self, day: int) -> None:
        """Begin a day. Every scope that the day before had gets a row, which shows that nothing has happened in it yet."""
        if self._progress.moved_ms and self._progress.day:
            self._tell_minute(_minute_end(self._progress.moved_ms))
        self._progress.day = day
        self._told.minutes.clear()
        for scope in self._told.rows:
            self._told.rows[scope] = b""

    def _tell_minute(self, minute_ms: int) -> None:
        """Publish an event for each scope that changed since its last one, as it stands at the end of the minute."""
        events = []
        for scope, part in sorted(self._sums().items()):
            if part != self._told.minutes.get(scope, NOTHING):
                self._told.minutes[scope] = part
                events.append(
                    FlowEvent(
                        scope=scope,
                        day=TradingDay(self._progress.day),
                        ts_ms=UnixMs(minute_ms),
                        bought=Shares(part.bought),
                        sold=Shares(part.sold),
                        bought_value=Vnd(part.bought_value),
                        sold_value=Vnd(part.sold_value),
                    )
                )
        self._progress.moved_ms = 0
        if events:
            self._folded.publish(MARKET_FLOW, self._shard.key, FlowFrame(events=events))
            self._folded.counts["flow"] += len(events)

    def _draw_rows(self, ts_ms: int) -> None:
        """Make a row of each scope that looks different from second ``ts_ms`` on; that is the time of the row."""
        sums, movers = self._sums(), self._movers()
        for scope in sorted(sums.keys() | self._told.rows.keys()):
            part = sums.get(scope, NOTHING)
            top = movers.get(scope, Movers(scope=scope, buyers=[], sellers=[]))
            shown = _pack((part, top))
            if shown == self._told.rows.get(scope):
                continue
            self._told.rows[scope] = shown
            self._rows[scope] = FlowRow(
                day=TradingDay(self._progress.day),
                src=self._position.offset,
                ts_ms=UnixMs(ts_ms),
                scope=scope,
                bought=Shares(part.bought),
                sold=Shares(part.sold),
                bought_value=Vnd(part.bought_value),
                sold_value=Vnd(part.sold_value),
                net_value=Vnd(part.bought_value - part.sold_value),
                buyers=top.buyers,
                sellers=top.sellers,
            )

    def _today(self) -> Iterator[ShardFlow]:
        return (part for part in self._parts if part is not None and part.day == self._progress.day)

    def _sums(self) -> dict[str, ScopeSum]:
        """What foreigners did in each scope, all shards together."""
        sums = {MARKET: ScopeSum()}
        for part in self._today():
            for scope, share in part.sums.items():
                sums.setdefault(scope, ScopeSum()).add(share)
        return sums

    def _movers(self) -> dict[str, Movers]:
        """The movers of each scope that has some.

        A symbol lives in one shard, so those that moved most in all are among those that moved most in their shards.
        """
        buyers: dict[str, list[NetFlow]] = {}
        sellers: dict[str, list[NetFlow]] = {}
        for part in self._today():
            for top in part.movers:
                buyers.setdefault(top.scope, []).extend(map(_net_flow, top.buyers))
                sellers.setdefault(top.scope, []).extend(map(_net_flow, top.sellers))
        return {
            scope: Movers(scope=scope, buyers=top_buyers(flows), sellers=top_sellers(sellers[scope]))
            for scope, flows in buyers.items()
        }


def _wait(partial: PartialFlow, lane: Lane, state: DayState) -> None:
    """Store a partial, to wait until its second is complete."""
    if lane.first == lane.after:
        lane.first = lane.after = 0
        lane.first_ms = partial.ts_ms
    state.store(_PARTS, _waiting_key(partial.shard, lane.after), _flow_of(partial))
    lane.after += 1


def _next(shard: int, lane: Lane, state: DayState) -> ShardFlow | None:
    """Take the oldest partial of ``shard`` that waits; None when it cannot be read, and so is of an earlier day."""
    part = _load(state, _waiting_key(shard, lane.first))
    lane.first += 1
    while lane.first < lane.after:
        following = _load(state, _waiting_key(shard, lane.first))
        if following is not None:
            lane.first_ms = following.ts_ms
            break
        lane.first += 1
    return part


def _load(state: DayState, key: bytes) -> ShardFlow | None:
    part = state.load(_PARTS, key)
    if part is None and not state.has(key):
        raise StateDamaged(key)
    return part


def _flow_of(partial: PartialFlow) -> ShardFlow:
    return ShardFlow(partial.day, partial.ts_ms, _sums_of(partial.sums), partial.movers)


def _sums_of(sums: Iterable[FlowSum]) -> dict[str, ScopeSum]:
    return {part.scope: ScopeSum(part.bought, part.sold, part.bought_value, part.sold_value) for part in sums}


def _net_flow(mover: Mover) -> NetFlow:
    return NetFlow(mover.symbol, mover.net_value, mover.net_volume)


def _minute_end(ts_ms: int) -> int:
    return -(-ts_ms // _MINUTE_MS) * _MINUTE_MS


def _part_key(shard: int) -> bytes:
    return b"shard:%d" % shard


def _waiting_key(shard: int, number: int) -> bytes:
    return b"waiting:%d:%d" % (shard, number)


_pack = msgspec.msgpack.Encoder().encode
_PROGRESS = Codec(FlowProgress)
_PROGRESS_KEY = b"progress"
_PARTS = Codec(ShardFlow)
_TOLD = Codec(FlowTold)
_TOLD_KEY = b"told"
