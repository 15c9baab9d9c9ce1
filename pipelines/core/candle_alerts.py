"""Alerts from ``market.candles``: what a minute says once it is over, a quarter of a minute after its end."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from pipelines.core import wording
from pipelines.core.alerts import Finding, Memory, fold_for_each, raise_alert
from pipelines.core.codec import Codec, Stored
from pipelines.core.rules import CandleRule, OpenGap
from schemas.structs import AlertEvent, CandleEvent


class CandleWatch(Stored):
    """What the rules know of a symbol's minutes today."""

    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    memories: dict[str, Memory] = msgspec.field(default_factory=dict)
    """What each rule remembers, by the name of the rule."""


CANDLE_WATCH = Codec(CandleWatch)


def advance(watch: CandleWatch, rules: tuple[CandleRule, ...], event: CandleEvent) -> tuple[AlertEvent, ...]:
    """Fold one event of a symbol into ``watch``, in place, and say which alerts it makes.

    An event of an earlier day makes none; one of a later day starts afresh.
    """
    if event.day > watch.day:
        watch.day, watch.memories = event.day, {}
    if event.day < watch.day:
        return ()
    alerts: tuple[AlertEvent, ...] = ()
    for rule in rules:
        if not rule.covers(event.symbol, event.exchange):
            continue
        memory, finding = _FOLDS[type(rule)](rule, watch.memories.get(rule.name), event)
        watch.memories[rule.name] = memory
        if finding is not None:
            alerts += raise_alert(rule, memory, finding, event.symbol, event.day, event.ts_ms)
    return alerts


def _open_gap(rule: OpenGap, known: object, event: CandleEvent) -> tuple[Memory, Finding | None]:
    memory = known if isinstance(known, Memory) else Memory({})
    reference = event.reference
    if memory.fired or not event.opens or not reference:
        return memory, None
    pct = (event.open - reference) * 100 / reference
    if abs(pct) < rule.min_pct:
        return memory, None
    direction = "up" if pct > 0 else "down"
    message = wording.say(
        f"open_gap.{direction}",
        symbol=event.symbol,
        price=wording.price(event.open, event.exchange),
        distance=wording.percent(abs(pct)),
        reference=wording.price(reference, event.exchange),
    )
    data: dict[str, int | float | str] = {"price": event.open, "reference": reference, "gap_pct": round(pct, 2)}
    return memory, Finding(direction, f"{event.minute_ms}:{event.open}", message, data)


_Fold = Callable[[Any, object, CandleEvent], tuple[Memory, Finding | None]]
"""From a rule, what it remembers and an event to what it remembers from now on, and whether to alert."""
_FOLDS: Mapping[type[Any], _Fold] = fold_for_each(CandleRule, {OpenGap: _open_gap})
