"""The alerts of a shard: a frame of events of one topic in, alerts out.

Between two topics there is no order, so no rule reads two of them: what a rule says follows from one log alone.
"""

from collections.abc import Sequence

from pipelines.core import basis_alerts, candle_alerts, foreign_alerts, quote_alerts, trade_alerts
from pipelines.core.basis_alerts import BASIS_WATCH, BasisWatch
from pipelines.core.candle_alerts import CANDLE_WATCH, CandleWatch
from pipelines.core.codec import Cells, DayState, State
from pipelines.core.foreign_alerts import LEDGER_WATCH, LedgerWatch
from pipelines.core.frames import Folded, Shard
from pipelines.core.quote_alerts import AT_LIMITS, BOOK_WATCH, AtLimits, BookWatch
from pipelines.core.rules import Rules
from pipelines.core.terms import Offers, ShardTerms
from pipelines.core.trade_alerts import LOSSES, TAPE_WATCH, Losses, TapeWatch
from schemas.position import Position
from schemas.structs import (
    AlertEvent,
    AlertsFrame,
    BasisEvent,
    BasisFrame,
    CandleEvent,
    CandlesFrame,
    LedgerEntry,
    LedgerFrame,
    QuoteEvent,
    QuotesFrame,
    TradeEvent,
    TradesFrame,
)
from schemas.topics import MARKET_ALERTS
from schemas.units import TradingDay

_LOSSES_KEY = b"losses"
_AT_LIMITS_KEY = b"at-limits"


def fold_trades(frame: TradesFrame, position: Position, shard: Shard, state: State, *, offers: Offers) -> Folded:
    """Fold a frame of ``market.trades``: prints and corrections symbol by symbol, gaps for the shard as a whole."""
    fold = _Fold(frame.events, position, shard, state, offers)
    losses: Losses | None = None
    watches = Cells(fold.state, TAPE_WATCH, b"")
    for event in frame.events:
        rules = fold.rules_on(event.day).trades
        if event.kind == "gap":
            losses = losses or fold.state.load(LOSSES, _LOSSES_KEY) or Losses()
            fold.alerts += trade_alerts.advance_losses(losses, rules, event)
        else:
            watch = watches.get(event.symbol) or watches.put(event.symbol, TapeWatch())
            fold.alerts += trade_alerts.advance(watch, rules, event)
    if losses is not None:
        fold.state.store(LOSSES, _LOSSES_KEY, losses)
    watches.store()
    return fold.finish()


def fold_quotes(frame: QuotesFrame, position: Position, shard: Shard, state: State, *, offers: Offers) -> Folded:
    """Fold a frame of ``market.quotes``: only what is at a limit, or has been today, is looked at."""
    fold = _Fold(frame.events, position, shard, state, offers)
    at_limits = fold.state.load(AT_LIMITS, _AT_LIMITS_KEY) or AtLimits()
    known = AT_LIMITS.encode(at_limits)
    watched = set(at_limits.symbols)
    """These, and some of an earlier day perhaps: who is not among them has not been at a limit today."""
    watches = Cells(fold.state, BOOK_WATCH, b"")
    for event in frame.events:
        rules = fold.rules_on(event.day).quotes
        if event.limit is None and event.day == at_limits.day and event.symbol not in watched:
            # Nearly every one: it is nowhere near a limit.
            continue
        if rules and quote_alerts.concerns(at_limits, event):
            watch = watches.get(event.symbol) or watches.put(event.symbol, BookWatch())
            fold.alerts += quote_alerts.advance(watch, rules, event)
            watched.add(event.symbol)
    if AT_LIMITS.encode(at_limits) != known:
        fold.state.store(AT_LIMITS, _AT_LIMITS_KEY, at_limits)
    watches.store()
    return fold.finish()


def fold_candles(frame: CandlesFrame, position: Position, shard: Shard, state: State, *, offers: Offers) -> Folded:
    """Fold a frame of ``market.candles``."""
    fold = _Fold(frame.events, position, shard, state, offers)
    watches = Cells(fold.state, CANDLE_WATCH, b"")
    for event in frame.events:
        watch = watches.get(event.symbol) or watches.put(event.symbol, CandleWatch())
        fold.alerts += candle_alerts.advance(watch, fold.rules_on(event.day).candles, event)
    watches.store()
    return fold.finish()


def fold_foreign(frame: LedgerFrame, position: Position, shard: Shard, state: State, *, offers: Offers) -> Folded:
    """Fold a frame of ``market.foreign``."""
    fold = _Fold(frame.events, position, shard, state, offers)
    watches = Cells(fold.state, LEDGER_WATCH, b"")
    for entry in frame.events:
        watch = watches.get(entry.symbol) or watches.put(entry.symbol, LedgerWatch())
        fold.alerts += foreign_alerts.advance(watch, fold.rules_on(entry.day).foreign, entry)
    watches.store()
    return fold.finish()


def fold_basis(frame: BasisFrame, position: Position, shard: Shard, state: State, *, offers: Offers) -> Folded:
    """Fold a frame of ``market.basis``."""
    fold = _Fold(frame.events, position, shard, state, offers)
    watches = Cells(fold.state, BASIS_WATCH, b"")
    for event in frame.events:
        watch = watches.get(event.symbol) or watches.put(event.symbol, BasisWatch())
        fold.alerts += basis_alerts.advance(watch, fold.rules_on(event.day).basis, event)
    watches.store()
    return fold.finish()


class _Fold:
    """What the folds of all event topics share, while a frame of one is folded."""

    def __init__(
        self,
        events: Sequence[TradeEvent | QuoteEvent | CandleEvent | LedgerEntry | BasisEvent],
        position: Position,
        shard: Shard,
        state: State,
        offers: Offers,
    ) -> None:
        self._folded = Folded()
        self._shard = shard
        self.state = DayState(
            state, lambda: max((event.day for event in events), default=0), self._folded.counts, forced=offers.forced
        )
        # The trading day of a shard of events is the latest that one of them has said.
        self._terms = ShardTerms(offers, position, self.state, 0)
        self._rules = self._terms.rules
        self._day = 0
        self.alerts: list[AlertEvent] = []

    def rules_on(self, day: TradingDay) -> Rules:
        """The rules for an event of ``day``. A day that no event has said before begins with those that are offered."""
        if day != self._day:
            self._terms.reach(day)
            self._rules, self._day = self._terms.rules, day
        return self._rules

    def finish(self) -> Folded:
        """Publish what was found."""
        folded = self._folded
        if self.alerts:
            folded.publish(MARKET_ALERTS, self._shard.key, AlertsFrame(events=self.alerts))
            folded.count(alert.kind for alert in self.alerts)
        self._terms.finish(folded, self._shard)
        folded.finish(self.state)
        return folded
