"""Exactly once into ClickHouse, without I/O: what to commit to Kafka, what to insert, and what to insert again.

ClickHouse has no transactions with Kafka. It does forget repeats: an insert with a token that it has seen stores nothing, in the
table and in each of its views on its own. So a repeat has to be the *same* insert, and that is what the commits are for:

1. Before an insert, its range is declared in Kafka: the partition's commit gets offset ``first`` and the metadata ``next=N``. The
   offset says where the archive is safe, the metadata what may be half done beyond it: an *intent*.
2. The messages in [first, N) are inserted with a token made of partition, first and N.
3. The next intent starts at N, or, when nothing more comes, the commit becomes a plain offset: the intent is *closed*.

Whoever gets the partition next reads the commit, inserts exactly [first, N) once more with the same token, which also completes
views that a killed ClickHouse left behind, and goes on. Kafka lets only the partition's owner commit, so a sink that has lost it
can declare nothing.

Offsets have holes where transactions end; N is the offset after the last message. A partition is *drained* when its commit has no
``next=`` and its offset has reached the partition's end.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_METADATA: Final = "next="

Partition = tuple[str, int]
"""Topic and number."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What to write down in Kafka for a partition."""

    partition: Partition
    offset: int
    next: int | None
    """Where the declared range ends; None when nothing is under way."""

    @property
    def metadata(self) -> str:
        """As it stands in Kafka."""
        return "" if self.next is None else f"{_METADATA}{self.next}"


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """A declared range, to be inserted with its own token."""

    partition: Partition
    first: int
    next: int
    messages: tuple[T, ...]
    replayed: bool
    """An earlier owner declared it and may have inserted some of it."""


@dataclass(slots=True)
class _Progress(Generic[T]):
    """One partition of this sink's."""

    position: int | None
    """The offset that the next message must reach; None before the first message of a partition without a commit."""
    intent: tuple[int, int] | None
    """Declared in Kafka, [first, next), and not closed."""
    inserted: bool
    """The intent's rows are in ClickHouse."""
    replayed: bool
    committed: int | None
    proposed: Commit | None = None
    """Asked for and not known to be taken. A commit whose answer was lost may stand in Kafka: only the same one may follow."""
    waiting: deque[tuple[int, int, T]] = field(default_factory=deque)
    """Offset, rows and content of what has been received and is not inserted."""
    rows: int = 0
    """Of those waiting."""
    since_ms: int | None = None
    """When the first of the waiting came, or the last insert was done."""


def intent_of(offset: int, metadata: str | None) -> tuple[int, int] | None:
    """The range that a commit declares, if it does."""
    if not metadata or not metadata.startswith(_METADATA):
        return None
    return offset, int(metadata.removeprefix(_METADATA))


