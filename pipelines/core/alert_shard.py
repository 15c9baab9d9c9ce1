"""The alerts of a shard: a frame of events of one topic in, alerts out.

Between two topics there is no order, so no rule reads two of them: what a rule says follows from one log alone.
"""

from collections.abc import Sequence

from pipelines.core import basis_alerts, foreign_alerts, trade_alerts
from pipelines.core.basis_alerts import BASIS_WATCH, BasisWatch
from pipelines.core.codec import Cells, DayState, State
from pipelines.core.foreign_alerts import LEDGER_WATCH, LedgerWatch
from pipelines.core.frames import Folded, Shard
from pipelines.core.rules import BasisRule, ForeignRule, TradeRule
from pipelines.core.trade_alerts import LOSSES, TAPE_WATCH, Losses, TapeWatch
from schemas.position import Position
from schemas.structs import AlertEvent, AlertsFrame, BasisEvent, BasisFrame, LedgerEntry, LedgerFrame, TradeEvent, TradesFrame
from schemas.topics import MARKET_ALERTS

_LOSSES_KEY = b"losses"


def fold_trades(rules: tuple[TradeRule, ...], frame: TradesFrame, position: Position, shard: Shard, state: State) -> Folded:
    """Fold a frame of the tape: per symbol, and losses per shard."""
    folded = Folded()
    of_day = _day_state(state, frame.events, folded)
    losses: Losses | None = None
    watches = Cells(of_day, TAPE_WATCH, b"")
    alerts: list[AlertEvent] = []
    for event in frame.events:
        if event.kind == "gap":
            losses = losses or of_day.load(LOSSES, _LOSSES_KEY) or Losses()
            alerts += trade_alerts.advance_losses(losses, rules, event)
        else:
            watch = watches.get(event.symbol) or watches.put(event.symbol, TapeWatch())
            alerts += trade_alerts.advance(watch, rules, event)
    if losses is not None:
        of_day.store(LOSSES, _LOSSES_KEY, losses)
    watches.store()
    return _publish(alerts, shard, folded)


def fold_foreign(rules: tuple[ForeignRule, ...], frame: LedgerFrame, position: Position, shard: Shard, state: State) -> Folded:
    """Fold a frame of the foreign ledger."""
    folded = Folded()
    watches = Cells(_day_state(state, frame.events, folded), LEDGER_WATCH, b"")
    alerts: list[AlertEvent] = []
    for entry in frame.events:
        watch = watches.get(entry.symbol) or watches.put(entry.symbol, LedgerWatch())
        alerts += foreign_alerts.advance(watch, rules, entry)
    watches.store()
    return _publish(alerts, shard, folded)


def fold_basis(rules: tuple[BasisRule, ...], frame: BasisFrame, position: Position, shard: Shard, state: State) -> Folded:
    """Fold a frame of basis events."""
    folded = Folded()
    watches = Cells(_day_state(state, frame.events, folded), BASIS_WATCH, b"")
    alerts: list[AlertEvent] = []
    for event in frame.events:
        watch = watches.get(event.symbol) or watches.put(event.symbol, BasisWatch())
        alerts += basis_alerts.advance(watch, rules, event)
    watches.store()
    return _publish(alerts, shard, folded)


def _day_state(state: State, events: Sequence[TradeEvent | LedgerEntry | BasisEvent], folded: Folded) -> DayState:
    return DayState(state, lambda: max((event.day for event in events), default=0), folded.counts)


def _publish(alerts: list[AlertEvent], shard: Shard, folded: Folded) -> Folded:
    if alerts:
        folded.publish(MARKET_ALERTS, shard.key, AlertsFrame(events=alerts))
        folded.count(alert.kind for alert in alerts)
    return folded
