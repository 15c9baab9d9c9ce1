"""From a question about a number to its evidence.

An answer names the records that made the number first, and then what else bears on it: what was passed over and by which rule,
what came later. Where a question has a time, it is exchange time, and the number is the one that was shown when the symbol's row
had that time: before the first record that is later than it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schemas.structs import AlertEvent, CandleEvent, IndexEvent, LedgerEntry, TradeEvent, TradeRecord
from schemas.topics import STATE_FOREIGN, STATE_INDICES, STATE_PRICES
from schemas.units import Symbol, TradingDay, UnixMs
from stock_tracker.explain.core.step import BookedLine, Break, TraceStep
from stock_tracker.explain.core.trace import Trace
from stock_tracker.explain.core.words import clock, price
from stock_tracker.verify.core.differences import EventPosition

MINUTE_MS: Final = 60_000
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
    """One of :data:`ANSWERS`."""
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


def answer(question: Question, traces: Sequence[Trace]) -> Evidence:
    """Answer a question.

    Args:
        question: About one of :data:`WHATS`.
        traces: Of the symbol: for an alert all that there are, else the one that the question is about.

    Raises:
        Unanswerable: No record of the symbol is on that day, or none that the question could be about.
    """
    if not any(_of_day(trace, question.day) for trace in traces):
        raise _unknown(question, traces)
    return _alert(question, traces) if question.what == "alert" else ANSWERS[question.what](question, traces[0])


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


def _of_day(trace: Trace, day: TradingDay) -> list[TraceStep]:
    """The steps of a day: of its records and of time that passed in it."""
    return [step for step in trace.steps if getattr(step.record, "trading_day", day) == day]


def _shown(steps: Sequence[TraceStep], at_ms: UnixMs | None) -> tuple[list[TraceStep], list[TraceStep]]:
    """The steps up to the first record that is later than a time, and those after."""
    if at_ms is None:
        return list(steps), []
    end = next((place for place, step in enumerate(steps) if step.ts_ms > at_ms and not step.is_tick), len(steps))
    return list(steps[:end]), list(steps[end:])


def _told(trace: Trace, steps: Sequence[TraceStep], wanted: Callable[[Any], bool]) -> list[tuple[TraceStep, BookedLine]]:
    """The events that were told up to the last of ``steps``, with their records, in the order in which they were told."""
    if not steps:
        return []
    numbers = range(steps[0].number, steps[-1].number + 1)
    return [(step, line) for step, line in trace.told if line.told in numbers and wanted(line.event)]


def _row(steps: Sequence[TraceStep], topic: str) -> Any:
    return next((step.rows[topic] for step in reversed(steps) if topic in step.rows), None)


def _by_log(steps: Iterable[TraceStep]) -> list[TraceStep]:
    """Each step once, in the order of the log."""
    return [step for _, step in sorted({step.number: step for step in steps}.items())]


def _is_match(event: Any) -> bool:
    """Whether an event is a match of the order book that has a total."""
    return isinstance(event, TradeEvent) and event.kind == "print" and event.anchored and event.phase not in _ELSEWHERE


def _is_counted(event: Any) -> bool:
    """Whether an event moves the counted volume of the order book."""
    return _is_match(event) or (
        isinstance(event, TradeEvent) and event.kind in ("gap", "fill", "correction", "reset") and event.phase not in _ELSEWHERE
    )


def _is_plain(step: TraceStep, *usual: str) -> bool:
    """Whether nothing decided about a record but the usual rules; that it decided about another says nothing of itself."""
    return all(rule in (*usual, "clock") or rule.startswith("decides_") for rule in step.rules)


def _when(question: Question) -> str:
    return "at the end" if question.at_ms is None else f"at {clock(question.at_ms)}"


def _later(question: Question, after: Sequence[TraceStep]) -> Section:
    """What came after the moment and is of the time before it."""
    at_ms = question.at_ms or 0
    late = [step for step in after if step.ts_ms <= at_ms and isinstance(step.record, TradeRecord)]
    return Section("Came later, and is of that time or before", late)


def _last(question: Question, trace: Trace) -> Evidence:
    """The last price: the newest match in its turn; of an index its value."""
    shown, after = _shown(_of_day(trace, question.day), question.at_ms)
    found = _told(trace, shown, lambda event: isinstance(event, IndexEvent) or (_is_match(event) and not event.late))
    if not found:
        # Where all that there is of a day came late, the first of it is the last price too.
        found = _told(trace, shown, _is_match)[:1]
    if not found:
        raise Unanswerable(
            f"{question.symbol} has no match {_when(question)}",
            f"Its first record is of {clock(_of_day(trace, question.day)[0].ts_ms)}: ask for a later time with --at",
        )
    setter, line = found[-1]
    if isinstance(line.event, IndexEvent):
        row, value = _row(shown, STATE_INDICES.name), {"last": line.event.value}
        figure, text = "value", price(line.event.value, None)
    else:
        row, value = _row(shown, STATE_PRICES.name), {"last": line.event.price, "last_volume": line.event.last_volume}
        figure, text = "last price", price(line.event.price, line.event.exchange)
    since = [step for step in shown if step.number > line.told and isinstance(step.record, TradeRecord)]
    sentence = f"The {figure} of {question.symbol} {_when(question)} is {text}, of {clock(line.event.ts_ms)}"
    answered = Evidence(question, sentence, value, [setter], row=row)
    answered.sections = [Section("It was set by", [setter])]
    if line.told != setter.number:
        answered.sections.append(Section("It had waited, and was booked when this record came", [trace.steps[line.told]]))
    if len(found) > 1:
        answered.sections.append(Section("Before that it was set by", [found[-2][0]]))
    answered.sections += [Section("Trades since, which left it as it was", since), _later(question, after)]
    return answered


def _total(question: Question, trace: Trace) -> Evidence:
    """The day's volume: prints, gaps, fills, corrections and resets, one after the other."""
    shown, after = _shown(_of_day(trace, question.day), question.at_ms)
    found = _told(trace, shown, _is_counted)
    if not found:
        raise Unanswerable(f"nothing of {question.symbol} was traded {_when(question)}", "Ask for a later time with --at")
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
    row = _row(shown, STATE_PRICES.name)
    made_by = _by_log(step for step, _ in found)
    irregular = [step for step in made_by if not _is_plain(step, "print", "status")]
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
        f"The volume of {question.symbol} {_when(question)} is {total:,}",
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


