"""The foreign ledger of one symbol: cumulative records in, what foreigners bought and sold since the last one out.

SSI tells counters that run from the open, without sequence numbers, and repeats cached ones after a reconnect. The counter
itself is what identifies and orders the records: growth is booked once, whichever feed brings it first; a fall is believed
only when a later record confirms it. ``docs/foreign-ledger.md`` has the hard cases, one by one.
"""

from typing import ClassVar, Literal, NamedTuple

import msgspec

from pipelines.core.codec import Stored
from pipelines.core.speed import LONG_MS, STILL, Speeds, VolumeRing, speeds
from pipelines.core.suspects import SuspectVerdict, Thresholds, judge, judge_at_close
from schemas.session import open_ms
from schemas.structs import ForeignRecord, LedgerEntry
from schemas.units import Exchange, Shares, Side, Symbol, TradingDay, UnixMs, Vnd

EntryKind = Literal["delta", "catch_up", "correction", "reset"]


class Arrival(NamedTuple):
    """How a record came, and what its shard knew at that moment. Times are market times."""

    feed: str
    epoch: int
    connected_ms: UnixMs
    """Since when its connection has run without a break; 0 before its first clock tick."""
    joined_ms: UnixMs
    """When the shard first heard of this day, from any feed."""
    now_ms: UnixMs


class Step(NamedTuple):
    """What came of a record."""

    entries: tuple[LedgerEntry, ...]
    """No more than one for each side, buy before sell."""
    notes: tuple[str, ...]
    """Words to count by beside the kinds of its entries: ``stale``, ``suspect``, ``glitch``, ``ambiguous``, ``unresolved``."""


