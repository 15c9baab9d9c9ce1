"""Alerts from ``market.foreign``: acceleration, exhausted room, and corrections that nobody can be sure of."""

from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar

import msgspec

from pipelines.core import wording
from pipelines.core.alerts import Finding, Memory, fired_in, fold_for_each, is_cooling, raise_alert
from pipelines.core.codec import Codec, Stored
from pipelines.core.rules import BUCKET_S, AmbiguousCorrection, ForeignAcceleration, ForeignRule, RoomExhausted
from pipelines.core.windows import Window
from schemas.session import phase_at, starts
from schemas.structs import AlertEvent, LedgerEntry
from schemas.units import Exchange, SessionPhase, TradingDay, UnixMs


class AccelerationMemory(Memory, array_like=True, tag="acceleration"):
    """The value traded on each side, and since when. Neither the ledger nor the exchange's session has had a break since."""

    since_ms: int
    windows: dict[str, Window]


class RoomMemory(Memory, array_like=True, tag="room"):
    """Whether there has been room since the last alert: only then can it be exhausted again."""

    open: bool


class Mark(msgspec.Struct, array_like=True):
    """The last entry of a generation. The next new one goes on where it ended; one that does not was seen before."""

    ts_ms: int
    generation: int
    counter: int


class LedgerWatch(Stored):
    """What the rules know of a symbol's foreign day."""

    VERSION: ClassVar[int] = 2
    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    marks: dict[str, list[Mark]] = msgspec.field(default_factory=dict)
    """The last entry of each generation of a side, by side: a lagging feed may add to one that has ended."""
    memories: dict[str, Memory | AccelerationMemory | RoomMemory] = msgspec.field(default_factory=dict)
    """What each rule remembers, by the name of the rule."""


def _list_marks(fields: list[Any]) -> list[Any]:
    """From version 1, which kept the newest generation of a side alone."""
    day, marks, memories = fields
    return [day, {side: [mark] for side, mark in marks.items()}, memories]


LEDGER_WATCH = Codec(LedgerWatch, upgrades={1: _list_marks})


def advance(watch: LedgerWatch, rules: tuple[ForeignRule, ...], entry: LedgerEntry) -> tuple[AlertEvent, ...]:
    """Fold one entry of a symbol into ``watch``, in place, and say which alerts it makes.

    An entry of an earlier day, or one seen before, makes none; one of a later day starts afresh.
    """
    if entry.day > watch.day:
        watch.day, watch.marks, watch.memories = entry.day, {}, {}
    if entry.day < watch.day:
        return ()
    marks = watch.marks.get(entry.side, [])
    if _seen(marks, entry):
        return ()
    others = [mark for mark in marks if mark.generation != entry.generation]
    marks = sorted([*others, Mark(entry.ts_ms, entry.generation, entry.counter)], key=lambda mark: mark.generation)
    watch.marks[entry.side] = marks[-_MARKS:]
    alerts: tuple[AlertEvent, ...] = ()
    for rule in rules:
        if not rule.covers(entry.symbol, entry.exchange):
            continue
        memory, finding = _FOLDS[type(rule)](rule, watch.memories.get(rule.name), entry)
        watch.memories[rule.name] = memory
        if finding is not None:
            alerts += raise_alert(rule, memory, finding, entry.symbol, entry.day, entry.ts_ms)
    return alerts


def _seen(marks: list[Mark], entry: LedgerEntry) -> bool:
    mark = next((mark for mark in marks if mark.generation == entry.generation), None)
    if mark is None:
        return bool(marks) and entry.generation < marks[0].generation
    if entry.ts_ms != mark.ts_ms:
        return entry.ts_ms < mark.ts_ms
    # Within a second the chain of counters is the order: an entry that starts where the last one ended is new.
    return entry.counter_from != mark.counter


