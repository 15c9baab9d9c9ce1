# ruff: noqa: E501
"""Faults planted in the rules of alerts, one at a time: the reference misses what must come, and names what must not."""

from typing import Any, NamedTuple

import pytest

from pipelines.core import alerts as alerting
from pipelines.core import basis_alerts, candle_alerts, foreign_alerts, quote_alerts, trade_alerts, windows
from pipelines.core.rules import (
    AmbiguousCorrection,
    BasisBand,
    BasisFlip,
    ForeignAcceleration,
    LargePrint,
    LimitLock,
    LockOpened,
    OpenGap,
    PriceLimit,
    PrintCluster,
    PutThrough,
    RoomExhausted,
    UnusualVolume,
    VolumeSpike,
)
from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.core.reference import alerts
from tests.mutation.alert_stream import RULES, Events, alerted, events
from tests.mutation.planting import plant
from tests.proof import usually


class AlertMutant(NamedTuple):
    """A fault: in a function of the alerts pipeline, one piece of a line is another."""

    rule: str
    """The rule whose alerts come out wrong; empty for all."""
    owner: Any
    function: str
    right: str
    wrong: str
    kind: type[Any] | None = None
    """The kind of rule whose fold the function is; None for what all of them share."""


ALERT_MUTANTS = {
    "spike: its own print in the average": AlertMutant("spike", trade_alerts, "_spike", "prints, traded = memory.window.total()\n    memory.window.add(event.volume)", "memory.window.add(event.volume)\n    prints, traded = memory.window.total()", VolumeSpike),
    "spike: an auction counts": AlertMutant("spike", trade_alerts, "_spike", 'event.phase != "continuous"', "False", VolumeSpike),
    "a window that never moves": AlertMutant("", windows.Window, "move_to", "self.newest + 1, bucket - self.size + 1", "bucket + 1, bucket + 1"),
    "large: half the value": AlertMutant("large", trade_alerts, "_large", "event.value < rule.min_value_vnd", "event.value < rule.min_value_vnd // 2", LargePrint),
    "limit: none": AlertMutant("limit", trade_alerts, "_limit", "limit == memory.limit or", "True or", PriceLimit),
    "limit: never released": AlertMutant("limit", trade_alerts, "_limit", "memory.limit = None", "pass", PriceLimit),
    "lock: a touch is a lock": AlertMutant("lock", trade_alerts, "_lock", "held_ms < rule.min_held_s * 1000", "False", LockOpened),
    "lock: held since the last print": AlertMutant("lock", trade_alerts, "_lock", "memory.last_ms - memory.since_ms", "event.ts_ms - memory.since_ms", LockOpened),
    "deal: matches count": AlertMutant("deal", trade_alerts, "_looks_at", "isinstance(rule, PutThrough) ==", "isinstance(rule, PutThrough) >="),
    "deal: its value": AlertMutant("deal", trade_alerts, "_put_through", '"value": event.value', '"value": event.volume', PutThrough),
    "cluster: one print too many": AlertMutant("cluster", trade_alerts, "_cluster", "prints < rule.min_prints", "prints <= rule.min_prints", PrintCluster),
    "cluster: sellers bought": AlertMutant("cluster", trade_alerts, "_cluster", "event.side is Side.BUY", "event.side is Side.SELL", PrintCluster),
    "gap: each gap": AlertMutant("gap", trade_alerts, "advance_losses", "event.epoch in known or", ""),
    "gap: what was never sent": AlertMutant("gap", trade_alerts, "advance_losses", 'event.cause != "lost" or', ""),
    "gap: futures and stocks together": AlertMutant("gap", trade_alerts, "advance_losses", "event.exchange is Exchange.DER", "False"),
    "queue: in an auction, or not at all": AlertMutant("queue", quote_alerts, "_lock", "is not SessionPhase.CONTINUOUS", "is SessionPhase.CONTINUOUS", LimitLock),
    "queue: an offer ends it": AlertMutant("queue", quote_alerts, "_lock", "if abs(best - memory.price) * 100 >= rule.release_pct * memory.price", "if True", LimitLock),
    "queue: the other side": AlertMutant("queue", quote_alerts, "_lock", "(event.bid, event.bid_volume) if limit", "(event.bid, event.ask_volume) if limit", LimitLock),
    "open: from the close": AlertMutant("open", candle_alerts, "_open_gap", "(event.open - reference)", "(event.close + 5_000 - reference)", OpenGap),
    "open: every minute": AlertMutant("open", candle_alerts, "_open_gap", "memory.fired or not event.opens or", "", OpenGap),
    "unusual: of one minute": AlertMutant("unusual", candle_alerts, "_unusual", "memory.minutes[event.minute_ms] =", "memory.minutes.clear(); memory.minutes[event.minute_ms] =", UnusualVolume),
    "unusual: of too few days": AlertMutant("unusual", candle_alerts, "_unusual", "days < rule.min_days or", "", UnusualVolume),
    "faster: without a base": AlertMutant("faster", foreign_alerts, "_acceleration", "if recent * base_s < rule.ratio * base * rule.recent_s", "if False", ForeignAcceleration),
    "faster: a reset does not begin anew": AlertMutant("faster", foreign_alerts, "_acceleration", 'if entry.kind != "delta"', "if False", ForeignAcceleration),
    "faster: sides mixed": AlertMutant("faster", foreign_alerts, "_acceleration", "window = memory.windows.get(entry.side)", "window = memory.windows.get('x')", ForeignAcceleration),
    "room: without having been there": AlertMutant("room", foreign_alerts, "_room", "not memory.open or", "", RoomExhausted),
    "look: never": AlertMutant("look", foreign_alerts, "_ambiguous", "if not entry.ambiguous", "if True", AmbiguousCorrection),
    "look: the wrong counter": AlertMutant("look", foreign_alerts, "_ambiguous", '"counter": entry.counter', '"counter": entry.counter_from', AmbiguousCorrection),
    "flip: at any distance": AlertMutant("flip", basis_alerts, "_flip", "abs(event.basis) < rule.min_points * POINT", "False", BasisFlip),
    "flip: the same way twice": AlertMutant("flip", basis_alerts, "_flip", "memory.sign in (0, sign)", "memory.sign == 0", BasisFlip),
    "band: never inside again": AlertMutant("band", basis_alerts, "_band", 'memory.out = ""', "pass", BasisBand),
    "a stale basis counts": AlertMutant("", basis_alerts, "advance", "or event.stale", ""),
    "no cooldown": AlertMutant("", alerting, "is_cooling", "max(rule.cooldown_s * 1000, 1)", "0"),
    "late prints count": AlertMutant("", trade_alerts, "advance", "event.late or", ""),
    "severity": AlertMutant("", alerting, "raise_alert", "severity=rule.severity", 'severity="info"'),
}  # fmt: skip
"""At least one of each kind of rule, and of what all share."""
SEED = 5


