"""Finds where the events of a trace stand on their topics, and the hub messages that its records were in."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any

from connectors.ssi.core.redecode import MARGIN_US, Redecoder, WireMessage
from schemas.position import Position
from schemas.topics import EVENT_TOPICS, encode
from stock_tracker.explain.core.step import BookedLine, TracedMessage, TraceStep
from stock_tracker.explain.core.trace import Trace
from stock_tracker.verify.core.differences import EventPosition

_TOPICS = {topic.name: topic for topic in EVENT_TOPICS}


class EventPlaces:
    """Takes the messages of event topics, and gives the same events of a trace their places.

    Two events that are the same get the places in the order in which they stand.
    """

    def __init__(self, trace: Trace) -> None:
        self._symbol = trace.symbol
        self._mark = f'"{trace.symbol}"'.encode()
        self._open: defaultdict[tuple[str, bytes], deque[BookedLine]] = defaultdict(deque)
        for _, line in trace.told:
            self._open[line.topic, encode(line.event)].append(line)
        self.strange: list[EventPosition] = []
        """Events of the symbol on the topics that the trace does not have: an earlier day, or another fold."""

    @property
    def topics(self) -> list[str]:
        """The topics that there are events of."""
        return sorted({topic for topic, _ in self._open})

    def take(self, position: Position, value: bytes) -> None:
        """Take a message.

        Raises:
            InvalidMessage: It is none of its topic's.
            NewerMessage: A newer release wrote it.
        """
        if self._mark not in value:
            return
        frame: Any = _TOPICS[position.topic].decode(value)
        for idx, event in enumerate(frame.events):
            if event.symbol == self._symbol:
                lines = self._open.get((position.topic, encode(event)))
                if lines:
                    lines.popleft().place = EventPosition(position, idx)
                else:
                    self.strange.append(EventPosition(position, idx))

    @property
    def missing(self) -> list[BookedLine]:
        """The events of the trace that no message had."""
        return [line for lines in self._open.values() for line in lines]


class WireSearch:
    """Looks for the hub messages that records were in: those of their connection, received with their frame, that hold them."""

    def __init__(self, symbol: str, steps: Iterable[TraceStep]) -> None:
        self._mark = symbol.encode()
        self._redecoder = Redecoder("ALL")
        self._wanted: dict[tuple[str, int], list[TraceStep]] = {}
        for step in steps:
            if not step.is_tick:
                self._wanted.setdefault((step.feed, step.epoch), []).append(step)

    @property
    def begins_us(self) -> int | None:
        """When the first of the messages was received; None where no record is looked for."""
        return min((step.recv_us for steps in self._wanted.values() for step in steps), default=None)

    @property
    def is_done(self) -> bool:
        """Whether nothing is looked for any more."""
        return not self._wanted

    def take(self, position: Position, message: WireMessage) -> None:
        """Take a message of ``ssi.wire``."""
        steps = self._wanted.get((message.feed, message.epoch))
        if steps is None:
            return
        left = [step for step in steps if step.wire is None and step.recv_us + MARGIN_US >= message.recv_us]
        if not left:
            # What is received later cannot be it.
            del self._wanted[message.feed, message.epoch]
            return
        self._wanted[message.feed, message.epoch] = left
        near = [step for step in left if step.recv_us <= message.recv_us]
        if near and self._mark in message.value.upper():
            for step, _ in _matches(near, self._redecoder.read(message).records):
                step.wire = TracedMessage(position, message.value.decode(errors="backslashreplace"))


def _matches(steps: Iterable[TraceStep], records: Iterable[object]) -> Iterator[tuple[TraceStep, object]]:
    """The steps whose records are among ``records``, each record for one step only."""
    left = list(records)
    for step in steps:
        if step.record in left:
            left.remove(step.record)
            yield step, step.record
