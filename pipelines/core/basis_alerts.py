"""Alerts from ``market.basis``: a contract that changed sides, and one that is far from its index.

Each contract is watched for itself, and only against a live index: a basis that is marked stale makes no alert, and changes
nothing of what the rules remember.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar

import msgspec

from pipelines.core import wording
from pipelines.core.alerts import Finding, Memory, fired_in, fold_for_each, is_cooling, raise_alert
from pipelines.core.codec import Codec, Stored
from pipelines.core.rules import BasisBand, BasisFlip, BasisRule
from pipelines.core.wording import Text
from schemas.instruments import listed_months
from schemas.structs import AlertEvent, BasisEvent
from schemas.units import POINT, Exchange, TradingDay


class FlipMemory(Memory, array_like=True, tag="flip"):
    """The side a contract was last said to be on: 1 premium, −1 discount, 0 not yet."""

    sign: int


class BandMemory(Memory, array_like=True, tag="band"):
    """Where a contract left its band: ``up``, ``down``, or empty inside it."""

    out: str


class BasisWatch(Stored):
    """What the rules know of a contract's day."""

    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    ts_ms: int = 0
    memories: dict[str, Memory | FlipMemory | BandMemory] = msgspec.field(default_factory=dict)
    """What each rule remembers, by the name of the rule."""


BASIS_WATCH = Codec(BasisWatch)


def advance(watch: BasisWatch, rules: tuple[BasisRule, ...], event: BasisEvent) -> tuple[AlertEvent, ...]:
    """Fold one event of a contract into ``watch``, in place, and say which alerts it makes.

    An event of an earlier day or second makes none; one of a later day starts afresh.
    """
    if event.day > watch.day:
        watch.day, watch.ts_ms, watch.memories = event.day, 0, {}
    if event.day < watch.day or event.ts_ms < watch.ts_ms or event.stale:
        return ()
    watch.ts_ms = event.ts_ms
    alerts: tuple[AlertEvent, ...] = ()
    for rule in rules:
        if not rule.covers(event.symbol, Exchange.DER) or not (rule.contracts == "all" or event.month == _front(event.day)):
            continue
        memory, finding = _FOLDS[type(rule)](rule, watch.memories.get(rule.name), event)
        watch.memories[rule.name] = memory
        if finding is not None:
            alerts += raise_alert(rule, memory, finding, event.symbol, event.day, event.ts_ms)
    return alerts


def _flip(rule: BasisFlip, known: object, event: BasisEvent) -> tuple[Memory, Finding | None]:
    memory = known if isinstance(known, FlipMemory) else FlipMemory(fired_in(known), 0)
    if abs(event.basis) < rule.min_points * POINT:
        return memory, None
    sign, direction = (1, "up") if event.basis > 0 else (-1, "down")
    if memory.sign in (0, sign):
        memory.sign = sign
        return memory, None
    if is_cooling(rule, memory, direction, event.ts_ms):
        return memory, None
    memory.sign = sign
    message = wording.say(f"basis_flip.{direction}", **_figures(event))
    return memory, Finding(direction, _anchor(event), message, _data(event))


def _band(rule: BasisBand, known: object, event: BasisEvent) -> tuple[Memory, Finding | None]:
    memory = known if isinstance(known, BandMemory) else BandMemory(fired_in(known), "")
    side = "up" if event.basis > 0 else "down"
    if abs(event.basis_pct) <= rule.leave_pct:
        memory.out = ""
    if abs(event.basis_pct) < rule.enter_pct or memory.out == side or is_cooling(rule, memory, side, event.ts_ms):
        return memory, None
    memory.out = side
    message = wording.say(f"basis_band.{side}", distance=wording.percent(abs(event.basis_pct)), **_figures(event))
    return memory, Finding(side, _anchor(event), message, _data(event))


_Fold = Callable[[Any, object, BasisEvent], tuple[Memory, Finding | None]]
"""From a rule, what it remembers and an event to what it remembers from now on, and whether to alert."""
_FOLDS: Mapping[type[Any], _Fold] = fold_for_each(
    BasisRule,
    {
        BasisFlip: _flip,
        BasisBand: _band,
    },
)


@cache
def _front(day: TradingDay) -> int:
    return listed_months(day)[0]


def _anchor(event: BasisEvent) -> str:
    return f"{event.ts_ms}:{event.price}-{event.index_value}"


def _figures(event: BasisEvent) -> dict[str, Text | str]:
    return {
        "symbol": event.symbol,
        "underlying": event.underlying,
        "price": wording.points(event.price),
        "index": wording.points(event.index_value),
        "basis": wording.signed_points(event.basis),
        "expiry": wording.expiry(event.days_to_expiry),
    }


def _data(event: BasisEvent) -> dict[str, int | float | str]:
    return {
        "price": event.price,
        "index_value": event.index_value,
        "basis": event.basis,
        "basis_pct": event.basis_pct,
        "days_to_expiry": event.days_to_expiry,
    }
