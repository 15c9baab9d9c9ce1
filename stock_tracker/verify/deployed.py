"""A deployment on Kafka, as a verification reads it: how topics are split and how far, and what its pipelines have committed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from connectors.fixtures.core.layout import FixtureMessage
from pipelines.catalogue import Pipeline
from schemas.errors import KafkaUnavailable, TopicsMissing
from schemas.position import Partition
from schemas.topics import Topic
from stock_tracker.kafka.watermarks import watermarks
from stock_tracker.verify.partitions import Partitions

_TIMEOUT_S: Final = 20.0


class Marks(NamedTuple):
    """Where a partition begins and ends."""

    low: int
    high: int


class TopicReading(Protocol):
    """Partitions that are being read."""

    def read(self, place: Partition) -> Iterator[FixtureMessage]:
        """Yield the committed messages of a partition, in order, up to its end."""

    def close(self) -> None:
        """Close the connections."""


class KafkaDeployment:
    """What a cluster says of the topics and consumer groups with a prefix."""

    def __init__(self, kafka: Mapping[str, str], prefix: str) -> None:
        self.kafka = kafka
        self.prefix = prefix
        self._bootstrap = kafka["bootstrap.servers"]
        self._askers: dict[str, Consumer] = {}

    def close(self) -> None:
        """Close the connections."""
        for consumer in self._askers.values():
            consumer.close()

    def partitions(self, topics: Sequence[Topic[Any]]) -> dict[str, int]:
        """How many each topic has, by its name without prefix."""
        try:
            existing = self._asker("stock-tracker-verify").list_topics(timeout=_TIMEOUT_S).topics
        except KafkaException as error:
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error
        if missing := [topic.named(self.prefix) for topic in topics if topic.named(self.prefix) not in existing]:
            raise TopicsMissing(self._bootstrap, missing)
        return {topic.name: len(existing[topic.named(self.prefix)].partitions) for topic in topics}

    def marks(self, place: Partition) -> Marks:
        """Where a partition begins and ends; what is in an open transaction lies before its end."""
        asker = self._asker("stock-tracker-verify", isolation="read_uncommitted")
        try:
            return Marks(*watermarks(asker, self._named(place), _TIMEOUT_S))
        except KafkaException as error:
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error

    def committed(self, pipeline: Pipeline, places: Sequence[Partition]) -> dict[Partition, int]:
        """How far a pipeline has committed partitions; negative for one of which it has committed nothing.

        A commit that is being made is waited for, so that what comes of it is there to be read.
        """
        asker = self._asker(f"{self.prefix}{pipeline.group}")
        try:
            answers = asker.committed([self._named(place) for place in places], timeout=_TIMEOUT_S)
        except KafkaException as error:
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error
        for answer in answers:
            if answer.error is not None:
                raise KafkaUnavailable(self._bootstrap, answer.error.str())
        return {Partition(each.topic.removeprefix(self.prefix), each.partition): each.offset for each in answers}

    def read(self, ends: Mapping[Partition, int]) -> TopicReading:
        """Partitions, each to its end."""
        return Partitions(self.kafka, self.prefix, ends)

    def _named(self, place: Partition) -> TopicPartition:
        return TopicPartition(f"{self.prefix}{place.topic}", place.number)

    def _asker(self, group: str, isolation: str = "read_committed") -> Consumer:
        """A client that never subscribes, and so never becomes a member of the group."""
        name = f"{group} {isolation}"
        if name not in self._askers:
            settings = {**self.kafka, "group.id": group, "enable.auto.commit": False, "isolation.level": isolation}
            self._askers[name] = Consumer(settings)
        return self._askers[name]
