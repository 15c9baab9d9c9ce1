"""Where records are read: Kafka's topics, up to their ends as they are now, or a recording."""

import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from connectors.fixtures.core.layout import FixtureMessage
from connectors.fixtures.files import open_fixture
from schemas.errors import KafkaUnavailable, TopicsMissing
from schemas.topics import SSI_TICKS
from schemas.units import UnixMs
from stock_tracker.golden.shards import shards_of
from stock_tracker.kafka.reading import assign, at_hand

_TIMEOUT_S: Final = 20.0
_PAUSE_S: Final = 0.1
_BATCH: Final = 5_000
_BEGINNING: Final = UnixMs(0)


class EvidenceSource(Protocol):
    """Something that has messages of topics."""

    @property
    def name(self) -> str:
        """What it is, in a few words."""

    @property
    def shards(self) -> int:
        """How many partitions the sharded topics have."""

    @property
    def topics(self) -> Collection[str]:
        """The topics that it may have messages of, without a prefix."""

    def read(self, topic: str, partition: int, since_ms: UnixMs = _BEGINNING) -> Iterator[FixtureMessage]:
        """The messages of a partition, in its order.

        Args:
            topic: Without a prefix; one of :attr:`topics`.
            partition: Of the topic.
            since_ms: Messages that were appended before may be left out.
        """


class Recording:
    """A file, as ``stock-tracker record`` writes it. It is read anew for each partition, so a day of any size takes no memory.

    Raises:
        FixtureError: The file is none, or, while it is read, it is damaged or cut.
        UnusableFixture: The keys in it are of no number of shards.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with open_fixture(file) as (header, messages):
            self.topics: Collection[str] = frozenset(header.topics)
            self.shards = shards_of(str(file), header, messages)
        self.name = f"the recording {file.name}"

    def read(self, topic: str, partition: int, since_ms: UnixMs = _BEGINNING) -> Iterator[FixtureMessage]:
        """The messages of a partition, in its order."""
        with open_fixture(self._file) as (_, messages):
            yield from (message for message in messages if (message.topic, message.partition) == (topic, partition))


class KafkaTopics:
    """Kafka's topics; what belongs to transactions that are open or were aborted is left out.

    Args:
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of the deployment's topics.

    Raises:
        KafkaUnavailable: No broker answers.
        TopicsMissing: There is no topic of records.
    """

    def __init__(self, kafka: Mapping[str, str], prefix: str) -> None:
        self._kafka = {
            **kafka,
            "group.id": "stock-tracker-explain",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            # The end of a log comes with the answer to a fetch, which the broker holds back in the hope of more messages.
            "fetch.wait.max.ms": 20,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
        }
        self._prefix = prefix
        self._bootstrap = kafka["bootstrap.servers"]
        self.name = f"the topics at {self._bootstrap}"
        consumer = Consumer(self._kafka)
        try:
            existing = consumer.list_topics(timeout=_TIMEOUT_S).topics
        except KafkaException as error:
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error
        finally:
            consumer.close()
        if (ticks := SSI_TICKS.named(prefix)) not in existing:
            raise TopicsMissing(self._bootstrap, [ticks])
        self.topics: Collection[str] = frozenset(name.removeprefix(prefix) for name in existing if name.startswith(prefix))
        self.shards = len(existing[ticks].partitions)

    def read(self, topic: str, partition: int, since_ms: UnixMs = _BEGINNING) -> Iterator[FixtureMessage]:
        """The messages of a partition, up to its end as it is now.

        Raises:
            KafkaUnavailable: The broker stopped answering.
        """
        name = f"{self._prefix}{topic}"
        consumer = Consumer(self._kafka)
        try:
            begin = TopicPartition(name, partition, OFFSET_BEGINNING)
            if since_ms:
                (begin,) = consumer.offsets_for_times([TopicPartition(name, partition, since_ms)], timeout=_TIMEOUT_S)
            assign(consumer, [begin], _TIMEOUT_S)
            heard = time.monotonic()
            while True:
                batch = at_hand(consumer, _BATCH, _PAUSE_S)
                if batch:
                    heard = time.monotonic()
                elif time.monotonic() - heard > _TIMEOUT_S:
                    raise KafkaUnavailable(self._bootstrap, f"it stopped handing out {name}")
                for message in batch:
                    error = message.error()
                    if error is None:
                        yield FixtureMessage(
                            topic, partition, message.offset(), UnixMs(message.timestamp()[1]), message.key(), message.value(),
                            tuple(message.headers() or ()),
                        )  # fmt: skip
                    elif error.code() == KafkaError._PARTITION_EOF:
                        return
                    else:
                        raise KafkaUnavailable(self._bootstrap, error.str())
        except KafkaException as error:
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error
        finally:
            consumer.close()
