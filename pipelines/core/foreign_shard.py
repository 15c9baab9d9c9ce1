"""The foreign ledger of a shard: a frame of records in; ledger entries, board rows and the shard's share of the flow out.

Beside one value for each symbol a shard has one of its own, with what foreigners did in each scope and which symbols have moved
since it last looked. What grows with the number of symbols lies apart and is loaded when it is needed: the symbols that the clock
can change every five seconds of market time, the largest buyers and sellers when the flow is reported, and the roster of all
symbols when too many of these have fallen back.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar, NamedTuple

import msgspec

from pipelines.core.codec import LARGEST, Cells, Codec, State, Stored
from pipelines.core.errors import RecordRejected
from pipelines.core.figures import Figures, check_nothing
from pipelines.core.foreign import TOTALS, Arrival, ForeignTotals, Step, advance, settle
from pipelines.core.frames import Folded, Shard
from pipelines.core.movers import NetFlow, Ranking, top_buyers, top_sellers
from pipelines.core.scopes import MARKET, NOTHING, ScopeSum, ranked_scopes, scopes_of
from pipelines.core.shard import Folding, Kinds, Use, fold_records
from pipelines.core.speed import BUCKET_MS, Speeds
from pipelines.core.terms import Offers
from schemas.position import Position
from schemas.session import close_ms
from schemas.shards import shard_keys
from schemas.structs import (
    BarRecord,
    FlowSum,
    ForeignRecord,
    ForeignRow,
    Frame,
    IndexRecord,
    LedgerEntry,
    LedgerFrame,
    Movers,
    OddLotRecord,
    PartialFlow,
    ProfileRecord,
    QuoteRecord,
    ReferenceRecord,
    SnapshotRecord,
    StatusRecord,
    TradeRecord,
)
from schemas.topics import MARKET_FOREIGN, PARTIAL_FLOW, STATE_FOREIGN
from schemas.units import Exchange, Shares, Symbol, TradingDay, UnixMs, Vnd


class ForeignShard(Stored):
    """What a shard knows of its day beside its symbols. It has a symbol only for as long as something is to be done about it."""

    VERSION: ClassVar[int] = 2

    bucket: int = 0
    """The bucket of speed that volume was last aged to: market time over :data:`~pipelines.core.speed.BUCKET_MS`."""
    changed: bool = True
    """Whether sums or nets changed since the last partial."""
    sums: dict[str, ScopeSum] = msgspec.field(default_factory=dict)
    """What foreigners did in each scope, by scope."""
    moved: list[str] = msgspec.field(default_factory=list)
    """Symbols whose net has moved since the last partial in which something changed."""
    stirred: list[str] = msgspec.field(default_factory=list)
    """Symbols that the clock can change since volume was last aged: they are not in :class:`ForeignActive` yet."""


class ForeignActive(Stored):
    """The symbols of a shard whose speed or suspect the clock alone can change."""

    DAY_AT: ClassVar[int | None] = 0

    day: int
    symbols: list[str] = msgspec.field(default_factory=list)
    """Sorted."""


class ForeignRoster(Stored):
    """The symbols of a shard that foreigners have traded on a day, in the order in which they came."""

    DAY_AT: ClassVar[int | None] = 0

    day: int
    symbols: list[str] = msgspec.field(default_factory=list)


class ForeignRankings(Stored):
    """The symbols of a shard that foreigners bought and sold most on a day."""

    DAY_AT: ClassVar[int | None] = 0

    day: int
    by_scope: dict[str, Ranking] = msgspec.field(default_factory=dict)
    """Without the market."""


class _Look(NamedTuple):
    """What a row shows that nobody would notice alone, as of the last change that somebody would.

    So a row is the same however the records were cut into frames.
    """

    ts_ms: int
    stale: int


class _Touch(NamedTuple):
    """A record of a symbol: what a row would show because of it."""

    look: _Look
    changed: bool
    """Whether it changed something that a viewer notices; else only the speeds may have."""


class ForeignFold:
    """The foreign ledger of a shard while a frame is folded."""

    def __init__(self, folding: Folding) -> None:
        state = folding.state
        self.folded = folding.folded
        self._position = folding.position
        self._where = folding.shard
        self._state = state
        self._terms = folding.terms
        self._feeds = folding.feeds
        self._delivery = folding.delivery
        self._shard = state.load(_SHARDS, _SHARD_KEY, folding.feeds.day) or self._forgetful()
        self._cells = Cells(state, TOTALS, prefix=_TOTALS_PREFIX)
        self._active: ForeignActive | None = None
        self._rankings: ForeignRankings | None = None
        self._now_ms = UnixMs(folding.feeds.now_ms)
        """The market second of the records that are folded."""
        self._seen: dict[str, _Visible] = {}
        """What the symbols that were touched looked like when that was last measured."""
        self._touched: dict[str, _Touch] = {}
        """Those of them that were touched since."""
        self._looks: dict[str, _Look] = {}
        """The last change of each symbol that has looked different since the frame began."""
        self._entries: list[LedgerEntry] = []

    def turn(self) -> None:
        """Settle what the day before left undecided, and begin the new one at nothing."""
        for totals in self._look_through():
            if totals.suspects:
                self._watch(totals)
                self._note(settle(totals, self._terms.thresholds))
                self._touched[totals.symbol] = _Touch(_Look(totals.ts_ms, totals.stale), True)
        self._show()
        self._active = ForeignActive(self._feeds.day)
        self._shard.sums.clear()
        self._shard.moved.clear()
        self._shard.stirred.clear()
        self._shard.changed = True

    def advance(self) -> None:
        """Let volume age, and report the shard's share of the flow."""
        self._measure()
        self._now_ms = now_ms = UnixMs(self._feeds.now_ms)
        if now_ms // BUCKET_MS > self._shard.bucket:
            self._shard.bucket = now_ms // BUCKET_MS
            self._age(now_ms)
        self._report(now_ms)

    def finish(self) -> None:
        """Publish what came of the frame, and store what it changed."""
        if self._entries:
            self.folded.publish(MARKET_FOREIGN, self._where.key, LedgerFrame(events=self._entries))
        self._show()
        self._cells.store()
        self._state.store(_SHARDS, _SHARD_KEY, self._shard)
        if self._active is not None:
            self._state.store(_ACTIVE, _ACTIVE_KEY, self._active)
        if self._rankings is not None:
            self._state.store(_RANKINGS, _RANKINGS_KEY, self._rankings)

    def take_foreign(self, record: ForeignRecord) -> None:
        """Fold what a record says that foreigners have bought and sold."""
        if record.trading_day < self._feeds.day:
            self.folded.count(["previous_day"])
            return
        known = self._cells.get(record.symbol)
        if known is not None and known.is_too_much(record):
            raise RecordRejected(
                "out_of_range",
                f"{record.symbol} bought {record.bought}, sold {record.sold}: the day's total is beyond every market",
            )
        totals = self._of_today(record.symbol, record.exchange)
        looked = totals.exchange, totals.total_room
        if record.ts_ms >= totals.ts_ms:
            self._place(totals, record.exchange, totals.groups, totals.sector)
        arrival = Arrival(
            feed=self._delivery.feed,
            epoch=self._delivery.epoch,
            mark=self._feeds.mark,
            covered_since=self._feeds.covered_since,
            covered_from=self._feeds.covered_from,
            joined_ms=UnixMs(self._feeds.joined_ms),
            now_ms=UnixMs(self._feeds.now_ms or record.ts_ms),
        )
        before = _sum_of(totals)
        step = advance(totals, record, arrival, self._terms.thresholds)
        self._book(totals, before, step)
        self._touch(totals, changed=step.tells or looked != (totals.exchange, totals.total_room))

    def take_reference(self, record: ReferenceRecord) -> None:
        """Take the groups and sector of a symbol, and its exchange before a record of the day has said it.

        What REST says of a later day is taken at once.
        """
        if record.trading_day < self._feeds.day:
            self.folded.count(["previous_day"])
            return
        totals = self._of_today(record.symbol, record.exchange)
        sector = record.sector or self._terms.sectors.get(record.symbol, "")
        exchange = totals.exchange if totals.ts_ms else record.exchange
        self._place(totals, exchange, sorted(set(record.groups)), sector)

    def _age(self, now_ms: UnixMs) -> None:
        """Let volume age to ``now_ms`` and, after the close, decide what is undecided."""
        closed = now_ms >= close_ms(TradingDay(self._feeds.day))
        still = []
        for totals in self._look_through():
            if closed and totals.suspects:
                self._watch(totals)
                before = _sum_of(totals)
                self._book(totals, before, settle(totals, self._terms.thresholds))
            if totals.symbol in self._seen:
                totals.measure(now_ms)
                self._look(totals, _Look(totals.ts_ms, totals.stale))
            else:
                # Nothing else of it has changed since it was last measured.
                known = totals.speeds
                totals.measure(now_ms)
                if totals.speeds != known:
                    self._seen[totals.symbol] = _visible(totals)
                    self._looks[totals.symbol] = _Look(totals.ts_ms, totals.stale)
            totals.is_active = totals.active
            if totals.active:
                still.append(totals.symbol)
        self._active = ForeignActive(self._feeds.day, still)
        self._shard.stirred.clear()

    def _look_through(self) -> Iterator[ForeignTotals]:
        """The symbols that the clock can change, in an order that every replay repeats."""
        active = self._active or self._state.load(_ACTIVE, _ACTIVE_KEY)
        # Where the list of today could not be read any symbol may have been on it.
        symbols = active.symbols if active is not None else self._roster()
        for symbol in sorted({*symbols, *self._shard.stirred}):
            totals = self._cells.get(symbol)
            if totals is not None:
                yield totals

    def _of_today(self, symbol: Symbol, exchange: Exchange) -> ForeignTotals:
        """The totals of ``symbol`` on the shard's day."""
        totals = self._cells.get(symbol)
        if totals is None:
            totals = self._cells.put(
                symbol,
                ForeignTotals(symbol=symbol, exchange=exchange, day=self._feeds.day, sector=self._terms.sectors.get(symbol, "")),
            )
        elif totals.day != self._feeds.day:
            totals = self._cells.put(symbol, totals.next(TradingDay(self._feeds.day)))
        self._watch(totals)
        return totals

    def _watch(self, totals: ForeignTotals) -> None:
        """Remember what a symbol looks like before it is changed."""
        if totals.symbol not in self._seen:
            self._seen[totals.symbol] = _visible(totals)

    def _look(self, totals: ForeignTotals, look: _Look, *, changed: bool = False) -> None:
        """Take note of what a symbol looks like. It has a row to come if that is different from before."""
        visible = _visible(totals)
        if changed or visible != self._seen[totals.symbol]:
            self._seen[totals.symbol] = visible
            self._looks[totals.symbol] = look

    def _touch(self, totals: ForeignTotals, *, changed: bool) -> None:
        """Take note of a record of a symbol. Its speeds are measured once the second is over, or the frame."""
        if changed or totals.symbol not in self._touched:
            self._touched[totals.symbol] = _Touch(_Look(totals.ts_ms, totals.stale), changed)
        if not self._now_ms:
            # Without a clock the time is that of each record.
            self._measure()

    def _measure(self) -> None:
        """Measure the speeds of the symbols that records have touched in this second."""
        for symbol, touch in self._touched.items():
            totals = self._cells.get(symbol)
            if totals is not None:
                totals.measure(UnixMs(self._now_ms or totals.ts_ms))
                self._look(totals, touch.look, changed=touch.changed)
        self._touched.clear()

    def _place(self, totals: ForeignTotals, exchange: Exchange, groups: list[str], sector: str) -> None:
        """Move a symbol, with what foreigners did in it today, to the scopes that the newest record says."""
        if (totals.exchange, totals.groups, totals.sector) == (exchange, groups, sector):
            return
        part = _sum_of(totals)
        self._add(totals, part, times=-1)
        totals.exchange, totals.groups, totals.sector = exchange, groups, sector
        self._add(totals, part)

    def _book(self, totals: ForeignTotals, before: ScopeSum, step: Step) -> None:
        self._note(step)
        if totals.active and not totals.is_active:
            totals.is_active = True
            self._shard.stirred.append(totals.symbol)
        change = _sum_of(totals)
        change.add(before, times=-1)
        if change != NOTHING:
            self._add(totals, change)

    def _note(self, step: Step) -> None:
        self._entries += step.entries
        counts = self.folded.counts
        for entry in step.entries:
            counts[entry.kind] += 1
        for note in step.notes:
            counts[note] += 1

    def _add(self, totals: ForeignTotals, part: ScopeSum, times: int = 1) -> None:
        """Add ``part`` to the sums of every scope that the symbol is in, and note that its net has moved."""
        if part == NOTHING:
            return
        for scope in scopes_of(totals.exchange, totals.groups, totals.sector):
            self._shard.sums.setdefault(scope, ScopeSum()).add(part, times)
        if not totals.is_moved:
            totals.is_moved = True
            self._shard.moved.append(totals.symbol)
        self._shard.changed = True

    def _report(self, now_ms: UnixMs) -> None:
        """Publish the shard's share of the flow: in full when something changed, else only that the second has passed."""
        shard = self._shard
        share = PartialFlow(
            shard=self._where.number,
            shards=self._where.shards,
            day=TradingDay(self._feeds.day),
            ts_ms=now_ms,
            changed=shard.changed,
            sums=_flow_sums(shard.sums) if shard.changed else [],
            movers=_movers(self._rank()) if shard.changed else [],
        )
        shard.changed = False
        self.folded.publish(PARTIAL_FLOW, shard_keys(1)[0], share)

    def _rank(self) -> dict[str, Ranking]:
        """The largest buyers and sellers of each scope, now that some symbols have moved."""
        day = self._feeds.day
        rankings = self._rankings or self._state.load(_RANKINGS, _RANKINGS_KEY)
        is_new = rankings is None or rankings.day != day
        if rankings is None or is_new:
            rankings = ForeignRankings(day)
        self._rankings = rankings
        newcomers = []
        for symbol in self._shard.moved:
            totals = self._cells.get(symbol)
            if totals is None or totals.day != day:
                continue
            if not totals.ranked_in:
                newcomers.append(symbol)
            totals.is_moved = False
            for scope in totals.ranked_in:
                if ranking := rankings.by_scope.get(scope):
                    ranking.take_out(symbol)
            _rank_in(rankings, totals)
        self._shard.moved.clear()
        if newcomers:
            roster = self._roster()
            self._state.store(_ROSTERS, _ROSTER_KEY, ForeignRoster(day, [*roster, *newcomers]))
        # Rankings of today that could not be read are made again. Before the first trade of a day the roster is empty.
        if is_new or not all(ranking.is_exact for ranking in rankings.by_scope.values()):
            self._rank_all(rankings)
        return rankings.by_scope

    def _rank_all(self, rankings: ForeignRankings) -> None:
        """Rank all symbols of the day anew."""
        rankings.by_scope = {scope: Ranking() for scope in rankings.by_scope}
        for symbol in self._roster():
            totals = self._cells.get(symbol)
            if totals is not None and totals.day == rankings.day:
                _rank_in(rankings, totals)

    def _forgetful(self) -> ForeignShard:
        """A shard at its beginning, or one that looks at all its symbols again because it could not be read."""
        roster = self._roster()
        return ForeignShard(moved=list(roster), stirred=list(roster))

    def _roster(self) -> list[str]:
        """The symbols that foreigners have traded today."""
        roster = self._state.load(_ROSTERS, _ROSTER_KEY)
        return roster.symbols if roster is not None and roster.day == self._feeds.day else []

    def _show(self) -> None:
        """Publish the rows of the symbols that have looked different, in the order in which they were touched."""
        self._measure()
        for symbol in self._seen:
            totals, look = self._cells.get(symbol), self._looks.get(symbol)
            if totals is not None and look is not None:
                self.folded.show_later(STATE_FOREIGN, symbol, partial(_row, totals, look, self._position.offset))
        self._seen.clear()
        self._looks.clear()


