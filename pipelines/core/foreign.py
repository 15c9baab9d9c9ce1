"""The foreign ledger of one symbol: cumulative records in, what foreigners bought and sold since the last one out.

SSI tells counters that run from the open, without sequence numbers, and repeats cached ones after a reconnect. The counter
itself is what identifies and orders the records: growth is booked once, whichever feed brings it first; a fall is believed
only when a later record confirms it. ``docs/foreign-ledger.md`` has the hard cases, one by one.
"""

from typing import Literal, NamedTuple

import msgspec

from pipelines.core.codec import Stored
from pipelines.core.speed import LONG_MS, STILL, Speeds, VolumeRing, speeds
from pipelines.core.suspects import Thresholds, Verdict, judge, judge_at_close
from schemas.session import open_ms
from schemas.structs import ForeignRecord, LedgerEntry
from schemas.units import Exchange, Shares, Side, Symbol, TradingDay, UnixMs, Vnd

EntryKind = Literal["delta", "catch_up", "correction", "reset"]


class Arrival(NamedTuple):
    """How a record came, and what its shard knew then. Times are market times."""

    feed: str
    epoch: int
    connected_ms: UnixMs
    """Since when this connection has run; 0 when the shard has not heard its clock yet."""
    joined_ms: UnixMs
    """When the shard first heard of this day, from any feed."""
    now_ms: UnixMs


class Step(NamedTuple):
    """What came of a record."""

    entries: tuple[LedgerEntry, ...]
    """Buy before sell, one a side at most."""
    notes: tuple[str, ...]
    """Words to count by beside the kinds of its entries: ``stale``, ``suspect``, ``glitch``, ``ambiguous``, ``unresolved``."""


