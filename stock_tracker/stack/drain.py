"""Whether everything that the simulator sent has been worked through.

That is so when the connector has received all of it, and every consumer group has committed all that is on its topics.
"""

import asyncio
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.clickhouse.core.tables import GROUP, SOURCES
from connectors.ssi.simulator.core.truth import ConnectionStatus
from pipelines.catalogue import CATALOGUE
from schemas.errors import KafkaUnavailable
from schemas.structs import FeedStatus
from schemas.topics import SSI_STATUS, Topic
from stock_tracker.errors import NotInTime
from stock_tracker.kafka.watermarks import watermarks
from stock_tracker.stack.simulator import SimulatorClient

DRAIN_S = 120.0
"""How long everything may take to be worked through, in seconds; a quiet machine needs a few."""
_TIMEOUT_S = 10.0
_LOOK_S = 0.3
_QUIET_LOOKS = 2
"""How many looks in a row must find nothing. One is not enough: what the connector has received is on Kafka only a moment later,
and its clock comes to a stand up to a quarter of a second after the market's."""


@dataclass(frozen=True)
class ConsumerGroup:
    """A consumer group and the topics that it reads; all names as they are in Kafka, with the prefix."""

    name: str
    topics: tuple[str, ...]


@dataclass(frozen=True)
class Unread:
    """What a consumer group has still to read."""

    messages: int
    """Offsets, of the partitions that have a message to read: the marks of transactions among them count too."""
    oldest_ms: int | None
    """When Kafka took the oldest of them; None where there is none."""


