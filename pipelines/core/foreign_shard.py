"""The foreign ledger of a shard: a frame of records in; ledger entries, board rows and the shard's share of the flow out.

Beside one value for each symbol a shard has one of its own, with what foreigners did in each scope and the net of each symbol.
So neither the flow nor the clock ever has to look for symbols in the state, which cannot be searched.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from pipelines.core.codec import LARGEST, Cells, Codec, State, Stored
from pipelines.core.errors import RecordRejected
from pipelines.core.figures import Figures, check_nothing
from pipelines.core.foreign import Arrival, ForeignTotals, Step, advance, settle
from pipelines.core.frames import Folded, Shard
from pipelines.core.movers import NetFlow, top_buyers, top_sellers
from pipelines.core.scopes import MARKET, NOTHING, ScopeSum, scopes_of
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


class Net(msgspec.Struct, array_like=True, gc=False):
    """What foreigners bought of a symbol today less what they sold; value in VND, volume in shares."""

    exchange: Exchange
    value: int
    volume: int


class ForeignShard(Stored):
    """What a shard knows of its day beside its symbols."""

    bucket: int = 0
    """The bucket of speed that volume was last aged to: market time over :data:`~pipelines.core.speed.BUCKET_MS`."""
    changed: bool = True
    """Whether sums or nets changed since the last partial."""
    sums: dict[str, ScopeSum] = msgspec.field(default_factory=dict)
    """What foreigners did in each scope, by scope."""
    nets: dict[str, Net] = msgspec.field(default_factory=dict)
    """What foreigners bought net of each symbol, by symbol."""
    active: set[str] = msgspec.field(default_factory=set)
    """Symbols whose speed or suspect the clock alone can change."""


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
        self._shard = state.load(_SHARDS, _SHARD_KEY, folding.feeds.day) or ForeignShard()
        self._cells = Cells(state, _TOTALS, prefix=_TOTALS_PREFIX)
        self._seen: dict[str, _Visible] = {}
        self._entries: list[LedgerEntry] = []

    def turn(self) -> None:
        """Settle what the day before left undecided, and begin the new one at nothing."""
        for totals in self._active():
            if totals.suspects:
                self._note(settle(totals, self._terms.thresholds))
        self._show()
        self._shard.sums.clear()
        self._shard.nets.clear()
        self._shard.active.clear()
        self._shard.changed = True

    def advance(self) -> None:
        """Let volume age, and report the shard's share of the flow."""
        now_ms = UnixMs(self._feeds.now_ms)
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

    def take_foreign(self, record: ForeignRecord) -> None:
        """Fold what a record says that foreigners have bought and sold."""
        if record.trading_day < self._feeds.day:
            self.folded.count(["previous_day"])
            return
        totals = self._touch(record.symbol, record.exchange)
        self._place(totals, record.exchange, totals.groups, totals.sector)
        arrival = Arrival(
            self._delivery.feed,
            self._delivery.epoch,
            UnixMs(self._delivery.connected_ms),
            UnixMs(self._feeds.joined_ms),
            UnixMs(self._feeds.now_ms or record.ts_ms),
        )
        before = _sum_of(totals)
        self._book(totals, before, advance(totals, record, arrival, self._terms.thresholds))

    def take_reference(self, record: ReferenceRecord) -> None:
        """Take the exchange, groups and sector of a symbol. What REST says of a later day is taken at once."""
        if record.trading_day < self._feeds.day:
            self.folded.count(["previous_day"])
            return
        totals = self._touch(record.symbol, record.exchange)
        sector = record.sector or self._terms.sectors.get(record.symbol, "")
        self._place(totals, record.exchange, sorted(set(record.groups)), sector)

    def _age(self, now_ms: UnixMs) -> None:
        """Let volume age to ``now_ms`` and, after the close, decide what is undecided."""
        closed = now_ms >= close_ms(TradingDay(self._feeds.day))
        for totals in self._active():
            if closed and totals.suspects:
                before = _sum_of(totals)
                self._book(totals, before, settle(totals, self._terms.thresholds))
            totals.roll(now_ms)
            if not totals.active:
                self._shard.active.discard(totals.symbol)

    def _active(self) -> Iterator[ForeignTotals]:
        """The symbols that the clock can change, in an order that every replay repeats."""
        for symbol in sorted(self._shard.active):
            totals = self._cells.get(symbol)
            if totals is not None:
                self._watch(totals)
                yield totals

    def _touch(self, symbol: Symbol, exchange: Exchange) -> ForeignTotals:
        """The totals of ``symbol`` on the shard's day."""
        totals = self._cells.get(symbol)
        if totals is None:
            totals = self._cells.put(
                symbol,
                ForeignTotals(symbol=symbol, exchange=exchange, day=self._feeds.day, sector=self._terms.sectors.get(symbol, "")),
            )
        elif totals.day != self._feeds.day:
            totals.begin(TradingDay(self._feeds.day))
        self._watch(totals)
        return totals

    def _watch(self, totals: ForeignTotals) -> None:
        """Remember what ``totals`` showed before this frame."""
        if totals.symbol not in self._seen:
            self._seen[totals.symbol] = _visible(totals)

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
        if totals.active:
            self._shard.active.add(totals.symbol)
        change = _sum_of(totals)
        change.add(before, times=-1)
        if change != NOTHING:
            self._add(totals, change)

    def _note(self, step: Step) -> None:
        self._entries += step.entries
        self.folded.count(entry.kind for entry in step.entries)
        self.folded.count(step.notes)

    def _add(self, totals: ForeignTotals, part: ScopeSum, times: int = 1) -> None:
        """Add ``part`` to the sums of every scope that the symbol is in, and take its net anew."""
        if part == NOTHING:
            return
        for scope in scopes_of(totals.exchange, totals.groups, totals.sector):
            self._shard.sums.setdefault(scope, ScopeSum()).add(part, times)
        buy, sell = totals.buy, totals.sell
        self._shard.nets[totals.symbol] = Net(totals.exchange, buy.total_value - sell.total_value, buy.volume - sell.volume)
        self._shard.changed = True

    def _report(self, now_ms: UnixMs) -> None:
        """Publish the shard's share of the flow: in full when something changed, else only that the second has passed."""
        shard = self._shard
        partial = PartialFlow(
            shard=self._where.number,
            shards=self._where.shards,
            day=TradingDay(self._feeds.day),
            ts_ms=now_ms,
            changed=shard.changed,
            sums=_flow_sums(shard.sums) if shard.changed else [],
            movers=_movers(shard.nets) if shard.changed else [],
        )
        shard.changed = False
        self.folded.publish(PARTIAL_FLOW, shard_keys(1)[0], partial)

    def _show(self) -> None:
        """Publish the rows of the symbols that look different from before."""
        for symbol, before in self._seen.items():
            totals = self._cells.get(symbol)
            if totals is None or not totals.ts_ms:
                continue
            totals.measure(UnixMs(self._feeds.now_ms or totals.ts_ms))
            if _visible(totals) != before:
                self.folded.publish(STATE_FOREIGN, symbol, _row(totals, self._position.offset))
        self._seen.clear()


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


