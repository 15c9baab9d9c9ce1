"""Which connection of the simulator is which epoch of the connector: each side has its own name for it. Pure.

An epoch is the moment at which the connector found its WebSocket open, and the simulator notes when it opened it, by the clock of
the same machine. So an epoch belongs to a connection that was opened at that moment or before, and after the epoch before it of
the same feed. Where several were, because two feeds connect at once or a connector died right after it had connected, what was
sent and what was published decides.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from connectors.ssi.core.frames import partitions_of
from connectors.ssi.simulator.core.journal import SentLine
from connectors.ssi.simulator.core.truth import ConnectionStatus
from schemas.position import Partition
from schemas.records import SsiRecord
from stock_tracker.verify.core.marks import DEAD_LETTER, RecordMark, SentReader
from stock_tracker.verify.core.published import DEAD_LETTERS, Digest, Epoch, Published

MOST_CANDIDATES: Final = 8
"""Connections that are looked at for one epoch, the last ones that were opened before it."""

SentOn = Callable[[int], Iterable[SentLine]]
"""Tells what was put on a connection, by the simulator's number of it, in order. It is asked more than once where need be."""


class ConnectionFollower:
    """Follows what was put on a connection, and compares it with what was published of one epoch."""

    def __init__(self, published: Published, epoch: Epoch | None) -> None:
        """Nothing was put on it yet.

        Args:
            published: All that is on the topics.
            epoch: The connection as the connector calls it; None where nothing came of it.
        """
        self._published = published
        self._found: Mapping[Partition, Digest] = {} if epoch is None else published.streams[epoch]
        self._seen: dict[Partition, Digest] = {partition: Digest() for partition in self._found}

    def is_published(self, partition: Partition, marked: RecordMark) -> bool:
        """Take in the next thing that was put there. Whether so many of its partition were published that it is among them."""
        found, seen = self._found.get(partition), self._seen.get(partition)
        if found is None or seen is None or seen.count == found.count:
            return False
        seen.add(marked)
        return True

    @property
    def wrong(self) -> list[Partition]:
        """The partitions that do not hold what was put there, from the first record on."""
        return [partition for partition, seen in self._seen.items() if not seen.is_as(self._found[partition])]

    def counts(self, partition: Partition) -> tuple[int, int]:
        """How many things a partition holds, and how many of as many were put on the connection for it so far."""
        return self._found[partition].count, self._seen[partition].count

    @property
    def right(self) -> int:
        """How many records are on the other partitions."""
        return sum(seen.count for partition, seen in self._seen.items() if seen.is_as(self._found[partition]))


def partition_of(marked: RecordMark, record: SsiRecord | None, published: Published) -> Partition:
    """Where what was sent has to be published."""
    if marked.data_type == DEAD_LETTER:
        return DEAD_LETTERS
    place = published.place(marked.data_type, marked.symbol)
    if place is not None:
        return place
    if record is None or not published.shards:
        # Nothing of its kind and symbol was ever published: so it is missing in any case, and all that is after it.
        return Partition(f"ssi.* ({marked.data_type} {marked.symbol})", 0)
    return partitions_of(record, published.shards)[0]


def assigned(connections: Sequence[ConnectionStatus], published: Published, sent: SentOn) -> dict[int, Epoch]:
    """The epoch of each connection, by the simulator's number of it; a connection of which nothing came has none."""
    candidates = {epoch: _candidates(epoch, connections, published) for epoch in published.streams}
    named = Counter(number for numbers in candidates.values() for number in numbers)
    contested = {number for numbers in candidates.values() for number in numbers if len(numbers) > 1 or named[number] > 1}
    opened = {connection.id: connection.upgraded_ms for connection in connections}
    pairs: list[tuple[int, int, int, int, Epoch]] = []
    for number in named:
        epochs = [epoch for epoch, numbers in candidates.items() if number in numbers]
        fits = _fits(number, epochs, published, sent) if number in contested else dict.fromkeys(epochs, (0, 0))
        pairs += [(*fits[epoch], epoch.ms - opened[number], number, epoch) for epoch in epochs]
    found: dict[int, Epoch] = {}
    for _, _, _, number, epoch in sorted(pairs):
        if number not in found and epoch not in found.values():
            found[number] = epoch
    return found


def _candidates(epoch: Epoch, connections: Sequence[ConnectionStatus], published: Published) -> tuple[int, ...]:
    before = max((other.ms for other in published.streams if other.feed == epoch.feed and other.ms < epoch.ms), default=-1)
    opened = sorted((c.upgraded_ms, c.id) for c in connections if before < c.upgraded_ms <= epoch.ms)
    return tuple(number for _, number in opened[-MOST_CANDIDATES:])


def _fits(number: int, epochs: Sequence[Epoch], published: Published, sent: SentOn) -> dict[Epoch, tuple[int, int]]:
    """How well a connection fits each of some epochs, the lower the better: partitions that differ, and records that do not."""
    followers = {epoch: ConnectionFollower(published, epoch) for epoch in epochs}
    reader = SentReader()
    for line in sent(number):
        marked, record = reader.read(line)
        partition = partition_of(marked, record, published)
        for follower in followers.values():
            follower.is_published(partition, marked)
    return {epoch: (len(follower.wrong), -follower.right) for epoch, follower in followers.items()}
