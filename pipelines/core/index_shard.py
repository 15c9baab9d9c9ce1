"""The indices of a shard and the futures on them: a frame of records in; index, basis and price events and rows out.

A future lives in the shard of its index, so a basis is made from one ordered stream. The futures' own prices come from the
very fold that stocks go through (:mod:`pipelines.core.prices`).
"""

from typing import Any

import msgspec

from pipelines.core.basis import CURVE, Curve
from pipelines.core.codec import LARGEST, Cells, Codec, State, Stored
from pipelines.core.errors import RecordRejected
from pipelines.core.feeds import Feeds
from pipelines.core.frames import Folded, Shard
from pipelines.core.indices import INDEX, Index, advance
from pipelines.core.prices import PriceShard
from pipelines.core.suspects import Thresholds
from schemas.instruments import contract_of
from schemas.position import Position
from schemas.structs import (
    BasisEvent,
    BasisFrame,
    ClockTick,
    ForeignRecord,
    Frame,
    IndexEvent,
    IndexFrame,
    IndexRecord,
    LossMarker,
    ReferenceRecord,
    TradeEvent,
)
from schemas.topics import MARKET_BASIS, MARKET_INDICES, STATE_BASIS, STATE_INDICES
from schemas.units import Symbol, TradingDay, UnixMs


class Underlyings(Stored):
    """The indices of a shard that have futures: those whose basis market time alone can make stale."""

    symbols: list[Symbol] = msgspec.field(default_factory=list)


def fold_frame(frame: Frame, position: Position, shard: Shard, state: State, *, thresholds: Thresholds) -> Folded:
    """Fold a frame of ``ssi.indices``, and say what to publish because of it."""
    fold = _Fold(frame, position, shard, state, thresholds)
    fold.folded.take_each(frame, position, shard, fold.take)
    fold.finish()
    return fold.folded


class _Fold:
    """A frame while it is folded."""

    def __init__(self, frame: Frame, position: Position, shard: Shard, state: State, thresholds: Thresholds) -> None:
        self.folded = Folded()
        self._position = position
        self._where = shard
        self._state = state
        self._feeds = Feeds.load(state)
        self._delivery = self._feeds.arrive(frame.feed, frame.epoch, frame.seq)
        self._prices = PriceShard(state, self._feeds, thresholds, self.folded)
        self._indices = Cells(state, INDEX, prefix=b"i:")
        self._curves = Cells(state, CURVE, prefix=b"c:")
        self._underlyings = _UNDERLYINGS.load(state, _UNDERLYINGS_KEY) or Underlyings()
        self._index_events: list[IndexEvent] = []
        self._basis_events: list[BasisEvent] = []
        self._heard: dict[Symbol, Index] = {}

    def take(self, record: Any) -> None:
        """Fold one record; RecordRejected if it can be none of ours."""
        if isinstance(record, ClockTick):
            self._take_tick(record)
        elif isinstance(record, LossMarker):
            self._feeds.meet(record.trading_day, record.ts_ms)
            self._delivery.lose()
        elif isinstance(record, IndexRecord):
            self._take_index(record)
        elif isinstance(record, ReferenceRecord):
            # It has no time of its own, so it can not say when the day began.
            if contract := contract_of(record.symbol):
                self._curve(contract.underlying).list_contract(record)
                self._enrol(contract.underlying)
        elif isinstance(record, ForeignRecord):
            raise RecordRejected("unexpected_kind", f"a {type(record).__name__} does not belong on ssi.indices")
        else:
            self._take_price(record)

    def finish(self) -> None:
        """Publish what came of the frame, and keep what it changed."""
        if self._index_events:
            self.folded.publish(MARKET_INDICES, self._where.key, IndexFrame(events=self._index_events))
        if self._basis_events:
            self.folded.publish(MARKET_BASIS, self._where.key, BasisFrame(events=self._basis_events))
        for symbol, index in self._heard.items():
            self.folded.publish(STATE_INDICES, symbol, index.row(symbol, self._position.offset))
        for symbol, underlying in {event.symbol: event.underlying for event in self._basis_events}.items():
            if row := self._curve(underlying).row(symbol, self._position.offset):
                self.folded.publish(STATE_BASIS, symbol, row)
        self._prices.finish(self._position, self._where)
        self._indices.store()
        self._curves.store()
        self._feeds.store(self._state)

    def _take_tick(self, tick: ClockTick) -> None:
        self._feeds.meet(tick.trading_day, tick.ts_ms)
        if not self._delivery.tick(tick):
            return
        self._prices.advance()
        for symbol in self._underlyings.symbols:
            self._note(self._curve(symbol).age(UnixMs(self._feeds.now_ms)))

    def _take_index(self, record: IndexRecord) -> None:
        _check(record)
        self._feeds.meet(record.trading_day, record.ts_ms)
        if not self._delivery.leads:
            self.folded.count(["not_leading"])
            return
        index = self._indices.get(record.symbol) or self._indices.put(record.symbol, Index())
        curve = self._curve(record.symbol)
        if record.trading_day < self._feeds.day:
            self.folded.count(["previous_day"])
            curve.close(record.value)
            return
        outcome = advance(index, record)
        self.folded.count([outcome])
        if outcome == "index":
            self._index_events.append(index.event(record.symbol))
        if outcome in ("index", "unchanged"):
            self._heard[record.symbol] = index
            self._note(curve.tick(index.value, index.ts_ms, UnixMs(self._feeds.now_ms)))

    def _take_price(self, record: Any) -> None:
        self._feeds.meet(record.trading_day, record.ts_ms)
        known = len(self._prices.trades)
        self._prices.apply(record, self._delivery)
        for event in self._prices.trades[known:]:
            contract = contract_of(event.symbol)
            if contract is None or event.price is None or not _sets_price(event):
                continue
            self._enrol(contract.underlying)
            self._note(self._curve(contract.underlying).trade(event.symbol, event.price, event.ts_ms, UnixMs(self._feeds.now_ms)))

    def _curve(self, underlying: Symbol) -> Curve:
        """The curve of an index, on the shard's day."""
        curve = self._curves.get(underlying) or self._curves.put(underlying, Curve(underlying=underlying))
        curve.begin(TradingDay(self._feeds.day))
        return curve

    def _enrol(self, underlying: Symbol) -> None:
        if underlying not in self._underlyings.symbols:
            self._underlyings.symbols.append(underlying)
            _UNDERLYINGS.store(self._state, _UNDERLYINGS_KEY, self._underlyings)

    def _note(self, events: tuple[BasisEvent, ...]) -> None:
        self._basis_events += events
        self.folded.count("stale_basis" if event.stale else "basis" for event in events)


def _sets_price(event: TradeEvent) -> bool:
    """Whether it is the newest match of the order book: late, negotiated and odd-lot ones are not."""
    in_order = event.kind == "print" and event.anchored and not event.late
    return in_order and event.phase not in ("put_through", "odd_lot")


def _check(record: IndexRecord) -> None:
    figures = (record.value, record.prior_value, record.volume, record.traded_value)
    if any(abs(figure) >= LARGEST for figure in (*figures, record.put_through_volume, record.put_through_value)):
        raise RecordRejected("out_of_range", f"{record.symbol} has a figure beyond {LARGEST}, which no market reaches")


_UNDERLYINGS = Codec(Underlyings)
_UNDERLYINGS_KEY = b"underlyings"