class Suspect(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A lower counter, held back until a newer record decides about it."""

    counter: int
    value: int
    ts_ms: int


class SideTotals(msgspec.Struct, array_like=True, gc=False):
    """What foreigners bought, or sold, today."""

    counter: int = 0
    """The feed's counter as last accepted: the mark that a fall is measured by."""
    value: int = 0
    """The feed's value beside it."""
    ts_ms: int = 0
    """Exchange time of the last accepted record; 0 before the day's first."""
    generation: int = 0
    """How often the feed's counter has restarted today."""
    earlier: int = 0
    """What the counter had reached in earlier generations, summed."""
    earlier_value: int = 0
    booked_value: int = 0
    """Sum of the values of the entries so far. Values move without entries too; the next entry makes up for it."""
    suspect: Suspect | None = None
    ring: VolumeRing = msgspec.field(default_factory=VolumeRing)

    @property
    def volume(self) -> int:
        """The day's total: the sum of the volumes of its entries."""
        return self.earlier + self.counter

    @property
    def total_value(self) -> int:
        """The day's total in VND."""
        return self.earlier_value + self.value


class ForeignTotals(Stored):
    """A symbol's foreign day, and where it belongs."""

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
    """Since when today's flow is known."""
    connections: dict[str, int] = msgspec.field(default_factory=dict)
    """The newest epoch of each feed that has told of this symbol today."""
    stale: int = 0
    glitches: int = 0
    unresolved: int = 0
    speeds: Speeds = STILL
    """As last measured."""

    @property
    def suspects(self) -> int:
        """How many falls are open."""
        return (self.buy.suspect is not None) + (self.sell.suspect is not None)

    @property
    def active(self) -> bool:
        """Whether the clock alone can still change something: volume ages, or a suspect waits for the close."""
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

    Total over every input: a repeat or a late record books nothing and is counted; a lower counter is held as a suspect
    until a strictly newer record decides. The two sides know nothing of one another.
    """
    ts_ms = record.ts_ms
    first_heard = totals.connections.get(arrival.feed, -1) < arrival.epoch
    if first_heard:
        totals.connections[arrival.feed] = arrival.epoch
    opened_ms = open_ms(record.trading_day, record.exchange) if not totals.ts_ms else 0
    if not totals.ts_ms:
        totals.covered_ms = max(opened_ms, arrival.joined_ms)
    newer = ts_ms > totals.ts_ms
    if newer or (ts_ms == totals.ts_ms and (record.bought > totals.buy.counter or record.sold > totals.sell.counter)):
        totals.ts_ms = ts_ms
        totals.room, totals.total_room = record.current_room, record.total_room
    totals.roll(arrival.now_ms)

    # The day's first counter reaches back to a time that nobody saw.
    first_since_ms = min(ts_ms, max(opened_ms, arrival.connected_ms or ts_ms, ts_ms - LONG_MS))
    unseen = arrival.joined_ms > opened_ms
    line = _Line(totals, "catch_up" if first_heard else "delta", ts_ms, UnixMs(first_since_ms), unseen, thresholds)
    entries = (
        line.take(Side.BUY, totals.buy, record.bought, record.bought_value),
        line.take(Side.SELL, totals.sell, record.sold, record.sold_value),
    )
    booked = tuple(entry for entry in entries if entry)
    if not newer and not booked and not line.notes:
        totals.stale += 1
        line.notes.append("stale")
    return Step(booked, tuple(line.notes))


def settle(totals: ForeignTotals, thresholds: Thresholds) -> Step:
    """Decide about the suspects that the end of the day leaves open: little fallen is a correction, much is nobody's guess."""
    line = _Line(totals, "delta", UnixMs(totals.ts_ms), UnixMs(totals.ts_ms), False, thresholds)
    entries = (line.settle(Side.BUY, totals.buy), line.settle(Side.SELL, totals.sell))
    return Step(tuple(entry for entry in entries if entry), tuple(line.notes))


class _Line:
    """Books one record on either side."""

    __slots__ = ("_first_since_ms", "_growth", "_thresholds", "_totals", "_ts_ms", "_unseen", "notes")

    def __init__(
        self,
        totals: ForeignTotals,
        growth: EntryKind,
        ts_ms: UnixMs,
        first_since_ms: UnixMs,
        unseen: bool,
        thresholds: Thresholds,
    ) -> None:
        self._totals = totals
        self._growth = growth
        self._ts_ms = ts_ms
        self._first_since_ms = first_since_ms
        self._unseen = unseen
        """The day had begun before anybody of this shard listened, so its first counter says nothing of speed."""
        self._thresholds = thresholds
        self.notes: list[str] = []

    def take(self, side: Side, state: SideTotals, counter: int, value: int) -> LedgerEntry | None:
        """Accept, hold back or pass over a counter; the entry if it booked something."""
        if self._ts_ms < state.ts_ms or (self._ts_ms == state.ts_ms and counter <= state.counter):
            return None
        suspect = state.suspect
        if suspect is not None and self._ts_ms > suspect.ts_ms:
            state.suspect = None
            verdict = judge(state.counter, suspect.counter, counter, self._thresholds)
            if verdict is Verdict.GLITCH:
                self._totals.glitches += 1
                self.notes.append(verdict)
            elif counter < suspect.counter:
                # The decider confirms the suspect, and has itself fallen again.
                entry = self._fall(side, state, verdict, suspect)
                self._hold(state, counter, value)
                return entry
            else:
                return self._fall(side, state, verdict, Suspect(counter, value, self._ts_ms))
        if counter < state.counter:
            if state.suspect is None:
                self._hold(state, counter, value)
            return None
        return self._grow(side, state, counter, value)

    def settle(self, side: Side, state: SideTotals) -> LedgerEntry | None:
        """Decide about the side's suspect without a newer record."""
        suspect = state.suspect
        if suspect is None:
            return None
        state.suspect = None
        verdict = judge_at_close(state.counter, suspect.counter, self._thresholds)
        if verdict is Verdict.UNRESOLVED:
            self._totals.unresolved += 1
            self.notes.append(verdict)
            return None
        return self._fall(side, state, verdict, suspect)

    def _hold(self, state: SideTotals, counter: int, value: int) -> None:
        state.suspect = Suspect(counter, value, self._ts_ms)
        self.notes.append("suspect")

    def _grow(self, side: Side, state: SideTotals, counter: int, value: int) -> LedgerEntry | None:
        first = not state.ts_ms
        since_ms = state.ts_ms or self._first_since_ms
        before, state.counter, state.value, state.ts_ms = state.counter, counter, value, self._ts_ms
        if counter == before:
            return None
        if self._growth == "delta":
            state.ring.add(counter - before, self._ts_ms)
        elif not (first and self._unseen):
            state.ring.spread(counter - before, since_ms, self._ts_ms)
        return self._entry(side, state, self._growth, since_ms, before, ambiguous=False)

    def _fall(self, side: Side, state: SideTotals, verdict: Verdict, reached: Suspect) -> LedgerEntry:
        """Book a fall that is believed, and what has grown since; the counter goes on from ``reached``."""
        since_ms, before = state.ts_ms, state.counter
        kind: EntryKind = "correction"
        if verdict is Verdict.AMBIGUOUS:
            self.notes.append(verdict)
        elif verdict is Verdict.RESET:
            kind, before = "reset", 0
            state.generation += 1
            state.earlier += state.counter
            state.earlier_value += state.value
            state.ring.spread(reached.counter, since_ms, reached.ts_ms)
        # A correction says that shares counted earlier were none, not when: it moves the total and leaves the speed alone.
        state.counter, state.value, state.ts_ms = reached.counter, reached.value, reached.ts_ms
        return self._entry(side, state, kind, since_ms, before, ambiguous=verdict is Verdict.AMBIGUOUS)

    def _entry(
        self, side: Side, state: SideTotals, kind: EntryKind, since_ms: int, before: int, *, ambiguous: bool
    ) -> LedgerEntry:
        value = state.total_value - state.booked_value
        state.booked_value += value
        totals = self._totals
        return LedgerEntry(
            kind=kind,
            symbol=Symbol(totals.symbol),
            exchange=totals.exchange,
            day=TradingDay(totals.day),
            ts_ms=UnixMs(state.ts_ms),
            since_ms=UnixMs(since_ms),
            side=side,
            generation=state.generation,
            counter_from=Shares(before),
            counter=Shares(state.counter),
            volume=Shares(state.counter - before),
            value=Vnd(value),
            room=Shares(totals.room),
            ambiguous=ambiguous,
        )
