"""Records to frames: what goes where, together, and numbered how. Pure: time and records in, frames out.

A frame is what arrived for one shard of one topic within a few milliseconds. Clock ticks and reference records take their
place between the records, so a reader of a partition sees them in the order in which they were put in.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from schemas.instruments import contract_of, is_index, routing_key
from schemas.kinds import is_from_ssi
from schemas.records import FrameRecord, SsiRecord
from schemas.shards import shard_keys, shard_of
from schemas.structs import ClockTick, ForeignRecord, Frame, IndexRecord, LossMarker, ReferenceRecord
from schemas.topics import RECORD_TOPICS, SSI_FOREIGN, SSI_INDICES, SSI_TICKS, Topic
from schemas.units import Symbol, TradingDay, UnixMs, UnixUs

FRAME_RECORDS: Final = 200
"""A frame is cut when it holds this many records,"""
FRAME_US: Final = 5_000
"""or when its first record is this old, in microseconds."""


class Place(NamedTuple):
    """A partition of a record topic."""

    topic: str
    partition: int


class Cut(NamedTuple):
    """A finished frame and where it goes."""

    place: Place
    key: str
    frame: Frame

    @property
    def records(self) -> int:
        """How many of SSI's records it holds; clock ticks, reference records and loss markers are our own."""
        return sum(1 for record in self.frame.records if is_from_ssi(record))


def places_of(record: SsiRecord | ReferenceRecord, shards: int) -> tuple[Place, ...]:
    """Where ``record`` goes: one place, or for the reference record of a stock both of its symbol's places."""
    return _places(record.symbol, type(record), shards)


@lru_cache(maxsize=32_768)
def _places(symbol: Symbol, kind: type[SsiRecord | ReferenceRecord], shards: int) -> tuple[Place, ...]:
    shard = shard_of(routing_key(symbol), shards)
    if kind is IndexRecord or contract_of(symbol) is not None or is_index(symbol):
        return (Place(SSI_INDICES.name, shard),)
    if kind is ForeignRecord:
        return (Place(SSI_FOREIGN.name, shard),)
    if kind is ReferenceRecord:
        return (Place(SSI_TICKS.name, shard), Place(SSI_FOREIGN.name, shard))
    return (Place(SSI_TICKS.name, shard),)


class _Lane:
    """The frame under construction for one place."""

    __slots__ = ("key", "place", "records", "seq", "since_us")

    def __init__(self, topic: Topic[Frame], partition: int, key: str) -> None:
        self.place = Place(topic.name, partition)
        self.key = key
        self.records: list[FrameRecord] = []
        self.since_us = UnixUs(0)
        self.seq = 0


class FrameBuilder:
    """Groups the records of one feed into frames, sequenced per epoch and partition."""

    def __init__(self, feed: str, shards: int) -> None:
        self._feed = feed
        self._shards = shards
        self._epoch = 0
        self._lanes = {
            Place(topic.name, shard): _Lane(topic, shard, key)
            for topic in RECORD_TOPICS
            for shard, key in enumerate(shard_keys(shards))
        }
        self._full: list[Cut] = []

    def begin(self, epoch: int) -> None:
        """Start an epoch; what was added before stays in frames of the old one."""
        for lane in self._lanes.values():
            self._cut(lane)
            lane.seq = 0
        self._epoch = epoch

    def add(self, record: SsiRecord | ReferenceRecord, now_us: UnixUs) -> None:
        """Put ``record`` at the end of its partition."""
        for place in places_of(record, self._shards):
            self._append(self._lanes[place], record, now_us)

    def add_clock(self, tick: ClockTick, now_us: UnixUs) -> None:
        """Put ``tick`` at the end of every partition."""
        for lane in self._lanes.values():
            self._append(lane, tick, now_us)

    def due(self, now_us: UnixUs) -> list[Cut]:
        """Take the frames that are full or old enough, in the order in which they became so."""
        for lane in self._lanes.values():
            if lane.records and now_us - lane.since_us >= FRAME_US:
                self._cut(lane)
        return self._take()

    def flush(self) -> list[Cut]:
        """Take all frames, whole or not."""
        for lane in self._lanes.values():
            self._cut(lane)
        return self._take()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for a frame to be finished or taken."""
        return not self._full and not any(lane.records for lane in self._lanes.values())

    def _append(self, lane: _Lane, record: FrameRecord, now_us: UnixUs) -> None:
        if not lane.records:
            lane.since_us = now_us
        lane.records.append(record)
        if len(lane.records) >= FRAME_RECORDS:
            self._cut(lane)

    def _cut(self, lane: _Lane) -> None:
        if lane.records:
            frame = Frame(feed=self._feed, epoch=self._epoch, seq=lane.seq, recv_us=lane.since_us, records=lane.records)
            self._full.append(Cut(lane.place, lane.key, frame))
            lane.records = []
            lane.seq += 1

    def _take(self) -> list[Cut]:
        cuts, self._full = self._full, []
        return cuts


def with_losses(cut: Cut, lost: LossMarker | None, kept: list[ReferenceRecord]) -> Cut:
    """``cut`` with what has to be said about the frames before it that were thrown away."""
    ahead: list[FrameRecord] = [*([lost] if lost else []), *kept]
    if not ahead:
        return cut
    frame = cut.frame
    records = [*ahead, *frame.records]
    return cut._replace(
        frame=Frame(feed=frame.feed, epoch=frame.epoch, seq=frame.seq, recv_us=frame.recv_us, records=records),
    )


def loss_of(cut: Cut, before: LossMarker | None) -> LossMarker | None:
    """The marker for the loss of ``cut`` on top of what was lost ``before``; None when nothing of SSI's was in it."""
    when: tuple[TradingDay, UnixMs] | None = (before.trading_day, before.ts_ms) if before else None
    records = before.records if before else 0
    for record in cut.frame.records:
        if isinstance(record, LossMarker):
            when, records = (record.trading_day, record.ts_ms), records + record.records
        elif is_from_ssi(record):
            when, records = (record.trading_day, record.ts_ms), records + 1
    return LossMarker(trading_day=when[0], ts_ms=when[1], records=records) if when else None
