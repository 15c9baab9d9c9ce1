"""The foreign ledger of one symbol: cumulative records in, what foreigners bought and sold since the last one out.

SSI tells counters that run from the open, without sequence numbers, and repeats cached ones after a reconnect. The counter
itself is what identifies and orders the records: growth is booked once, whichever feed brings it first; a fall, or a rise that
cannot be true, is believed only when a later record confirms it. ``docs/foreign-ledger.md`` has the hard cases, one by one.
"""

from collections.abc import Callable
from itertools import accumulate
from typing import Any, ClassVar, Final, NamedTuple

import msgspec

from pipelines.core.codec import Codec, Stored
from pipelines.core.foreign_side import UNKNOWN_MARK, Move, Price, Reading, SideTotals, price_of
from pipelines.core.scopes import ScopeSum
from pipelines.core.speed import LONG_MS, Speeds, ages_at, speeds
from pipelines.core.suspects import SuspectVerdict, Thresholds, is_restart
from schemas.session import open_ms
from schemas.structs import ForeignRecord, LedgerEntry
from schemas.units import Exchange, Shares, Side, TradingDay, UnixMs


class Arrival(NamedTuple):
    """How a record came, and what its shard knew at that moment. Times are market times."""

    feed: str
    epoch: int
    mark: int
    """``Feeds.mark``."""
    covered_since: int
    """The mark since which some feed has run without a break: ``Feeds.covered_since``."""
    covered_from: Callable[[int], bool]
    """Says whether some feed has run without a break since a market time: ``Feeds.covered_from``."""
    joined_ms: UnixMs
    """When the shard first heard of this day, from any feed."""
    now_ms: UnixMs


class Step(NamedTuple):
    """What came of a record."""

    entries: tuple[LedgerEntry, ...]
    """Buy before sell, each side in the order of time."""
    notes: tuple[str, ...]
    """Words to count by beside the kinds of its entries: ``stale``, ``suspect``, ``held``, ``glitch``, ``ambiguous``, ``forced``,
    ``unresolved``."""

    @property
    def tells(self) -> bool:
        """Whether it told anything: the record was no mere repeat, and not one that just moved the time."""
        return bool(self.entries) or self.notes not in ((), ("stale",))


_NOTHING_NEW: Final = Step((), ())
_STALE: Final = Step((), ("stale",))


class ForeignTotals(Stored):
    """What foreigners did in a symbol today, and the scopes that it belongs to."""

    VERSION: ClassVar[int] = 3
    DAY_AT: ClassVar[int | None] = 2

    symbol: str
    exchange: Exchange
    day: int = 0
    groups: list[str] = msgspec.field(default_factory=list)
    sector: str = ""
    """Empty when nobody knows."""
    buy: SideTotals = msgspec.field(default_factory=SideTotals)
    sell: SideTotals = msgspec.field(default_factory=SideTotals)
    room: int = 0
    total_room: int = 0
    room_ms: int = 0
    """Exchange time of the record that told the room; 0 before the first. A record that is held tells none."""
    room_feed: str = ""
    """Its feed. Within a second a room has no order but that in which one feed tells it."""
    ts_ms: int = 0
    """Exchange time of the newest record, held ones included; 0 before the day's first."""
    covered_ms: int = 0
    """Market time since which today's flow is known."""
    stale: int = 0
    unresolved: int = 0
    shown_at: int = 0
    """The bucket of :mod:`~pipelines.core.speed` in which its speeds were shown last."""
    looked_at: int = 0
    """The bucket at whose begin its shard looks at its speeds again; one that is over when nothing of them ages."""
    counted: ScopeSum = msgspec.field(default_factory=ScopeSum)
    """What of it is in the sums of its scopes."""
    is_moved: bool = False
    """Whether its shard is to look at what has been added since."""
    ranked_in: list[str] = msgspec.field(default_factory=list)
    """The scopes whose movers it may be among; empty before its first trade of the day, when it is on no roster yet."""
    price_before: int = 0
    """What a share cost foreigners on the last day on which they traded it, on average, in VND; 0 when nobody knows."""
    connections: dict[str, int] = msgspec.field(default_factory=dict)
    """What release 0.2.0 kept instead of marks: the newest epoch of each feed that had told of this symbol today."""

    @property
    def suspects(self) -> int:
        """How many sides have a suspect."""
        return bool(self.buy.held) + bool(self.sell.held)

    def next(self, day: TradingDay) -> "ForeignTotals":
        """The totals of ``day``, which begins at nothing; exchange, groups and sector stay, and what a share cost."""
        fresh = ForeignTotals(symbol=self.symbol, exchange=self.exchange, day=day, groups=self.groups, sector=self.sector)
        fresh.price_before = self.buy.price or self.sell.price or self.price_before
        return fresh

    def speeds(self, now_ms: int) -> Speeds:
        """How fast foreigners buy and sell at market time ``now_ms``."""
        return speeds(self.buy.volumes, self.sell.volumes, self.covered_ms, now_ms)

    def ages_at(self, now_ms: int) -> int:
        """From which bucket on the speeds will be others because time has passed; 0 when they stay what they are now."""
        return ages_at(self.buy.volumes, self.sell.volumes, self.covered_ms, now_ms)

    @property
    def sums(self) -> ScopeSum:
        """What it adds to its scopes."""
        buy, sell = self.buy, self.sell
        return ScopeSum(
            buy.earlier + buy.counter,
            sell.earlier + sell.counter,
            buy.earlier_value + buy.value,
            sell.earlier_value + sell.value,
        )

    def is_too_much(self, record: ForeignRecord) -> bool:
        """Whether ``record``, whose figures a market may reach, would take the totals of its day beyond every market."""
        buy, sell = self.buy, self.sell
        if not (buy.earlier or sell.earlier) and buy.counter <= record.bought and sell.counter <= record.sold:
            return False
        if self.day != record.trading_day:
            return False
        return buy.is_too_much(record.bought) or sell.is_too_much(record.sold)