def _gap(question: Question, trace: Trace) -> Evidence:
    """Volume that no record told of: who showed it, why it was not seen, and what filled it."""
    steps, at_ms = _of_day(trace, question.day), question.at_ms
    gaps = [(step, line) for step, line in _told(trace, steps, lambda event: getattr(event, "kind", "") == "gap")]
    chosen = [(step, line) for step, line in gaps if at_ms is None or line.event.since_ms <= at_ms <= line.event.ts_ms]
    if not chosen:
        known = ", ".join(f"{clock(line.event.since_ms)} to {clock(line.event.ts_ms)}" for _, line in gaps[:8])
        if not gaps:
            raise Unanswerable(f"{question.symbol} has no gap on {question.day}", "Ask for another number: --what total")
        raise Unanswerable(f"{question.symbol} has no gap {_when(question)}", f"Its gaps lie from {known}: ask for a time in one")
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
    sentence = f"{question.symbol} has {many} {_when(question)}, of {volume:,} in all"
    return Evidence(question, sentence, {"gaps": values}, _by_log(made_by), sections)


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


def _foreign(question: Question, trace: Trace) -> Evidence:
    """What foreigners bought and sold: the lines of the ledger."""
    shown, _ = _shown(_of_day(trace, question.day), question.at_ms)
    found = _told(trace, shown, lambda event: isinstance(event, LedgerEntry))
    if not found:
        raise Unanswerable(f"foreigners have not traded {question.symbol} {_when(question)}", "Ask for a later time with --at")
    made_by = _by_log(step for step, _ in found)
    sums = {"bought": 0, "sold": 0, "bought_value": 0, "sold_value": 0}
    for _, line in found:
        side = "bought" if line.event.side == "buy" else "sold"
        sums[side] += line.event.volume
        sums[f"{side}_value"] += line.event.value
    movers = [
        next((s for s, ln in reversed(found) if ln.event.side == side and ln.event.volume), None) for side in ("buy", "sell")
    ]
    moved = _by_log(step for step in movers if step is not None)
    at_it = [step for step, line in found if question.at_ms and line.event.since_ms < question.at_ms <= line.event.ts_ms]
    irregular = [step for step in made_by if step not in moved and not _is_plain(step, "delta", "room")]
    dropped = [step for step in shown if step.rules & {"glitch", "unresolved"}]
    waiting = [step for step in shown if step.rules & {"suspect", "held"} and not step.lines and step not in dropped]
    stale = sum("stale" in step.rules for step in shown)
    answered = Evidence(
        question,
        f"Foreigners have bought {sums['bought']:,} and sold {sums['sold']:,} of {question.symbol} {_when(question)}",
        {**sums, "entries": len(found)},
        made_by,
        row=_row(shown, STATE_FOREIGN.name),
    )
    answered.sections = [
        Section("The entries of that time", _by_log(at_it)),
        Section("The totals were moved last by", moved),
        Section("What is no plain delta in them", irregular),
        Section("Dropped, so not in them", dropped, [f"{stale:,} repeats are not in them either"] if stale else []),
        Section("Held, and not decided yet", waiting),
        Section("Plain deltas in them", [step for step in made_by if step not in irregular and step not in moved]),
    ]
    return answered


def _candle(question: Question, trace: Trace) -> Evidence:
    """A minute: its matches, and how it was told."""
    if question.at_ms is None:
        raise Unanswerable("a candle is of a minute, and none was named", "Name it: --at 10:15")
    minute = question.at_ms // MINUTE_MS * MINUTE_MS
    steps = _of_day(trace, question.day)
    found = _told(trace, steps, lambda event: _is_match(event) and event.ts_ms // MINUTE_MS * MINUTE_MS == minute)
    told = _told(trace, steps, lambda event: isinstance(event, CandleEvent) and event.minute_ms == minute)
    if not found:
        minutes = sorted({line.event.ts_ms // MINUTE_MS * MINUTE_MS for _, line in trace.told if _is_match(line.event)})
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
        _by_log(step for step, _ in found),
    )
    answered.sections = [
        Section("Its matches", answered.made_by, notes),
        Section("It was told by", _by_log(step for step, _ in told)),
    ]
    return answered


def _alert(question: Question, traces: Sequence[Trace]) -> Evidence:
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
    answered.sections.append(Section(f"In its window, the {seconds} seconds before it", _by_log(window)))


ANSWERS: Final[Mapping[str, Callable[[Question, Trace], Evidence]]] = {
    "last": _last,
    "total": _total,
    "gap": _gap,
    "foreign": _foreign,
    "candle": _candle,
}
"""What can be asked beside ``alert``."""
WHATS: Final = (*ANSWERS, "alert")
"""What can be asked."""
