"""Why was volume not seen, and what has filled it?"""

from collections.abc import Sequence

from schemas.structs import TradeEvent, TradeRecord
from stock_tracker.explain.core.evidence import Evidence, Question, Section, Unanswerable, by_log, steps_of, told_by, when
from stock_tracker.explain.core.step import Break, TraceStep
from stock_tracker.explain.core.trace import Trace
from stock_tracker.explain.core.words import clock


def gaps(question: Question, trace: Trace) -> Evidence:
    """Volume that no record told of: who showed it, why it was not seen, and what filled it."""
    steps, at_ms = steps_of(trace, question.day), question.at_ms
    gaps = [(step, line) for step, line in told_by(trace, steps, lambda event: getattr(event, "kind", "") == "gap")]
    chosen = [(step, line) for step, line in gaps if at_ms is None or line.event.since_ms <= at_ms <= line.event.ts_ms]
    if not chosen:
        known = ", ".join(f"{clock(line.event.since_ms)} to {clock(line.event.ts_ms)}" for _, line in gaps[:8])
        if not gaps:
            raise Unanswerable(f"{question.symbol} has no gap on {question.day}", "Ask for another number: --what total")
        raise Unanswerable(f"{question.symbol} has no gap {when(question)}", f"Its gaps lie from {known}: ask for a time in one")
    sections: list[Section] = []
    made_by: list[TraceStep] = []
    values = []
    for step, line in chosen:
        gap = line.event
        filled = [
            (other, fill)
            for other, fill in trace.told
            if getattr(fill.event, "kind", "") == "fill" and fill.told >= line.told and fill.event.generation == gap.generation
            and gap.start <= fill.event.start and fill.event.total_volume <= gap.total_volume
        ]  # fmt: skip
        volume = sum(fill.event.volume for _, fill in filled)
        before = _record_before(steps, step)
        made_by += [step, *(other for other, _ in filled)]
        values.append(
            {"start": gap.start, "end": gap.total_volume, "volume": gap.volume, "cause": gap.cause, "since_ms": gap.since_ms,
             "ts_ms": gap.ts_ms, "filled": volume}
        )  # fmt: skip
        time = f"{clock(gap.since_ms)} to {clock(gap.ts_ms)}"
        title = f"Gap ({gap.start:,}, {gap.total_volume:,}] of {gap.volume:,}, {gap.cause}, {time}"
        sections += [
            Section(title, []),
            Section("The record before it", [] if before is None else [before]),
            Section("The record that showed it", [step], _why(gap, _breaks(trace, step))),
            Section(f"Filled later: {volume:,} of {gap.volume:,}", [other for other, _ in filled]),
        ]
    volume = sum(line.event.volume for _, line in chosen)
    many = "1 gap" if len(chosen) == 1 else f"{len(chosen)} gaps"
    sentence = f"{question.symbol} has {many} {when(question)}, of {volume:,} in all"
    return Evidence(question, sentence, {"gaps": values}, by_log(made_by), sections)


def _record_before(steps: Sequence[TraceStep], step: TraceStep) -> TraceStep | None:
    """The trade that had brought the counter to where a record found it."""
    top = step.before.get("top")
    for other in reversed(steps):
        is_earlier_trade = other.number < step.number and isinstance(other.record, TradeRecord)
        if is_earlier_trade and other.after.get("top") == top and other.record.total_volume == top:
            return other
    return None


def _breaks(trace: Trace, step: TraceStep) -> list[Break]:
    """The breaks between the record before a gap, and the one that showed it."""
    mark = step.before.get("mark") or 0
    return [each for each in trace.breaks if mark < each.mark <= step.mark or (each.cause == "down" and each.mark == mark)]


def _why(gap: TradeEvent, breaks: Sequence[Break]) -> list[str]:
    found = [f"{clock(each.market_ms) if each.market_ms else 'at first'}: {each.text} ({each.place})" for each in breaks]
    if gap.cause == "lost" and not found:
        found = ["No feed ran then: the clock ticks of those that were known had stopped"]
    if gap.cause == "unseen":
        found = [*found, "Yet some feed ran without a break: put-through deals, odd lots or SSI's own drop, it is not knowable"]
    return found