def advance(totals: ForeignTotals, record: ForeignRecord, arrival: Arrival, thresholds: Thresholds) -> Step:
    """Fold one record of its symbol and day into ``totals``, in place.

    Every record is folded in some way: a repeat or a late one books nothing and is counted; one that contradicts the count is
    held until a strictly newer record decides. The two sides know nothing of one another but the price.
    """
    buy, sell, ts_ms = totals.buy, totals.sell, record.ts_ms
    first_since_ms, first_shows = _first(totals, record, arrival)
    newer = ts_ms > totals.ts_ms
    tells_room = _tells_room(totals, record, arrival.feed)
    notes: list[str] = []

    def take(side: SideTotals, counter: int, value: int, price: Price) -> list[Move]:
        covered = _covered(totals, side.heard_mark, arrival)
        reading = Reading(counter, value, ts_ms, arrival.mark, covered, arrival.feed, arrival.epoch, first_since_ms, first_shows)
        return side.take(reading, price, thresholds, notes, arrival.now_ms)

    def sold_at() -> int:
        return sell.price or totals.price_before or price_of(record.sold, record.sold_value)

    def bought_at() -> int:
        return buy.price or totals.price_before or price_of(record.bought, record.bought_value)

    buys = take(buy, record.bought, record.bought_value, sold_at)
    sells = take(sell, record.sold, record.sold_value, bought_at)
    totals.ts_ms = max(totals.ts_ms, ts_ms)
    if totals.connections:
        _remember_connection(totals, arrival)
    # Of a record that is held nothing is told, its room neither.
    is_held = buy.holds(record.bought, ts_ms) or sell.holds(record.sold, ts_ms)
    room_before, was_told = totals.room, totals.room_ms > 0
    room = _take_room(totals, record, arrival.feed) if tells_room and not is_held else None
    entries = _entries(totals, buys, sells)
    if room is not None and (was_told or not entries):
        # Every line tells the room: one that waited for this record that of before. A line of its own is for want of another.
        sides = [(Side.BUY, move) for move in buys] + [(Side.SELL, move) for move in sells]
        waited = [_entry(totals, side, move, room_before) for side, move in sides if move.ts_ms < ts_ms]
        since = [(side, move) for side, move in sides if move.ts_ms >= ts_ms] or [(Side.BUY, room)]
        entries = (*waited, *(_entry(totals, side, move, totals.room) for side, move in since))
    totals.unresolved += notes.count(SuspectVerdict.UNRESOLVED)
    if not (newer or entries or notes):
        totals.stale += 1
        notes.append("stale")
    return Step(entries, tuple(notes))


def settle(totals: ForeignTotals, thresholds: Thresholds, now_ms: int) -> Step:
    """Decide about what the end of the day leaves undecided at market time ``now_ms``.

    A small fall is a correction. Of a large one, and of a rise, nobody can say what it was: it books nothing and is counted.
    """
    notes: list[str] = []
    buys = totals.buy.settle(lambda: totals.sell.price or totals.price_before, thresholds, notes, now_ms)
    sells = totals.sell.settle(lambda: totals.buy.price or totals.price_before, thresholds, notes, now_ms)
    totals.unresolved += notes.count(SuspectVerdict.UNRESOLVED)
    return Step(_entries(totals, buys, sells), tuple(notes))