class Intents(Generic[T]):
    """The progress of every partition that this sink owns.

    The caller carries out what it is told, in this order: :meth:`commits` to Kafka, then :meth:`declared`; each of
    :meth:`batches` to ClickHouse, then :meth:`inserted`. A step that fails is asked for again.
    """

    def __init__(self, batch_rows: int, batch_ms: int) -> None:
        """Set how much, and how long, to collect for an insert.

        Args:
            batch_rows: As soon as so many rows wait; a batch ends with the message that reaches it.
            batch_ms: After the first of them has waited so long.
        """
        self._batch_rows = batch_rows
        self._batch_ms = batch_ms
        self._partitions: dict[Partition, _Progress[T]] = {}

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those owned."""
        return tuple(self._partitions)

    @property
    def rows(self) -> int:
        """How many wait, in all."""
        return sum(progress.rows for progress in self._partitions.values())

    @property
    def rereading(self) -> tuple[Partition, ...]:
        """Those whose declared range has not all been read again: nothing of them can be inserted before it has."""
        return tuple(
            partition
            for partition, progress in self._partitions.items()
            if progress.intent is not None
            and not progress.inserted
            and (progress.position is None or progress.position < progress.intent[1])
        )

    def positions(self) -> dict[Partition, int | None]:
        """From where to read on; None for the beginning."""
        return {partition: progress.position for partition, progress in self._partitions.items()}

    def safe(self) -> dict[Partition, int]:
        """Below which offset everything is in ClickHouse, where that is known."""
        found = {}
        for partition, progress in self._partitions.items():
            if progress.intent is not None:
                found[partition] = progress.intent[1] if progress.inserted else progress.intent[0]
            elif progress.committed is not None:
                found[partition] = progress.committed
        return found

    def assigned(self, partition: Partition, offset: int | None, metadata: str | None) -> None:
        """Take a partition over, with what its commit says; None when it has none. Read on from :meth:`positions`."""
        intent = None if offset is None else intent_of(offset, metadata)
        self._partitions[partition] = _Progress(
            position=offset, intent=intent, inserted=False, replayed=intent is not None, committed=offset
        )

    def released(self, partitions: Iterable[Partition]) -> list[Commit]:
        """Give partitions back in good order: what waits is dropped, the next owner reads it again.

        Returns:
            Commits that close what is done; when they fail, the next owner only repeats it.
        """
        closing = []
        for partition in partitions:
            progress = self._partitions.pop(partition, None)
            if progress is not None and progress.intent is not None and progress.inserted:
                closing.append(Commit(partition, progress.intent[1], None))
        return closing

    def lost(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that are somebody else's already."""
        for partition in partitions:
            self._partitions.pop(partition, None)

    def received(self, partition: Partition, offset: int, rows: int, content: T, now_ms: int) -> None:
        """Take a message. One that is not this sink's, or was taken before, is ignored."""
        progress = self._partitions.get(partition)
        if progress is None or (progress.position is not None and offset < progress.position):
            return
        progress.waiting.append((offset, rows, content))
        progress.rows += rows
        progress.position = offset + 1
        if progress.since_ms is None or len(progress.waiting) == 1:
            progress.since_ms = now_ms

    def reached(self, partition: Partition, end: int, now_ms: int) -> None:
        """Note that there is nothing more below ``end``: whatever is between is no message."""
        progress = self._partitions.get(partition)
        if progress is None or (progress.position is not None and end < progress.position):
            return
        progress.position = end
        if progress.since_ms is None:
            progress.since_ms = now_ms

    def commits(self, now_ms: int) -> list[Commit]:
        """Say what to declare and what to close, all in one commit."""
        wanted = []
        for partition, progress in self._partitions.items():
            if progress.proposed is None:
                progress.proposed = self._propose(partition, progress, now_ms)
            if progress.proposed is not None:
                wanted.append(progress.proposed)
        return wanted

    def declared(self, commits: Iterable[Commit]) -> None:
        """Note that Kafka has taken them."""
        for commit in commits:
            progress = self._partitions.get(commit.partition)
            if progress is None:
                continue
            progress.proposed = None
            progress.committed = commit.offset
            progress.intent = None if commit.next is None else (commit.offset, commit.next)
            progress.inserted = False
            progress.replayed = False
            if commit.next is None:
                progress.since_ms = None

    def batches(self) -> list[Batch[T]]:
        """Say what is declared, complete and not yet inserted."""
        found = []
        rereading = self.rereading
        for partition, progress in self._partitions.items():
            if progress.intent is None or progress.inserted or partition in rereading:
                continue
            first, next_ = progress.intent
            messages = tuple(content for offset, _, content in progress.waiting if offset < next_)
            found.append(Batch(partition, first, next_, messages, progress.replayed))
        return found

    def inserted(self, batch: Batch[T], now_ms: int) -> None:
        """Note that ClickHouse has all of a batch."""
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
        due = progress.since_ms is not None and now_ms - progress.since_ms >= self._batch_ms
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


def drained(offset: int | None, metadata: str | None, end: int) -> bool:
    """Whether a partition's commit says that ClickHouse has everything below ``end``, the partition's end in Kafka.

    Args:
        offset: Committed; None when nothing is.
        metadata: Of the commit.
        end: The last stable offset. Nothing below an ``end`` of 0 counts as drained without a commit.
    """
    if offset is None:
        return end == 0
    return intent_of(offset, metadata) is None and offset >= end
