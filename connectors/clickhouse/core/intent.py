"""Exactly once into ClickHouse, without I/O: what to commit to Kafka, what to insert, and what to insert again.

ClickHouse has no transactions with Kafka. What it has is *deduplication*: an insert with a token that a table has seen before
stores nothing there; the table and each view behind it decide that for themselves. So whoever repeats an insert must repeat
exactly the same one, and must know which it was. That is what the commits in Kafka are for:

1. Before an insert, its range is declared in Kafka: the partition's commit gets offset ``first`` and the metadata ``next=N``.
   Everything below the offset is in ClickHouse; of the range from there to N some may be. Such a commit is an *intent*.
2. The messages in [first, N) are inserted, with a token made of partition, first and N.
3. The next intent starts at N. When nothing more comes, the commit becomes offset N without metadata: the intent is *closed*.

Whoever gets the partition next reads its commit and inserts exactly [first, N) once more with the same token. That stores what
was missing, also in views that a killed ClickHouse left behind, and nothing twice. Kafka lets only the partition's owner commit,
so a sink that has lost a partition can declare nothing.

Offsets have holes where transactions end; N is the offset after the last message. A partition is *drained* when its commit has no
``next=`` and its offset has reached the partition's end.

A commit is true of one database and of one topic only: a database that was restored or is another has not what it says, and a
topic that was deleted and made anew counts its offsets from 0 again. So it names both, ``db=…`` and ``topic=…``. Those of
releases before 0.4.0 do not; they are taken for true.
"""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from connectors.clickhouse.core.errors import UnknownIntent
from schemas.position import Partition

T = TypeVar("T")

BEHIND: Final = 5
"""So many times longer the batches of a partition may be collected that has much more to be read: larger ones cost less a row."""
_NEXT: Final = "next"
_DATABASE: Final = "db"
_TOPIC: Final = "topic"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a commit is true of."""

    database: str | None
    """ClickHouse's own id of the database; None where the commit does not say, or nobody knows yet."""
    topic: str | None
    """Kafka's own id of the topic; None where the commit does not say."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What the consumer group is to say of a partition in Kafka."""

    partition: Partition
    offset: int
    next: int | None
    """Where the declared range ends; None when nothing is under way."""

    def metadata(self, scope: Scope) -> str:
        """The commit's metadata in Kafka."""
        said = {_NEXT: self.next, _DATABASE: scope.database, _TOPIC: scope.topic}
        return " ".join(f"{name}={value}" for name, value in said.items() if value is not None)


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """A declared range, to be inserted with its own token."""

    partition: Partition
    first: int
    next: int
    messages: tuple[T, ...]
    replayed: bool
    """Some of it may be in ClickHouse: an earlier owner of the partition declared it, or its offsets have been read before."""


@dataclass(slots=True)
class _Progress(Generic[T]):
    """How far a partition that this sink owns has come."""

    position: int | None
    """The offset to read next; None for the partition's beginning, when it has no commit and no message has come."""
    intent: tuple[int, int] | None
    """Declared in Kafka, [first, next), and not closed."""
    inserted: bool
    """Whether all rows of the intent are in ClickHouse."""
    replayed: bool
    """Whether the intent is an earlier owner's."""
    doubted: int
    """Some of the messages below this offset may be in ClickHouse."""
    committed: int | None
    """The offset of the commit in Kafka."""
    proposed: Commit | None = None
    """A commit that was asked for and may or may not stand in Kafka, as its answer has not come: only the same one may follow."""
    waiting: deque[tuple[int, int, T]] = field(default_factory=deque)
    """Offset, number of rows and content of each message that has been received and is not inserted."""
    rows: int = 0
    """How many rows the waiting messages make."""
    since_ms: int | None = None
    """When the first of the waiting messages came or the last insert was done, whichever is later."""


def intent_of(offset: int, metadata: str | None) -> tuple[int, int] | None:
    """The range [first, next) that a commit declares; None when it declares none.

    Raises:
        UnknownIntent: The commit says something else: another release may have inserted something under way.
    """
    next_ = _said(metadata).get(_NEXT)
    return None if next_ is None else (offset, int(next_))


def scope_of(metadata: str | None) -> Scope:
    """What a commit says that it is true of.

    Raises:
        UnknownIntent: It says something that this release does not understand.
    """
    said = _said(metadata)
    return Scope(said.get(_DATABASE), said.get(_TOPIC))


