"""The alerts pipeline: the event topics, each folded for itself, to ``market.alerts``.

Between two topics there is no order, so no rule reads two of them: what a rule says follows from one log alone.
"""

from functools import partial
from importlib import resources

from pipelines.application import Pipeline, Topology
from pipelines.core import basis_alerts, foreign_alerts, trade_alerts
from pipelines.core.basis_alerts import BASIS_WATCH, BasisWatch
from pipelines.core.codec import Cells, State
from pipelines.core.errors import InvalidRules
from pipelines.core.foreign_alerts import LEDGER_WATCH, LedgerWatch
from pipelines.core.frames import Folded, Origin
from pipelines.core.rules import BasisRule, ForeignRule, Rules, TradeRule, load_rules
from pipelines.core.trade_alerts import LOSSES, TAPE_WATCH, Losses, TapeWatch
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
    return _publish(alerts, origin)


def fold_foreign(rules: tuple[ForeignRule, ...], frame: LedgerFrame, origin: Origin, state: State) -> Folded:
    """Fold a frame of the foreign ledger."""
    watches = Cells(state, LEDGER_WATCH, b"")
    alerts: list[AlertEvent] = []
    for entry in frame.events:
        watch = watches.get(entry.symbol) or watches.put(entry.symbol, LedgerWatch())
        alerts += foreign_alerts.advance(watch, rules, entry)
    watches.store()
    return _publish(alerts, origin)


def fold_basis(rules: tuple[BasisRule, ...], frame: BasisFrame, origin: Origin, state: State) -> Folded:
    """Fold a frame of basis events."""
    watches = Cells(state, BASIS_WATCH, b"")
    alerts: list[AlertEvent] = []
    for event in frame.events:
        watch = watches.get(event.symbol) or watches.put(event.symbol, BasisWatch())
        alerts += basis_alerts.advance(watch, rules, event)
    watches.store()
    return _publish(alerts, origin)


def _publish(alerts: list[AlertEvent], origin: Origin) -> Folded:
    folded = Folded()
    if alerts:
        folded.publish(MARKET_ALERTS, origin.key, AlertsFrame(events=alerts))
        folded.count(alert.kind for alert in alerts)
    return folded