class Backlog:
    """What consumer groups have not read yet. Open it once and ask often: from any thread, but it answers one after the other."""

    def __init__(self, kafka: Mapping[str, str], timeout_s: float = _TIMEOUT_S) -> None:
        self._bootstrap = kafka["bootstrap.servers"]
        self._kafka = dict(kafka)
        self._timeout_s = timeout_s
        self._consumer = self._consumer_of("stock-tracker-drain")
        self._uncommitted = self._consumer_of("stock-tracker-drain", isolation="read_uncommitted")
        self._askers: dict[str, Consumer] = {}
        """By group, the client that asks for its commits. It never subscribes, and so never becomes a member of the group."""
        self._asking = threading.Lock()

    def close(self) -> None:
        """Close the connections; a request that another thread has under way is waited for, so do not call this in an event loop.

        A task that is cancelled leaves its thread at work, and librdkafka crashes the process when a consumer is closed while a
        request of it is under way.
        """
        with self._asking:
            for consumer in (self._consumer, self._uncommitted, *self._askers.values()):
                consumer.close()

    def lag(self, group: ConsumerGroup) -> int:
        """How many offsets lie between the commits of a group and the ends of its topics.

        The marks that end transactions take offsets too. So a group that has read everything may still be a few offsets behind:
        :meth:`has_unread` tells such marks from messages.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        with self._asking:
            return sum(end - committed for _, committed, end in self._progress(group))

    def has_unread(self, group: ConsumerGroup) -> bool:
        """Whether the group has messages still to read: of committed transactions, beyond its own commits.

        An open transaction counts as such a message. Its producer may be told that it is committed before Kafka has marked every
        partition with that, and until then the log seems to end where it ended before.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        with self._asking:
            progress = list(self._progress(group))
            if any(self._end_of_all(place) > end for place, _, end in progress):
                return True
            behind = [TopicPartition(p.topic, p.partition, committed) for p, committed, end in progress if committed < end]
            return bool(behind) and self._has_message(behind)

    def _end_of_all(self, place: TopicPartition) -> int:
        """The end of a partition, with what is in open transactions."""
        try:
            _, end = watermarks(self._uncommitted, place, self._timeout_s)
        except KafkaException as error:
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error
        return int(end)

    def unread(self, group: ConsumerGroup) -> Unread:
        """What the group has still to read, of committed transactions.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        each = self.unread_by_partition(group).values()
        return Unread(
            sum(unread.messages for unread in each),
            min((unread.oldest_ms for unread in each if unread.oldest_ms is not None), default=None),
        )

    def unread_by_partition(self, group: ConsumerGroup) -> dict[tuple[str, int], Unread]:
        """What the group has still to read of each partition of its topics, of committed transactions.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        with self._asking:
            progress = {(p.topic, p.partition): (committed, end) for p, committed, end in self._progress(group)}
            taken_ms = self._first_messages({place: committed for place, (committed, end) in progress.items() if committed < end})
        return {
            place: Unread(end - committed, taken_ms[place]) if place in taken_ms else Unread(0, None)
            for place, (committed, end) in progress.items()
        }

    def _first_messages(self, places: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], int]:
        """When Kafka took the first message from an offset on, by partition; those that have none are left out."""
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in places.items()])
        taken_ms: dict[tuple[str, int], int] = {}
        open_places = set(places)
        try:
            while open_places:
                # One by one, and no partition is paused: that makes librdkafka forget what it has fetched of the others.
                message = self._consumer.poll(self._timeout_s)
                error = None if message is None else message.error()
                if message is None or (error is not None and error.code() != KafkaError._PARTITION_EOF):
                    said = "it did not hand out the ends of its topics" if error is None else error.str()
                    raise KafkaUnavailable(self._bootstrap, said)
                place = (message.topic(), message.partition())
                if place in open_places and error is None:
                    taken_ms[place] = message.timestamp()[1]
                open_places.discard(place)
        finally:
            self._consumer.unassign()
        return taken_ms

    def ends(self, group: ConsumerGroup) -> dict[tuple[str, int], int]:
        """The offset at the end of each partition of the group's topics.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        with self._asking:
            return {(place.topic, place.partition): end for place, _, end in self._progress(group)}

    def behind(self, group: ConsumerGroup, ends: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], int]:
        """The commits of a group that lie below ``ends``, which :meth:`ends` has given before.

        It costs Kafka one small request, so it may be asked often. Where the log ended with the mark of a transaction a commit
        stays below it until the next message: when this does not change, :meth:`has_left` says whether anything is left.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        places = [TopicPartition(*place) for place in ends]
        with self._asking:
            try:
                commits = self._commits(group, places)
            except KafkaException as error:
                raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error
        found = {(commit.topic, commit.partition): max(commit.offset, 0) for commit in commits}
        return {place: committed for place, committed in found.items() if committed < ends[place]}

    def has_left(self, behind: Mapping[tuple[str, int], int], ends: Mapping[tuple[str, int], int]) -> bool:
        """Whether there are messages between commits, as :meth:`behind` has given them, and ``ends``.

        What came after ``ends`` does not count, so a group that never reads all there is may still have left nothing.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        with self._asking:
            return self._has_message([TopicPartition(*place, committed) for place, committed in behind.items()], ends)

    def _has_message(self, behind: Sequence[TopicPartition], ends: Mapping[tuple[str, int], int] | None = None) -> bool:
        """Whether a message comes after the offsets of ``behind``, and before ``ends`` if there are any."""
        self._consumer.assign(list(behind))
        done: set[tuple[str, int]] = set()
        try:
            while len(done) < len(behind):
                messages = self._consumer.consume(len(behind), self._timeout_s)
                if not messages:
                    raise KafkaUnavailable(self._bootstrap, "it did not hand out the ends of its topics")
                for message in messages:
                    error = message.error()
                    place = (message.topic(), message.partition())
                    if error is None and (ends is None or message.offset() < ends[place]):
                        return True
                    if error is not None and error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaUnavailable(self._bootstrap, error.str())
                    done.add(place)
        finally:
            self._consumer.unassign()
        return False

    def last_value(self, topic: str) -> bytes | None:
        """The last message of ``topic``, which must have one partition and be written without transactions.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        with self._asking:
            return self._last_value(topic)

    def _last_value(self, topic: str) -> bytes | None:
        try:
            low, high = watermarks(self._consumer, TopicPartition(topic, 0), self._timeout_s)
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

    def _progress(self, group: ConsumerGroup) -> Iterator[tuple[TopicPartition, int, int]]:
        """Each partition, the offset that the group has committed there (or the log's beginning), and the offset of its end."""
        try:
            metadata = self._consumer.list_topics(timeout=self._timeout_s).topics
            partitions = [TopicPartition(topic, number) for topic in group.topics for number in metadata[topic].partitions]
            for commit in self._commits(group, partitions):
                partition = TopicPartition(commit.topic, commit.partition)
                low, high = watermarks(self._consumer, partition, self._timeout_s)
                yield partition, max(commit.offset, low), high
        except KafkaException as error:
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error

    def _commits(self, group: ConsumerGroup, partitions: list[TopicPartition]) -> list[TopicPartition]:
        # An AdminClient could tell the commits too, but librdkafka crashes when the broker dies during such a request.
        commits: list[TopicPartition] = self._asker(group.name).committed(partitions, timeout=self._timeout_s)
        for commit in commits:
            if commit.error is not None:
                raise KafkaException(commit.error)
        return commits

    def _asker(self, group: str) -> Consumer:
        if group not in self._askers:
            self._askers[group] = self._consumer_of(group)
        return self._askers[group]

    def _consumer_of(self, group: str, isolation: Literal["read_committed", "read_uncommitted"] = "read_committed") -> Consumer:
        return Consumer(
            {
                **self._kafka,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # The end of a log comes with the answer to a fetch, which the broker holds back in the hope of more messages.
                "fetch.wait.max.ms": 20,
                "isolation.level": isolation,
                # It would print every connection that a dead broker refuses. What is wrong comes as an error, too.
                "log_level": 0,
            }
        )