class Reading(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a record says of one side."""

    counter: int
    value: int
    ts_ms: int


class Growth(NamedTuple):
    """How growth of a counter is to be booked: under which name, and over which stretch of time its volume is spread."""

    kind: Literal["delta", "catch_up"]
    first_since_ms: UnixMs
    """Since when the first counter of a day has grown; 0 for any later record, where it has since the record before it."""
    first_shows: bool
    """Whether the first counter of a day counts for the speeds. Not when the exchange had opened before this shard listened: then
    nobody knows over which time it grew."""


class Move(NamedTuple):
    """How the counter of a side moved, as its entry will say."""

    kind: EntryKind
    since_ms: int
    counter_from: int
    ambiguous: bool = False


class SideTotals(msgspec.Struct, array_like=True, gc=False):
    """What foreigners bought, or sold, today."""

    counter: int = 0
    """The feed's counter as last accepted, in shares. A fall is measured by it."""
    value: int = 0
    """The feed's value in the same record, in VND."""
    ts_ms: int = 0
    """Exchange time of the last accepted record; 0 before the day's first."""
    generation: int = 0
    """How often the feed's counter has restarted today."""
    earlier: int = 0
    """What the counter had reached in earlier generations, summed."""
    earlier_value: int = 0
    booked_value: int = 0
    """The sum of the values of the entries so far. The feed's value may move without its counter; the next entry makes up."""
    suspect: Reading | None = None
    """A lower counter, held back until a newer record decides about it."""
    ring: VolumeRing = msgspec.field(default_factory=VolumeRing)

    @property
    def volume(self) -> int:
        """The day's total: the sum of the volumes of its entries."""
        return self.earlier + self.counter

    @property
    def total_value(self) -> int:
        """The day's total in VND."""
        return self.earlier_value + self.value

    def take(self, reading: Reading, growth: Growth, thresholds: Thresholds, notes: list[str]) -> Move | None:
        """Accept what a record says, hold it back as a suspect, or pass over it.

        Args:
            reading: What it says.
            growth: How to book it, if the counter has grown.
            thresholds: What decides about a counter that fell.
            notes: Gets words to count by.

        Returns:
            How the counter moved; None when it did not.
        """
        if reading.ts_ms < self.ts_ms or (reading.ts_ms == self.ts_ms and reading.counter <= self.counter):
            return None
        suspect = self.suspect
        if suspect is not None and reading.ts_ms > suspect.ts_ms:
            self.suspect = None
            verdict = judge(self.counter, suspect.counter, reading.counter, thresholds)
            if verdict is SuspectVerdict.GLITCH:
                notes.append(verdict)
            elif reading.counter < suspect.counter:
                # This record confirms the suspect, and its own counter is lower still: book the one, and hold the other back.
                move = self._fall(suspect, verdict, notes)
                self._hold(reading, notes)
                return move
            else:
                return self._fall(reading, verdict, notes)
        if reading.counter < self.counter:
            if self.suspect is None:
                self._hold(reading, notes)
            return None
        return self._grow(reading, growth)

    def settle(self, thresholds: Thresholds, notes: list[str]) -> Move | None:
        """Decide about the suspect, if there is one, because the day is over and no newer record will."""
        suspect, self.suspect = self.suspect, None
        if suspect is None:
            return None
        verdict = judge_at_close(self.counter, suspect.counter, thresholds)
        if verdict is SuspectVerdict.UNRESOLVED:
            notes.append(verdict)
            return None
        return self._fall(suspect, verdict, notes)

    def _hold(self, reading: Reading, notes: list[str]) -> None:
        self.suspect = reading
        notes.append("suspect")

    def _grow(self, reading: Reading, growth: Growth) -> Move | None:
        before, since_ms = self._go_on_from(reading)
        volume = reading.counter - before
        if not volume:
            return None
        if growth.kind == "delta":
            self.ring.add(volume, reading.ts_ms)
        elif since_ms:
            self.ring.spread(volume, since_ms, reading.ts_ms)
        elif growth.first_shows:
            self.ring.spread(volume, growth.first_since_ms, reading.ts_ms)
        return Move(growth.kind, since_ms or growth.first_since_ms, before)

    def _fall(self, reading: Reading, verdict: SuspectVerdict, notes: list[str]) -> Move:
        """Book a fall that is believed. The counter goes on from ``reading``, which may have grown again since it fell."""
        if verdict is SuspectVerdict.RESET:
            self.generation += 1
            self.earlier += self.counter
            self.earlier_value += self.value
            _, since_ms = self._go_on_from(reading)
            self.ring.spread(reading.counter, since_ms, reading.ts_ms)
            return Move("reset", since_ms, 0)
        if verdict is SuspectVerdict.AMBIGUOUS:
            notes.append(verdict)
        # A correction says that shares counted earlier were none, and not at what time they had been counted: no speed changes.
        before, since_ms = self._go_on_from(reading)
        return Move("correction", since_ms, before, ambiguous=verdict is SuspectVerdict.AMBIGUOUS)

    def _go_on_from(self, reading: Reading) -> tuple[int, int]:
        """Accept ``reading``. Returns the counter and the exchange time that it follows."""
        before = self.counter, self.ts_ms
        self.counter, self.value, self.ts_ms = reading.counter, reading.value, reading.ts_ms
        return before


class ForeignTotals(Stored):
    """What foreigners did in a symbol today, and the scopes that it belongs to."""

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
    ts_ms: int = 0
    """Exchange time of the newest record, suspects included; 0 before the day's first."""
    covered_ms: int = 0
    """Market time since which today's flow is known."""
    connections: dict[str, int] = msgspec.field(default_factory=dict)
    """The newest epoch of each feed that has told of this symbol today."""
    stale: int = 0
    unresolved: int = 0
    speeds: Speeds = STILL
    """The speeds of buying and selling as :meth:`measure` found them last."""

    @property
    def suspects(self) -> int:
        """How many sides have a suspect."""
        return (self.buy.suspect is not None) + (self.sell.suspect is not None)

    @property
    def active(self) -> bool:
        """Whether time alone can still change something: volume that ages, or a suspect that waits for the close."""
        return bool(self.suspects or self.buy.ring.slots or self.sell.ring.slots)

    def begin(self, day: TradingDay) -> None:
        """Start ``day`` from nothing; exchange, groups and sector stay."""
        fresh = ForeignTotals(symbol=self.symbol, exchange=self.exchange, day=day, groups=self.groups, sector=self.sector)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(fresh, name))

    def roll(self, now_ms: UnixMs) -> None:
        """Let volume age to market time ``now_ms``."""
        self.buy.ring.roll(now_ms)
        self.sell.ring.roll(now_ms)

    def measure(self, now_ms: UnixMs) -> None:
        """Take the speeds at market time ``now_ms``."""
        self.roll(now_ms)
        self.speeds = speeds(self.buy.ring, self.sell.ring, self.covered_ms, now_ms)


