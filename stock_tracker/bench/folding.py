"""The real folds of the pipelines with what a service keeps around them, and without Kafka: messages in, messages out."""

import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipelines.catalogue import Pipeline
from pipelines.core.codec import LiveState
from pipelines.core.frames import Fold, Output, Shard
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from pipelines.write_behind import StoredValues, WriteBehind
from schemas.position import Position
from schemas.shards import shard_of
from schemas.topics import TOPICS, Topic

RATE: Final = 20_000.0
"""Records a second, by which rows and commits are timed: a clock that costs nothing and is the same in every round."""
_TOPICS: Final[dict[str, Topic[Any]]] = {topic.name: topic for topic in TOPICS}


class TopicMessage(NamedTuple):
    """A message, and where it is."""

    topic: str
    partition: int
    value: bytes


class _Stored(dict[bytes, bytes]):
    """What Quix would store of a shard."""


class FoldedPipeline:
    """One pipeline: it is handed messages, and what it publishes is in :attr:`published`."""

    def __init__(self, pipeline: Pipeline, shards: int, home: Path) -> None:
        """Make its folds, with the parameters of the environment and of the package.

        Args:
            pipeline: Of the catalogue.
            shards: Partitions of the sharded topics.
            home: A folder that it may name in its settings; nothing is written there.
        """
        self.published: list[TopicMessage] = []
        self.folded = 0
        """Records and events in the messages so far."""
        self.seconds = 0.0
        """CPU of folding them, decoding and encoding included."""
        self._pipeline = pipeline
        self._shards = shards
        self._offsets: dict[tuple[str, int], int] = defaultdict(int)
        self._committed_s = 0.0
        self._behind = WriteBehind("bench", self._produce, "", lambda: self.folded / RATE)
        self._folds: dict[str, Fold[Any]] = {}
        self._states: dict[str, list[LiveState]] = {}
        self._own: list[TopicMessage] = []
        """What it publishes for itself to read."""
        folds = pipeline.make_folds(Parameters(PipelineSettings(kafka={}, topic_prefix="", home=home)))
        for topology, fold in zip(pipeline.topologies, folds, strict=True):
            count = topology.source.partitions(shards)
            self._folds[topology.source.name] = fold
            stored: list[StoredValues] = [_Stored() for _ in range(count)]  # type: ignore[misc] # it stands in for Quix's
            self._states[topology.source.name] = self._behind.keep(stored)

    def run(self, messages: Iterable[TopicMessage]) -> None:
        """Fold those messages that it reads, in their order, and what it publishes for itself; then commit."""
        mine = [message for message in messages if message.topic in self._folds]
        begun = time.process_time()
        for message in mine:
            self._fold(message)
            while self._own:
                self._fold(self._own.pop(0))
        self._behind.flush()
        while self._own:
            self._fold(self._own.pop(0))
        self._behind.flush()
        self.seconds += time.process_time() - begun

    def _fold(self, message: TopicMessage) -> None:
        topic = _TOPICS[message.topic]
        offset = self._offsets[message.topic, message.partition]
        self._offsets[message.topic, message.partition] += 1
        shard = Shard.of(self._pipeline.name, message.partition, topic.partitions(self._shards))
        self._behind.reads()
        frame = topic.decode(message.value)
        position = Position(message.topic, message.partition, offset)
        folded = self._folds[message.topic](frame, position, shard, self._states[message.topic][message.partition])
        for output in folded.outputs:
            self._publish(output)
        self.folded += len(getattr(frame, "records", None) or getattr(frame, "events", None) or ())
        self._behind.wait(folded.rows)
        self._behind.look()
        if self.folded / RATE - self._committed_s >= self._pipeline.commit_interval_s:
            self._behind.flush()
            self._committed_s = self.folded / RATE
        self._behind.free()

    def _publish(self, output: Output) -> None:
        self._produce(output.topic.name, output.key.encode(), output.value)

    def _produce(self, topic: str, key: bytes, value: bytes) -> None:
        message = TopicMessage(topic, shard_of(key.decode(), _TOPICS[topic].partitions(self._shards)), value)
        if topic in self._folds:
            self._own.append(message)
        self.published.append(message)