class _Visible(NamedTuple):
    """What a viewer of a row would notice. The count of stale records is none of it: a second feed repeats everything."""

    exchange: Exchange
    bought: int
    sold: int
    bought_value: int
    sold_value: int
    room: int
    total_room: int
    speeds: Speeds
    suspects: int
    unresolved: int


def _visible(totals: ForeignTotals) -> _Visible:
    buy, sell = totals.buy, totals.sell
    return _Visible(
        totals.exchange,
        buy.volume,
        sell.volume,
        buy.total_value,
        sell.total_value,
        totals.room,
        totals.total_room,
        totals.speeds,
        totals.suspects,
        totals.unresolved,
    )


def _row(totals: ForeignTotals, src: int) -> ForeignRow:
    buy, sell, speeds = totals.buy, totals.sell, totals.speeds
    return ForeignRow(
        day=TradingDay(totals.day),
        src=src,
        ts_ms=UnixMs(totals.ts_ms),
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
        stale=totals.stale,
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


def _movers(nets: dict[str, Net]) -> list[Movers]:
    """The shard's movers of the market and of each exchange in it."""
    market: list[NetFlow] = []
    scopes = {MARKET: market}
    for symbol, net in nets.items():
        flow = NetFlow(symbol, net.value, net.volume)
        market.append(flow)
        scopes.setdefault(net.exchange.value, []).append(flow)
    return [Movers(scope=scope, buyers=top_buyers(flows), sellers=top_sellers(flows)) for scope, flows in sorted(scopes.items())]


_SHARDS = Codec(ForeignShard)
_SHARD_KEY = b"foreign"
_TOTALS = Codec(ForeignTotals)
_TOTALS_PREFIX = b"f:"
