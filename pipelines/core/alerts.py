"""What all rules share: what they remember, and how a reason to alert becomes an alert, unless the rule is still cooling down."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar, get_args

import msgspec

from pipelines.core.rules import AnyRule
from pipelines.core.wording import Text
from schemas.structs import AlertEvent
from schemas.units import Symbol, TradingDay, UnixMs

T = TypeVar("T")


class Memory(msgspec.Struct, array_like=True, tag="plain"):
    """What a rule remembers of a symbol's day. A kind of rule that must remember more has a subclass."""

    fired: dict[str, int]
    """When the rule last fired, in exchange time, by direction."""


def fold_for_each(kinds: Any, folds: Mapping[type[Any], T], *, elsewhere: Iterable[type[Any]] = ()) -> Mapping[type[Any], T]:
    """``folds``, when they are complete: a module that forgets a kind of rule does not load.

    Args:
        kinds: A union of kinds of rule.
        folds: By kind.
        elsewhere: Kinds of the union that are folded in another place.

    Raises:
        ValueError: A kind of the union has no fold, or a fold's kind is not in the union.
    """
    # A union of one kind is that kind itself.
    wrong = {kind.__name__ for kind in {*(get_args(kinds) or (kinds,))} ^ {*folds, *elsewhere}}
    if wrong:
        raise ValueError(f"the fold of {', '.join(sorted(wrong))} is missing, or not for a rule that reads this topic")
    return folds


def fired_in(known: object) -> dict[str, int]:
    """When a rule last fired, by direction, as its memory ``known`` says; nothing when that is None.

    A rule whose kind was changed in the file, but not its name, finds the memory of another kind, and keeps this much of it.
    """
    return known.fired if isinstance(known, Memory) else {}


class Finding(NamedTuple):
    """A reason to alert."""

    direction: str
    anchor: str
    """Names the event that gave the reason, by figures of it. With rule, symbol, day and direction it makes the alert's id."""
    message: Text
    data: dict[str, int | float | str]


def alert_id(rule: str, symbol: str, day: int, anchor: str) -> str:
    """The id of an alert: 16 hexadecimal digits that are the same on every replay, on any machine."""
    return hashlib.sha256(f"{rule}|{symbol}|{day}|{anchor}".encode()).hexdigest()[:16]


def is_cooling(rule: AnyRule, memory: Memory, direction: str, ts_ms: UnixMs) -> bool:
    """Whether the rule fired in that direction less than its cooldown ago.

    SSI's clock has one-second steps, so even a rule without a cooldown says the same thing once a second at most: events of
    one second have no order that a second alert could prove. A rule that fires once for a state, such as a price at its limit,
    asks before it takes note of the state. What it must not say now it then says later, if the state still lasts.
    """
    last_ms = memory.fired.get(direction)
    return last_ms is not None and ts_ms - last_ms < max(rule.cooldown_s * 1000, 1)


def raise_alert(
    rule: AnyRule, memory: Memory, finding: Finding, symbol: Symbol, day: TradingDay, ts_ms: UnixMs
) -> tuple[AlertEvent, ...]:
    """The alert for ``finding``, or nothing while the rule is cooling down."""
    if is_cooling(rule, memory, finding.direction, ts_ms):
        return ()
    memory.fired[finding.direction] = ts_ms
    alert = AlertEvent(
        alert_id=alert_id(rule.name, symbol, day, f"{finding.direction}:{finding.anchor}"),
        rule=rule.name,
        kind=rule.kind,
        severity=rule.severity,
        symbol=symbol,
        direction=finding.direction,
        day=day,
        ts_ms=ts_ms,
        message=finding.message.en,
        message_vi=finding.message.vi,
        data=finding.data,
    )
    return (alert,)
