"""Whether everything that was said has been worked through: no group has a message before it that it did not commit."""

import asyncio
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.ssi.simulator.core.truth import ConnectionStatus
from pipelines.catalogue import CATALOGUE
from schemas.errors import KafkaUnavailable
from schemas.structs import FeedStatus
from schemas.topics import EVENT_TOPICS, SSI_DLQ, SSI_STATUS, Topic
from stock_tracker.errors import NotInTime
from stock_tracker.simulator import SimulatorClient

DRAIN_S = 120.0
"""How long everything may take to be worked through; seconds on a quiet machine."""
_TIMEOUT_S = 10.0
_LOOK_S = 0.3
_QUIET_LOOKS = 2
"""How often nothing may be found before nothing is left: what the connector has received is on Kafka a moment later, and its
clock stands within a quarter of a second after the market's."""


@dataclass(frozen=True)
class Reader:
    """A consumer group and the topics that it reads, names as they are in Kafka."""

    group: str
    topics: tuple[str, ...]


class Drain:
    """Looks at what readers have left; open it once and ask often, from any thread, one question at a time."""

    def __init__(self, kafka: Mapping[str, str], timeout_s: float = _TIMEOUT_S) -> None:
        self._bootstrap = kafka["bootstrap.servers"]
        self._kafka = dict(kafka)
        self._timeout_s = timeout_s
        self._consumer = self._consumer_of("stock-tracker-drain")
        self._askers: dict[str, Consumer] = {}
        """By group, who asks for its commits. They never subscribe, so they are no members of it."""
        self._asking = threading.Lock()

    def close(self) -> None:
        """Let go of the connections once a question that is being asked has its answer: an event loop should not wait for it.

        A task that is cancelled leaves the thread that asks for it at work, and librdkafka crashes the process when a consumer is
        closed under a request.
        """
        with self._asking:
            for consumer in (self._consumer, *self._askers.values()):
                consumer.close()

    def lag(self, reader: Reader) -> int:
        """How many offsets lie between the commits of a group and the ends of its topics.

        Transactions leave marks that take offsets too, so a group of an exactly-once topic that has read everything may
        show a few: :meth:`has_left` tells these from messages.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        with self._asking:
            return sum(end - committed for _, committed, end in self._positions(reader))

    def has_left(self, reader: Reader) -> bool:
        """Whether a committed message lies before the group's commits.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        with self._asking:
            behind = [
                TopicPartition(p.topic, p.partition, committed)
                for p, committed, end in self._positions(reader)
                if committed < end
            ]
            return bool(behind) and self._has_message(behind)

    def _has_message(self, behind: Sequence[TopicPartition]) -> bool:
        self._consumer.assign(list(behind))
        ends = 0
        try:
            while ends < len(behind):
                messages = self._consumer.consume(len(behind), self._timeout_s)
                if not messages:
                    raise KafkaUnavailable(self._bootstrap, "it did not hand out the ends of its topics")
                for message in messages:
                    error = message.error()
                    if error is None:
                        return True
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaUnavailable(self._bootstrap, error.str())
                    ends += 1
        finally:
            self._consumer.unassign()
        return False

    def last_value(self, topic: str) -> bytes | None:
        """The last message of a topic of one partition that is written without transactions.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        with self._asking:
            return self._last_value(topic)

    def _last_value(self, topic: str) -> bytes | None:
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=self._timeout_s)
        except KafkaException as error:
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error
        if high <= low:
            return None
        self._consumer.assign([TopicPartition(topic, 0, high - 1)])
        try:
            message = self._consumer.poll(self._timeout_s)
        finally:
            self._consumer.unassign()
        if message is None or message.error() is not None:
            raise KafkaUnavailable(self._bootstrap, f"it did not hand out the end of {topic}")
        value: bytes = message.value()
        return value

    def _positions(self, reader: Reader) -> Iterator[tuple[TopicPartition, int, int]]:
        """Each partition with the group's commit (its beginning, where there is none) and its end."""
        try:
            metadata = self._consumer.list_topics(timeout=self._timeout_s).topics
            places = [TopicPartition(topic, number) for topic in reader.topics for number in metadata[topic].partitions]
            # Not by an administrator's request: librdkafka crashes when the broker dies under one.
            for commit in self._asker(reader.group).committed(places, timeout=self._timeout_s):
                if commit.error is not None:
                    raise KafkaException(commit.error)
                place = TopicPartition(commit.topic, commit.partition)
                low, high = self._consumer.get_watermark_offsets(place, timeout=self._timeout_s)
                yield place, max(commit.offset, low), high
        except KafkaException as error:
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error

    def _asker(self, group: str) -> Consumer:
        if group not in self._askers:
            self._askers[group] = self._consumer_of(group)
        return self._askers[group]

    def _consumer_of(self, group: str) -> Consumer:
        return Consumer(
            {
                **self._kafka,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # An end is told with an answer to a fetch: wait little for more.
                "fetch.wait.max.ms": 20,
                "isolation.level": "read_committed",
            }
        )


