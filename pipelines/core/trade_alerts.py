"""Alerts from ``market.trades``: spikes, large prints and clusters of them, limits, put-through deals, and prints that were lost.

Of the order book only matches in their turn are looked at. Odd lots, prints without a total and late ones are on the tape too,
but what was over before, or made elsewhere, must not end a state at a limit, or move a window. Put-through deals have rules of
their own, which look at nothing else.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from msgspec import Struct, field

from pipelines.core import wording
from pipelines.core.alerts import Finding, Memory, fired_in, fold_for_each, is_cooling, raise_alert
from pipelines.core.codec import Codec, Stored
from pipelines.core.rules import (
    BUCKETS,
    FeedGap,
    LargePrint,
    LockOpened,
    PriceLimit,
    PrintCluster,
    PutThrough,
    TradeRule,
    VolumeSpike,
)
from pipelines.core.windows import Window
from schemas.structs import AlertEvent, TradeEvent
from schemas.units import Exchange, Price, Side

_EPOCHS = 64
"""How many connections with losses a shard remembers of a day."""


class SpikeMemory(Memory, array_like=True, tag="spike"):
    """The prints of the window."""

    window: Window


class LimitMemory(Memory, array_like=True, tag="limit"):
    """The limit at which a symbol is, and its price; None when it is at none."""

    limit: str | None
    price: int


class LockMemory(Memory, array_like=True, tag="lock"):
    """The limit at which a symbol is held, and the exchange times of its first and its last print there."""

    limit: str | None
    since_ms: int
    last_ms: int


class Second(Struct, array_like=True):
    """The prints of one second that are large enough for a cluster; values in VND."""

    ts_ms: int
    prints: int = 0
    value: int = 0
    bought: int = 0
    """Value of those whose aggressor bought."""
    sold: int = 0
    """Value of those whose aggressor sold."""


class ClusterMemory(Memory, array_like=True, tag="cluster"):
    """The last seconds with large prints, oldest first."""

    seconds: list[Second]


class TapeWatch(Stored):
    """What the rules know of a symbol's day."""

    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    generation: int = 0
    top: int = 0
    """The highest total of a print that was looked at. One that is not above it, in the same generation, was seen before."""
    corrected_ms: int = 0
    memories: dict[str, Memory | SpikeMemory | LimitMemory | LockMemory | ClusterMemory] = field(default_factory=dict)
    """What each rule remembers, by the name of the rule."""


class Losses(Stored):
    """The connections whose losses a shard has alerted today."""

    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    epochs: dict[str, list[int]] = field(default_factory=dict)
    """The 64 newest, sorted, by the name of the rule; those of futures apart from those of stocks."""


TAPE_WATCH = Codec(TapeWatch)
LOSSES = Codec(Losses)


def advance(watch: TapeWatch, rules: tuple[TradeRule, ...], event: TradeEvent) -> tuple[AlertEvent, ...]:
    """Fold one event of a symbol into ``watch``, in place, and say which alerts it makes.

    An event of an earlier day, or one seen before, makes none; one of a later day starts afresh.
    """
    if event.day > watch.day:
        watch.day, watch.generation, watch.top, watch.corrected_ms, watch.memories = event.day, 0, 0, 0, {}
    if event.day < watch.day:
        return ()
    if event.kind == "correction" and event.generation == watch.generation and event.ts_ms > watch.corrected_ms:
        # Volume was taken back. The totals that follow are lower than those before, and are new all the same.
        watch.top, watch.corrected_ms = event.total_volume, event.ts_ms
        return ()
    if event.kind != "print" or event.price is None:
        return ()
    if event.phase != "put_through":
        if event.late or not event.anchored or event.phase == "odd_lot":
            return ()
        if (event.generation, event.total_volume) <= (watch.generation, watch.top):
            return ()
        watch.generation, watch.top = event.generation, event.total_volume
    alerts: tuple[AlertEvent, ...] = ()
    for rule in rules:
        if not _looks_at(rule, event) or not rule.covers(event.symbol, event.exchange):
            continue
        memory, finding = _FOLDS[type(rule)](rule, watch.memories.get(rule.name), event, event.price)
        watch.memories[rule.name] = memory
        if finding is not None:
            alerts += raise_alert(rule, memory, finding, event.symbol, event.day, event.ts_ms)
    return alerts


def _looks_at(rule: TradeRule, event: TradeEvent) -> bool:
    """Whether it is a rule for a print such as ``event``."""
    return not isinstance(rule, FeedGap) and isinstance(rule, PutThrough) == (event.phase == "put_through")