def advance(totals: ForeignTotals, record: ForeignRecord, arrival: Arrival, thresholds: Thresholds) -> Step:
    """Fold one record of its symbol and day into ``totals``, in place.

    Every record is folded in some way: a repeat or a late one books nothing and is counted; a lower counter is held as a suspect
    until a strictly newer record decides. The two sides know nothing of one another.
    """
    buy, sell, ts_ms = totals.buy, totals.sell, record.ts_ms
    growth = _growth(totals, record, arrival)
    newer = ts_ms > totals.ts_ms
    if newer or (ts_ms == totals.ts_ms and (record.bought > buy.counter or record.sold > sell.counter)):
        totals.ts_ms = ts_ms
        totals.room, totals.total_room = record.current_room, record.total_room
    totals.roll(arrival.now_ms)
    notes: list[str] = []
    bought = buy.take(Reading(record.bought, record.bought_value, ts_ms), growth, thresholds, notes)
    sold = sell.take(Reading(record.sold, record.sold_value, ts_ms), growth, thresholds, notes)
    entries = _entries(totals, bought, sold)
    if not (newer or entries or notes):
        totals.stale += 1
        notes.append("stale")
    return Step(entries, tuple(notes))


def settle(totals: ForeignTotals, thresholds: Thresholds) -> Step:
    """Decide about the suspects that the end of the day leaves open.

    A small fall is a correction. Of a large one nobody can say what it was: it books nothing and is counted.
    """
    notes: list[str] = []
    bought, sold = totals.buy.settle(thresholds, notes), totals.sell.settle(thresholds, notes)
    totals.unresolved += notes.count(SuspectVerdict.UNRESOLVED)
    return Step(_entries(totals, bought, sold), tuple(notes))


def _growth(totals: ForeignTotals, record: ForeignRecord, arrival: Arrival) -> Growth:
    """How growth in ``record`` is to be booked; takes note of its connection and, at a day's first record, of what is covered."""
    heard = totals.connections.get(arrival.feed, -1) >= arrival.epoch
    if not heard:
        totals.connections[arrival.feed] = arrival.epoch
    if totals.ts_ms:
        return Growth("delta" if heard else "catch_up", UnixMs(0), False)
    opened_ms = open_ms(record.trading_day, record.exchange)
    totals.covered_ms = max(opened_ms, arrival.joined_ms)
    # The first counter of a day has grown since a time that nobody saw: say five minutes ago, but not before connect or open.
    since_ms = max(opened_ms, arrival.connected_ms or record.ts_ms, record.ts_ms - LONG_MS)
    return Growth("catch_up", UnixMs(min(since_ms, record.ts_ms)), arrival.joined_ms <= opened_ms)


def _entries(totals: ForeignTotals, bought: Move | None, sold: Move | None) -> tuple[LedgerEntry, ...]:
    sides = ((Side.BUY, totals.buy, bought), (Side.SELL, totals.sell, sold))
    return tuple(_entry(totals, side, state, move) for side, state, move in sides if move is not None)


def _entry(totals: ForeignTotals, side: Side, state: SideTotals, move: Move) -> LedgerEntry:
    """The line for a move that ``state`` has made."""
    value = state.total_value - state.booked_value
    state.booked_value += value
    return LedgerEntry(
        kind=move.kind,
        symbol=Symbol(totals.symbol),
        exchange=totals.exchange,
        day=TradingDay(totals.day),
        ts_ms=UnixMs(state.ts_ms),
        since_ms=UnixMs(move.since_ms),
        side=side,
        generation=state.generation,
        counter_from=Shares(move.counter_from),
        counter=Shares(state.counter),
        volume=Shares(state.counter - move.counter_from),
        value=Vnd(value),
        room=Shares(totals.room),
        ambiguous=move.ambiguous,
    )
