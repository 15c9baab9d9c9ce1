"""Reads the evidence behind a number from topics or a recording, and answers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.fixtures.core.layout import FixtureMessage
from connectors.ssi.core.redecode import WireMessage
from pipelines.core.frames import Shard
from pipelines.parameters import Parameters
from schemas.instruments import contract_of, is_index, routing_key
from schemas.position import Position
from schemas.shards import shard_of
from schemas.topics import EVENT_TOPICS, PIPELINES_TERMS, RECORD_TOPICS, SSI_FOREIGN, SSI_INDICES, SSI_TICKS, SSI_WIRE, Topic
from schemas.units import Symbol, TradingDay, UnixMs
from stock_tracker.errors import NothingToExplain
from stock_tracker.explain.core.alert_answers import with_window
from stock_tracker.explain.core.alerts import AlertTrace
from stock_tracker.explain.core.answer import answer
from stock_tracker.explain.core.books import LedgerBook, TapeBook
from stock_tracker.explain.core.evidence import Evidence, Question, Unanswerable
from stock_tracker.explain.core.places import EventPlaces, WireSearch
from stock_tracker.explain.core.step import TraceStep
from stock_tracker.explain.core.terms import TermsInForce
from stock_tracker.explain.core.text import MOST, as_json, lines, step_lines
from stock_tracker.explain.core.trace import Trace
from stock_tracker.explain.offers import PipelineFolds
from stock_tracker.explain.sources import EvidenceSource
from stock_tracker.verify.core.differences import Difference, EventPosition

Tell = Callable[[str], None]
_PIPELINES: Final = {SSI_TICKS.name: "prices", SSI_FOREIGN.name: "foreign", SSI_INDICES.name: "indices"}
_TELL_EVERY: Final = 5_000


@dataclass(frozen=True)
class Explanation:
    """An answer, and what it was made of."""

    answer: Evidence
    terms: Sequence[TermsInForce]
    source: str

    def sentences(self) -> Iterator[str]:
        """As lines of text."""
        return lines(self.answer, self.terms, self.source)

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return as_json(self.answer, self.terms, self.source)


class Explainer:
    """Answers questions about one source. What was traced for one question is kept for the next.

    Args:
        source: Where records are read.
        parameters: The terms of this process, for what ``pipelines.terms`` does not tell.
        tell: Takes a line of progress.
    """

    def __init__(self, source: EvidenceSource, parameters: Parameters, tell: Tell) -> None:
        self._source = source
        self._tell = tell
        adopted = source.read(PIPELINES_TERMS.name, 0) if PIPELINES_TERMS.name in source.topics else ()
        self._folds = PipelineFolds(parameters, [PIPELINES_TERMS.decode(message.value) for message in adopted if message.value])
        self._traces: dict[tuple[str, str], Trace] = {}
        self._terms: dict[tuple[str, str], list[TermsInForce]] = {}

    def explain(
        self,
        symbol: Symbol,
        what: str,
        *,
        day: TradingDay | None,
        at: Callable[[TradingDay], UnixMs] | None,
        alert_id: str | None,
    ) -> Explanation:
        """Answer a question.

        Args:
            symbol: As the exchange writes it.
            what: One of :data:`stock_tracker.explain.core.answer.WHATS`.
            day: None for the last that there are records of.
            at: Gives the exchange time on a day; None for its end.
            alert_id: Of an alert.

        Raises:
            NothingToExplain: There is nothing that the question could be about.
            KafkaUnavailable: The broker does not answer.
            FixtureError: The recording cannot be read to its end.
        """
        topics = self._topics(symbol, what)
        traces = [self.trace(symbol, topic) for topic in topics]
        last = day or TradingDay(max(trace.day for trace in traces))
        if not last:
            raise NothingToExplain(
                f"there is nothing on {', '.join(topic.name for topic in topics)} of {self._source.name}",
                "Start a stack with stock-tracker up, or take a recording that has this topic: --recording FILE",
            )
        question = Question(symbol, last, what, None if at is None else at(last), alert_id)
        terms = [each for topic in topics for each in self._terms[symbol, topic.name]]
        try:
            answered = answer(question, traces)
        except Unanswerable as error:
            raise NothingToExplain(error.reason, error.remedy) from error
        if answered.alert is not None:
            rule, its_terms = _rule_of(answered.alert.rule, terms)
            with_window(answered, traces, rule)
            terms = [its_terms]
        else:
            terms = [each for each in terms if each.topic in {topic.name for topic in topics}]
        self._find_on_wire(symbol, [step for section in answered.sections for step in section.steps[:MOST]])
        return Explanation(answered, terms, self._source.name)

    def explain_difference(self, difference: Difference) -> list[str]:
        """The evidence behind a difference that verification has found, as lines of text: what came of the record where it lies.

        Empty where the difference names no place, or one that this source does not have.
        """
        if difference.position is None:
            return []
        place = difference.position
        symbol = Symbol(difference.symbol)
        if place.message.topic in _PIPELINES:
            topics = [topic for topic in RECORD_TOPICS if topic.name == place.message.topic]
        else:
            topics = self._topics(symbol, "alert")
        for topic in topics:
            found = [step for step in self.trace(symbol, topic).steps if _is_at(step, place)]
            if found:
                self._find_on_wire(symbol, found)
                return [line for step in found for line in step_lines(step, symbol)]
        return []

    def trace(self, symbol: Symbol, topic: Topic[Any]) -> Trace:
        """What came of the records of a symbol on a topic of records, its events with their places."""
        if known := self._traces.get((symbol, topic.name)):
            return known
        number = shard_of(routing_key(symbol), self._source.shards)
        pipeline = _PIPELINES[topic.name]
        fold, its = self._folds.fold(pipeline, topic.name, number)
        alert_folds, rules = self._folds.folds("alerts", number)
        alerts = AlertTrace(symbol, alert_folds, Shard.of("alerts", number, self._source.shards))
        book = LedgerBook() if topic is SSI_FOREIGN else TapeBook()
        trace = Trace(symbol, topic, fold, Shard.of(pipeline, number, self._source.shards), book, alerts)
        for message in self._source.read(topic.name, number):
            if message.value is not None:
                trace.take(_position(message), message.value)
            if trace.messages % _TELL_EVERY == 0:
                self._tell(f"{topic.name}: {trace.messages:,} messages folded")
        self._find_events(trace, number)
        self._traces[symbol, topic.name] = trace
        self._terms[symbol, topic.name] = [its, *rules]
        return trace

    def _topics(self, symbol: Symbol, what: str) -> list[Topic[Any]]:
        """The topics whose records can answer a question."""
        is_on_indices = is_index(symbol) or contract_of(symbol) is not None
        if what == "foreign":
            if is_on_indices:
                raise NothingToExplain(f"{symbol} has no foreign records: it is an index or a future", "Ask for --what last")
            return [SSI_FOREIGN]
        if is_on_indices:
            return [SSI_INDICES]
        return [SSI_TICKS, SSI_FOREIGN] if what == "alert" else [SSI_TICKS]

    def _find_events(self, trace: Trace, number: int) -> None:
        places = EventPlaces(trace)
        for name in places.topics:
            if name not in self._source.topics:
                continue
            self._tell(f"Looking for its events on {name}")
            for message in self._source.read(name, number if _SHARDED[name] else 0):
                if message.value is not None:
                    places.take(_position(message), message.value)
            for _, line in trace.told:
                line.sought |= line.topic == name

    def _find_on_wire(self, symbol: Symbol, steps: Sequence[TraceStep]) -> None:
        search = WireSearch(symbol, [step for step in steps if step.wire is None])
        begins_us = search.begins_us
        if begins_us is None or SSI_WIRE.name not in self._source.topics:
            return
        self._tell(f"Looking for its frames on {SSI_WIRE.name}")
        # It was appended after it was received.
        for message in self._source.read(SSI_WIRE.name, 0, UnixMs(begins_us // 1000)):
            if search.is_done:
                return
            try:
                wire = WireMessage.of({name: text or b"" for name, text in message.headers}, message.value or b"")
            except (KeyError, ValueError, UnicodeError):
                continue
            search.take(_position(message), wire)


_SHARDED: Final = {topic.name: topic.sharded for topic in EVENT_TOPICS}


def _position(message: FixtureMessage) -> Position:
    return Position(message.topic, message.partition, message.offset)


def _is_at(step: TraceStep, place: EventPosition) -> bool:
    return step.place == place or any(line.place == place for line in step.lines)


def _rule_of(name: str, terms: Sequence[TermsInForce]) -> tuple[dict[str, Any], TermsInForce]:
    """A rule as the rule file has it, and the terms that it is in."""
    return next((rule, each) for each in terms for rule in each.terms.rules or () if rule["name"] == name)
