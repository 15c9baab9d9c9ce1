"""What flows into and out of a fold over a shard: where a message came from, and what to publish because of it."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from pipelines.core.codec import State
from pipelines.core.errors import RecordRejected
from schemas import topics
from schemas.structs import DeadLetter, Frame
from schemas.topics import Topic

M = TypeVar("M")

MAX_PAYLOAD: Final = 100_000
"""Bytes of a dead letter's payload: escaped twice they grow fivefold at most, and Kafka takes a megabyte."""


class Origin(NamedTuple):
    """Where a message was found."""

    topic: str
    """Its name in Kafka."""
    shard: int
    """The partition."""
    shards: int
    """How many partitions the topic has."""
    key: str
    """The shard key: the key of every ``market.*`` message that comes of it."""
    offset: int
    """``src`` of the rows that come of it."""


class Output(NamedTuple):
    """A message to publish."""

    topic: Topic[Any]
    key: str
    """The shard key on ``market.*``; the symbol, scope or feed on ``state.*``; ``shard_keys(1)[0]`` on ``partial.flow``."""
    value: bytes


@dataclass(slots=True)
class Folded:
    """What came of one message. Counts are for metrics only: by kind of event, never by symbol."""

    outputs: list[Output] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def publish(self, topic: Topic[M], key: str, message: M) -> None:
        """Add a message of ``topic``; ``message`` is one of its twins from :mod:`schemas.structs`."""
        self.outputs.append(Output(topic, key, topics.encode(message)))

    def take_each(self, frame: Frame, source: str, origin: Origin, take: Callable[[Any], None]) -> None:
        """Fold the records of ``frame`` with ``take``; one that it rejects goes to the dead-letter topic, alone.

        Args:
            frame: As it was found at ``origin``.
            source: Names the pipeline.
            origin: Where the frame was found.
            take: Folds one record; raises :class:`RecordRejected`, and has changed nothing then, when it cannot be true.
        """
        for idx, record in enumerate(frame.records):
            try:
                take(record)
            except RecordRejected as error:
                self._reject(error, source, frame, idx, origin)

    def _reject(self, error: RecordRejected, source: str, frame: Frame, idx: int, origin: Origin) -> None:
        letter = DeadLetter(
            source=source,
            reason=error.reason,
            detail=error.detail,
            feed=frame.feed,
            epoch=frame.epoch,
            topic=origin.topic,
            partition=origin.shard,
            offset=origin.offset,
            idx=idx,
            payload=msgspec.json.encode(frame.records[idx])[:MAX_PAYLOAD].decode(errors="backslashreplace"),
        )
        self.publish(topics.SSI_DLQ, source, letter)
        self.counts["rejected"] += 1

    def count(self, names: Iterable[str]) -> None:
        """Count one of each of ``names``."""
        self.counts.update(names)


Fold = Callable[[M, Origin, State], Folded]
"""Folds one message of a shard into its state and says what to publish: pure, and total over every message that decodes."""


def unreadable(source: str, detail: str, reason: str, value: bytes, origin: Origin) -> Folded:
    """A message that could not be used at all: one dead letter with its bytes."""
    folded = Folded()
    letter = DeadLetter(
        source=source,
        reason=reason,
        detail=detail,
        feed="",
        epoch=0,
        topic=origin.topic,
        partition=origin.shard,
        offset=origin.offset,
        idx=None,
        payload=value[:MAX_PAYLOAD].decode(errors="backslashreplace"),
    )
    folded.publish(topics.SSI_DLQ, source, letter)
    folded.counts["unreadable"] += 1
    return folded