def _said(metadata: str | None) -> dict[str, str]:
    said = {}
    for part in (metadata or "").split():
        name, _, value = part.partition("=")
        if not value or name not in (_NEXT, _DATABASE, _TOPIC) or (name == _NEXT and not (value.isascii() and value.isdigit())):
            raise UnknownIntent(metadata or "")
        said[name] = value
    return said


class Intents(Generic[T]):
    """The progress of every partition that this sink owns.

    The caller carries out what it is told, in this order: it commits :meth:`commits` to Kafka, then calls :meth:`declared`; it
    inserts each of :meth:`batches` into ClickHouse, then calls :meth:`inserted`. A step that failed is asked for again. Before it
    commits it can look at what it is about to declare, :meth:`undeclared`, and hold a topic back.
    """

    def __init__(self, batch_rows: int, batch_ms: int) -> None:
        """Set how much, and how long, to collect for an insert.

        Args:
            batch_rows: A batch is due when so many rows wait; it ends with the message that brings them to this number.
            batch_ms: It is due too when its first message has waited so long, in milliseconds.
        """
        self._batch_rows = batch_rows
        self._batch_ms = batch_ms
        self._partitions: dict[Partition, _Progress[T]] = {}
        self._behind: frozenset[Partition] = frozenset()

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """The partitions that this sink owns."""
        return tuple(self._partitions)

    @property
    def rows(self) -> int:
        """How many rows have been received and not inserted yet, of all partitions together."""
        return sum(progress.rows for progress in self._partitions.values())

    @property
    def rereading(self) -> tuple[Partition, ...]:
        """The partitions of which an earlier owner declared a range that has not been read to its end again.

        Nothing of such a partition can be inserted before it has: a part of the range would not be the same insert.
        """
        return tuple(
            partition
            for partition, progress in self._partitions.items()
            if progress.intent is not None
            and not progress.inserted
            and (progress.position is None or progress.position < progress.intent[1])
        )

    def positions(self) -> dict[Partition, int | None]:
        """The offset from which to read each partition on; None for its beginning."""
        return {partition: progress.position for partition, progress in self._partitions.items()}

    def safe(self) -> dict[Partition, int]:
        """The offset of each partition below which everything is in ClickHouse; without those where that is not known."""
        found = {}
        for partition, progress in self._partitions.items():
            if progress.intent is not None:
                found[partition] = progress.intent[1] if progress.inserted else progress.intent[0]
            elif progress.committed is not None:
                found[partition] = progress.committed
        return found

    def assigned(self, partition: Partition, offset: int | None, metadata: str | None, doubted: int = 0) -> None:
        """Take a partition over. The caller reads it on from where :meth:`positions` says.

        Args:
            partition: Which one.
            offset: Of its commit; None when it has none.
            metadata: Of its commit.
            doubted: Some of the messages below this offset may be in ClickHouse though no commit says so.
        """
        intent = None if offset is None else intent_of(offset, metadata)
        self._partitions[partition] = _Progress(
            position=offset, intent=intent, inserted=False, replayed=intent is not None, doubted=doubted, committed=offset
        )

    def released(self, partitions: Iterable[Partition]) -> list[Commit]:
        """Give partitions back while they are still this sink's. What waits is dropped: the next owner reads it again.

        Returns:
            Commits that close the intents whose rows are in ClickHouse. When they fail, the next owner repeats those inserts,
            which changes nothing.
        """
        closing = []
        for partition in partitions:
            progress = self._partitions.pop(partition, None)
            if progress is not None and progress.intent is not None and progress.inserted:
                closing.append(Commit(partition, progress.intent[1], None))
        return closing

    def lost(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that another sink owns already: there is nothing left to commit for them."""
        for partition in partitions:
            self._partitions.pop(partition, None)

    def received(self, partition: Partition, offset: int, rows: int, content: T, now_ms: int) -> None:
        """Take a message. One of a partition that this sink does not own, or that it took before, is ignored.

        Args:
            partition: Where it is.
            offset: Where it is.
            rows: How many rows it makes, or weighs.
            content: What :class:`Batch` hands out of it.
            now_ms: The time, of a clock that only goes forward.
        """
        progress = self._partitions.get(partition)
        if progress is None or (progress.position is not None and offset < progress.position):
            return
        progress.waiting.append((offset, rows, content))
        progress.rows += rows
        progress.position = offset + 1
        if progress.since_ms is None or len(progress.waiting) == 1:
            progress.since_ms = now_ms

    def reached(self, partition: Partition, end: int, now_ms: int) -> None:
        """Note that the partition has no further message below ``end``, only marks of transactions, which take offsets too."""
        progress = self._partitions.get(partition)
        if progress is None or (progress.position is not None and end < progress.position):
            return
        progress.position = end
        if progress.since_ms is None:
            progress.since_ms = now_ms

    def deleted(self, partition: Partition, first: int) -> int:
        """Note that Kafka has deleted what is below ``first``; how many offsets of that had not been received."""
        progress = self._partitions.get(partition)
        if progress is None or progress.position is None or first <= progress.position:
            return 0
        lost = first - progress.position
        progress.position = first
        return lost

    def behind(self, partitions: Iterable[Partition]) -> None:
        """Say which partitions have much more to be read; their batches may grow for :data:`BEHIND` times as long."""
        self._behind = frozenset(partitions)

    def undeclared(self, now_ms: int) -> list[Batch[T]]:
        """The ranges that :meth:`commits` would declare now. One that is held back may be longer when it is asked for again."""
        found = []
        for partition, progress in self._partitions.items():
            commit = progress.proposed or self._propose(partition, progress, now_ms)
            if commit is not None and commit.next is not None:
                doubted = commit.offset < progress.doubted
                found.append(Batch(partition, commit.offset, commit.next, _messages(progress, commit.next), doubted))
        return found

    def commits(self, now_ms: int, held: Collection[str] = ()) -> list[Commit]:
        """The intents to declare and to close now, all in one request to Kafka.

        Args:
            now_ms: The time, as in :meth:`received`.
            held: Topics of which nothing may be committed now.
        """
        wanted = []
        for partition, progress in self._partitions.items():
            if partition.topic in held:
                continue
            if progress.proposed is None:
                progress.proposed = self._propose(partition, progress, now_ms)
            if progress.proposed is not None:
                wanted.append(progress.proposed)
        return wanted

    def declared(self, commits: Iterable[Commit]) -> None:
        """Note that Kafka has taken these commits."""
        for commit in commits:
            progress = self._partitions.get(commit.partition)
            if progress is None:
                continue
            progress.proposed = None
            progress.committed = commit.offset
            progress.intent = None if commit.next is None else (commit.offset, commit.next)
            progress.inserted = False
            progress.replayed = commit.offset < progress.doubted
            if commit.next is None:
                progress.since_ms = None

    def batches(self) -> list[Batch[T]]:
        """What to insert now: each range that is declared, received as a whole and not inserted."""
        found = []
        rereading = self.rereading
        for partition, progress in self._partitions.items():
            if progress.intent is None or progress.inserted or partition in rereading:
                continue
            first, next_ = progress.intent
            found.append(Batch(partition, first, next_, _messages(progress, next_), progress.replayed))
        return found

    def inserted(self, batch: Batch[T], now_ms: int) -> None:
        """Note that ClickHouse has all rows of a batch."""
        progress = self._partitions.get(batch.partition)
        if progress is None or progress.intent != (batch.first, batch.next):
            return
        while progress.waiting and progress.waiting[0][0] < batch.next:
            progress.rows -= progress.waiting.popleft()[1]
        progress.inserted = True
        progress.since_ms = now_ms

    def _propose(self, partition: Partition, progress: _Progress[T], now_ms: int) -> Commit | None:
        if progress.intent is not None and not progress.inserted:
            return None
        wait_ms = self._batch_ms * (BEHIND if partition in self._behind else 1)
        due = progress.since_ms is not None and now_ms - progress.since_ms >= wait_ms
        if progress.waiting and (due or progress.rows >= self._batch_rows):
            first = progress.committed if progress.intent is None else progress.intent[1]
            return Commit(partition, progress.waiting[0][0] if first is None else first, self._cut(progress))
        if not due or progress.waiting or progress.position is None:
            return None
        closed = progress.intent is None and progress.committed == progress.position
        return None if closed else Commit(partition, progress.position, None)

    def _cut(self, progress: _Progress[T]) -> int:
        rows = 0
        for offset, its, _ in progress.waiting:
            rows += its
            if rows >= self._batch_rows:
                return offset + 1
        return progress.waiting[-1][0] + 1


def _messages(progress: _Progress[T], next_: int) -> tuple[T, ...]:
    """The waiting messages below ``next_``."""
    return tuple(content for offset, _, content in progress.waiting if offset < next_)


def drained(offset: int | None, metadata: str | None, end: int) -> bool:
    """Whether a partition's commit says that ClickHouse has everything that the partition holds.

    Args:
        offset: Of the commit; None when there is none: then only a partition that never held anything is drained.
        metadata: Of the commit.
        end: The partition's end for a reader of committed messages.
    """
    if offset is None:
        return end == 0
    return intent_of(offset, metadata) is None and offset >= end
