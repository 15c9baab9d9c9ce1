"""A shard cut by symbol into slices on disk, each of which is compared alone: so memory is that of a slice, however long the day.

Nothing that is compared symbol by symbol looks beyond a slice: a future and its index share one, as they share a shard. What a
slice needs of the others is the clock: of each partition the ticks that follow its own records, and the last one.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from sys import intern
from types import TracebackType
from typing import Any, Final, Self
from zlib import crc32

import msgspec

from schemas.instruments import routing_key
from schemas.position import Partition, Position
from schemas.structs import ClockTick, Frame, QuoteRecord, SnapshotRecord
from schemas.topics import EVENT_TOPICS, RECORD_TOPICS, Topic, encode
from schemas.units import Symbol
from stock_tracker.verify.core.against_truth import Fact
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.spill import SpilledLines
from stock_tracker.verify.truth import read_fact

RECORDS_IN_A_SLICE: Final = 10_000
"""How many records of SSI a slice has on average: some ten megabytes, with what the pipelines made of them."""
MOST_SLICES: Final = 64
"""Each is two open files, of which some systems let a process have 256, and a query for each table."""

_TOPICS: Final[dict[str, Topic[Any]]] = {topic.name: topic for topic in (*RECORD_TOPICS, *EVENT_TOPICS) if topic.sharded}
_RECORDS: Final = frozenset(topic.name for topic in RECORD_TOPICS)


def slices_for(records: int) -> int:
    """Into how many slices a shard with so many records is cut."""
    return min(max(-(-records // RECORDS_IN_A_SLICE), 1), MOST_SLICES)


@dataclass
class SliceLogs:
    """What a slice holds."""

    records: list[tuple[Position, Frame, list[int]]] = field(default_factory=list)
    """Parts of frames of all topics of records, of each partition in order; and the places of these records in their frames."""
    events: dict[str, list[tuple[EventPosition, Any]]] = field(default_factory=dict)
    """The events of each sharded topic, in order."""
    facts: list[Fact] = field(default_factory=list)
    """What the simulator says of its symbols, in order."""

    @property
    def said(self) -> int:
        """How many records of SSI it has."""
        return sum(not isinstance(record, ClockTick) for _, frame, _ in self.records for record in frame.records)


class ShardSlices:
    """Takes what a shard's partitions hold, and hands it out slice by slice. Use it as a context manager.

    Args:
        count: How many slices.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._messages = SpilledLines(count)
        self._facts = SpilledLines(count)
        self._numbers: dict[str, int] = {}
        self._reached: dict[Partition, tuple[Position, ClockTick]] = {}
        """The newest tick of each partition."""
        self._feeds: dict[tuple[Partition, str], tuple[Position, Frame]] = {}
        """The first frame of each feed in each partition."""
        self._known: dict[tuple[int, Partition], int] = defaultdict(int)
        """The time of the newest tick that a slice has of a partition."""
        self._waiting: dict[Partition, set[int]] = defaultdict(set)
        """Slices with records that no tick has followed yet."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._messages.__exit__(kind, error, trace)
        self._facts.__exit__(kind, error, trace)

    def number_of(self, symbol: str) -> int:
        """The slice of a symbol."""
        number = self._numbers.get(symbol)
        if number is None:
            number = self._numbers[symbol] = crc32(routing_key(Symbol(symbol)).encode()) % self.count
        return number

    def take_frame(self, at: Position, frame: Frame) -> None:
        """Lay a frame of records aside, in the order of its partition."""
        place = Partition(at.topic, at.partition)
        self._feeds.setdefault((place, frame.feed), (at, frame))
        parts: dict[int, list[tuple[int, Any]]] = defaultdict(list)
        for idx, record in enumerate(frame.records):
            if isinstance(record, ClockTick):
                reached = self._reached.get(place)
                if reached is None or record.ts_ms > reached[1].ts_ms:
                    self._reached[place] = at, record
                    for number in self._waiting.pop(place, ()):
                        self._known[number, place] = record.ts_ms
                        parts[number].append((idx, record))
                continue
            symbol = getattr(record, "symbol", None)
            if symbol is None:
                continue
            number = self.number_of(symbol)
            if (reached := self._reached.get(place)) is not None and self._known[number, place] < reached[1].ts_ms:
                # The slice has not got the last tick, as it had nothing that waited for it.
                self._known[number, place] = reached[1].ts_ms
                parts[number].append((idx, reached[1]))
            parts[number].append((idx, record))
            self._waiting[place].add(number)
        for number, part in parts.items():
            self._write(number, at, [idx for idx, _ in part], _part(frame, [record for _, record in part]))

    def take_events(self, at: Position, frame: Any) -> None:
        """Lay a frame of events aside, in the order of its partition."""
        parts: dict[int, list[int]] = defaultdict(list)
        for idx, event in enumerate(frame.events):
            parts[self.number_of(event.symbol)].append(idx)
        for number, idxs in parts.items():
            self._write(number, at, idxs, type(frame)(events=[frame.events[idx] for idx in idxs]))

    def take_fact(self, text: bytes, fact: Fact) -> None:
        """Lay a line of the truth aside, in its order."""
        self._facts.write(self.number_of(fact.symbol), text)

    def read(self, number: int) -> SliceLogs:
        """Everything of a slice; once all has been taken."""
        # Each slice knows all feeds, and how far the clock is.
        for (place, _), (first, frame) in self._feeds.items():
            at, *ticks = self._reached.get(place, (first,))
            self._write(number, at, [0] * len(ticks), _part(frame, ticks))
        logs = SliceLogs(events={name: [] for name in _TOPICS if name not in _RECORDS})
        books = _Books()
        lines = self._messages.read(number)
        for head in lines:
            name, partition, offset, *idxs = head.decode().split(" ")
            topic = intern(name)
            message = _TOPICS[topic].decode(next(lines))
            at = Position(topic, int(partition), int(offset))
            if topic in _RECORDS:
                books.shorten(message)
                logs.records.append((at, message, list(map(int, idxs))))
            else:
                logs.events[topic] += (
                    (EventPosition(at, int(idx)), event) for idx, event in zip(idxs, message.events, strict=True)
                )
        logs.facts += map(read_fact, self._facts.read(number))
        return logs

    def _write(self, number: int, at: Position, idxs: list[int], part: Any) -> None:
        """Lay a part of a frame aside, after a line that says where the frame is, and where the part was in it."""
        self._messages.write(number, " ".join(map(str, (*at, *idxs))).encode())
        self._messages.write(number, encode(part))


class _Books:
    """Cuts books down to what is compared of them: of the newest of each symbol and feed all, of others the best of each side."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], Any] = {}

    def shorten(self, frame: Frame) -> None:
        """Look at the next frame of a partition."""
        for record in frame.records:
            if isinstance(record, QuoteRecord | SnapshotRecord):
                key = record.symbol, frame.feed
                newest = self._newest.get(key)
                older: Any = record
                if newest is None or record.ts_ms >= newest.ts_ms:
                    self._newest[key], older = record, newest
                if older is not None:
                    del older.bids[2:], older.asks[2:]


def _part(frame: Frame, records: list[Any]) -> Frame:
    """The frame with some of its records, or with a tick in their place."""
    part: Frame = msgspec.structs.replace(frame, records=records)  # type: ignore[type-var] # at run time it is a Struct
    return part