def go_on(
    totals: ForeignTotals, record: ForeignRecord, arrival: Arrival, thresholds: Thresholds
) -> tuple[LedgerEntry, ...] | None:
    """As :func:`advance` for a record that only adds to what is known, and decides nothing: nearly every one does.

    Returns:
        What has grown; None for any other record, and then nothing is changed. A repeat has grown nothing, and is counted.
    """
    buy, sell, since, ts_ms = totals.buy, totals.sell, arrival.covered_since, record.ts_ms
    bought, sold, bought_from, sold_from = record.bought, record.sold, buy.counter, sell.counter
    if (
        ts_ms < totals.ts_ms
        or bought < bought_from
        or sold < sold_from
        or since > buy.mark
        or since > sell.mark
        or not buy.ts_ms
        or not sell.ts_ms
        or buy.earlier
        or sell.earlier
        or buy.held
        or sell.held
        or buy.past
        or sell.past
        or totals.connections
        or (bought != bought_from and is_restart(bought, bought_from, thresholds))
        or (sold != sold_from and is_restart(sold, sold_from, thresholds))
    ):
        return None
    room_before, room, is_newer = totals.room, record.current_room, ts_ms > totals.ts_ms
    if is_newer or _tells_room(totals, record, arrival.feed):
        room_since_ms = totals.room_ms or ts_ms
        totals.room, totals.total_room, totals.room_ms, totals.room_feed = room, record.total_room, ts_ms, arrival.feed
    else:
        room_since_ms, room = ts_ms, Shares(room_before)
    totals.ts_ms = ts_ms
    bought_since_ms, sold_since_ms = buy.ts_ms, sell.ts_ms
    bought_value = buy.go_on(bought, record.bought_value, ts_ms, arrival.mark, arrival.now_ms)
    sold_value = sell.go_on(sold, record.sold_value, ts_ms, arrival.mark, arrival.now_ms)
    # By position, which is faster, and there are one or two a record.
    buys = sells = None
    if bought != bought_from or bought_value:
        buys = LedgerEntry(  # type: ignore[call-arg]
            "revaluation" if bought == bought_from else "delta", totals.symbol, totals.exchange, totals.day, ts_ms,
            bought_since_ms, Side.BUY, buy.generation, bought_from, bought, bought - bought_from, bought_value, room, False,
        )  # fmt: skip
    if sold != sold_from or sold_value:
        sells = LedgerEntry(  # type: ignore[call-arg]
            "revaluation" if sold == sold_from else "delta", totals.symbol, totals.exchange, totals.day, ts_ms,
            sold_since_ms, Side.SELL, sell.generation, sold_from, sold, sold - sold_from, sold_value, room, False,
        )  # fmt: skip
    if buys is not None:
        return (buys,) if sells is None else (buys, sells)
    if sells is not None:
        return (sells,)
    if room != room_before:
        return (_entry(totals, Side.BUY, Move("room", ts_ms, room_since_ms, buy.generation, bought, bought, 0), room),)
    if not is_newer:
        totals.stale += 1
    return ()


def _first(totals: ForeignTotals, record: ForeignRecord, arrival: Arrival) -> tuple[UnixMs, bool]:
    """Since when the first counter of a day has grown, and whether it counts for the speeds; notes what of the day is covered."""
    if totals.buy.ts_ms and totals.sell.ts_ms:
        return UnixMs(0), False
    opened_ms = open_ms(record.trading_day, record.exchange)
    if not totals.ts_ms:
        totals.covered_ms = max(opened_ms, arrival.joined_ms)
    # Counters are 0 at the open. Of one that has grown since then, a feed that has run all the time would have told sooner.
    heard_all = arrival.covered_from(opened_ms)
    since_ms = max(opened_ms, record.ts_ms - LONG_MS) if heard_all else opened_ms
    return UnixMs(min(since_ms, record.ts_ms)), arrival.joined_ms <= opened_ms


def _covered(totals: ForeignTotals, mark: int, arrival: Arrival) -> bool:
    """Whether some feed has run without a break since the reading with ``mark`` came."""
    if mark == UNKNOWN_MARK:
        # Release 0.2.0 asked whether the record's own connection had told of the symbol before.
        return totals.connections.get(arrival.feed, -1) >= arrival.epoch
    return arrival.covered_since <= mark


