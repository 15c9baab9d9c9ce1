"""The indices of a shard and the futures on them: a frame of records in; index, basis and price events and rows out.

A future lives in the shard of its index, so a basis is made from one ordered stream. The futures' own prices come from the
very fold that stocks go through (:mod:`pipelines.core.price_shard`).
"""

from typing import Any

import msgspec

from pipelines.core.basis import CURVE, Curve
from pipelines.core.codec import LARGEST, Cells, Codec, State, Stored
from pipelines.core.feeds import require_date
from pipelines.core.figures import Figures
from pipelines.core.frames import Folded, Shard
from pipelines.core.indices import INDEX, Index, advance, check_index
from pipelines.core.price_shard import USED, PriceFold
from pipelines.core.shard import Folding, Kinds, Use, fold_records
from pipelines.core.terms import Offers
from schemas.instruments import contract_of
from schemas.position import Position
from schemas.session import close_ms
from schemas.structs import (
    BarRecord,
    BasisEvent,
    BasisFrame,
    ForeignRecord,
    Frame,
    IndexEvent,
    IndexFrame,
    IndexRecord,
    ReferenceRecord,
    TradeEvent,
)
from schemas.topics import MARKET_BASIS, MARKET_INDICES, STATE_BASIS, STATE_INDICES
from schemas.units import Symbol, TradingDay, UnixMs


class Underlyings(Stored):
    """The indices of a shard that have futures: those whose basis market time alone can make stale."""

    symbols: list[Symbol] = msgspec.field(default_factory=list)


class IndexFold:
    """The indices of a shard, with their futures, while a frame is folded."""

    def __init__(self, folding: Folding) -> None:
        state = folding.state
        self.folded = folding.folded
        self._position = folding.position
        self._where = folding.shard
        self._state = state
        self._feeds = folding.feeds
        self._delivery = folding.delivery
        self._prices = PriceFold(folding)
        self._indices = Cells(state, INDEX, prefix=b"i:")
        self._curves = Cells(state, CURVE, prefix=b"c:")
        self._underlyings = state.load(_UNDERLYINGS, _UNDERLYINGS_KEY, folding.feeds.day) or Underlyings()
        self._index_events: list[IndexEvent] = []
        self._basis_events: list[BasisEvent] = []
        self._heard: dict[Symbol, Index] = {}
        self._followed = 0
        """How many of the futures' prints have been folded into the basis."""
        self._moved: dict[Symbol, Symbol] = {}
        """The contracts whose rows look different, with their indices."""

    def turn(self) -> None:
        """End the day of the futures' prices and of their basis. An index and a curve begin theirs when they are next used."""
        self._prices.turn()
        self._follow_prints()
        for symbol in self._underlyings.symbols:
            curve = self._curves.get(symbol)
            if curve is not None and 0 < curve.day < self._feeds.day:
                self._note(curve.age(close_ms(curve.day)))
        self._show_rows()
        # What another release wrote here is as good as gone with its day, and must not be taken for today's.
        self._state.store(_UNDERLYINGS, _UNDERLYINGS_KEY, self._underlyings)

    def advance(self) -> None:
        """Summarise the futures, and let every basis age."""
        self._prices.advance()
        self._follow_prints()
        for symbol in self._underlyings.symbols:
            self._note(self._curve(symbol, self._feeds.day).age(UnixMs(self._feeds.now_ms)))

    def finish(self) -> None:
        """Publish what came of the frame, and store what it changed."""
        if self._index_events:
            self.folded.publish(MARKET_INDICES, self._where.key, IndexFrame(events=self._index_events))
        if self._basis_events:
            self.folded.publish(MARKET_BASIS, self._where.key, BasisFrame(events=self._basis_events))
        self._show_rows()
        self._prices.finish()
        self._indices.store()
        self._curves.store()

    def take_index(self, record: IndexRecord) -> None:
        """Fold what the leading feed says of an index."""
        if not self._delivery.leads:
            self.folded.count(["not_leading"])
            return
        index = self._indices.get(record.symbol) or self._indices.put(record.symbol, Index())
        curve = self._curve(record.symbol, self._feeds.day)
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

    def take_reference(self, record: ReferenceRecord) -> None:
        """Take what REST says of a future. What it says of anything else is of no use here."""
        if contract := contract_of(record.symbol):
            moved = self._curve(contract.underlying, self._feeds.day).list_contract(record)
            self._moved.update(dict.fromkeys(moved, contract.underlying))
            self._enrol(contract.underlying)

    def take_bar(self, record: BarRecord) -> None:
        """Fold the bar of a future. That of an index is a step of it, which its index records have."""
        if contract_of(record.symbol):
            self.take_price(record)
        else:
            self.folded.count(["ignored"])

    def take_price(self, record: Any) -> None:
        """Fold a price record of a future, and the prints that come of it into the basis."""
        USED[type(record)].take(self._prices, record)
        self._follow_prints()

    def _follow_prints(self) -> None:
        """Fold the futures' new prints into the basis, be they of a record or of a verdict at the end of the day."""
        events = self._prices.trades[self._followed :]
        self._followed += len(events)
        for event in events:
            contract = contract_of(event.symbol)
            if contract is None or event.price is None or not _sets_price(event):
                continue
            if not self._prices.allows(event.symbol, event.price):
                self.folded.count(["outside_limits"])
                continue
            self._enrol(contract.underlying)
            # What the end of a day settles is still of that day.
            curve = self._curve(contract.underlying, event.day)
            if curve.day != event.day:
                continue
            now_ms = UnixMs(self._feeds.now_ms) if event.day == self._feeds.day else close_ms(event.day)
            self._note(curve.trade(event.symbol, event.price, event.ts_ms, now_ms))

    def _curve(self, underlying: Symbol, day: int) -> Curve:
        """The curve of an index, on ``day``, unless it has come further."""
        curve = self._curves.get(underlying) or self._curves.put(underlying, Curve(underlying=underlying))
        curve.begin(TradingDay(day))
        return curve

    def _enrol(self, underlying: Symbol) -> None:
        if underlying not in self._underlyings.symbols:
            self._underlyings.symbols.append(underlying)
            self._state.store(_UNDERLYINGS, _UNDERLYINGS_KEY, self._underlyings)

    def _show_rows(self) -> None:
        """Publish the rows of what changed so far, as it stands; a day's last ones before another day begins."""
        for symbol, index in self._heard.items():
            self.folded.show(STATE_INDICES, symbol, index.row(symbol, self._position.offset))
        for symbol, underlying in self._moved.items():
            curve = self._curves.get(underlying)
            if curve is not None and (row := curve.row(symbol, self._position.offset)):
                self.folded.show(STATE_BASIS, symbol, row)
        self._heard.clear()
        self._moved.clear()

    def _note(self, events: tuple[BasisEvent, ...]) -> None:
        self._basis_events += events
        self._moved.update((event.symbol, event.underlying) for event in events)
        self.folded.count("stale_basis" if event.stale else "basis" for event in events)


