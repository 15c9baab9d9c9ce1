"""What lies on the ``ssi.*`` topics of each connection: of every partition how many records, and a digest of them in order. Pure.

It takes the same memory for a day of any length: for each connection a few numbers a partition.
"""

from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

from schemas.kinds import is_from_ssi
from schemas.position import Partition, Position
from schemas.records import SsiRecord
from schemas.structs import DeadLetter, Frame
from schemas.topics import SSI_DLQ
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.core.marks import REJECTED, RecordMark, mark

CONNECTOR: Final = "ssi"
"""The source of the connector's dead letters. What they hold is on no other topic; the dead letters of the pipelines and of the
sink hold messages and records that are on a topic as well."""
DEAD_LETTERS: Final = Partition(SSI_DLQ.name, 0)
"""Where all dead letters are."""


class Epoch(NamedTuple):
    """A connection by the name that the connector has for it."""

    feed: str
    ms: int
    """When it began, by the connector's clock, in Unix milliseconds."""


class Digest:
    """How many records there are, and a digest of all of them in their order."""

    __slots__ = ("_records", "count")

    def __init__(self) -> None:
        self.count = 0
        self._records = blake2b(digest_size=16)

    def add(self, marked: RecordMark) -> None:
        """Add a record at the end."""
        self.count += 1
        self._records.update(b"%b %b %b\n" % (marked.data_type.encode(), marked.symbol.encode(), marked.digest))

    def is_as(self, other: "Digest") -> bool:
        """Whether the same records are in it, in the same order."""
        return self.count == other.count and self._records.digest() == other._records.digest()


class Published:
    """Takes in all frames and all dead letters, those of each partition in their order."""

    def __init__(self) -> None:
        self.streams: dict[Epoch, dict[Partition, Digest]] = {}
        """By connection. One that brought no record of SSI's is there too, if it brought a clock tick."""
        self.first: dict[tuple[Epoch, Partition], EventPosition] = {}
        """Where the first record of a connection is in a partition."""
        self.records = 0
        """All records of SSI, and the connector's dead letters."""
        self.shards = 0
        """How many partitions the topics have, as far as they hold anything."""
        self.scattered: list[tuple[RecordMark, EventPosition]] = []
        """Of each kind of record and symbol that is on more than one partition the first on another."""
        self._places: dict[tuple[str, str], Partition] = {}

    def place(self, data_type: str, symbol: str) -> Partition | None:
        """The partition on which records of this kind and symbol are; None where there are none."""
        return self._places.get((data_type, symbol))

    def by_shard(self) -> Counter[int]:
        """How many records of SSI each shard has, by its number."""
        counts: Counter[int] = Counter()
        for streams in self.streams.values():
            for partition, digest in streams.items():
                if partition != DEAD_LETTERS:
                    counts[partition.number] += digest.count
        return counts

    def see(self, partition: Partition, offset: int, frame: Frame) -> None:
        """Take in a frame.

        Args:
            partition: Of the topic without the prefix of the deployment.
            offset: Where it is there.
            frame: What it holds.
        """
        self.shards = max(self.shards, partition.number + 1)
        epoch = Epoch(frame.feed, frame.epoch)
        streams = self.streams.setdefault(epoch, {})
        for idx, record in said_by_ssi(frame):
            marked = mark(record)
            digest = streams.get(partition)
            if digest is None:
                digest = streams[partition] = Digest()
                self.first[epoch, partition] = _position(partition, offset, idx)
            digest.add(marked)
            self.records += 1
            place = self._places.setdefault(marked[:2], partition)
            if place != partition and not any(other[:2] == marked[:2] for other, _ in self.scattered):
                self.scattered.append((marked, _position(partition, offset, idx)))

    def leave_out(self, epoch: Epoch) -> None:
        """Forget what a connection brought, of which the simulator had not told yet."""
        self.records -= sum(digest.count for digest in self.streams.pop(epoch).values())

    def reject(self, letter: DeadLetter, offset: int) -> None:
        """Take in a dead letter; those of other processes than the connector are left out."""
        if letter.source != CONNECTOR:
            return
        epoch = Epoch(letter.feed, letter.epoch)
        streams = self.streams.setdefault(epoch, {})
        if DEAD_LETTERS not in streams:
            streams[DEAD_LETTERS] = Digest()
            self.first[epoch, DEAD_LETTERS] = _position(DEAD_LETTERS, offset, 0)
        streams[DEAD_LETTERS].add(REJECTED)
        self.records += 1


def said_by_ssi(frame: Frame) -> Iterator[tuple[int, SsiRecord]]:
    """The records of a frame that SSI sent, each with its index there. A match that was made of an X is none of its own."""
    for idx, record in enumerate(frame.records):
        if is_from_ssi(record) and not getattr(record, "from_snapshot", False):
            yield idx, record


def _position(partition: Partition, offset: int, idx: int) -> EventPosition:
    return EventPosition(Position(partition.topic, partition.number, offset), idx)
