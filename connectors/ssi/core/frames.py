"""Records to frames: which partition a record goes to, which records share a frame, how frames are numbered. Pure.

A frame is what arrived for one shard of one topic within a few milliseconds. Clock ticks and reference records take their
place between the records, so a reader of a partition sees them in the order in which they were put in.

Of clock ticks with nothing between them only the last is put in, and those that are due or say something new. So a market that
is played at 240 times its speed does not fill the partitions that hear of nothing with the time.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from schemas.instruments import contract_of, is_index, routing_key
from schemas.kinds import FRAME_KINDS, is_from_ssi
from schemas.position import Partition
from schemas.records import FrameRecord, SsiRecord
from schemas.shards import shard_keys, shard_of
from schemas.structs import ClockTick, ForeignRecord, Frame, IndexRecord, LossMarker, ProfileRecord, ReferenceRecord
from schemas.topics import RECORD_TOPICS, SSI_FOREIGN, SSI_INDICES, SSI_TICKS
from schemas.units import Symbol, TradingDay, UnixMs, UnixUs

FRAME_RECORDS: Final = 200
"""A frame is cut when it holds this many records."""
FRAME_US: Final = 5_000
"""A frame is cut when its first record is this old, in microseconds."""

MAX_PLACES: Final = 100_000
"""How many symbols of a kind of record are remembered with their partitions; far more than any market has."""


class Cut(NamedTuple):
    """A finished frame and where it goes."""

    partition: Partition
    key: str
    """Murmur2 maps it to that partition."""
    frame: Frame

    @property
    def records(self) -> int:
        """How many of SSI's records it holds: clock ticks, reference records and loss markers are not among them."""
        return sum(1 for record in self.frame.records if is_from_ssi(record))


def partitions_of(
    record: SsiRecord | ReferenceRecord | ProfileRecord, shards: int, is_index: Callable[[str], bool] = is_index
) -> tuple[Partition, ...]:
    """Where ``record`` goes: one partition, or two for the reference record of a stock, which has ticks and foreign records.

    Args:
        record: To be placed.
        shards: How many partitions the topic has.
        is_index: Tells the symbols of indices.
    """
    symbol, kind = record.symbol, type(record)
    shard = shard_of(routing_key(symbol), shards)
    if kind is IndexRecord or contract_of(symbol) is not None or is_index(symbol):
        return (Partition(SSI_INDICES.name, shard),)
    if kind is ForeignRecord:
        return (Partition(SSI_FOREIGN.name, shard),)
    if kind is ReferenceRecord:
        return (Partition(SSI_TICKS.name, shard), Partition(SSI_FOREIGN.name, shard))
    return (Partition(SSI_TICKS.name, shard),)


class _OpenFrame:
    """The frame under construction for one partition."""

    __slots__ = ("key", "partition", "records", "said", "seq", "since_us", "withheld", "withheld_us")

    def __init__(self, partition: Partition, key: str) -> None:
        self.partition = partition
        self.key = key
        self.records: list[FrameRecord] = []
        self.since_us = UnixUs(0)
        self.seq = 0
        self.said: ClockTick | None = None
        """The newest clock tick of the epoch, whether it was put in or is withheld."""
        self.withheld: ClockTick | None = None
        """A clock tick that goes in ahead of the next record, unless a later one takes its place."""
        self.withheld_us = UnixUs(0)
        """When it was made."""


