"""Alerts from ``market.candles``: what a minute says once it is over, a quarter of a minute after its end."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from pipelines.core import wording
from pipelines.core.alerts import Finding, Memory, fired_in, fold_for_each, raise_alert
from pipelines.core.codec import Codec, Stored
from pipelines.core.rules import CandleRule, OpenGap, UnusualVolume
from schemas.profiles import PROFILE_STEP_MS, step_begins_ms, step_of
from schemas.structs import AlertEvent, CandleEvent


class FiveMinutesMemory(Memory, array_like=True, tag="five_minutes"):
    """What was traded in the five minutes that a profile tells of together."""

    step: int
    """Their number in the day."""
    minutes: dict[int, tuple[int, int]]
    """Volume and value of each of the five that was told, by its start: an amended one takes the place of what it was."""


class CandleWatch(Stored):
    """What the rules know of a symbol's minutes today."""

    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    memories: dict[str, Memory | FiveMinutesMemory] = msgspec.field(default_factory=dict)
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


def _unusual(rule: UnusualVolume, known: object, event: CandleEvent) -> tuple[Memory, Finding | None]:
    step = step_of(event.day, event.minute_ms)
    memory = known if isinstance(known, FiveMinutesMemory) else FiveMinutesMemory(fired_in(known), step, {})
    if step < memory.step:
        # A late print amended what was over before.
        return memory, None
    if step > memory.step:
        memory.step, memory.minutes = step, {}
    memory.minutes[event.minute_ms] = (event.volume, event.value)
    volume, value = (sum(amounts) for amounts in zip(*memory.minutes.values(), strict=True))
    usual, days = event.usual_volume, event.usual_days
    if usual is None or days is None or days < rule.min_days or value < rule.min_value_vnd or volume < rule.ratio * usual:
        return memory, None
    since_ms = step_begins_ms(event.day, step)
    message = wording.say(
        "unusual_volume" if usual else "unusual_volume.none",
        symbol=event.symbol,
        volume=wording.volume(volume, event.exchange),
        since=wording.clock(since_ms),
        ratio=wording.times(volume / max(usual, 1)),
        window=wording.span(PROFILE_STEP_MS // 1000),
        usual=wording.volume(usual, event.exchange),
        days=wording.number(days),
    )
    data: dict[str, int | float | str] = {
        "volume": volume,
        "value": value,
        "usual_volume": usual,
        "usual_days": days,
        "since_ms": since_ms,
        "price": event.close,
    }
    return memory, Finding("", f"{event.minute_ms}:{volume}", message, data)


_Fold = Callable[[Any, object, CandleEvent], tuple[Memory, Finding | None]]
"""From a rule, what it remembers and an event to what it remembers from now on, and whether to alert."""
_FOLDS: Mapping[type[Any], _Fold] = fold_for_each(CandleRule, {OpenGap: _open_gap, UnusualVolume: _unusual})
