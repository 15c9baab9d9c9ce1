"""A stream of events in which every kind of alert rule finds something, and what the alerts pipeline makes of it."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any, Final

from pipelines.core import alert_shard
from pipelines.core.frames import Folded, Shard
from pipelines.core.rules import rules_of, topic_of
from schemas.calendar import at
from schemas.position import Position
from schemas.topics import (
    MARKET_ALERTS,
    MARKET_BASIS,
    MARKET_CANDLES,
    MARKET_FOREIGN,
    MARKET_QUOTES,
    MARKET_TRADES,
    PIPELINES_TERMS,
    Topic,
)
from schemas.units import Exchange, Side
from stock_tracker.verify.core.differences import EventPosition
from tests.builders import (
    DAY,
    FRONT,
    PRICE,
    a_basis_event,
    a_candle_event,
    a_ledger_entry,
    a_quote_event,
    a_trade_event,
    offers,
)

Events = dict[str, list[tuple[EventPosition, Any]]]

RULES: Final[list[dict[str, Any]]] = [
    {"name": "spike", "kind": "volume_spike", "severity": "warning", "window_s": 200, "min_prints": 5, "ratio": 3.0,
     "min_value_vnd": 10_000_000, "cooldown_s": 30},
    {"name": "large", "kind": "large_print", "severity": "info", "min_value_vnd": 80_000_000, "cooldown_s": 40},
    {"name": "limit", "kind": "price_limit", "severity": "critical", "limits": ["ceiling", "floor"], "release_pct": 0.5},
    {"name": "ceiling", "kind": "price_limit", "severity": "info", "limits": ["ceiling"], "release_pct": 2.0, "cooldown_s": 60},
    {"name": "lock", "kind": "lock_opened", "severity": "warning", "limits": ["ceiling", "floor"], "min_held_s": 3},
    {"name": "deal", "kind": "put_through", "severity": "info", "min_value_vnd": 50_000_000},
    {"name": "cluster", "kind": "print_cluster", "severity": "warning", "exchanges": ["HOSE"], "within_s": 10, "min_prints": 3,
     "min_value_vnd": 20_000_000, "cooldown_s": 20},
    {"name": "gap", "kind": "feed_gap", "severity": "critical"},
    {"name": "gap-of-one", "kind": "feed_gap", "severity": "info", "symbols": ["FPT"]},
    {"name": "queue", "kind": "limit_lock", "severity": "warning", "limits": ["ceiling", "floor"], "min_queue_vnd": 100_000_000,
     "release_queue_vnd": 20_000_000, "release_pct": 0.5, "cooldown_s": 30},
    {"name": "open", "kind": "open_gap", "severity": "info", "min_pct": 3.0},
    {"name": "unusual", "kind": "unusual_volume", "severity": "warning", "ratio": 3.0, "min_value_vnd": 50_000_000, "min_days": 5,
     "cooldown_s": 120},
    {"name": "faster", "kind": "foreign_acceleration", "severity": "warning", "recent_s": 60, "base_s": 120, "ratio": 1.5,
     "min_value_vnd": 100_000_000, "warmup_s": 60, "cooldown_s": 60},
    {"name": "room", "kind": "room_exhausted", "severity": "warning", "max_shares": 1_000, "release_shares": 20_000},
    {"name": "look", "kind": "ambiguous_correction", "severity": "critical"},
    {"name": "flip", "kind": "basis_flip", "severity": "warning", "contracts": "front", "min_points": 1.5, "cooldown_s": 60},
    {"name": "band", "kind": "basis_band", "severity": "warning", "contracts": "all", "enter_pct": 0.3, "leave_pct": 0.1},
]  # fmt: skip
"""At least one of each kind, with thresholds that a few hundred events come to."""
SYMBOLS: Final = ("VNM", "FPT")
BEGINS_MS: Final = at(DAY, 9, 20)
_FOLDS: Final[dict[str, tuple[Topic[Any], Any]]] = {
    topic.name: (topic, fold)
    for topic, fold in (
        (MARKET_TRADES, alert_shard.fold_trades),
        (MARKET_QUOTES, alert_shard.fold_quotes),
        (MARKET_CANDLES, alert_shard.fold_candles),
        (MARKET_FOREIGN, alert_shard.fold_foreign),
        (MARKET_BASIS, alert_shard.fold_basis),
    )
}


def events(seed: int) -> dict[str, list[Any]]:
    """Some events of each topic, in order."""
    rng = Random(seed)
    return {
        MARKET_TRADES.name: list(_trades(rng)),
        MARKET_QUOTES.name: list(_quotes(rng)),
        MARKET_CANDLES.name: list(_candles(rng)),
        MARKET_FOREIGN.name: list(_entries(rng)),
        MARKET_BASIS.name: list(_bases(rng)),
    }


def _trades(rng: Random) -> Iterator[Any]:
    ts_ms: int = BEGINS_MS
    tops = dict.fromkeys((*SYMBOLS, FRONT), 0)
    limit: dict[str, Any] = dict.fromkeys(tops)
    for _ in range(300):
        ts_ms += 1000 * rng.choice((0, 0, 1, 1, 2, 5))
        symbol = rng.choice((*SYMBOLS, *SYMBOLS, FRONT))
        exchange = Exchange.DER if symbol == FRONT else Exchange.HOSE
        start = tops[symbol]
        chance = rng.random()
        if chance < 0.06:
            tops[symbol] = start + 500
            cause: Any = rng.choice(("lost", "lost", "unseen"))
            yield a_trade_event(
                symbol, ts_ms, kind="gap", exchange=exchange, start=start, volume=500, cause=cause, epoch=rng.randint(1, 4),
                since=ts_ms - 3_000,
            )  # fmt: skip
            continue
        if chance < 0.12:
            deal = a_trade_event(symbol, ts_ms, exchange=exchange, volume=rng.choice((100, 2_000)), phase="put_through")
            yield deal
            continue
        limit[symbol] = rng.choice(("ceiling", "floor", None)) if rng.random() < 0.2 else limit[symbol]
        price = {"ceiling": PRICE * 107 // 100, "floor": PRICE * 93 // 100}.get(limit[symbol], PRICE)
        price += rng.choice((0, 0, -300, -2_000)) if limit[symbol] is None else 0
        volume = rng.choice((100, 100, 200, 400, 900, 3_000))
        phase: Any = "odd_lot" if rng.random() < 0.03 else "ato" if rng.random() < 0.1 else "continuous"
        tops[symbol] = start + volume
        yield a_trade_event(
            symbol, ts_ms, exchange=exchange, start=start, volume=volume, price=price, limit=limit[symbol],
            side=rng.choice((Side.BUY, Side.SELL, Side.NEUTRAL)), late=rng.random() < 0.05, anchored=rng.random() > 0.04,
            phase=phase,
        )  # fmt: skip


def _quotes(rng: Random) -> Iterator[Any]:
    ts_ms: int = BEGINS_MS
    for _ in range(150):
        ts_ms += 1000 * rng.choice((0, 1, 3, 8))
        symbol = rng.choice(SYMBOLS)
        limit: Any = rng.choice(("ceiling", "ceiling", "floor", None))
        volume = rng.choice((100, 500, 2_000, 3_000))
        top, bottom = PRICE * 107 // 100, PRICE * 93 // 100
        sides: dict[str, Any] = {
            "ceiling": {"bid": top, "bid_volume": volume, "ask": 0, "ask_volume": 0},
            "floor": {"bid": 0, "bid_volume": 0, "ask": bottom, "ask_volume": volume},
        }.get(limit, {"bid": rng.choice((top, top - 100, PRICE)), "ask": top + 100})
        yield a_quote_event(symbol, ts_ms - 1000 * (rng.random() < 0.05), limit=limit, **sides)


def _candles(rng: Random) -> Iterator[Any]:
    for minute in range(40):
        for symbol in SYMBOLS:
            amended = rng.randint(0, minute) if rng.random() < 0.1 else minute
            opened = PRICE * (104 if symbol == "VNM" else 101) // 100
            usual: dict[str, Any] = {"usual_volume": rng.choice((1_000, 400)), "usual_days": rng.choice((20, 20, 3))}
            yield a_candle_event(
                symbol,
                BEGINS_MS + amended * 60_000,
                ts=BEGINS_MS + minute * 60_000 + 75_000,
                volume=rng.choice((300, 900, 4_000)),
                opens=minute == 0,
                open=opened,
                **usual,
            )


def _entries(rng: Random) -> Iterator[Any]:
    counters = {(symbol, side): (0, 0) for symbol in SYMBOLS for side in (Side.BUY, Side.SELL)}
    ts_ms: int = BEGINS_MS
    for _ in range(300):
        ts_ms += 1000 * rng.choice((1, 2, 5))
        if at(DAY, 11, 29) < ts_ms < at(DAY, 13, 0):
            ts_ms = at(DAY, 13, 1)
        symbol, side = rng.choice(SYMBOLS), rng.choice((Side.BUY, Side.SELL))
        counter, generation = counters[symbol, side]
        kind: Any = rng.choices(("delta", "catch_up", "correction", "reset", "room", "revaluation"), (90, 1, 1, 1, 5, 2))[0]
        if kind == "reset":
            counter, generation = 0, generation + 1
        volume = rng.choice((100, 500, 3_000)) if kind in ("delta", "catch_up", "reset") else 0
        volume = -counter // 5 if kind == "correction" else volume
        counters[symbol, side] = counter + volume, generation
        yield a_ledger_entry(
            symbol, ts_ms, kind=kind, side=side, generation=generation, counter_from=counter, volume=volume,
            room=rng.choice((0, 500, 5_000, 30_000)), ambiguous=kind in ("correction", "reset") or rng.random() < 0.01,
        )  # fmt: skip


def _bases(rng: Random) -> Iterator[Any]:
    ts_ms: int = BEGINS_MS
    for _ in range(150):
        ts_ms += 1000 * rng.choice((0, 1, 5, 20))
        made = a_basis_event(FRONT, ts_ms - 1000 * (rng.random() < 0.05), stale=rng.random() < 0.1)
        distance = rng.choice((-900, -300, -100, 20, 100, 300, 900))
        yield a_basis_event(FRONT, made.ts_ms, price=made.index_value + distance, stale=made.stale)


def alerted(stream: dict[str, list[Any]]) -> Events:
    """The events with their places, what the alerts pipeline makes of them, and the terms that it has told."""
    found: Events = defaultdict(list)
    rules = list(rules_of(RULES))
    for name, its in stream.items():
        topic, fold = _FOLDS[name]
        own = [rule for rule in rules if topic_of(rule) == name]
        run: Callable[..., Folded] = partial(fold, offers=offers(topic, rules=own))
        state: dict[bytes, bytes] = {}
        for offset, event in enumerate(its):
            position = Position(name, 0, offset)
            found[name].append((EventPosition(position, 0), event))
            folded = run(topic.message(events=[event]), position, Shard.of("alerts", 0, 1), state)  # type: ignore[misc]
            if folded.adopted is not None:
                terms = PIPELINES_TERMS.decode(folded.adopted.value)
                found[PIPELINES_TERMS.name].append((EventPosition(Position(PIPELINES_TERMS.name, 0, 0), 0), terms))
            for output in folded.outputs:
                if output.topic is MARKET_ALERTS:
                    at_offset = Position(MARKET_ALERTS.name, 0, len(found[MARKET_ALERTS.name]))
                    found[MARKET_ALERTS.name] += (
                        (EventPosition(at_offset, idx), alert)
                        for idx, alert in enumerate(MARKET_ALERTS.decode(output.value).events)
                    )
    return found