_FIGURES = Figures("bought", "sold", "bought_value", "sold_value", "current_room", "total_room", least=1 - LARGEST)


def _check_foreign(record: ForeignRecord) -> None:
    if record.bought < 0 or record.sold < 0:
        raise RecordRejected(
            "negative_counter", f"{record.symbol} bought {record.bought}, sold {record.sold}: counters start at 0"
        )
    _FIGURES.check(record)


_KINDS = Kinds(
    ForeignFold,
    used={
        ForeignRecord: Use(_check_foreign, ForeignFold.take_foreign),
        ReferenceRecord: Use(check_nothing, ForeignFold.take_reference),
    },
    ignored=(),
    unexpected=(TradeRecord, QuoteRecord, SnapshotRecord, BarRecord, OddLotRecord, StatusRecord, IndexRecord, ProfileRecord),
)


def fold_frame(frame: Frame, position: Position, shard: Shard, state: State, *, offers: Offers) -> Folded:
    """Fold a frame of ``ssi.foreign``, and say what to publish because of it."""
    return fold_records(frame, position, shard, state, _KINDS, ForeignFold, offers)


def totals_of(state: State, symbol: str) -> ForeignTotals | None:
    """What a shard keeps of a symbol's foreign day, for whoever looks on; None before its first record.

    Raises:
        StateUnreadable: Another release wrote it.
    """
    data = state.get(_TOTALS_PREFIX + symbol.encode())
    return None if data is None else TOTALS.decode(data)


