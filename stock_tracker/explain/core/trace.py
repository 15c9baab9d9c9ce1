"""Folds the messages of a shard again, with the very fold, and notes what came of each record of one symbol.

A fold says the same however records are cut into frames. So whatever concerns the symbol is folded record by record: then what
the fold publishes and counts is that record's. Records that wait for a verdict get what the verdict books when it comes::

    trace = Trace(Symbol("VNM"), SSI_TICKS, fold, shard, TapeBook())
    trace.take(position, value)             # each message of the shard, in its order, from the first that there is
    trace.steps                             # what came of each record of the symbol
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from pipelines.core.codec import DayState
from pipelines.core.feeds import Feeds
from pipelines.core.frames import Fold, Folded, Shard
from schemas.errors import InvalidMessage
from schemas.instruments import routing_key
from schemas.plain_text import harmless
from schemas.position import Position
from schemas.structs import (
    ClockTick,
    ForeignRecord,
    Frame,
    IndexRecord,
    OddLotRecord,
    QuoteRecord,
    SnapshotRecord,
    StatusRecord,
    TradeRecord,
)
from schemas.topics import EVENT_TOPICS, SSI_DLQ, STATE_TOPICS, Topic
from schemas.units import Symbol, UnixMs
from stock_tracker.explain.core import rules
from stock_tracker.explain.core.books import Held, Identity, TracedBook
from stock_tracker.explain.core.breaks import BreakWatch
from stock_tracker.explain.core.step import BookedLine, Break, TraceStep
from stock_tracker.verify.core.differences import EventPosition

_OF_A_SYMBOL: Final = (TradeRecord, QuoteRecord, SnapshotRecord, OddLotRecord, StatusRecord, ForeignRecord, IndexRecord)
"""The kinds of record that say something of a symbol at a time."""
_BY_TIME: Final = (b'"kind":"clock"', b'"kind":"loss"')
_GAP: Final = b'"kind":"gap"'
_EVENTS: Final = frozenset(topic.name for topic in EVENT_TOPICS)
_ROWS: Final = frozenset(topic.name for topic in STATE_TOPICS)
Listener = Callable[[Topic[Any], Any], dict[int, list[Any]]]
"""Takes a frame of events, and gives the alerts that come of each of them, by its place in the frame."""


class Trace:
    """What came of the records of one symbol on one topic.

    Args:
        symbol: Whose.
        topic: One of the record topics.
        fold: The fold that reads it.
        shard: Where the symbol lives.
        book: How to look at the fold's state.
        listen: Is given all events of the shard, in order.
    """

    def __init__(
        self,
        symbol: Symbol,
        topic: Topic[Frame],
        fold: Fold[Frame],
        shard: Shard,
        book: TracedBook,
        listen: Listener | None = None,
    ) -> None:
        self.symbol = symbol
        self.topic = topic
        self.steps: list[TraceStep] = []
        """In the order of the log."""
        self.told: list[tuple[TraceStep, BookedLine]] = []
        """All events of the symbol with the records that they tell of, in the order in which they were told."""
        self.symbols: set[str] = set()
        """All symbols of which there are records on the shard."""
        self.messages = 0
        self._fold = fold
        self._shard = shard
        self._book = book
        self._listen = listen
        self._state: dict[bytes, bytes] = {}
        self._feeds = Feeds()
        self._breaks = BreakWatch()
        self._waiting: dict[Identity, TraceStep] = {}
        # A future's basis moves with its index, whose records tell of it too.
        names = {symbol, routing_key(symbol)}
        self._marks = (*(f'"{name}"'.encode() for name in sorted(names)), *_BY_TIME)

    @property
    def breaks(self) -> Sequence[Break]:
        """The breaks of the shard's feeds, in the order in which they happened."""
        return self._breaks.breaks

    @property
    def day(self) -> int:
        """The trading day that the shard has reached; 0 before its first record."""
        return self._feeds.day

    def take(self, position: Position, value: bytes) -> None:
        """Fold a message. One that cannot be decoded is passed over, as the pipeline does after it has put it aside.

        Raises:
            NewerMessage: A newer release wrote it.
            TermsUnknown: Nothing is known of what the shard folded with.
        """
        self.messages += 1
        try:
            frame = self.topic.decode(value)
        except InvalidMessage:
            return
        self.symbols.update(record.symbol for record in frame.records if isinstance(record, _OF_A_SYMBOL))
        if not any(mark in value for mark in self._marks):
            self._take(frame, position, None)
            return
        for idx, record in enumerate(frame.records):
            alone: Any = msgspec.structs.replace(frame, records=[record])  # type: ignore[type-var] # at run time it is a Struct
            self._take(alone, position, idx)

    def _take(self, frame: Frame, position: Position, idx: int | None) -> None:
        """Fold a frame: all of it, or the record that was at ``idx``."""
        record = None if idx is None else frame.records[0]
        place = EventPosition(position, idx or 0)
        looks = idx is not None
        held = self._book.held(self._state, self.symbol) if looks else {}
        before = self._book.standing(self._state, self.symbol) if looks else {}
        folded = self._fold(frame, position, self._shard, self._state)
        self._feeds = Feeds.load(DayState(self._state, lambda: 0, Counter()))
        self._breaks.look(self._feeds, frame, record, place)
        lines = self._lines(folded)
        is_ours = isinstance(record, _OF_A_SYMBOL) and record.symbol == self.symbol
        if is_ours or lines:
            step = TraceStep(
                number=len(self.steps),
                place=place,
                feed=frame.feed,
                epoch=frame.epoch,
                recv_us=frame.recv_us,
                record=record if record is not None else next(each for each in frame.records if hasattr(each, "ts_ms")),
                market_ms=UnixMs(self._feeds.now_ms),
                mark=self._feeds.mark,
                before=before,
                after=self._book.standing(self._state, self.symbol),
            )
            self.steps.append(step)
            if not is_ours:
                what = "time passed" if isinstance(step.record, ClockTick) else f"a record of {step.record.symbol} came"
                step.decide("clock", f"{what}, and that told something of {self.symbol}")
            self._explain(step, folded, lines, held, is_ours=is_ours)
        self._take_row(folded)

    def _lines(self, folded: Folded) -> list[BookedLine]:
        """The events of the symbol that a fold has published."""
        name = f'"{self.symbol}"'.encode()
        found: list[BookedLine] = []
        for output in folded.outputs:
            # What is lost of other symbols matters to the alerts of lost connections.
            if output.topic.name not in _EVENTS or (name not in output.value and _GAP not in output.value):
                continue
            frame = output.topic.decode(output.value)
            alerts = self._listen(output.topic, frame) if self._listen is not None else {}
            for place, event in enumerate(frame.events):
                if getattr(event, "symbol", None) == self.symbol:
                    found.append(BookedLine(output.topic.name, event, told=len(self.steps), alerts=alerts.get(place, [])))
        return found

    def _take_row(self, folded: Folded) -> None:
        for output in folded.outputs if self.steps else ():
            if output.topic.name in _ROWS and output.key == self.symbol:
                self.steps[-1].rows[output.topic.name] = output.topic.decode(output.value)

    def _explain(
        self, step: TraceStep, folded: Folded, lines: list[BookedLine], held: dict[Identity, Held], *, is_ours: bool
    ) -> None:
        """Say of each record that the fold has decided about what it booked, and why."""
        counts = folded.counts
        now_held = self._book.held(self._state, self.symbol)
        left = [identity for identity in held if identity not in now_held and identity in self._waiting]
        judged = [(identity, self._waiting.pop(identity)) for identity in left]
        candidates = [*dict.fromkeys(waited for _, waited in judged), step]
        for line in lines:
            owner = self._book.owner(line.event, candidates) or step
            owner.lines.append(line)
            self.told.append((owner, line))
            for decision in rules.booked(line):
                owner.decide(*decision)
        self._judge(step, judged, counts)
        for identity in self._book.identities(step.record) if is_ours else ():
            if identity in now_held and identity not in held:
                self._waiting[identity] = step
                step.decide(*now_held[identity])
        if is_ours:
            self._decide(step, folded, is_verdict=bool(judged))

    def _judge(self, step: TraceStep, judged: Sequence[tuple[Identity, TraceStep]], counts: Counter[str]) -> None:
        """Say of records that had waited what became of them."""
        dropped = next((name for name in rules.DROPPED if counts[name]), None)
        for identity, waited in judged:
            told = [
                line.event.kind
                for line in waited.lines
                if line.told == step.number and hasattr(line.event, "kind") and self._book.concerns(identity, line.event)
            ]
            if told:
                verdict = next((kind for kind in ("reset", "correction") if kind in told), "confirmed")
                text = f"this record is newer, and decided: {verdict}"
                waited.decide("decided", f"decided by a later record: {verdict}", step.place)
            elif dropped is not None:
                verdict, text = dropped, f"this record is newer, and decided: {dropped}"
                waited.decide(dropped, rules.DROPPED[dropped], step.place)
            else:
                verdict, text = "repeat", "this record decided about it: nothing was left to book"
                waited.decide(
                    "repeat", "after the verdict nothing of it was left to book: earlier records have covered it", step.place
                )
            step.decide(f"decides_{verdict}", text, waited.place)

    def _decide(self, step: TraceStep, folded: Folded, *, is_verdict: bool) -> None:
        """Say what the fold counted the record itself by."""
        counts = folded.counts
        booked_own = any(line.event.kind == "print" for line in step.lines if hasattr(line.event, "kind"))
        for decision in rules.counted(counts):
            # A repeat that is counted beside a print of this record was one of those that had waited.
            if not (decision.rule == "repeat" and (booked_own or "suspect" in step.rules or "held" in step.rules)):
                step.decide(*decision)
        for name, text in () if is_verdict else rules.DROPPED.items():
            if counts[name]:
                step.decide(name, text)
        for output in folded.outputs:
            if output.topic is SSI_DLQ:
                letter = SSI_DLQ.decode(output.value)
                step.decide("rejected", harmless(f"a dead letter, {letter.reason}: {letter.detail}"))
        if not step.decisions:
            step.decide("nothing", "nothing of it is new")
