"""A question about a number, the evidence that answers it, and how steps of a trace are chosen for it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schemas.structs import AlertEvent, TradeEvent
from schemas.units import Symbol, TradingDay, UnixMs
from stock_tracker.explain.core.step import BookedLine, TraceStep
from stock_tracker.explain.core.trace import Trace
from stock_tracker.explain.core.words import clock
from stock_tracker.verify.core.differences import EventPosition

_ELSEWHERE: Final = ("put_through", "odd_lot")


class Unanswerable(Exception):
    """There is nothing that the question could be about."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy
        """What to do next."""

    def __str__(self) -> str:
        return f"{self.reason}. {self.remedy}"


class Question(NamedTuple):
    """What is asked."""

    symbol: Symbol
    day: TradingDay
    what: str
    """One of :data:`stock_tracker.explain.core.answer.WHATS`."""
    at_ms: UnixMs | None = None
    """Exchange time; None for the end of the day, or of what there is of it."""
    alert_id: str | None = None


@dataclass(frozen=True)
class Section:
    """Records that bear on a number in the same way."""

    title: str
    steps: Sequence[TraceStep]
    notes: Sequence[str] = ()
    """Sentences that belong to it."""


@dataclass
class Evidence:
    """A number, and the evidence behind it."""

    question: Question
    sentence: str
    value: Mapping[str, Any]
    """The number with its parts, by name, in the units of the topics."""
    made_by: Sequence[TraceStep]
    """The records that made it, in the order of the log."""
    sections: list[Section] = field(default_factory=list)
    """All the evidence, the records that made it first."""
    row: Any = None
    """The row that showed it; None where none does."""
    alert: AlertEvent | None = None

    @property
    def places(self) -> list[EventPosition]:
        """Where the records that made it stand."""
        return [step.place for step in self.made_by]


def steps_of(trace: Trace, day: TradingDay) -> list[TraceStep]:
    """The steps of a day: of its records and of time that passed in it."""
    return [step for step in trace.steps if getattr(step.record, "trading_day", day) == day]


def shown_at(steps: Sequence[TraceStep], at_ms: UnixMs | None) -> tuple[list[TraceStep], list[TraceStep]]:
    """The steps up to the first record that is later than a time, and those after."""
    if at_ms is None:
        return list(steps), []
    end = next((place for place, step in enumerate(steps) if step.ts_ms > at_ms and not step.is_tick), len(steps))
    return list(steps[:end]), list(steps[end:])


def told_by(trace: Trace, steps: Sequence[TraceStep], wanted: Callable[[Any], bool]) -> list[tuple[TraceStep, BookedLine]]:
    """The events that were told up to the last of ``steps``, with their records, in the order in which they were told."""
    if not steps:
        return []
    numbers = range(steps[0].number, steps[-1].number + 1)
    return [(step, line) for step, line in trace.told if line.told in numbers and wanted(line.event)]


def row_of(steps: Sequence[TraceStep], topic: str) -> Any:
    """The row that the last of some steps had left on a topic of rows; None where there is none."""
    return next((step.rows[topic] for step in reversed(steps) if topic in step.rows), None)


def by_log(steps: Iterable[TraceStep]) -> list[TraceStep]:
    """Each step once, in the order of the log."""
    return [step for _, step in sorted({step.number: step for step in steps}.items())]


def is_match(event: Any) -> bool:
    """Whether an event is a match of the order book that has a total."""
    return isinstance(event, TradeEvent) and event.kind == "print" and event.anchored and event.phase not in _ELSEWHERE


def is_counted(event: Any) -> bool:
    """Whether an event moves the counted volume of the order book."""
    return is_match(event) or (
        isinstance(event, TradeEvent) and event.kind in ("gap", "fill", "correction", "reset") and event.phase not in _ELSEWHERE
    )


def is_plain(step: TraceStep, *usual: str) -> bool:
    """Whether nothing decided about a record but the usual rules; that it decided about another says nothing of itself."""
    return all(rule in (*usual, "clock") or rule.startswith("decides_") for rule in step.rules)


def when(question: Question) -> str:
    """The moment that is asked about, in words."""
    return "at the end" if question.at_ms is None else f"at {clock(question.at_ms)}"