def advance_losses(losses: Losses, rules: tuple[TradeRule, ...], event: TradeEvent) -> tuple[AlertEvent, ...]:
    """Fold one event of any symbol of the shard into ``losses``, in place: the first loss of a connection makes an alert.

    The alert is in the name of the symbol that showed it. Stocks and futures alert apart: two pipelines write their tapes to one
    topic, in an order that chance decides, so which of them shows a loss first is not the same on a replay.
    """
    if event.kind != "gap" or event.cause != "lost" or event.epoch is None or event.day < losses.day:
        return ()
    if event.day > losses.day:
        losses.day, losses.epochs = event.day, {}
    alerts: tuple[AlertEvent, ...] = ()
    for rule in rules:
        if not isinstance(rule, FeedGap) or not rule.covers(event.symbol, event.exchange):
            continue
        lane = f"{rule.name} of futures" if event.exchange is Exchange.DER else rule.name
        known = losses.epochs.get(lane, [])
        if event.epoch in known or (len(known) == _EPOCHS and event.epoch < known[0]):
            continue
        losses.epochs[lane] = sorted([*known, event.epoch])[-_EPOCHS:]
        since_ms = event.ts_ms if event.since_ms is None else event.since_ms
        message = wording.say(
            "feed_gap",
            since=wording.clock(since_ms),
            until=wording.clock(event.ts_ms),
            symbol=event.symbol,
            volume=wording.volume(event.volume, event.exchange),
        )
        data: dict[str, int | float | str] = {"epoch": event.epoch, "since_ms": since_ms, "volume": event.volume}
        finding = Finding("", str(event.epoch), message, data)
        # This rule fires once per connection and shard, so it remembers no cooldown per symbol.
        alerts += raise_alert(rule, Memory({}), finding, event.symbol, event.day, event.ts_ms)
    return alerts


def _spike(rule: VolumeSpike, known: object, event: TradeEvent, price: Price) -> tuple[Memory, Finding | None]:
    width_ms = rule.window_s * 1000 // BUCKETS
    memory = known if isinstance(known, SpikeMemory) else SpikeMemory(fired_in(known), Window.of(BUCKETS, width_ms))
    if memory.window.width_ms != width_ms:
        memory.window = Window.of(BUCKETS, width_ms)
    if event.phase != "continuous":
        # An auction matches the orders of a quarter of an hour at once: it is compared with nothing, and nothing with it.
        return memory, None
    memory.window.move_to(event.ts_ms)
    prints, traded = memory.window.total()
    memory.window.add(event.volume)
    if prints < rule.min_prints or traded <= 0 or event.value < rule.min_value_vnd:
        return memory, None
    average = traded / prints
    ratio = event.volume / average
    if ratio < rule.ratio:
        return memory, None
    message = wording.say(
        "volume_spike",
        symbol=event.symbol,
        volume=wording.volume(event.volume, event.exchange),
        price=wording.price(price, event.exchange),
        ratio=wording.times(ratio),
        window=wording.span(rule.window_s),
        average=wording.volume(round(average), event.exchange),
        prints=wording.number(prints),
    )
    data: dict[str, int | float | str] = {
        "volume": event.volume,
        "value": event.value,
        "price": price,
        "prints": prints,
        "average_volume": round(average, 1),
        "ratio": round(ratio, 2),
    }
    return memory, Finding(_direction(event), _anchor(event), message, data)


def _large(rule: LargePrint, known: object, event: TradeEvent, price: Price) -> tuple[Memory, Finding | None]:
    memory = known if isinstance(known, Memory) else Memory({})
    if event.phase != "continuous" or event.value < rule.min_value_vnd:
        return memory, None
    message = wording.say(
        "large_print",
        volume=wording.volume(event.volume, event.exchange),
        symbol=event.symbol,
        did=wording.aggressor(event.side or Side.NEUTRAL),
        price=wording.price(price, event.exchange),
        value=wording.vnd(event.value),
    )
    data: dict[str, int | float | str] = {"volume": event.volume, "value": event.value, "price": price}
    return memory, Finding(_direction(event), _anchor(event), message, data)


def _limit(rule: PriceLimit, known: object, event: TradeEvent, price: Price) -> tuple[Memory, Finding | None]:
    memory = known if isinstance(known, LimitMemory) else LimitMemory(fired_in(known), None, 0)
    limit = event.limit if event.limit in rule.limits else None
    if limit is None:
        if abs(price - memory.price) * 100 >= rule.release_pct * memory.price:
            memory.limit = None
        return memory, None
    direction = "up" if limit == "ceiling" else "down"
    if limit == memory.limit or is_cooling(rule, memory, direction, event.ts_ms):
        return memory, None
    memory.limit, memory.price = limit, price
    message = wording.say(
        "price_limit", symbol=event.symbol, limit=wording.limit(limit), price=wording.price(price, event.exchange)
    )
    return memory, Finding(direction, _anchor(event), message, {"price": price, "limit": limit})


