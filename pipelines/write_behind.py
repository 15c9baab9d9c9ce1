"""What a pipeline keeps in memory between two commits: decoded values of its shards, and rows and outputs that wait.

Values are stored before each commit, in its Kafka transaction, with the outputs and offsets that belong to them. Rows are
published in the same transaction, and earlier where somebody may be looking: at once while messages come one by one, twice a
second while they come faster than they are folded. So of a symbol that moves a hundred times between two commits one value is
stored and a few rows are published. What is published on ``market.*`` is read after the commit: while messages come faster than
they are folded it is handed to Kafka ten times a second, so that much of it goes in one request.

Nothing of it may outlive its transaction. It is dropped when partitions come or go, and when a transaction is aborted: then the
same messages are read again, onto what was stored.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from quixstreams.processing import ProcessingContext
from quixstreams.state import PartitionTransaction

from pipelines import metrics
from pipelines.core.codec import LiveState
from pipelines.core.frames import Output, WaitingRow
from schemas.shards import shard_keys
from schemas.tracing import HEADER

WAIT_S: Final = 0.0005
"""A message that the pipeline had to wait for longer than this was not queued: the pipeline keeps up."""
BUSY_S: Final = 0.5
"""How long a row waits at most while messages are queued."""
BATCH_S: Final = 0.1
"""The same of what is published beside rows. Nobody sees it before the commit."""


class WaitingOutputs(NamedTuple):
    """What came of one message, and what it inherits of it."""

    outputs: Sequence[Output]
    headers: Any
    """Of the message, as Quix hands them out: its trace is among them."""
    taken_ms: int
    """Its time in milliseconds since 1970, which Kafka keeps where a topic does not have times of the broker's own."""


class StoredValues:
    """What Quix stores of one shard, in the transaction of the checkpoint that is open when it is used.

    Args:
        context: Quix's keeper of the checkpoint.
        stream_id: Of the dataframe that has the store.
        partition: The shard's number.
        prefix: The key of the shard's messages, by which Quix keeps state.
    """

    __slots__ = ("_context", "_partition", "_prefix", "_stream_id")

    def __init__(self, context: ProcessingContext, stream_id: str, partition: int, prefix: bytes) -> None:
        self._context = context
        self._stream_id = stream_id
        self._partition = partition
        self._prefix = prefix

    def get(self, key: bytes, /) -> bytes | None:
        """The value of ``key``, or None."""
        found: bytes | None = self._transaction.get_bytes(key, self._prefix)
        return found

    def __setitem__(self, key: bytes, value: bytes, /) -> None:
        self._transaction.set_bytes(key, value, self._prefix)

    @property
    def _transaction(self) -> PartitionTransaction[bytes, bytes]:
        return self._context.checkpoint.get_store_transaction(stream_id=self._stream_id, partition=self._partition)


def stored_values(context: ProcessingContext, stream_id: str, shards: int) -> list[StoredValues]:
    """What Quix stores of the shards of one topic, in the order of their numbers."""
    return [StoredValues(context, stream_id, number, key.encode()) for number, key in enumerate(shard_keys(shards))]


class WriteBehind:
    """The live states, the waiting rows and the waiting outputs of a pipeline.

    Args:
        pipeline: Its name, for metrics.
        produce: Takes topic, key and value of a message into the open transaction; and its headers, where it has some; and its
            time, where that is not the present.
        prefix: What stands before the names of the topics.
        clock: Seconds, since whenever.
    """

    def __init__(
        self,
        pipeline: str,
        produce: Callable[..., object],
        prefix: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pipeline = pipeline
        self._produce = produce
        self._prefix = prefix
        self._clock = clock
        self._states: list[LiveState] = []
        self._made: list[WaitingOutputs] = []
        """In the order in which it was folded."""
        self._rows: dict[tuple[str, str], WaitingRow] = {}
        self._reached: dict[str, Output] = {}
        """How far shards have been folded, by key; published after the rows."""
        self._published_s = self._sent_s = self._free_s = clock()
        self._traced: str | None = None
        """The trace of the newest message that had one and whose rows wait."""
        self._keeps_up = True
        self._was_read = False

    def keep(self, stored: Iterable[StoredValues]) -> list[LiveState]:
        """Live states over what is stored of some shards."""
        states = [LiveState(values) for values in stored]
        self._states += states
        return states

    def reads(self) -> None:
        """Take note that a message is about to be folded."""
        self._was_read = True
        self._keeps_up = self._clock() - self._free_s >= WAIT_S

    def trace(self, parent: str) -> None:
        """Let the rows that are published next belong to a trace."""
        self._traced = parent

    def wait(
        self, rows: Mapping[tuple[str, str], WaitingRow], reached: Output | None = None, made: WaitingOutputs | None = None
    ) -> None:
        """Take what came of a message, and publish what waits, if it is time.

        Args:
            rows: What the message leaves to be shown.
            reached: Says that the message has been folded; None where nobody is to be told.
            made: What else is to be published because of it, all of it and in order; None where that is published elsewhere.
        """
        if made is not None and made.outputs:
            self._made.append(made)
        self._rows.update(rows)
        if reached is not None:
            self._reached[reached.key] = reached
        now_s = self._clock()
        if self._keeps_up or now_s - self._published_s >= BUSY_S:
            self._publish()
        elif now_s - self._sent_s >= BATCH_S:
            self._send()

    def look(self) -> None:
        """Publish what waits if no message was folded since the last look; call it whenever one might have been."""
        if not self._was_read:
            self._keeps_up = True
            self._publish()
        self._was_read = False

    def free(self) -> None:
        """Take note that the pipeline is about to ask for its next message."""
        self._free_s = self._clock()

    @property
    def is_busy(self) -> bool:
        """Whether the last message was queued when it was asked for, and so the next one probably is."""
        return not self._keeps_up

    @property
    def has_waiting(self) -> bool:
        """Whether anything waits to be published."""
        return bool(self._made or self._rows or self._reached)

    def flush(self) -> None:
        """Publish all that waits and store all values: a commit follows."""
        self._publish()
        for state in self._states:
            state.store()

    def drop(self) -> None:
        """Forget what has not been stored and published: its messages will be read again, by whomever."""
        self._made.clear()
        self._rows.clear()
        self._reached.clear()
        for state in self._states:
            state.drop()

    def _publish(self) -> None:
        self._published_s = self._clock()
        self._send()
        if not self._rows and not self._reached:
            return
        outputs = [*(row.output() for row in self._rows.values()), *self._reached.values()]
        self._rows.clear()
        self._reached.clear()
        headers = () if self._traced is None else ([(HEADER, self._traced)],)
        self._traced = None
        for output in outputs:
            self._produce(f"{self._prefix}{output.topic.name}", output.key.encode(), output.value, *headers)
        count(self._pipeline, outputs)

    def _send(self) -> None:
        """Publish what waits beside rows."""
        self._sent_s = self._clock()
        made, self._made = self._made, []
        for outputs, headers, taken_ms in made:
            for output in outputs:
                self._produce(f"{self._prefix}{output.topic.name}", output.key.encode(), output.value, headers, taken_ms)
            count(self._pipeline, outputs)


def count(pipeline: str, outputs: Iterable[Output]) -> None:
    """Count what was published, by topic."""
    for topic, number in Counter(output.topic.name for output in outputs).items():
        metrics.PUBLISHED.labels(pipeline, topic).inc(number)
