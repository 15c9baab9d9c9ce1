"""The alerts pipeline: the event topics, each folded for itself, to ``market.alerts``.

Between two topics there is no order, so no rule reads two of them: what a rule says follows from one log alone.
"""

from functools import partial
from importlib import resources

from pipelines.application import Pipeline, Topology
from pipelines.core import basis_alerts, foreign_alerts, trade_alerts
from pipelines.core.basis_alerts import SPREAD, Spread
from pipelines.core.codec import Cells, State
from pipelines.core.errors import InvalidRules
from pipelines.core.foreign_alerts import LEDGER, Ledger
from pipelines.core.frames import Folded, Origin
from pipelines.core.rules import BasisRule, ForeignRule, Rules, TradeRule, load_rules
from pipelines.core.trade_alerts import LOSSES, TAPE, Losses, Tape
from pipelines.errors import UnusableRules
from pipelines.settings import PipelineSettings
from schemas.structs import AlertEvent, AlertsFrame, BasisFrame, LedgerFrame, TradesFrame
from schemas.topics import MARKET_ALERTS, MARKET_BASIS, MARKET_FOREIGN, MARKET_TRADES

COMMIT_INTERVAL_S = 0.1
"""Readers of alerts wait for the commit: a tenth of a second, where the other pipelines take a quarter."""
_LOSSES_KEY = b"losses"


def pipeline(settings: PipelineSettings) -> Pipeline:
    """Describe the pipeline, with the rules of ``settings.alert_rules`` or, without one, ``pipelines/alerts.toml``.

    Raises:
        UnusableRules: The rule file is not there, or something in it is wrong.
    """
    rules = read_rules(settings)
    return Pipeline(
        "alerts",
        (
            Topology(MARKET_TRADES, (MARKET_ALERTS,), partial(fold_trades, rules.trades)),
            Topology(MARKET_FOREIGN, (MARKET_ALERTS,), partial(fold_foreign, rules.foreign)),
            Topology(MARKET_BASIS, (MARKET_ALERTS,), partial(fold_basis, rules.basis)),
        ),
        COMMIT_INTERVAL_S,
    )


def read_rules(settings: PipelineSettings) -> Rules:
    """Read and check the rule file that ``settings`` name.

    Raises:
        UnusableRules: It is not there, or something in it is wrong.
    """
    source = settings.alert_rules or resources.files("pipelines") / "alerts.toml"
    try:
        return load_rules(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableRules(str(source), (str(error),)) from error
    except InvalidRules as error:
        raise UnusableRules(str(source), error.problems) from error


def fold_trades(rules: tuple[TradeRule, ...], frame: TradesFrame, origin: Origin, state: State) -> Folded:
    """Fold a frame of the tape: per symbol, and losses per shard."""
    losses = LOSSES.load(state, _LOSSES_KEY) or Losses()
    tapes = Cells(state, TAPE, b"")
    alerts: list[AlertEvent] = []
    lost = False
    for event in frame.events:
        if event.kind == "gap":
            lost = lost or event.cause == "lost"
            alerts += trade_alerts.advance_losses(losses, rules, event)
        else:
            tape = tapes.get(event.symbol) or tapes.put(event.symbol, Tape())
            alerts += trade_alerts.advance(tape, rules, event)
    if lost:
        LOSSES.store(state, _LOSSES_KEY, losses)
    tapes.store()
    return _publish(alerts, origin)


def fold_foreign(rules: tuple[ForeignRule, ...], frame: LedgerFrame, origin: Origin, state: State) -> Folded:
    """Fold a frame of the foreign ledger."""
    ledgers = Cells(state, LEDGER, b"")
    alerts: list[AlertEvent] = []
    for entry in frame.events:
        ledger = ledgers.get(entry.symbol) or ledgers.put(entry.symbol, Ledger())
        alerts += foreign_alerts.advance(ledger, rules, entry)
    ledgers.store()
    return _publish(alerts, origin)


def fold_basis(rules: tuple[BasisRule, ...], frame: BasisFrame, origin: Origin, state: State) -> Folded:
    """Fold a frame of basis events."""
    spreads = Cells(state, SPREAD, b"")
    alerts: list[AlertEvent] = []
    for event in frame.events:
        spread = spreads.get(event.symbol) or spreads.put(event.symbol, Spread())
        alerts += basis_alerts.advance(spread, rules, event)
    spreads.store()
    return _publish(alerts, origin)


def _publish(alerts: list[AlertEvent], origin: Origin) -> Folded:
    folded = Folded()
    if alerts:
        folded.publish(MARKET_ALERTS, origin.key, AlertsFrame(events=alerts))
        folded.count(alert.kind for alert in alerts)
    return folded