def _sets_price(event: TradeEvent) -> bool:
    """Whether it is a match of the order book, in its turn: late, negotiated and odd-lot ones say nothing of the price now."""
    in_order = event.kind == "print" and event.anchored and not event.late
    return in_order and event.phase not in ("put_through", "odd_lot")


_FIGURES = Figures(
    "value", "prior_value", "volume", "traded_value", "put_through_volume", "put_through_value", "advances", "no_changes",
    "declines", "ceilings", "floors", least=1 - LARGEST,
)  # fmt: skip


def _check_index(record: IndexRecord) -> None:
    _FIGURES.check(record)
    check_index(record)


def _check_reference(record: ReferenceRecord) -> None:
    if record.last_trading_day is not None:
        require_date(record.last_trading_day)


_KINDS = Kinds(
    IndexFold,
    used={
        IndexRecord: Use(_check_index, IndexFold.take_index),
        ReferenceRecord: Use(_check_reference, IndexFold.take_reference),
        **{kind: Use(use.check, IndexFold.take_price) for kind, use in USED.items()},
        BarRecord: Use(USED[BarRecord].check, IndexFold.take_bar),
    },
    ignored=(),
    unexpected=(ForeignRecord,),
)


def fold_frame(frame: Frame, position: Position, shard: Shard, state: State, *, offers: Offers) -> Folded:
    """Fold a frame of ``ssi.indices``, and say what to publish because of it."""
    return fold_records(frame, position, shard, state, _KINDS, IndexFold, offers)


_UNDERLYINGS = Codec(Underlyings)
_UNDERLYINGS_KEY = b"underlyings"