def _acceleration(rule: ForeignAcceleration, known: object, entry: LedgerEntry) -> tuple[Memory, Finding | None]:
    buckets = (rule.recent_s + rule.base_s) // BUCKET_S
    memory = known if isinstance(known, AccelerationMemory) else AccelerationMemory(fired_in(known), entry.ts_ms, {})
    if entry.kind in ("room", "revaluation") or entry.ts_ms < memory.since_ms:
        # No share was traded, or before the measuring began.
        return memory, None
    if entry.kind != "delta":
        # Nobody knows at what time volume was traded that a catch-up, a correction or a restart tells of. Measure anew from here.
        memory.since_ms, memory.windows = entry.ts_ms, {}
        return memory, None
    window = memory.windows.get(entry.side)
    if window is None or window.size != buckets:
        window = memory.windows[entry.side] = Window.of(buckets, BUCKET_S * 1000)
    window.move_to(entry.ts_ms)
    window.add_at(entry.value, entry.ts_ms)
    if entry.ts_ms // window.width_ms < window.newest:
        # A lagging feed adds to the time before. What is newer has been judged.
        return memory, None
    afternoon_ms = _afternoon_ms(entry.day)
    if memory.since_ms < afternoon_ms <= entry.ts_ms:
        # Nobody trades in the midday break. Measured against that, any trading would be an acceleration.
        memory.since_ms = afternoon_ms
    covered_s = (entry.ts_ms - memory.since_ms) // 1000
    recent = window.recent(rule.recent_s // BUCKET_S)
    base_s = min(rule.base_s, covered_s - rule.recent_s)
    if covered_s < rule.warmup_s or base_s <= 0 or recent < rule.min_value_vnd:
        return memory, None
    if phase_at(entry.ts_ms, entry.day, entry.exchange) is not SessionPhase.CONTINUOUS:
        # An auction matches the orders of a quarter of an hour at once, and what follows the closing one is told late.
        return memory, None
    _, total = window.total()
    base = max(total - recent, 0)
    if recent * base_s < rule.ratio * base * rule.recent_s:
        return memory, None
    message = wording.say(
        "foreign_acceleration",
        doing=wording.FOREIGN[entry.side],
        symbol=entry.symbol,
        recent=wording.vnd(recent),
        window=wording.span(rule.recent_s),
        pace=wording.vnd(base * 60 // base_s),
        base=wording.span(base_s),
    )
    data: dict[str, int | float | str] = {
        "recent_value": recent,
        "recent_s": rule.recent_s,
        "base_value": base,
        "base_s": base_s,
        "counter": entry.counter,
    }
    return memory, Finding(str(entry.side), _anchor(entry), message, data)


def _room(rule: RoomExhausted, known: object, entry: LedgerEntry) -> tuple[Memory, Finding | None]:
    memory = known if isinstance(known, RoomMemory) else RoomMemory(fired_in(known), False)
    if entry.room >= rule.release_shares:
        memory.open = True
    if not memory.open or entry.room > rule.max_shares or is_cooling(rule, memory, "", entry.ts_ms):
        return memory, None
    memory.open = False
    left = wording.left(entry.room, entry.exchange)
    message = wording.say("room_exhausted", symbol=entry.symbol, left=left)
    return memory, Finding("", _anchor(entry), message, {"room": entry.room})


def _ambiguous(rule: AmbiguousCorrection, known: object, entry: LedgerEntry) -> tuple[Memory, Finding | None]:
    memory = known if isinstance(known, Memory) else Memory({})
    if not entry.ambiguous:
        return memory, None
    if entry.kind == "reset":
        message = wording.say(
            "ambiguous_correction.reset",
            did=wording.FOREIGN_PAST[entry.side],
            symbol=entry.symbol,
            after=wording.number(entry.counter),
        )
    else:
        message = wording.say(
            "ambiguous_correction",
            volume=wording.volume(-entry.volume, entry.exchange),
            did=wording.FOREIGN_PAST[entry.side],
            symbol=entry.symbol,
            before=wording.number(entry.counter_from),
            after=wording.number(entry.counter),
        )
    data: dict[str, int | float | str] = {
        "volume": entry.volume,
        "counter_from": entry.counter_from,
        "counter": entry.counter,
    }
    return memory, Finding(str(entry.side), _anchor(entry), message, data)


_Fold = Callable[[Any, object, LedgerEntry], tuple[Memory, Finding | None]]
"""From a rule, what it remembers and an event to what it remembers from now on, and whether to alert."""
_FOLDS: Mapping[type[Any], _Fold] = fold_for_each(
    ForeignRule,
    {
        ForeignAcceleration: _acceleration,
        RoomExhausted: _room,
        AmbiguousCorrection: _ambiguous,
    },
)


_MARKS = 4
"""How many generations of a side are remembered."""


@cache
def _afternoon_ms(day: TradingDay) -> UnixMs:
    """When trading resumes after the break, on every exchange alike."""
    phases = starts(day, Exchange.HOSE)
    return next(begins_ms for (_, before), (begins_ms, _) in pairwise(phases) if before is SessionPhase.BREAK)


def _anchor(entry: LedgerEntry) -> str:
    return f"{entry.side}:{entry.generation}:{entry.counter_from}-{entry.counter}@{entry.ts_ms}"