def consumer_groups(prefix: str) -> tuple[ConsumerGroup, ...]:
    """The consumer groups of a stack, upstream first."""

    def group(name: str, *sources: Topic[Any]) -> ConsumerGroup:
        return ConsumerGroup(f"{prefix}{name}", tuple(source.named(prefix) for source in sources))

    return (
        *(group(pipeline.group, *pipeline.sources) for pipeline in CATALOGUE),
        group(GROUP, *SOURCES),
    )


async def worked_through(simulator: SimulatorClient, kafka: Mapping[str, str], prefix: str) -> None:
    """Wait until all that the simulator has put on its connections is in the topics and in the archive.

    The market must be finished or stopped. A broker that goes away meanwhile is waited for.

    Raises:
        NotInTime: It took longer than :data:`DRAIN_S`; the error says what is left, and to whom.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_S
    quiet = 0
    backlog = Backlog(kafka)
    try:
        while quiet < _QUIET_LOOKS:
            left = await _left(simulator, kafka, prefix, backlog)
            quiet = 0 if left else quiet + 1
            if left and loop.time() > deadline:
                raise NotInTime(left, DRAIN_S)
            await asyncio.sleep(_LOOK_S)
    finally:
        await asyncio.to_thread(backlog.close)


async def _left(simulator: SimulatorClient, kafka: Mapping[str, str], prefix: str, backlog: Backlog) -> str:
    """What has not been worked through yet, in words; empty when nothing was found."""
    connections = (await simulator.status()).connections
    try:
        status = await asyncio.to_thread(last_status, kafka, prefix)
        if on_the_way := not_received(connections, status):
            return on_the_way
        group = await asyncio.to_thread(first_with_unread, backlog, consumer_groups(prefix))
    except KafkaUnavailable as error:
        return str(error)
    return f"{group.name} has not read all of {', '.join(group.topics)}" if group else ""


def not_received(connections: Iterable[ConnectionStatus], status: FeedStatus | None) -> str:
    """What is on its way from the simulator to the connector, in words; empty when nothing is.

    Args:
        connections: Those of the simulator, open and closed.
        status: What the connector said of itself last; None when it has said nothing yet.
    """
    if status is not None and status.state in ("connecting", "down"):
        # What it misses meanwhile comes with the snapshot of its next connection, so it is still on its way.
        return f"the connector has no connection: {status.reason}"
    sent = sum(connection.records + connection.malformed for connection in connections if connection.ended is None)
    received = 0 if status is None else status.received
    return "" if received == sent else f"the connector has received {received} of the {sent} records on its connection"


def last_status(kafka: Mapping[str, str], prefix: str) -> FeedStatus | None:
    """The last status that a connector published; None when there is none yet."""
    topic = SSI_STATUS.named(prefix)
    with closing(Backlog(kafka)) as backlog:
        value = backlog.last_value(topic)
    return SSI_STATUS.decode(value) if value else None


def first_with_unread(backlog: Backlog, groups: Sequence[ConsumerGroup]) -> ConsumerGroup | None:
    """The first of ``groups`` that has something left to read; None when none has.

    They are asked upstream first, because only what an upstream group has committed can be read downstream. Asked the other way
    round, a message could be counted as read by both while it passes from one to the other.
    """
    return next((group for group in groups if backlog.has_unread(group)), None)
