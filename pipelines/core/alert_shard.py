"""The alerts of a shard: a frame of events of one topic in, alerts out.

Between two topics there is no order, so no rule reads two of them: what a rule says follows from one log alone.
"""

from pipelines.core import basis_alerts, foreign_alerts, trade_alerts
from pipelines.core.basis_alerts import BASIS_WATCH, BasisWatch
from pipelines.core.codec import Cells, State
from pipelines.core.foreign_alerts import LEDGER_WATCH, LedgerWatch
from pipelines.core.frames import Folded, Shard
from pipelines.core.rules import BasisRule, ForeignRule, TradeRule
from pipelines.core.trade_alerts import LOSSES, TAPE_WATCH, Losses, TapeWatch
from schemas.position import Position
from schemas.structs import AlertEvent, AlertsFrame, BasisFrame, LedgerFrame, TradesFrame
from schemas.topics import MARKET_ALERTS

_LOSSES_KEY = b"losses"


def fold_trades(rules: tuple[TradeRule, ...], frame: TradesFrame, position: Position, shard: Shard, state: State) -> Folded:
    """Fold a frame of the tape: per symbol, and losses per shard."""
    losses: Losses | None = None
    watches = Cells(state, TAPE_WATCH, b"")
    alerts: list[AlertEvent] = []
    for event in frame.events:
        if event.kind == "gap":
            losses = losses or LOSSES.load(state, _LOSSES_KEY) or Losses()
            alerts += trade_alerts.advance_losses(losses, rules, event)
        else:
            watch = watches.get(event.symbol) or watches.put(event.symbol, TapeWatch())
            alerts += trade_alerts.advance(watch, rules, event)
    if losses is not None:
        LOSSES.store(state, _LOSSES_KEY, losses)
    watches.store()
    return _publish(alerts, shard)


def fold_foreign(rules: tuple[ForeignRule, ...], frame: LedgerFrame, position: Position, shard: Shard, state: State) -> Folded:
    """Fold a frame of the foreign ledger."""
    watches = Cells(state, LEDGER_WATCH, b"")
    alerts: list[AlertEvent] = []
    for entry in frame.events:
        watch = watches.get(entry.symbol) or watches.put(entry.symbol, LedgerWatch())
        alerts += foreign_alerts.advance(watch, rules, entry)
    watches.store()
    return _publish(alerts, shard)


def fold_basis(rules: tuple[BasisRule, ...], frame: BasisFrame, position: Position, shard: Shard, state: State) -> Folded:
    """Fold a frame of basis events."""
    watches = Cells(state, BASIS_WATCH, b"")
    alerts: list[AlertEvent] = []
    for event in frame.events:
        watch = watches.get(event.symbol) or watches.put(event.symbol, BasisWatch())
        alerts += basis_alerts.advance(watch, rules, event)
    watches.store()
    return _publish(alerts, shard)


def _publish(alerts: list[AlertEvent], shard: Shard) -> Folded:
    folded = Folded()
    if alerts:
        folded.publish(MARKET_ALERTS, shard.key, AlertsFrame(events=alerts))
        folded.count(alert.kind for alert in alerts)
    return folded
