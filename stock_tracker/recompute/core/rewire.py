"""The frames of a day with the records that today's decoder makes of the hub's messages (pure).

What the connector put between SSI's records, clock ticks, reference records and loss markers, stays where it was. A record takes
the place of the one that was decoded wrong: of each kind and symbol of a connection the first that of the first, and so on. Where
the two differ in number, those of today stand in frames of their own, at the time at which they were received.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import msgspec

from connectors.fixtures.core.layout import FixtureMessage
from connectors.fixtures.core.parts import frame_of
from connectors.ssi.core.frames import partitions_of
from connectors.ssi.core.redecode import Redecoder, WireMessage
from schemas.kinds import is_from_ssi
from schemas.position import Partition
from schemas.records import FrameRecord
from schemas.structs import Frame
from schemas.topics import encode
from schemas.units import UnixUs


class _Stream(NamedTuple):
    """The frames of one connection in one partition, or the records of a kind and symbol in it."""

    feed: str
    epoch: int
    partition: Partition
    kind: str = ""
    symbol: str = ""


def rewired(
    messages: Iterable[FixtureMessage], wire: Iterable[WireMessage], redecoder: Redecoder, shards: int, keys: Callable[[int], str]
) -> Iterator[FixtureMessage]:
    """The messages of the record topics, in their order, with what is decoded of ``wire``.

    Args:
        messages: In the order in which they were appended; those without a frame are given as they are.
        wire: The hub's messages, in the order in which they came.
        redecoder: Of this release; it knows the symbols.
        shards: How many partitions the record topics have.
        keys: The key of each shard.
    """
    published = list(messages)
    again = _again(wire, redecoder, shards)
    counts: dict[_Stream, int] = defaultdict(int)
    for message in published:
        if (frame := frame_of(message)) is not None:
            for record in frame.records:
                if is_from_ssi(record):
                    counts[_stream(frame, message, record)] += 1
    # Where the numbers agree each has its place; the others come on their own.
    placed = {stream: records for stream, records in again.items() if counts.get(stream) == len(records)}
    loose = sorted(
        ((recv_us, stream, record) for stream, records in again.items() if stream not in placed for recv_us, record in records),
        key=lambda one: one[0],
    )
    waiting: dict[Partition, deque[tuple[UnixUs, _Stream, FrameRecord]]] = defaultdict(deque)
    for one in loose:
        waiting[one[1].partition].append(one)
    seqs: dict[_Stream, int] = defaultdict(int)

    def numbered(message: FixtureMessage, frame: Frame, partition: Partition) -> FixtureMessage:
        stream = _Stream(frame.feed, frame.epoch, partition)
        made = msgspec.structs.replace(frame, seq=seqs[stream])  # type: ignore[type-var]
        seqs[stream] += 1
        return replace(message, topic=partition.topic, partition=partition.number, value=encode(made))

    def late(message: FixtureMessage, partition: Partition, until_us: float) -> Iterator[FixtureMessage]:
        while waiting[partition] and waiting[partition][0][0] <= until_us:
            recv_us, stream, record = waiting[partition].popleft()
            frame = Frame(feed=stream.feed, epoch=stream.epoch, seq=0, recv_us=recv_us, records=[record])
            yield numbered(replace(message, key=keys(partition.number).encode()), frame, partition)

    last: FixtureMessage | None = None
    for message in published:
        frame = frame_of(message)
        if frame is None:
            yield message
            continue
        last, partition = message, Partition(message.topic, message.partition)
        yield from late(message, partition, frame.recv_us)
        records = [
            placed[stream].popleft()[1] if is_from_ssi(record) else record
            for record in frame.records
            if not is_from_ssi(record) or (stream := _stream(frame, message, record)) in placed
        ]
        # An empty frame stays: nothing may look lost.
        yield numbered(message, msgspec.structs.replace(frame, records=records), partition)  # type: ignore[type-var]
    if last is not None:
        for partition in list(waiting):
            yield from late(last, partition, float("inf"))


def _again(wire: Iterable[WireMessage], redecoder: Redecoder, shards: int) -> dict[_Stream, deque[tuple[UnixUs, FrameRecord]]]:
    found: dict[_Stream, deque[tuple[UnixUs, FrameRecord]]] = defaultdict(deque)
    for message in wire:
        for record in redecoder.read(message).records:
            for partition in partitions_of(record, shards, redecoder.symbols.is_index):
                stream = _Stream(message.feed, message.epoch, partition, type(record).__name__, record.symbol)
                found[stream].append((message.recv_us, record))
    return found


def _stream(frame: Frame, message: FixtureMessage, record: FrameRecord) -> _Stream:
    partition = Partition(message.topic, message.partition)
    return _Stream(frame.feed, frame.epoch, partition, type(record).__name__, getattr(record, "symbol", ""))