_Visible = tuple[Exchange, int, int, int, int, int, int, Speeds, int, int]
"""What a viewer of a row would notice. The count of stale records is none of it: a second feed repeats everything."""


def _visible(totals: ForeignTotals) -> _Visible:
    buy, sell = totals.buy, totals.sell
    return (
        totals.exchange,
        buy.earlier + buy.counter,
        sell.earlier + sell.counter,
        buy.earlier_value + buy.value,
        sell.earlier_value + sell.value,
        totals.room,
        totals.total_room,
        totals.speeds,
        totals.suspects,
        totals.unresolved,
    )


def _row(totals: ForeignTotals, look: _Look, src: int) -> ForeignRow:
    buy, sell, speeds = totals.buy, totals.sell, totals.speeds
    return ForeignRow(
        day=TradingDay(totals.day),
        src=src,
        ts_ms=UnixMs(look.ts_ms),
        symbol=Symbol(totals.symbol),
        exchange=totals.exchange,
        bought=Shares(buy.volume),
        sold=Shares(sell.volume),
        bought_value=Vnd(buy.total_value),
        sold_value=Vnd(sell.total_value),
        net_volume=Shares(buy.volume - sell.volume),
        net_value=Vnd(buy.total_value - sell.total_value),
        room=Shares(totals.room),
        total_room=Shares(totals.total_room),
        buy_speed_1m=speeds.buy_1m,
        sell_speed_1m=speeds.sell_1m,
        buy_speed_5m=speeds.buy_5m,
        sell_speed_5m=speeds.sell_5m,
        acceleration=speeds.acceleration,
        stale=look.stale,
        suspects=totals.suspects,
        unresolved=totals.unresolved,
    )


