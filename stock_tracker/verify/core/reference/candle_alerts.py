"""The alerts that a symbol's lines of ``market.candles`` must bring."""

from collections.abc import Iterator, Sequence

from schemas.profiles import step_begins_ms, step_of
from schemas.structs import CandleEvent
from stock_tracker.verify.core.reference.due import Cooldown, DueAlert, Rule


def open_gaps(rule: Rule, candles: Sequence[CandleEvent]) -> Iterator[DueAlert]:
    """The day's open is far from its reference; told once."""
    for candle in candles:
        if candle.opens and candle.reference:
            percent = (candle.open - candle.reference) * 100 / candle.reference
            if abs(percent) >= rule["min_pct"]:
                figures = {"price": candle.open, "reference": candle.reference, "gap_pct": round(percent, 2)}
                yield Cooldown(rule).alert("up" if percent > 0 else "down", candle, figures)
                return


def unusual_volumes(rule: Rule, candles: Sequence[CandleEvent]) -> Iterator[DueAlert]:
    """Five minutes with much more than is usual in them, as far as their minutes have been told."""
    cooldown = Cooldown(rule)
    newest = -1
    minutes: dict[int, CandleEvent] = {}
    for candle in candles:
        step = step_of(candle.day, candle.minute_ms)
        if step < newest:
            continue
        if step > newest:
            newest, minutes = step, {}
        minutes[candle.minute_ms] = candle
        volume, value = sum(one.volume for one in minutes.values()), sum(one.value for one in minutes.values())
        usual, days = candle.usual_volume, candle.usual_days
        if usual is None or days is None or days < rule["min_days"]:
            continue
        is_unusual = value >= rule["min_value_vnd"] and volume >= rule["ratio"] * usual
        if is_unusual and not cooldown.holds("", candle.ts_ms):
            figures = {
                "volume": volume, "value": value, "usual_volume": usual, "usual_days": days,
                "since_ms": step_begins_ms(candle.day, step), "price": candle.close,
            }  # fmt: skip
            yield cooldown.alert("", candle, figures)


KINDS = {"open_gap": open_gaps, "unusual_volume": unusual_volumes}
"""By kind of rule."""
