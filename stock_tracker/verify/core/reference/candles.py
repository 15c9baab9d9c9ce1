"""The minutes of ``market.candles`` against the prints that are in them."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from schemas.profiles import usual
from schemas.structs import CandleEvent, TradeEvent
from schemas.units import Side, TradingDay
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.reference.board import matches
from stock_tracker.verify.core.reference.compare import differ
from stock_tracker.verify.core.reference.day import ToldDay

_MINUTE_MS = 60_000
_TOLD_AFTER_MS = 16_000
"""A candle is told 15 seconds after its minute, with the market second that follows."""


def check(
    told: ToldDay, tape: Mapping[str, list[tuple[EventPosition, TradeEvent]]], candles: list[tuple[EventPosition, CandleEvent]]
) -> Iterator[Difference]:
    """Compare the last candle of each minute that is over with its prints, and each with how often it was told before."""
    minutes: dict[tuple[str, int], list[TradeEvent]] = defaultdict(list)
    for symbol, told_lines in tape.items():
        for line in matches([line for _, line in told_lines]):
            minutes[symbol, _minute(line.ts_ms)].append(line)
    times: Counter[tuple[str, int]] = Counter()
    last: dict[tuple[str, int], tuple[EventPosition, CandleEvent]] = {}
    for at, candle in candles:
        key: tuple[str, int] = candle.symbol, candle.minute_ms
        yield from differ("candle", candle.symbol, candle, {"revision": times[key]} | _usual(told, candle), at)
        times[key] += 1
        last[key] = at, candle
    moves = {(record.symbol, _minute(record.ts_ms)) for symbol in tape for record in told.waiting(symbol)}
    for key in sorted({*minutes, *last}):
        is_due = not told.until_ms or (key[1] + _MINUTE_MS + _TOLD_AFTER_MS <= told.until_ms and key not in moves)
        if key not in last:
            if is_due:
                detail = f"market.candles has none of the minute {key[1]}"
                yield Difference("missing_candle", key[0], detail, None, "market.candles")
            continue
        at, newest = last[key]
        if key not in minutes:
            yield Difference("unknown_candle", key[0], f"no print is in the minute {key[1]}", at)
        elif is_due:
            yield from differ("candle", key[0], newest, _candle(minutes[key]) | _reference(told, key[0]), at)


def _minute(ts_ms: int) -> int:
    return ts_ms // _MINUTE_MS * _MINUTE_MS


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
        # The opening auction, or a match before which nothing was counted.
        "opens": any(line.phase == "ato" or (line.generation, line.start) == (0, 0) for line in ordered),
    }


def _reference(told: ToldDay, symbol: str) -> dict[str, object]:
    """The reference price of the day, where every record says the same."""
    said = {record.reference for record in told.trades.get(symbol, ())}
    return {"reference": said.pop()} if len(said) == 1 else {}


def _usual(told: ToldDay, candle: CandleEvent) -> dict[str, object]:
    """What is usual in the minutes around a candle, where it says so and one profile tells it."""
    profiles = told.profiles.get(candle.symbol, [])
    if candle.usual_volume is None or len(profiles) > 1:
        return {}
    if not profiles:
        return {"usual_volume": None, "usual_days": None}
    volume = usual(profiles[0].volumes, TradingDay(candle.day), candle.minute_ms)
    return {"usual_volume": volume, "usual_days": None if volume is None else profiles[0].days}
