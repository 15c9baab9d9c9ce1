"""Alerts from ``market.quotes``: a limit at which everybody waits on one side, and nobody is on the other.

Most quotes are far from a limit, and of no symbol that is locked: those are not looked at (:func:`concerns`), which keeps the
busiest of all event topics cheap.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from pipelines.core import wording
from pipelines.core.alerts import Finding, Memory, fired_in, fold_for_each, is_cooling, raise_alert
from pipelines.core.codec import LARGEST, Codec, Stored
from pipelines.core.lines import value_of
from pipelines.core.rules import LimitLock, QuoteRule
from schemas.session import phase_at
from schemas.structs import AlertEvent, QuoteEvent
from schemas.units import SessionPhase


class QueueMemory(Memory, array_like=True, tag="queue"):
    """The limit at which the symbol was said to be locked, and its price; None when it is not, or not any more."""

    limit: str | None
    price: int


class BookWatch(Stored):
    """What the rules know of a symbol's book today."""

    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    ts_ms: int = 0
    memories: dict[str, Memory | QueueMemory] = msgspec.field(default_factory=dict)
    """What each rule remembers, by the name of the rule."""


class AtLimits(Stored):
    """The symbols of a shard whose book has been at a limit today: the only ones that have a :class:`BookWatch`."""

    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    symbols: list[str] = msgspec.field(default_factory=list)


BOOK_WATCH = Codec(BookWatch)
AT_LIMITS = Codec(AtLimits)


def concerns(at_limits: AtLimits, event: QuoteEvent) -> bool:
    """Whether a rule may have something to say or to note because of ``event``; a symbol that is new at a limit is put down."""
    if event.day != at_limits.day:
        if event.day < at_limits.day:
            return False
        at_limits.day, at_limits.symbols = event.day, []
    if event.symbol in at_limits.symbols:
        return True
    if event.limit is None:
        return False
    at_limits.symbols.append(event.symbol)
    return True


def advance(watch: BookWatch, rules: tuple[QuoteRule, ...], event: QuoteEvent) -> tuple[AlertEvent, ...]:
    """Fold one event of a symbol into ``watch``, in place, and say which alerts it makes.

    An event of an earlier day or second makes none; one of a later day starts afresh.
    """
    if event.day > watch.day:
        watch.day, watch.ts_ms, watch.memories = event.day, 0, {}
    if event.day < watch.day or event.ts_ms < watch.ts_ms:
        return ()
    watch.ts_ms = event.ts_ms
    alerts: tuple[AlertEvent, ...] = ()
    for rule in rules:
        if not rule.covers(event.symbol, event.exchange):
            continue
        memory, finding = _FOLDS[type(rule)](rule, watch.memories.get(rule.name), event)
        watch.memories[rule.name] = memory
        if finding is not None:
            alerts += raise_alert(rule, memory, finding, event.symbol, event.day, event.ts_ms)
    return alerts


def _lock(rule: LimitLock, known: object, event: QuoteEvent) -> tuple[Memory, Finding | None]:
    memory = known if isinstance(known, QueueMemory) else QueueMemory(fired_in(known), None, 0)
    limit = event.limit if event.limit in rule.limits else None
    if limit is None:
        best = event.bid if memory.limit == "ceiling" else event.ask
        if abs(best - memory.price) * 100 >= rule.release_pct * memory.price:
            memory.limit = None
        return memory, None
    price, queue = (event.bid, event.bid_volume) if limit == "ceiling" else (event.ask, event.ask_volume)
    value = value_of(price, queue, event.exchange)
    if not rule.release_queue_vnd <= value < LARGEST:
        memory.limit = None
        return memory, None
    direction = "up" if limit == "ceiling" else "down"
    if value < rule.min_queue_vnd or limit == memory.limit or is_cooling(rule, memory, direction, event.ts_ms):
        return memory, None
    if phase_at(event.ts_ms, event.day, event.exchange) is not SessionPhase.CONTINUOUS:
        # In an auction all orders wait until its end, those at a limit among them.
        return memory, None
    memory.limit, memory.price = limit, price
    message = wording.say(
        f"limit_lock.{limit}",
        symbol=event.symbol,
        price=wording.price(price, event.exchange),
        queue=wording.volume(queue, event.exchange),
        value=wording.vnd(value),
    )
    data: dict[str, int | float | str] = {"price": price, "limit": limit, "queue": queue, "value": value}
    return memory, Finding(direction, f"{event.ts_ms}:{queue}x{price}", message, data)


_Fold = Callable[[Any, object, QuoteEvent], tuple[Memory, Finding | None]]
"""From a rule, what it remembers and an event to what it remembers from now on, and whether to alert."""
_FOLDS: Mapping[type[Any], _Fold] = fold_for_each(QuoteRule, {LimitLock: _lock})
