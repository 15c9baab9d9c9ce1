"""Why is a minute what it is?"""

from typing import Final

from schemas.structs import CandleEvent
from stock_tracker.explain.core.evidence import Evidence, Question, Section, Unanswerable, by_log, is_match, steps_of, told_by
from stock_tracker.explain.core.trace import Trace
from stock_tracker.explain.core.words import clock, price

MINUTE_MS: Final = 60_000


def candle(question: Question, trace: Trace) -> Evidence:
    """A minute: its matches, and how it was told."""
    if question.at_ms is None:
        raise Unanswerable("a candle is of a minute, and none was named", "Name it: --at 10:15")
    minute = question.at_ms // MINUTE_MS * MINUTE_MS
    steps = steps_of(trace, question.day)
    found = told_by(trace, steps, lambda event: is_match(event) and event.ts_ms // MINUTE_MS * MINUTE_MS == minute)
    told = told_by(trace, steps, lambda event: isinstance(event, CandleEvent) and event.minute_ms == minute)
    if not found:
        minutes = sorted({line.event.ts_ms // MINUTE_MS * MINUTE_MS for _, line in trace.told if is_match(line.event)})
        near = sorted(minutes, key=lambda other: abs(other - minute))[:3]
        remedy = (
            f"Minutes near it that have some: {', '.join(clock(other)[:5] for other in sorted(near))}"
            if near
            else "It has none all day"
        )
        raise Unanswerable(f"{question.symbol} has no match in the minute of {clock(minute)[:5]}", remedy)
    ordered = sorted(found, key=lambda each: (each[1].event.ts_ms, each[1].event.generation, each[1].event.total_volume))
    prices = [line.event.price for _, line in ordered]
    extremes = {"open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1]}
    setters = {
        "open": ordered[0],
        "high": next(each for each in ordered if each[1].event.price == extremes["high"]),
        "low": next(each for each in ordered if each[1].event.price == extremes["low"]),
        "close": ordered[-1],
    }
    last = told[-1][1].event if told else None
    volume = sum(line.event.volume for _, line in found)
    exchange = found[0][1].event.exchange
    notes = [f"{name} {price(extremes[name], exchange)}: {step.place}" for name, (step, _) in setters.items()]
    if last is not None and (last.open, last.high, last.low, last.close, last.volume) != (*extremes.values(), volume):
        notes.append("market.candles says otherwise: prints of this minute came that it does not know, or was never told of")
    shown = ", ".join(f"{name} {price(value, exchange)}" for name, value in extremes.items())
    answered = Evidence(
        question,
        f"The candle of {question.symbol} of {clock(minute)[:5]}: {shown}, volume {volume:,}",
        {**extremes, "volume": volume, "prints": len(found), "told": len(told)},
        by_log(step for step, _ in found),
    )
    answered.sections = [
        Section("Its matches", answered.made_by, notes),
        Section("It was told by", by_log(step for step, _ in told)),
    ]
    return answered
