"""Whether the numbers are right: what was published of a day against what a reference makes of the lines below it.

So far it judges the candles, from the prints of the tape, and the arithmetic of the basis. What else a day tells is in
:data:`NOT_JUDGED`: whoever reports a verification says so.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from schemas.position import Position
from schemas.structs import BasisEvent, CandleEvent, Frame, TradeEvent
from schemas.units import Side
from stock_tracker.verify.core.differences import Difference, EventPosition

Messages = Iterable[tuple[Position, Any]]
"""The messages of a topic, in order of each partition, with their places."""

NOT_JUDGED: Final = (
    "market.trades", "market.quotes", "market.daily", "market.foreign", "market.flow", "market.indices", "market.alerts",
    "state.prices", "state.foreign", "state.flow", "state.indices", "state.basis",
)  # fmt: skip
"""The topics whose numbers no reference of this release makes."""

_MINUTE_MS: Final = 60_000


def check(records: Iterable[tuple[Position, Frame]], outputs: Mapping[str, Messages]) -> Iterator[Difference]:
    """Compare the numbers of a day with those of the reference; memory grows with the prints of what is handed over.

    Args:
        records: The frames of ``ssi.*`` of a shard. Nothing that is judged so far is made from them.
        outputs: What was published, committed only, by the name of the topic, of the same shard and of one day.
    """
    yield from _check_candles(_events(outputs, "market.trades"), _events(outputs, "market.candles"))
    yield from _check_basis(_events(outputs, "market.basis"))


def _events(outputs: Mapping[str, Messages], topic: str) -> list[tuple[EventPosition, Any]]:
    frames = outputs.get(topic, ())
    return [(EventPosition(at, idx), event) for at, frame in frames for idx, event in enumerate(frame.events)]


def _check_candles(
    lines: list[tuple[EventPosition, TradeEvent]], candles: list[tuple[EventPosition, CandleEvent]]
) -> Iterator[Difference]:
    minutes: dict[tuple[str, int], list[TradeEvent]] = defaultdict(list)
    for _, line in lines:
        if line.kind == "print" and line.anchored and line.phase not in ("put_through", "odd_lot"):
            minutes[line.symbol, line.ts_ms // _MINUTE_MS * _MINUTE_MS].append(line)
    last = {(candle.symbol, candle.minute_ms): (at, candle) for at, candle in candles}
    for key in sorted(minutes.keys() | last.keys()):
        if key not in last:
            yield Difference("missing_candle", key[0], f"market.candles has none of the minute {key[1]}", None)
            continue
        at, candle = last[key]
        if key not in minutes:
            yield Difference("unknown_candle", key[0], f"no print is in the minute {key[1]}", at)
            continue
        yield from _differ("candle", candle, _candle(minutes[key]), at)


def _candle(prints: list[TradeEvent]) -> dict[str, object]:
    """What the candle of a minute's prints must say."""
    ordered = sorted(prints, key=lambda line: (line.ts_ms, line.generation, line.total_volume))
    prices = [line.price for line in ordered if line.price is not None]
    return {
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "volume": sum(line.volume for line in ordered),
        "value": sum(line.value for line in ordered),
        "active_buy": sum(line.volume for line in ordered if line.side is Side.BUY),
        "active_sell": sum(line.volume for line in ordered if line.side is Side.SELL),
        "prints": len(ordered),
    }


def _check_basis(events: list[tuple[EventPosition, BasisEvent]]) -> Iterator[Difference]:
    for at, event in events:
        basis = event.price - event.index_value
        yield from _differ("basis", event, {"basis": basis, "basis_pct": round(basis * 100 / event.index_value, 4)}, at)


def _differ(part: str, event: Any, expected: Mapping[str, object], at: EventPosition) -> Iterator[Difference]:
    wrong = [f"{name} is {found}, not {value}" for name, value in expected.items() if (found := getattr(event, name)) != value]
    if wrong:
        yield Difference(f"wrong_{part}", event.symbol, ", ".join(wrong), at)