def _sum_of(totals: ForeignTotals) -> ScopeSum:
    buy, sell = totals.buy, totals.sell
    return ScopeSum(buy.volume, sell.volume, buy.total_value, sell.total_value)


def _flow_sums(sums: dict[str, ScopeSum]) -> list[FlowSum]:
    return [
        FlowSum(
            scope=scope,
            bought=Shares(part.bought),
            sold=Shares(part.sold),
            bought_value=Vnd(part.bought_value),
            sold_value=Vnd(part.sold_value),
        )
        for scope, part in sorted(sums.items())
    ]


def _rank_in(rankings: ForeignRankings, totals: ForeignTotals) -> None:
    buy, sell = totals.buy, totals.sell
    net = NetFlow(totals.symbol, buy.total_value - sell.total_value, buy.volume - sell.volume)
    totals.ranked_in = list(ranked_scopes(totals.exchange, totals.groups, totals.sector))
    for scope in totals.ranked_in:
        rankings.by_scope.setdefault(scope, Ranking()).put_in(net)


def _movers(rankings: dict[str, Ranking]) -> list[Movers]:
    """The shard's movers of the market, and of each exchange, group and sector in it that has some."""
    flows = {scope: (ranking.buyers.flows, ranking.sellers.flows) for scope, ranking in rankings.items()}
    exchanges = [flows[exchange.value] for exchange in Exchange if exchange.value in flows]
    buying = [flow for buyers, _ in exchanges for flow in buyers]
    flows[MARKET] = buying, [flow for _, sellers in exchanges for flow in sellers]
    return [
        Movers(scope=scope, buyers=top_buyers(buyers), sellers=top_sellers(sellers))
        for scope, (buyers, sellers) in sorted(flows.items())
    ]


def _take_symbols_out(fields: list[Any]) -> list[Any]:
    """From version 1, which had the net and the activity of every symbol, to version 2, which has to look at these again."""
    bucket, changed, sums, nets, active = fields
    return [bucket, changed, sums, list(nets), sorted(active)]


_SHARDS = Codec(ForeignShard, upgrades={1: _take_symbols_out})
_SHARD_KEY = b"foreign"
_ACTIVE = Codec(ForeignActive)
_ACTIVE_KEY = b"foreign-active"
_ROSTERS = Codec(ForeignRoster)
_ROSTER_KEY = b"foreign-roster"
_RANKINGS = Codec(ForeignRankings)
_RANKINGS_KEY = b"foreign-rankings"
_TOTALS_PREFIX = b"f:"