class FrameBuilder:
    """Groups the records of one feed into frames, and numbers these from 0 in each epoch and partition."""

    def __init__(self, feed: str, shards: int, is_index: Callable[[str], bool] = is_index) -> None:
        """Begin with empty frames, outside any epoch.

        Args:
            feed: ``a`` or ``b``.
            shards: How many partitions a topic has.
            is_index: Tells the symbols of indices, whose records have a topic of their own.
        """
        self._feed = feed
        self._shards = shards
        self._is_index = is_index
        self._epoch = 0
        keys = shard_keys(shards)
        partitions = [Partition(topic.name, shard) for topic in RECORD_TOPICS for shard in range(shards)]
        self._open = {partition: _OpenFrame(partition, keys[partition.number]) for partition in partitions}
        self._full: list[Cut] = []
        self._places: dict[type, dict[Symbol, tuple[_OpenFrame, ...]]] = {kind: {} for kind in FRAME_KINDS}
        """Where the records of a kind and symbol go."""

    def begin(self, epoch: int) -> None:
        """Start an epoch; what was added before goes into frames of the old one."""
        for open_frame in self._open.values():
            self._put_withheld(open_frame, open_frame.withheld_us)
            self._cut(open_frame)
            open_frame.seq = 0
            open_frame.said = None
        self._epoch = epoch

    def add(self, record: SsiRecord | ReferenceRecord | ProfileRecord, now_us: UnixUs) -> None:
        """Put ``record`` at the end of its partition."""
        places = self._places[type(record)].get(record.symbol) or self._place(record)
        for open_frame in places:
            if open_frame.withheld is not None:
                self._put_withheld(open_frame, now_us)
            self._append(open_frame, record, now_us)

    def forget_places(self) -> None:
        """Look up anew where records go: more is known of symbols than before."""
        for places in self._places.values():
            places.clear()

    def add_clock(self, tick: ClockTick, now_us: UnixUs) -> None:
        """Put ``tick`` at the end of every partition: now, or as soon as something else comes after it there."""
        is_due = tick.ts_ms % tick.step_ms == 0
        for open_frame in self._open.values():
            said, open_frame.said = open_frame.said, tick
            if is_due and said is not None and _goes_on(said, tick):
                open_frame.withheld = None
                self._append(open_frame, tick, now_us)
            elif said is not None and _goes_on(said, tick):
                open_frame.withheld, open_frame.withheld_us = tick, now_us
            else:
                # A reader has to know up to when it was as it was before.
                self._put_withheld(open_frame, now_us)
                self._append(open_frame, tick, now_us)

    def tell_time(self, now_us: UnixUs) -> None:
        """Put in the clock ticks that are withheld: no later ones take their place."""
        for open_frame in self._open.values():
            self._put_withheld(open_frame, now_us)

    def due(self, now_us: UnixUs) -> list[Cut]:
        """Take the frames that are full or old enough, in the order in which they were finished."""
        for open_frame in self._open.values():
            # A clock that was set back says nothing of a frame's age: the frame must not wait until it has caught up.
            if open_frame.records and not 0 <= now_us - open_frame.since_us < FRAME_US:
                self._cut(open_frame)
        return self._take()

    def flush(self) -> list[Cut]:
        """Take all frames, whether they are full or not."""
        for open_frame in self._open.values():
            self._put_withheld(open_frame, open_frame.withheld_us)
            self._cut(open_frame)
        return self._take()

    def _place(self, record: SsiRecord | ReferenceRecord | ProfileRecord) -> tuple[_OpenFrame, ...]:
        places = self._places[type(record)]
        if len(places) >= MAX_PLACES:
            places.clear()
        found = tuple(self._open[partition] for partition in partitions_of(record, self._shards, self._is_index))
        places[record.symbol] = found
        return found

    def _put_withheld(self, open_frame: _OpenFrame, now_us: UnixUs) -> None:
        tick, open_frame.withheld = open_frame.withheld, None
        if tick is not None:
            self._append(open_frame, tick, now_us)

    def _append(self, open_frame: _OpenFrame, record: FrameRecord, now_us: UnixUs) -> None:
        if not open_frame.records:
            open_frame.since_us = now_us
        open_frame.records.append(record)
        if len(open_frame.records) >= FRAME_RECORDS:
            self._cut(open_frame)

    def _cut(self, open_frame: _OpenFrame) -> None:
        if open_frame.records:
            frame = Frame(
                feed=self._feed,
                epoch=self._epoch,
                seq=open_frame.seq,
                recv_us=open_frame.since_us,
                records=open_frame.records,
            )
            self._full.append(Cut(open_frame.partition, open_frame.key, frame))
            open_frame.records = []
            open_frame.seq += 1

    def _take(self) -> list[Cut]:
        cuts, self._full = self._full, []
        return cuts


def _goes_on(said: ClockTick, tick: ClockTick) -> bool:
    """Whether ``tick`` says the same as the one before it, at a later time."""
    return said.health == tick.health and said.phase == tick.phase and said.trading_day == tick.trading_day


def with_losses(cut: Cut, lost: LossMarker | None, kept: list[ReferenceRecord | ProfileRecord]) -> Cut:
    """Put ahead of the records of ``cut`` what a reader has to know of earlier frames of its partition that were thrown away.

    Args:
        cut: The first frame since then that is sent.
        lost: How many records of SSI's were in those frames; None when there were none.
        kept: The reference records and profiles in those frames.
    """
    ahead: list[FrameRecord] = [*([lost] if lost else []), *kept]
    if not ahead:
        return cut
    frame = cut.frame
    records = [*ahead, *frame.records]
    return cut._replace(
        frame=Frame(feed=frame.feed, epoch=frame.epoch, seq=frame.seq, recv_us=frame.recv_us, records=records),
    )


def loss_of(cut: Cut, before: LossMarker | None) -> LossMarker | None:
    """Add the records of ``cut``, which is lost, to those that were lost ``before`` it in its partition.

    Returns:
        The marker for all of them, dated as the last; None as long as no record of SSI's is among them.
    """
    when: tuple[TradingDay, UnixMs] | None = (before.trading_day, before.ts_ms) if before else None
    records = before.records if before else 0
    for record in cut.frame.records:
        if isinstance(record, LossMarker):
            when, records = (record.trading_day, record.ts_ms), records + record.records
        elif is_from_ssi(record):
            when, records = (record.trading_day, record.ts_ms), records + 1
    return LossMarker(trading_day=when[0], ts_ms=when[1], records=records) if when else None