def readers(prefix: str) -> tuple[Reader, ...]:
    """Who reads what, upstream first."""

    def reader(group: str, *sources: Topic[Any]) -> Reader:
        return Reader(f"{prefix}{group}", tuple(source.named(prefix) for source in sources))

    return (
        *(reader(pipeline.group, *pipeline.sources) for pipeline in CATALOGUE),
        reader("archive", *EVENT_TOPICS, SSI_DLQ),
    )


async def worked_through(simulator: SimulatorClient, kafka: Mapping[str, str], prefix: str) -> None:
    """Wait until all that the simulator has put on its connections is in the topics and in the archive.

    The market must stand: finished, or held. A broker that is away meanwhile is waited for.

    Raises:
        NotInTime: It was not over within a while; the error says who has how much left.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_S
    quiet = 0
    drain = Drain(kafka)
    try:
        while quiet < _QUIET_LOOKS:
            left = await _left(simulator, kafka, prefix, drain)
            quiet = 0 if left else quiet + 1
            if left and loop.time() > deadline:
                raise NotInTime(left, DRAIN_S)
            await asyncio.sleep(_LOOK_S)
    finally:
        await asyncio.to_thread(drain.close)


async def _left(simulator: SimulatorClient, kafka: Mapping[str, str], prefix: str, drain: Drain) -> str:
    """What has not been worked through yet, in words; empty when nothing is known to be left."""
    connections = (await simulator.status()).connections
    try:
        status = await asyncio.to_thread(last_status, kafka, prefix)
        if on_the_way := not_received(connections, status):
            return on_the_way
        reader = await asyncio.to_thread(first_with_left, drain, readers(prefix))
    except KafkaUnavailable as error:
        return str(error)
    return f"{reader.group} has not read all of {', '.join(reader.topics)}" if reader else ""


def not_received(connections: Iterable[ConnectionStatus], status: FeedStatus | None) -> str:
    """What is on its way from the simulator's open connections to the connector, in words; empty when that is nothing.

    Args:
        connections: The simulator's.
        status: The connector's last word; None when it has said nothing yet.
    """
    if status is not None and status.state in ("connecting", "down"):
        # Whatever it missed meanwhile comes with the next snapshot.
        return f"the connector has no connection: {status.reason}"
    sent = sum(connection.records + connection.malformed for connection in connections if connection.ended is None)
    received = 0 if status is None else status.received
    return "" if received == sent else f"the connector has received {received} of the {sent} records on its connection"


def last_status(kafka: Mapping[str, str], prefix: str) -> FeedStatus | None:
    """What a connector said of itself last; None when none has said anything yet."""
    topic = SSI_STATUS.named(prefix)
    with closing(Drain(kafka)) as drain:
        value = drain.last_value(topic)
    return SSI_STATUS.decode(value) if value else None


def first_with_left(drain: Drain, readers: Sequence[Reader]) -> Reader | None:
    """The first of ``readers``, named upstream first, that has something left; None when none has.

    Asked in that order: what an upstream group has committed is visible downstream, or is about to be.
    """
    return next((reader for reader in readers if drain.has_left(reader)), None)
