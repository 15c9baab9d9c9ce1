"""The real topologies of the pipelines, without Kafka: Quix Streams composes and runs them, and a list takes what they publish.

What replaces the broker reaches into Quix Streams, so it is written for the releases of :data:`QUIX`; another one is refused.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from quixstreams.context import set_message_context
from quixstreams.models import MessageContext, TopicAdmin, TopicConfig
from quixstreams.models import Topic as QuixTopic
from quixstreams.models.topics import TopicManager
from quixstreams.state.memory import MemoryStore

from connectors.fixtures.core.layout import FixtureMessage
from pipelines.application import PipelineApplication, wire
from pipelines.catalogue import BESIDE, Pipeline
from pipelines.checkpoints import DeadLetterWatch
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.shards import shard_of
from schemas.topics import TOPICS, Topic
from stock_tracker.errors import UntriedQuix

QUIX: Final = ("3.28.",)
"""Releases of Quix Streams that this was tried with, by what their number begins with."""


class _NoAdmin(TopicAdmin):
    """Says of every topic that it is there, with as many partitions as it is to have."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        super().__init__(broker_address="no-broker:0")
        self._partitions = partitions

    def inspect_topics(self, topic_names: list[str], timeout: float = 30) -> dict[str, TopicConfig | None]:
        extra = {"retention.ms": "-1", "retention.bytes": "-1"}
        return {name: TopicConfig(self._partitions[name], 1, extra) for name in topic_names}


class _Taker:
    """Takes what a topology publishes, where Quix has its producer."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes, bytes]] = []

    def produce_row(
        self, row: Any, topic: QuixTopic, key: Any = None, partition: int | None = None, timestamp: Any = None
    ) -> None:
        message: Any = topic.row_serialize(row=row, key=key)
        self.taken.append((topic.name, message.key, message.value))


class BrokerlessPipeline:
    """A pipeline's application that is handed its messages one by one."""

    def __init__(self, pipeline: Pipeline, settings: PipelineSettings, partitions: Mapping[str, int]) -> None:
        self._application = PipelineApplication(
            broker_address="no-broker:0",
            consumer_group=pipeline.group,
            topic_manager=TopicManager(_NoAdmin(partitions), pipeline.group),
            state_dir=settings.home,
            use_changelog_topics=False,
            loglevel=None,
        )
        self._application._state_manager._default_store_type = MemoryStore
        context = self._application._processing_context
        self._taker = _Taker()
        context.producer = self._taker  # type: ignore[assignment] # it stands in for Quix's
        folds = pipeline.make_folds(Parameters(settings))
        # What cannot be used is an output like others here; whether it is too much is judged where a service commits.
        dead_letters = DeadLetterWatch(pipeline.name, settings.dead_letter_limit)
        wire(self._application, pipeline, folds, partitions, dead_letters, "")
        stores = self._application._state_manager.stores
        for source in pipeline.sources:
            for store in stores[source.name].values():
                for partition in range(partitions[source.name]):
                    store.assign_partition(partition)
        self._composed = self._application._dataframe_registry.compose_all()
        context.init_checkpoint()  # type: ignore[no-untyped-call] # it is Quix's

    def fold(self, message: FixtureMessage) -> list[tuple[str, bytes, bytes]]:
        """Fold a message; topic, key and value of each output."""
        where = MessageContext(
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            size=len(message.value or b""),
        )

        def run() -> None:
            set_message_context(where)
            self._composed[message.topic](message.value, message.key, message.ts_ms, list(message.headers))

        copy_context().run(run)
        taken, self._taker.taken = self._taker.taken, []
        return taken

    def close(self) -> None:
        """Let its state go."""
        self._application._state_manager.close()


class Brokerless:
    """Topics in memory, and pipelines that read and write them as they would Kafka's."""

    def __init__(self, pipelines: Sequence[Pipeline], settings: PipelineSettings, shards: int) -> None:
        self._topics: dict[str, Topic[Any]] = {topic.name: topic for topic in TOPICS}
        self._partitions = {topic.name: topic.partitions(shards) for topic in TOPICS}
        self._readers: dict[str, list[BrokerlessPipeline]] = defaultdict(list)
        self._pipelines = []
        self._next: dict[tuple[str, int], int] = defaultdict(int)
        for pipeline in pipelines:
            made = BrokerlessPipeline(pipeline, settings, self._partitions)
            self._pipelines.append(made)
            for source in pipeline.sources:
                self._readers[source.name].append(made)

    def reads(self, topic: str) -> bool:
        """Whether a pipeline reads ``topic``."""
        return bool(self._readers[topic])

    def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None, ts_ms: int) -> Iterator[FixtureMessage]:
        """Append a message, and yield all that comes of it, in the order in which it was published."""
        offset = self._next[topic, partition]
        self._next[topic, partition] += 1
        message = FixtureMessage(topic, partition, offset, ts_ms, key, value)  # type: ignore[arg-type]
        yield message
        for reader in self._readers[topic]:
            for sink, its_key, its_value in reader.fold(message):
                place = shard_of(its_key.decode(), self._partitions[sink])
                yield from self.write(sink, place, its_key, its_value, ts_ms)

    def close(self) -> None:
        """Close all pipelines."""
        for pipeline in self._pipelines:
            pipeline.close()


@contextmanager
def brokerless(pipelines: Sequence[Pipeline], shards: int) -> Iterator[Brokerless]:
    """Pipelines without a broker, with the parameters of the environment and of the repository.

    Args:
        pipelines: Of the catalogue.
        shards: Partitions of the sharded topics.

    Raises:
        UntriedQuix: Another release of Quix Streams is installed than this was written for.
        UnusableRules: The alert rules cannot be read.
    """
    check_quix(version("quixstreams"))
    with tempfile.TemporaryDirectory(prefix="stock-tracker-golden-") as home:
        run = Brokerless(pipelines, PipelineSettings(kafka={}, topic_prefix="", home=Path(home)), shards)
        try:
            yield run
        finally:
            run.close()


def check_quix(installed: str) -> None:
    """Refuse a release of Quix Streams that the topologies without a broker were not tried with.

    Raises:
        UntriedQuix: It is another one.
    """
    if not installed.startswith(QUIX):
        raise UntriedQuix(installed, QUIX)


def outputs_of(messages: Iterable[FixtureMessage], pipelines: Sequence[Pipeline], shards: int) -> Iterator[FixtureMessage]:
    """Fold what was recorded; all that the pipelines publish, in their order. Time and offsets begin anew, as in a replay.

    Messages of topics that one of ``pipelines`` writes are left out: they are made anew.
    """
    written = {sink.name for pipeline in pipelines for sink in (*pipeline.sinks, *BESIDE)}
    with brokerless(pipelines, shards) as run:
        for message in messages:
            if run.reads(message.topic) and message.topic not in written:
                made = run.write(message.topic, message.partition, message.key, message.value, message.ts_ms)
                next(made)
                yield from made
