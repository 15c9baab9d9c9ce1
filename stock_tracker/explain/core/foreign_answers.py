"""Why have foreigners bought and sold so much?"""

from schemas.structs import LedgerEntry
from schemas.topics import STATE_FOREIGN
from stock_tracker.explain.core.evidence import (
    Evidence,
    Question,
    Section,
    Unanswerable,
    by_log,
    is_plain,
    row_of,
    shown_at,
    steps_of,
    told_by,
    when,
)
from stock_tracker.explain.core.trace import Trace


def foreign_totals(question: Question, trace: Trace) -> Evidence:
    """What foreigners bought and sold: the lines of the ledger."""
    shown, _ = shown_at(steps_of(trace, question.day), question.at_ms)
    found = told_by(trace, shown, lambda event: isinstance(event, LedgerEntry))
    if not found:
        raise Unanswerable(f"foreigners have not traded {question.symbol} {when(question)}", "Ask for a later time with --at")
    made_by = by_log(step for step, _ in found)
    sums = {"bought": 0, "sold": 0, "bought_value": 0, "sold_value": 0}
    for _, line in found:
        side = "bought" if line.event.side == "buy" else "sold"
        sums[side] += line.event.volume
        sums[f"{side}_value"] += line.event.value
    movers = [
        next((s for s, ln in reversed(found) if ln.event.side == side and ln.event.volume), None) for side in ("buy", "sell")
    ]
    moved = by_log(step for step in movers if step is not None)
    at_it = [step for step, line in found if question.at_ms and line.event.since_ms < question.at_ms <= line.event.ts_ms]
    irregular = [step for step in made_by if step not in moved and not is_plain(step, "delta", "room")]
    dropped = [step for step in shown if step.rules & {"glitch", "unresolved"}]
    waiting = [step for step in shown if step.rules & {"suspect", "held"} and not step.lines and step not in dropped]
    stale = sum("stale" in step.rules for step in shown)
    answered = Evidence(
        question,
        f"Foreigners have bought {sums['bought']:,} and sold {sums['sold']:,} of {question.symbol} {when(question)}",
        {**sums, "entries": len(found)},
        made_by,
        row=row_of(shown, STATE_FOREIGN.name),
    )
    answered.sections = [
        Section("The entries of that time", by_log(at_it)),
        Section("The totals were moved last by", moved),
        Section("What is no plain delta in them", irregular),
        Section("Dropped, so not in them", dropped, [f"{stale:,} repeats are not in them either"] if stale else []),
        Section("Held, and not decided yet", waiting),
        Section("Plain deltas in them", [step for step in made_by if step not in irregular and step not in moved]),
    ]
    return answered
