"""How an answer reads: as lines for people, and as plain values."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from schemas.structs import CandleEvent, LedgerEntry, QuoteEvent, TradeEvent
from stock_tracker.explain.core.evidence import Evidence, Section
from stock_tracker.explain.core.step import BookedLine, TraceStep
from stock_tracker.explain.core.terms import TermsInForce
from stock_tracker.explain.core.words import clock, price, said

MOST: Final = 12
"""How many records of a section are shown; JSON has all."""
_WIRE: Final = 400
"""How many characters of a hub message are shown around the symbol."""


def lines(answered: Evidence, terms: Sequence[TermsInForce], source: str) -> Iterator[str]:
    """An answer as lines of text.

    Args:
        answered: The answer.
        terms: What the records and events were folded with.
        source: Where the records were read, in a few words.
    """
    yield answered.sentence
    if answered.row is not None:
        row = answered.row
        yield f"It is on the row of {clock(row.ts_ms)}, which came of the message at offset {row.src} of the symbol's partition"
    yield f"Records are from {source}"
    for each in terms:
        yield each.sentence()
    for section in answered.sections:
        yield from _section(section, answered.question.symbol)


def _section(section: Section, symbol: str) -> Iterator[str]:
    if not section.steps and not section.notes and section.title.startswith(_SAYS_NOTHING_WHEN_EMPTY):
        return
    yield ""
    yield section.title
    for note in section.notes:
        yield f"  {note}"
    for step in section.steps[:MOST]:
        yield from step_lines(step, symbol)
    if len(section.steps) > MOST:
        yield f"  … and {len(section.steps) - MOST:,} more: --json has all"


_SAYS_NOTHING_WHEN_EMPTY: Final = (
    "Came later", "Trades since", "What is no", "Dropped", "Held", "Plain", "The entries", "Filled later: 0", "The record before",
    "It was told by",
)  # fmt: skip


def step_lines(step: TraceStep, symbol: str) -> Iterator[str]:
    """A record, what decided about it, and what came of it."""
    what = f"feed {step.feed}: {said(step.record)}" if not step.is_tick else "market time"
    yield f"  {clock(step.ts_ms)}  {step.place}  {what}"
    for decision in step.decisions:
        other = f" ({decision.other})" if decision.other else ""
        yield f"      {decision.rule:<16} {decision.text}{other}"
    for line in step.lines:
        yield f"      → {_line(line)}"
        for alert in line.alerts:
            yield f"      → alert {alert.alert_id} {alert.rule}: {alert.message}"
    if step.wire is not None:
        yield f"      wire             {step.wire.position} {_around(step.wire.text, symbol)}"


def _line(line: BookedLine) -> str:
    event = line.event
    where = str(line.place) if line.place else f"{line.topic}, where it is not yet:" if line.sought else line.topic
    if isinstance(event, TradeEvent):
        what = f"{event.kind} ({event.start:,}, {event.total_volume:,}] {event.volume:,}"
    elif isinstance(event, LedgerEntry):
        what = f"{event.kind} {event.side.value} {event.counter_from:,} to {event.counter:,}, value {event.value:,}"
    elif isinstance(event, CandleEvent):
        figures = (event.open, event.high, event.low, event.close)
        shown = " ".join(price(each, event.exchange) for each in figures)
        what = f"candle of {clock(event.minute_ms)[:5]}, revision {event.revision}: {shown}, volume {event.volume:,}"
    elif isinstance(event, QuoteEvent):
        what = f"quote {price(event.bid, event.exchange)} / {price(event.ask, event.exchange)}"
    else:
        what = line.topic.partition(".")[2]
    return f"{where} {what}"


def _around(text: str, symbol: str) -> str:
    """As much of a hub message as a person reads: where it begins to tell of the symbol."""
    found = max(text.find(f'"{symbol}') - _WIRE // 4, text.find(f'\\"{symbol}') - _WIRE // 4, 0)
    part = text[found : found + _WIRE]
    return f"{'…' if found else ''}{part}{'…' if found + _WIRE < len(text) else ''}"


def as_json(answered: Evidence, terms: Sequence[TermsInForce], source: str) -> dict[str, Any]:
    """The same as plain values, with all records."""
    question = answered.question
    return {
        "symbol": question.symbol,
        "day": question.day,
        "what": question.what,
        "at_ms": question.at_ms,
        "answer": answered.sentence,
        "value": answered.value,
        "made_by": [place.as_json() for place in answered.places],
        "row": msgspec.to_builtins(answered.row),
        "alert": msgspec.to_builtins(answered.alert),
        "sections": [
            {"title": section.title, "notes": list(section.notes), "records": [_step_as_json(step) for step in section.steps]}
            for section in answered.sections
        ],
        "terms": [each.as_json() for each in terms],
        "source": source,
    }


def _step_as_json(step: TraceStep) -> dict[str, Any]:
    return {
        **step.place.as_json(),
        "feed": step.feed,
        "epoch": step.epoch,
        "recv_us": step.recv_us,
        "market_ms": step.market_ms,
        "record": msgspec.to_builtins(step.record),
        "before": dict(step.before),
        "after": dict(step.after),
        "rules": [
            {"rule": each.rule, "text": each.text, "other": each.other.as_json() if each.other else None}
            for each in step.decisions
        ],
        "events": [
            {
                "topic": line.topic,
                "place": line.place.as_json() if line.place else None,
                "event": msgspec.to_builtins(line.event),
                "alerts": [msgspec.to_builtins(alert) for alert in line.alerts],
            }
            for line in step.lines
        ],
        "wire": None if step.wire is None else {**step.wire.position._asdict(), "text": step.wire.text},
    }
