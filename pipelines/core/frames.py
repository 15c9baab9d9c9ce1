"""What a fold is given with a message, and what it says to publish because of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from pipelines.core.codec import DayState, State
from pipelines.core.errors import RecordRejected
from schemas import topics
from schemas.errors import InvalidMessage
from schemas.position import Position
from schemas.shards import shard_keys
from schemas.structs import DeadLetter, Frame
from schemas.topics import Topic

M = TypeVar("M")
T = TypeVar("T")

MAX_PAYLOAD: Final = 100_000
"""Bytes of a dead letter's payload: escaped twice they grow fivefold at most, and Kafka takes a megabyte."""


class Shard(NamedTuple):
    """The part of a topic that one fold sees, and whose state it keeps: a partition."""

    pipeline: str
    """The pipeline that reads it; dead letters name it as their source."""
    number: int
    """The number of the partition."""
    shards: int
    """How many partitions there are."""
    key: str
    """The key of every frame in it, and of every ``market.*`` message that comes of one."""

    @staticmethod
    def of(pipeline: str, number: int, shards: int) -> "Shard":
        """Partition ``number`` of ``shards``, with the key that Kafka places there."""
        return Shard(pipeline, number, shards, shard_keys(shards)[number])


class Output(NamedTuple):
    """A message to publish."""

    topic: Topic[Any]
    key: str
    """The shard key on ``market.*``; the symbol, scope or feed on ``state.*``; ``shard_keys(1)[0]`` on ``partial.flow``."""
    value: bytes


class WaitingRow(msgspec.Struct, frozen=True, gc=False):
    """A row of ``state.*`` to publish, now or later: a later one of the same key takes its place."""

    topic: Topic[Any]
    key: str
    draw: Callable[[str, Any], Any]
    """Makes the row, out of its key and what it shows."""
    of: Any
    """What it shows. The row is the same whenever it is made: this changes only with a new row."""

    def output(self) -> Output:
        """The row as it is published."""
        return Output(self.topic, self.key, topics.encode(self.draw(self.key, self.of)))


@dataclass(slots=True)
class Folded:
    """What came of one message: what to publish, and how many of what there were, for metrics. No count is of a symbol."""

    outputs: list[Output] = field(default_factory=list)
    rows: dict[tuple[str, str], WaitingRow] = field(default_factory=dict)
    """The newest row of each topic's name and key, where the state is a :class:`~pipelines.core.codec.LiveState`: whoever keeps
    that publishes them, at the latest before the message is committed. Over other states they are among the outputs."""
    adopted: Output | None = None
    """Published beside them where the shard folds with other terms from this message on (:mod:`pipelines.core.terms`)."""
    counts: Counter[str] = field(default_factory=Counter)

    def publish(self, topic: Topic[M], key: str, message: M) -> None:
        """Add a message of ``topic``; ``message`` is one of its twins from :mod:`schemas.structs`."""
        self.outputs.append(Output(topic, key, topics.encode(message)))

    def show(self, topic: Topic[M], key: str, row: M) -> None:
        """Have a row of ``topic`` published, in the place of an earlier one of the same key."""
        self.rows[topic.name, key] = WaitingRow(topic, key, _as_it_is, row)

    def show_later(self, topic: Topic[M], things: Mapping[str, T], draw: Callable[[str, T], M]) -> None:
        """As :meth:`show`, of rows that are made only when they are published: others may take their places before that.

        Args:
            topic: Of all of them.
            things: What each shows, by its key.
            draw: Makes a row of both.
        """
        name, rows = topic.name, self.rows
        for key, thing in things.items():
            rows[name, key] = WaitingRow(topic, key, draw, thing)

    def finish(self, state: DayState) -> None:
        """End the message: where values and rows are not kept for later, store what changed and publish the rows."""
        if not state.keeps:
            state.flush()
            self.outputs += [row.output() for row in self.rows.values()]
            self.rows.clear()

    def reject(self, error: RecordRejected, frame: Frame, idx: int, position: Position, shard: Shard) -> None:
        """Put record ``idx`` of ``frame``, which was found at ``position`` of ``shard``, on the dead-letter topic, alone."""
        letter = DeadLetter(
            source=shard.pipeline,
            reason=error.reason,
            detail=error.detail,
            feed=frame.feed,
            epoch=frame.epoch,
            topic=position.topic,
            partition=position.partition,
            offset=position.offset,
            idx=idx,
            payload=msgspec.json.encode(frame.records[idx])[:MAX_PAYLOAD].decode(errors="backslashreplace"),
        )
        self.publish(topics.SSI_DLQ, shard.pipeline, letter)
        self.counts["rejected"] += 1

    def count(self, names: Iterable[str]) -> None:
        """Count one of each of ``names``."""
        self.counts.update(names)


Fold = Callable[[M, Position, Shard, State], Folded]
"""Folds one message, found at a position of its shard, into the shard's state, and says what to publish.

It changes the state that it is given and nothing else, and it can fold every message that decodes.
"""


def fold_value(
    topic: Topic[M], fold: Fold[M], value: bytes | None, key: bytes | None, position: Position, shard: Shard, state: State
) -> tuple[object, Folded]:
    """Fold a message of ``topic`` as it lies on Kafka.

    Args:
        topic: That it is of.
        fold: Of the topology that reads it.
        value: None for a message without one.
        key: That of its shard, else the message is not used.
        position: Where it was found.
        shard: Where that is.
        state: The shard's; changed.

    Returns:
        The message as it was decoded, None where it could not be used at all; and what comes of it.

    Raises:
        NewerMessage: A newer release wrote it. It is no dead letter: whoever reads it stops.
    """
    if key != shard.key.encode():
        # Quix keeps state by message key: under a strange one a shard's state would be split in two.
        return None, unreadable(f"key {key!r} is not the shard's, {shard.key}", "wrong_key", value or b"", position, shard)
    try:
        # A message may have no value at all; it is as unreadable as an empty one.
        message = topic.decode(value or b"")
    except InvalidMessage as error:
        return None, unreadable(str(error), "unreadable", value or b"", position, shard)
    return message, fold(message, position, shard, state)


def _as_it_is(key: str, row: M) -> M:
    return row


def unreadable(detail: str, reason: str, value: bytes, position: Position, shard: Shard) -> Folded:
    """A message that could not be used at all: one dead letter with its bytes."""
    folded = Folded()
    letter = DeadLetter(
        source=shard.pipeline,
        reason=reason,
        detail=detail,
        feed="",
        epoch=0,
        topic=position.topic,
        partition=position.partition,
        offset=position.offset,
        idx=None,
        payload=value[:MAX_PAYLOAD].decode(errors="backslashreplace"),
    )
    folded.publish(topics.SSI_DLQ, shard.pipeline, letter)
    folded.counts["unreadable"] += 1
    return folded
