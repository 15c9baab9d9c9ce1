"""The last events of a channel, alerts or candles, for clients that come or come back (pure).

They are events, not state: each client gets each of them, once and in order. A cursor has to be able to stand between two
events of one Kafka message, so the offsets here are finer than Kafka's: 65,536 times the message's, plus the event's place in
the message.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.core import cursor
from gateway.core.channels import CHANNELS, EVENT_CHANNELS
from schemas.position import Position
from schemas.structs import AlertEvent, AlertsFrame, CandleEvent, CandlesFrame
from schemas.topics import encode

_PLACE_BITS = 16


class ToldEvent(msgspec.Struct, frozen=True, gc=False):
    """An event, ready for the wire."""

    slot: int
    """The partition of its message, by number."""
    offset: int
    """The place of the event itself, made of its message's offset and its place in the message."""
    symbol: str
    ts_ms: int
    data: bytes
    """The event as a JSON object."""
    row: bytes
    """The event as a JSON list in the order of the channel's columns."""


def events_of(channel: str, position: Position, frame: AlertsFrame | CandlesFrame) -> list[ToldEvent]:
    """The events in ``frame``, the message of the channel's topic at ``position``."""
    first = position.offset << _PLACE_BITS
    events: Sequence[AlertEvent | CandleEvent] = frame.events
    return [_event(channel, position.partition, offset, event) for offset, event in enumerate(events, first)]


def _event(channel: str, slot: int, offset: int, event: AlertEvent | CandleEvent) -> ToldEvent:
    row = encode(tuple(getattr(event, name) for name in CHANNELS[channel].columns))
    return ToldEvent(slot=slot, offset=offset, symbol=event.symbol, ts_ms=event.ts_ms, data=encode(event), row=row)


@dataclass(slots=True)
class Recent:
    """The last events of a channel, oldest first."""

    channel: str
    stream: str = ""
    """Which logs the offsets are of; empty until reading begins."""
    complete: bool = False
    """Whether everything has been read that was on the topic when reading began: clients may come."""
    _events: deque[ToldEvent] = field(default_factory=deque)
    offsets: dict[int, int] = field(default_factory=dict)
    """The offset of the last event read, by slot."""
    _dropped: dict[int, int] = field(default_factory=dict)
    """The offset of the last event that is not here any more, or never was, by slot."""

    def begin(self, stream: str, starts: Mapping[int, int]) -> None:
        """Forget everything: ``stream`` is read from ``starts`` on, Kafka's offsets by partition."""
        self.stream = stream
        self._events.clear()
        self.offsets = {slot: (offset << _PLACE_BITS) - 1 for slot, offset in starts.items() if offset > 0}
        self._dropped = dict(self.offsets)
        self.complete = False

    def settle(self) -> None:
        """Let clients come: everything that was there has been read, though partition by partition, so sort it by time."""
        self._events = deque(sorted(self._events, key=lambda event: (event.ts_ms, event.slot, event.offset)))
        self.complete = True
        self._trim()

    def add(self, event: ToldEvent) -> None:
        """Append ``event``; once settled, drop the oldest beyond those that the channel keeps."""
        self._events.append(event)
        self.offsets[event.slot] = event.offset
        if self.complete:
            self._trim()

    def _trim(self) -> None:
        while len(self._events) > (CHANNELS[self.channel].kept or 0):
            event = self._events.popleft()
            self._dropped[event.slot] = max(event.offset, self._dropped.get(event.slot, -1))

    def since(self, offsets: cursor.Offsets | None) -> tuple[list[ToldEvent], bool]:
        """The events that a client lacks which has read up to ``offsets``, and whether all of these are still here.

        None is for a client that has read nothing: it gets all that are here, and nobody can say what it missed.
        """
        if offsets is None:
            return list(self._events), False
        whole = all(offsets.get(slot, -1) >= dropped for slot, dropped in self._dropped.items())
        return [event for event in self._events if event.offset > offsets.get(event.slot, -1)], whole

    def cursor(self) -> str:
        """The cursor of a client that has read everything."""
        return cursor.write(self.stream, self.offsets)


Recents = Mapping[str, Recent]
"""The last events of each channel that brings events, by its name."""


def recents() -> Recents:
    """Those of all such channels, before anything has been read."""
    return {name: Recent(name) for name in EVENT_CHANNELS}