def found_in(stream: Events) -> list[Difference]:
    """What the reference finds in a stream and its alerts."""
    rules = alerts.rules_of(adopted for _, adopted in stream["pipelines.terms"])
    gaps = alerts.FeedGaps()
    gaps.add(rules["market.trades"], stream["market.trades"], stream["market.alerts"])
    return [*alerts.check(rules, stream, stream["market.alerts"]), *gaps.check()]


@pytest.mark.parametrize("seed", range(usually(8, proving=300)))
def test_what_the_rules_say_of_a_stream_is_what_they_must_say(seed: int) -> None:
    assert found_in(alerted(events(seed))) == []


def test_every_rule_says_something() -> None:
    said = {alert.rule for _, alert in alerted(events(SEED))["market.alerts"]}
    assert said == {rule["name"] for rule in RULES}


@pytest.mark.parametrize("name", ALERT_MUTANTS)
def test_a_fault_of_a_rule_is_found_and_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = ALERT_MUTANTS[name]
    planted = plant(monkeypatch, mutant.owner, mutant.function, mutant.right, mutant.wrong)
    if mutant.kind is not None:
        folds: Any = next(
            module._FOLDS for module in (trade_alerts, quote_alerts, candle_alerts, foreign_alerts, basis_alerts)
            if mutant.kind in module._FOLDS
        )  # fmt: skip
        monkeypatch.setitem(folds, mutant.kind, planted)
    elif mutant.owner is alerting:
        for module in (trade_alerts, quote_alerts, candle_alerts, foreign_alerts, basis_alerts):
            if hasattr(module, mutant.function):
                monkeypatch.setattr(module, mutant.function, planted)
    found = found_in(alerted(events(SEED)))
    assert {difference.kind for difference in found} <= {"missing_alert", "unexpected_alert", "wrong_alert"}
    assert found
    assert all(mutant.rule in difference.detail for difference in found)
