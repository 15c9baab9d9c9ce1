"""From a question about a number to its evidence.

An answer names the records that made the number first, and then what else bears on it: what was passed over and by which rule,
what came later. Where a question has a time, it is exchange time, and the number is the one that was shown when the symbol's row
had that time: before the first record that is later than it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from stock_tracker.explain.core.alert_answers import alert_with_id
from stock_tracker.explain.core.candle_answers import candle
from stock_tracker.explain.core.evidence import Evidence, Question, Unanswerable, steps_of
from stock_tracker.explain.core.foreign_answers import foreign_totals
from stock_tracker.explain.core.gap_answers import gaps
from stock_tracker.explain.core.trace import Trace
from stock_tracker.explain.core.volume_answers import last_price, total_volume


def answer(question: Question, traces: Sequence[Trace]) -> Evidence:
    """Answer a question.

    Args:
        question: About one of :data:`WHATS`.
        traces: Of the symbol: for an alert all that there are, else the one that the question is about.

    Raises:
        Unanswerable: No record of the symbol is on that day, or none that the question could be about.
    """
    if not any(steps_of(trace, question.day) for trace in traces):
        raise _unknown(question, traces)
    return alert_with_id(question, traces) if question.what == "alert" else ANSWERS[question.what](question, traces[0])


def _unknown(question: Question, traces: Sequence[Trace]) -> Unanswerable:
    known = sorted({symbol for trace in traces for symbol in trace.symbols})
    days = sorted({step.record.trading_day for trace in traces for step in trace.steps if hasattr(step.record, "trading_day")})
    if days:
        reason = f"there is no record of {question.symbol} on {question.day}, but there are some of {', '.join(map(str, days))}"
        return Unanswerable(reason, f"Ask for one of these days: --day {days[-1]}")
    where = ", ".join(trace.topic.name for trace in traces)
    shown = f"{', '.join(known[:12])}{' …' if len(known) > 12 else ''}" if known else "no symbol at all"
    return Unanswerable(
        f"there is no record of {question.symbol} on {where}",
        f"Is it written as the exchange does? In its shard there are records of {shown}. Or take another --recording",
    )


ANSWERS: Final[Mapping[str, Callable[[Question, Trace], Evidence]]] = {
    "last": last_price,
    "total": total_volume,
    "gap": gaps,
    "foreign": foreign_totals,
    "candle": candle,
}
"""What can be asked beside ``alert``."""
WHATS: Final = (*ANSWERS, "alert")
"""What can be asked."""
