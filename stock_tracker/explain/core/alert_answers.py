"""Why was an alert told?"""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.structs import AlertEvent
from stock_tracker.explain.core.evidence import Evidence, Question, Section, Unanswerable, by_log
from stock_tracker.explain.core.step import BookedLine, TraceStep
from stock_tracker.explain.core.trace import Trace
from stock_tracker.explain.core.words import clock


def alert_with_id(question: Question, traces: Sequence[Trace]) -> Evidence:
    """An alert: the event that it hangs on, and what lay in its rule's window."""
    known: list[AlertEvent] = []
    for trace in traces:
        for step, line in trace.told:
            for alert in line.alerts:
                if alert.alert_id == question.alert_id:
                    return _fired(question, trace, step, line, alert)
                if alert.day == question.day:
                    known.append(alert)
    shown = "; ".join(f"{alert.alert_id} ({alert.rule}, {clock(alert.ts_ms)})" for alert in known[:12])
    if question.alert_id is None:
        raise Unanswerable(
            "which alert is meant was not said", f"Name it by its id: {shown or 'there is none of the symbol that day'}"
        )
    raise Unanswerable(
        f"{question.symbol} has no alert {question.alert_id} on {question.day}",
        f"Those that it has: {shown}"
        if known
        else "It has none at all: were other rules in force, or is it of another symbol or day?",
    )


def _fired(question: Question, trace: Trace, step: TraceStep, line: BookedLine, alert: AlertEvent) -> Evidence:
    """The evidence of an alert, but for the window of its rule, which :func:`with_window` adds."""
    return Evidence(
        question, f"{alert.rule} {alert.alert_id} at {clock(alert.ts_ms)}: {alert.message}", dict(alert.data), [step],
        [Section("It hangs on the event of", [step])], alert=alert,
    )  # fmt: skip


def with_window(answered: Evidence, traces: Sequence[Trace], rule: Mapping[str, Any]) -> None:
    """Add to the evidence of an alert what lay in the window of its rule.

    Args:
        answered: An answer about an alert.
        traces: That it was taken from.
        rule: As the rule file has it, with the thresholds in force.
    """
    alert = answered.alert
    if alert is None:
        return
    figures = ", ".join(f"{key} {value}" for key, value in rule.items() if key not in ("name", "kind", "severity"))
    answered.sections.insert(0, Section(f"Rule {rule['name']}, kind {rule['kind']}: {figures}", []))
    seconds = max(
        int(rule.get("window_s", 0)), int(rule.get("within_s", 0)), int(rule.get("recent_s", 0)) + int(rule.get("base_s", 0))
    )
    if not seconds:
        return
    trace = next(trace for trace in traces if answered.made_by[0] in trace.steps)
    topic = next(line.topic for line in answered.made_by[0].lines if alert in line.alerts)
    since_ms = alert.ts_ms - seconds * 1000
    window = [
        step
        for step, line in trace.told
        if line.topic == topic and since_ms < line.event.ts_ms <= alert.ts_ms and step is not answered.made_by[0]
        and line.told <= answered.made_by[0].number and getattr(line.event, "kind", "") not in ("status", "room")
    ]  # fmt: skip
    answered.sections.append(Section(f"In its window, the {seconds} seconds before it", by_log(window)))
