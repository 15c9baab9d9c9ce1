"""Why are the last price and the volume of a day what they are?"""

from collections.abc import Sequence

from schemas.structs import IndexEvent, TradeRecord
from schemas.topics import STATE_INDICES, STATE_PRICES
from stock_tracker.explain.core.evidence import (
    Evidence,
    Question,
    Section,
    Unanswerable,
    by_log,
    is_counted,
    is_match,
    is_plain,
    row_of,
    shown_at,
    steps_of,
    told_by,
    when,
)
from stock_tracker.explain.core.step import TraceStep
from stock_tracker.explain.core.trace import Trace
from stock_tracker.explain.core.words import clock, price


def last_price(question: Question, trace: Trace) -> Evidence:
    """The last price: the newest match in its turn; of an index its value."""
    shown, after = shown_at(steps_of(trace, question.day), question.at_ms)
    found = told_by(trace, shown, lambda event: isinstance(event, IndexEvent) or (is_match(event) and not event.late))
    if not found:
        # Where all that there is of a day came late, the first of it is the last price too.
        found = told_by(trace, shown, is_match)[:1]
    if not found:
        raise Unanswerable(
            f"{question.symbol} has no match {when(question)}",
            f"Its first record is of {clock(steps_of(trace, question.day)[0].ts_ms)}: ask for a later time with --at",
        )
    setter, line = found[-1]
    if isinstance(line.event, IndexEvent):
        row, value = row_of(shown, STATE_INDICES.name), {"last": line.event.value}
        figure, text = "value", price(line.event.value, None)
    else:
        row, value = row_of(shown, STATE_PRICES.name), {"last": line.event.price, "last_volume": line.event.last_volume}
        figure, text = "last price", price(line.event.price, line.event.exchange)
    since = [step for step in shown if step.number > line.told and isinstance(step.record, TradeRecord)]
    sentence = f"The {figure} of {question.symbol} {when(question)} is {text}, of {clock(line.event.ts_ms)}"
    answered = Evidence(question, sentence, value, [setter], row=row)
    answered.sections = [Section("It was set by", [setter])]
    if line.told != setter.number:
        answered.sections.append(Section("It had waited, and was booked when this record came", [trace.steps[line.told]]))
    if len(found) > 1:
        answered.sections.append(Section("Before that it was set by", [found[-2][0]]))
    answered.sections += [Section("Trades since, which left it as it was", since), _later(question, after)]
    return answered


def total_volume(question: Question, trace: Trace) -> Evidence:
    """The day's volume: prints, gaps, fills, corrections and resets, one after the other."""
    shown, after = shown_at(steps_of(trace, question.day), question.at_ms)
    found = told_by(trace, shown, is_counted)
    if not found:
        raise Unanswerable(f"nothing of {question.symbol} was traded {when(question)}", "Ask for a later time with --at")
    sums: dict[int, dict[str, int]] = {}
    for _, line in found:
        event = line.event
        part = sums.setdefault(event.generation, {"prints": 0, "printed": 0, "gaps": 0, "filled": 0, "corrected": 0})
        if event.kind == "print":
            part["prints"] += 1
            part["printed"] += event.volume
        elif event.kind != "reset":
            part[{"gap": "gaps", "fill": "filled", "correction": "corrected"}[event.kind]] += event.volume
    generations = [
        {"generation": number, **part, "top": part["printed"] + part["gaps"] - part["filled"] + part["corrected"]}
        for number, part in sorted(sums.items())
    ]
    total = sum(part["top"] for part in generations)
    row = row_of(shown, STATE_PRICES.name)
    made_by = by_log(step for step, _ in found)
    irregular = [step for step in made_by if not is_plain(step, "print", "status")]
    raised = next(step for step, line in reversed(found) if line.event.kind != "fill")
    dropped = [step for step in shown if step.rules & {"glitch", "unresolved"} and isinstance(step.record, TradeRecord)]
    repeats = sum("repeat" in step.rules for step in shown)
    notes = [
        f"Generation {part['generation']}: {part['prints']:,} prints of {part['printed']:,} + gaps {part['gaps']:,} − fills "
        f"{part['filled']:,} {'+' if part['corrected'] >= 0 else '−'} corrections {abs(part['corrected']):,} = {part['top']:,}"
        for part in generations
    ]
    answered = Evidence(
        question,
        f"The volume of {question.symbol} {when(question)} is {total:,}",
        {"total": total, "generations": generations, "repeats": repeats},
        made_by,
        row=row,
    )
    answered.sections = [
        Section("It is made of", [], notes),
        Section("It was moved last by", [raised]),
        Section("What is no plain print in it", irregular),
        Section("Dropped, so not in it", dropped, [f"{repeats:,} repeats are not in it either"] if repeats else []),
        _later(question, after),
        Section("Plain prints in it", [step for step in made_by if step not in irregular and step is not raised]),
    ]
    return answered


def _later(question: Question, after: Sequence[TraceStep]) -> Section:
    """What came after the moment and is of the time before it."""
    at_ms = question.at_ms or 0
    late = [step for step in after if step.ts_ms <= at_ms and isinstance(step.record, TradeRecord)]
    return Section("Came later, and is of that time or before", late)