def _lock(rule: LockOpened, known: object, event: TradeEvent, price: Price) -> tuple[Memory, Finding | None]:
    memory = known if isinstance(known, LockMemory) else LockMemory(fired_in(known), None, 0, 0)
    limit = event.limit if event.limit in rule.limits else None
    held, held_ms = memory.limit, memory.last_ms - memory.since_ms
    if limit is not None and limit == held:
        memory.last_ms = event.ts_ms
        return memory, None
    memory.limit, memory.since_ms, memory.last_ms = limit, event.ts_ms, event.ts_ms
    if held is None or held_ms < rule.min_held_s * 1000:
        return memory, None
    minutes = held_ms // 60_000
    message = wording.say(
        "lock_opened",
        symbol=event.symbol,
        limit=wording.limit(held),
        held=wording.span(minutes * 60 if minutes else held_ms // 1000),
        price=wording.price(price, event.exchange),
    )
    data: dict[str, int | float | str] = {"price": price, "limit": held, "held_s": held_ms // 1000}
    return memory, Finding("down" if held == "ceiling" else "up", _anchor(event), message, data)


def _put_through(rule: PutThrough, known: object, event: TradeEvent, price: Price) -> tuple[Memory, Finding | None]:
    memory = known if isinstance(known, Memory) else Memory({})
    if event.value < rule.min_value_vnd:
        return memory, None
    message = wording.say(
        "put_through",
        volume=wording.volume(event.volume, event.exchange),
        symbol=event.symbol,
        price=wording.price(price, event.exchange),
        value=wording.vnd(event.value),
    )
    data: dict[str, int | float | str] = {"volume": event.volume, "value": event.value, "price": price}
    # A deal may have no total: what was dealt, and when, is all that names it.
    anchor = f"{_anchor(event)}@{event.ts_ms}:{event.volume}x{price}"
    return memory, Finding("", anchor, message, data)


def _cluster(rule: PrintCluster, known: object, event: TradeEvent, price: Price) -> tuple[Memory, Finding | None]:
    memory = known if isinstance(known, ClusterMemory) else ClusterMemory(fired_in(known), [])
    if event.phase != "continuous" or event.value < rule.min_value_vnd:
        # An auction matches many orders in one second, as a matter of course.
        return memory, None
    seconds = [second for second in memory.seconds if second.ts_ms > event.ts_ms - rule.within_s * 1000]
    memory.seconds = seconds
    if not seconds or seconds[-1].ts_ms < event.ts_ms:
        seconds.append(Second(event.ts_ms))
    now = seconds[-1]
    now.prints += 1
    now.value += event.value
    now.bought += event.value if event.side is Side.BUY else 0
    now.sold += event.value if event.side is Side.SELL else 0
    prints = sum(second.prints for second in seconds)
    if prints < rule.min_prints:
        return memory, None
    value, bought, sold = (sum(getattr(second, what) for second in seconds) for what in ("value", "bought", "sold"))
    message = wording.say(
        "print_cluster",
        symbol=event.symbol,
        prints=wording.number(prints),
        least=wording.vnd(rule.min_value_vnd),
        window=wording.span(rule.within_s),
        value=wording.vnd(value),
        bought=wording.vnd(bought),
        sold=wording.vnd(sold),
    )
    data: dict[str, int | float | str] = {"prints": prints, "value": value, "bought": bought, "sold": sold, "price": price}
    return memory, Finding("", _anchor(event), message, data)


_Fold = Callable[[Any, object, TradeEvent, Price], tuple[Memory, Finding | None]]
"""From a rule, what it remembers and an event to what it remembers from now on, and whether to alert."""
_FOLDS: Mapping[type[Any], _Fold] = fold_for_each(
    TradeRule,
    {
        VolumeSpike: _spike,
        LargePrint: _large,
        PriceLimit: _limit,
        LockOpened: _lock,
        PutThrough: _put_through,
        PrintCluster: _cluster,
    },
    elsewhere=(FeedGap,),
)


def _anchor(event: TradeEvent) -> str:
    return f"{event.generation}:{event.start}-{event.total_volume}"


def _direction(event: TradeEvent) -> str:
    return str(event.side) if event.side in (Side.BUY, Side.SELL) else ""