def _remember_connection(totals: ForeignTotals, arrival: Arrival) -> None:
    """Go on with what release 0.2.0 remembered until both sides have marks."""
    if UNKNOWN_MARK not in (totals.buy.mark, totals.sell.mark):
        totals.connections = {}
    elif totals.connections.get(arrival.feed, -1) < arrival.epoch:
        totals.connections[arrival.feed] = arrival.epoch


def _tells_room(totals: ForeignTotals, record: ForeignRecord, feed: str) -> bool:
    """Whether the room of a record is later than the one that is known.

    A room has no counter. Within a second what is later is told by the counters, or by the order in which one feed says it.
    """
    buy, sell = totals.buy, totals.sell
    if record.ts_ms != totals.room_ms:
        return record.ts_ms > totals.room_ms
    if record.bought < buy.counter or record.sold < sell.counter:
        return False
    return feed == totals.room_feed or record.bought > buy.counter or record.sold > sell.counter


def _take_room(totals: ForeignTotals, record: ForeignRecord, feed: str) -> Move | None:
    """Take the room that a record tells. Returns the line for it; None when it is the same as before."""
    before, since_ms = totals.room, totals.room_ms or record.ts_ms
    totals.room, totals.total_room = record.current_room, record.total_room
    totals.room_ms, totals.room_feed = record.ts_ms, feed
    if record.current_room == before:
        return None
    counter = totals.buy.counter
    return Move("room", record.ts_ms, since_ms, totals.buy.generation, counter, counter, 0)


def _entries(totals: ForeignTotals, buys: list[Move], sells: list[Move]) -> tuple[LedgerEntry, ...]:
    room = totals.room
    return (*(_entry(totals, Side.BUY, move, room) for move in buys), *(_entry(totals, Side.SELL, move, room) for move in sells))


def _entry(totals: ForeignTotals, side: Side, move: Move, room: int) -> LedgerEntry:
    # By position, which is faster, and there are one or two a record.
    return LedgerEntry(  # type: ignore[call-arg]
        move.kind,
        totals.symbol,
        totals.exchange,
        totals.day,
        move.ts_ms,
        move.since_ms,
        side,
        move.generation,
        move.counter_from,
        move.counter,
        move.counter - move.counter_from,
        move.value,
        room,
        move.ambiguous,
    )


def _keep_marks(fields: list[Any]) -> list[Any]:
    """From version 1, where a side had no marks and one suspect, to version 2."""
    symbol, exchange, day, groups, sector, buy, sell, room, total_room, ts_ms, covered_ms, connections, *counts = fields
    sides = [_side_with_marks(side) for side in (buy, sell)]
    head = [symbol, exchange, day, groups, sector, *sides, room, total_room, ts_ms, "", ts_ms, covered_ms]
    return [*head, *counts, False, False, [], 0, connections]


def _side_with_marks(side: list[Any]) -> list[Any]:
    counter, value, ts_ms, generation, earlier, earlier_value, booked_value, suspect, ring = side
    held = [] if suspect is None else [[*suspect, UNKNOWN_MARK, True]]
    marks = [counter, value, ts_ms, UNKNOWN_MARK if ts_ms else 0]
    return [*marks, generation, earlier, earlier_value, booked_value, None, ts_ms, held, [], ring]


def _add_up(fields: list[Any]) -> list[Any]:
    """From version 2, which kept the volume of each bucket and the speeds, to version 3, which keeps what volume adds up to."""
    (symbol, exchange, day, groups, sector, buy, sell, room, total_room, room_ms, room_feed, ts_ms, covered_ms, stale, unresolved,
     _, is_moved, _, ranked_in, price_before, connections) = fields  # fmt: skip
    for side in (buy, sell):
        side[-1] = _added_up(*side[-1])
    # Its shard has counted all of it.
    counted = [buy[5] + buy[0], sell[5] + sell[0], buy[6] + buy[1], sell[6] + sell[1]]
    return [
        symbol, exchange, day, groups, sector, buy, sell, room, total_room, room_ms, room_feed, ts_ms, covered_ms, stale,
        unresolved, 0, 0, counted, is_moved, ranked_in, price_before, connections,
    ]  # fmt: skip


def _added_up(newest: int, slots: list[int]) -> list[Any]:
    numbers = range(newest + 1 - len(slots), newest + 1)
    return [
        [number for number, volume in zip(numbers, slots, strict=True) if volume],
        [total for total, volume in zip(accumulate(slots), slots, strict=True) if volume],
        [],
    ]


TOTALS = Codec(ForeignTotals, upgrades={1: _keep_marks, 2: _add_up})
