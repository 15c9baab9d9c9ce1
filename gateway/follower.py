"""Kafka to the event loop: follows topics from where they begin to where they end, and on.

A follower is a thread with a consumer of its own and no consumer group. It assigns itself every partition of its topics, reads
each to its end, says so, and goes on with the same consumer, so that nothing can fall between what was there and what comes.
While Kafka is away it says why and tries again; what was read stays. What it cannot get over ends it, and the gateway with it.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Protocol

from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from gateway import metrics
from gateway.cluster import AGAIN_S, ANSWER_S, Cluster, Layout
from gateway.core.errors import KafkaRefused, NotPermitted
from gateway.core.readability import Readability
from gateway.settings import GatewaySettings
from schemas.errors import InvalidMessage, KafkaTrouble
from schemas.position import Partition, Position
from schemas.topics import Topic
from schemas.tracing import Tracer, parent_in

POLL_S: Final = 0.25
"""How long to wait for a message before looking at everything else, in seconds."""
NAP_S: Final = 0.005
"""Between the first message and taking what else has come: a fifth of the hand-overs for half the CPU."""
BATCH: Final = 2_000
"""Messages that are handed over together at most."""
UNDER_WAY: Final = 4
"""Calls that the event loop may owe a thread; then the thread waits, and Kafka keeps the rest."""
CHECK_S: Final = 10.0
"""How often to ask whether Kafka answers and the topics are still the same, in seconds, while nothing gives a reason to ask
sooner."""

_MADE_ANEW = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError.UNKNOWN_TOPIC_OR_PART})
"""What a consumer is told when its place in a topic is gone."""

log = logging.getLogger(__name__)


class _Anew(Exception):
    """The topics are not what they were: everything has to be read again."""


class Post:
    """Runs functions on the event loop, in order, for threads that must not get far ahead of it."""

    def __init__(self, loop: AbstractEventLoop, failed: Callable[[Exception], None]) -> None:
        """``failed`` is told, on the event loop, of what a function raises: what was read is not where it belongs then."""
        self._loop = loop
        self._failed = failed
        self._room = threading.Semaphore(UNDER_WAY)

    def __call__(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have ``function`` run soon; waits while too much is under way."""
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._run, function, arguments)

    def _run(self, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self._room.release()
        try:
            function(*arguments)
        except Exception as error:
            log.exception("what was read from Kafka cannot be used")
            self._failed(error)


class Owner(Protocol):
    """Who has followers work for it."""

    def note(self, name: str, reason: str) -> None:
        """Hear why the follower ``name`` is behind; the reason is empty when it is not."""

    def ended(self, error: Exception) -> None:
        """Hear what has ended a follower that nobody asked to end."""


class Follower(ABC):
    """A thread that follows topics. A subclass says which, and what becomes of the messages."""

    name: ClassVar[str]
    """What logs and readiness call it."""
    topics: ClassVar[tuple[Topic[Any], ...]]
    isolation: ClassVar[str]
    """``read_committed``, or ``read_uncommitted`` for messages of transactions that are still open."""
    may_wait: ClassVar[bool] = True
    """Whether the broker may collect messages for a while before it hands them over (``GATEWAY_FETCH_WAIT_MS``)."""

    def __init__(self, settings: GatewaySettings, post: Post, owner: Owner, tracer: Tracer | None = None) -> None:
        """Prepare; :meth:`start` begins.

        Args:
            settings: How to reach Kafka, and how much of what is there may be unreadable.
            post: Calls functions on the event loop.
            owner: Told there how it goes.
            tracer: Takes the spans of messages that have a trace; None to look for none.
        """
        self._tracer = tracer
        self._kafka = settings.kafka
        self._topics = {topic.named(settings.topic_prefix): topic for topic in self.topics}
        self._fetch_wait_ms = settings.fetch_wait_ms if self.may_wait else 0
        self._post = post
        self._owner = owner
        self._said: str | None = None
        self._readability = Readability(settings.dead_letter_limit)
        self._unreadable: set[str] = set()
        """Topics that have had a message that cannot be read."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"gateway-{self.name}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stop.set()

    @property
    def is_over(self) -> bool:
        """Whether the thread has ended though nobody asked it to; whatever ended it, it may not have been able to say so."""
        return self._thread.ident is not None and not self._thread.is_alive() and not self._stop.is_set()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout_s)

    def newest_of(self, topic: str) -> int | None:
        """With how many messages of each partition of ``topic``, by its name in Kafka, to begin; None for all that are there."""
        return None

    @abstractmethod
    def begin(self, stream: str, starts: Mapping[Partition, int]) -> None:
        """Forget what was read: ``stream`` is read from the offsets ``starts``, :data:`OFFSET_BEGINNING` for all there is."""

    @abstractmethod
    def take(self, topic: Topic[Any], position: Position, appended_ms: int, message: Any) -> None:
        """Take a message; within each partition they come in order.

        Args:
            topic: What it was read from.
            position: Where it is there.
            appended_ms: When it was written, by the broker's clock; 0 where the broker does not say.
            message: What the topic holds.
        """

    @abstractmethod
    def hand_over(self) -> None:
        """Hand to the event loop what has been taken: for now there is no more."""

    @abstractmethod
    def caught_up(self) -> None:
        """Everything that was there when reading began has been handed over."""

    # the thread

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._attempt()
                self._stop.wait(AGAIN_S)
        except Exception as error:
            # Whatever it is: without this thread the rows would grow old, and nobody would say so.
            self._post(self._owner.ended, error)

    def _attempt(self) -> None:
        try:
            self._read()
        except _Anew:
            log.warning("%s: topics were made anew, reading from the beginning", self.name)
        except (KafkaTrouble, NotPermitted, KafkaRefused) as error:
            self._say(str(error))

    def _say(self, reason: str) -> None:
        if reason == self._said or self._stop.is_set():
            return
        self._said = reason
        log.warning("%s: %s", self.name, reason or "up to date")
        self._post(self._owner.note, self.name, reason)

    def _read(self) -> None:
        try:
            cluster = Cluster(self._kafka, f"stock-tracker-gateway-{self.name}", self._topics, self._stop)
            layout = cluster.layout()
            consumer = Consumer(cluster.settings | self._consumer_settings())
        except KafkaException as error:
            raise KafkaRefused(error.args[0].str()) from error
        try:
            self._follow(cluster, consumer, layout)
        except KafkaException as error:
            raise cluster.trouble(error.args[0]) from error
        finally:
            consumer.close()

    def _consumer_settings(self) -> dict[str, str | int | bool]:
        low_latency = self._fetch_wait_ms == 0
        return {
            # Never used: partitions are assigned, not shared, and nothing is committed.
            "group.id": "stock-tracker-gateway",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.min.bytes": 1 if low_latency else 64 * 1024,
            "fetch.wait.max.ms": 500 if low_latency else self._fetch_wait_ms,
            "isolation.level": self.isolation,
        }

    def _follow(self, cluster: Cluster, consumer: Consumer, layout: Layout) -> None:
        starts = {partition: self._start_of(consumer, partition) for partition in layout.partitions}
        # A consumer that does not know the leaders yet lets half a second pass before it asks where a log begins.
        consumer.list_topics(timeout=ANSWER_S)
        # Before clients are sent away: who comes back at once is told to wait.
        self._say("reading the topics from their beginning")
        self._readability.begin()
        self.begin(layout.stream, starts)
        consumer.assign([TopicPartition(*partition, offset) for partition, offset in starts.items()])
        behind = set(starts)
        began = checked_at = time.monotonic()
        is_caught_up = False
        check_at = began + CHECK_S
        while not self._stop.is_set():
            self._take_next(consumer, cluster, behind)
            if is_caught_up:
                self._readability.check(time.monotonic())
            elif not behind:
                is_caught_up = True
                self._readability.caught_up()
                self.caught_up()
                log.info("%s: read everything in %.2f s", self.name, time.monotonic() - began)
                self._say("")
            if cluster.is_doubtful:
                # Sooner, but no more often than that: while Kafka is away each look would bring the next complaint.
                cluster.is_doubtful = False
                check_at = min(check_at, checked_at + AGAIN_S)
            if time.monotonic() >= check_at:
                check_at = time.monotonic() + self._check(cluster, layout, is_caught_up=is_caught_up)
                checked_at = time.monotonic()

    def _start_of(self, consumer: Consumer, partition: Partition) -> int:
        """The offset to begin at."""
        newest = self.newest_of(partition.topic)
        if newest is None:
            return int(OFFSET_BEGINNING)
        low: int
        high: int
        low, high = consumer.get_watermark_offsets(TopicPartition(*partition), timeout=ANSWER_S)
        return max(low, high - newest)

    def _take_next(self, consumer: Consumer, cluster: Cluster, behind: set[Partition]) -> None:
        """Take and hand over what has come; strike from ``behind`` the partitions that were read to their end."""
        messages = _next(consumer)
        for message in messages:
            error = message.error()
            if error is None:
                self._read_one(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                behind.discard(Partition(str(message.topic()), message.partition() or 0))
            elif error.code() in _MADE_ANEW:
                raise _Anew
            else:
                cluster.hear(error)
        if messages:
            self.hand_over()
        if self._tracer is not None:
            _trace(self._tracer, self.name, messages)

    def _read_one(self, message: KafkaMessage) -> None:
        """Take ``message`` if it says anything; one that cannot be read is counted.

        Raises:
            NewerMessage: A newer release wrote it.
        """
        name, value = str(message.topic()), message.value()
        # Nobody deletes a row of a compacted topic; a reader that starts later simply never hears of the key.
        if value is None:
            return
        topic = self._topics[name]
        position = Position(name, message.partition() or 0, message.offset() or 0)
        what = (name, message.key()) if topic.cleanup == "compact" else position
        try:
            decoded = topic.decode(value)
        except InvalidMessage as error:
            reason = f"{error}, at {position}"
            self._readability.read(what, unreadable=reason)
            metrics.UNREADABLE.labels(topic.name).inc()
            if name not in self._unreadable:
                self._unreadable.add(name)
                log.warning("%s; later ones are only counted", reason, extra=position._asdict())
            return
        self._readability.read(what)
        self.take(topic, position, _appended_ms(message), decoded)

    def _check(self, cluster: Cluster, layout: Layout, *, is_caught_up: bool) -> float:
        """See that Kafka answers and the topics are the same; in how many seconds to look again."""
        try:
            now = cluster.layout()
        except (KafkaTrouble, NotPermitted) as error:
            self._say(str(error))
            return AGAIN_S
        if now != layout:
            raise _Anew
        if is_caught_up:
            self._say("")
        return CHECK_S


def _next(consumer: Consumer) -> list[KafkaMessage]:
    """The messages that have come, and ends of partitions; none after :data:`POLL_S` without any."""
    first = consumer.poll(POLL_S)
    if first is None:
        return []
    time.sleep(NAP_S)
    return [first, *consumer.consume(BATCH - 1, 0)]


def _trace(tracer: Tracer, name: str, messages: list[KafkaMessage]) -> None:
    """Tell of the messages that have a trace: from when they were appended until they were handed over."""
    now_ns = tracer.now_ns()
    for message in messages:
        if message.error() is None and (parent := parent_in(message.headers())) is not None:
            where = {"topic": str(message.topic()), "partition": message.partition() or 0, "offset": message.offset() or 0}
            tracer.span(f"gateway {name}", parent, min(_appended_ms(message) * 1_000_000, now_ns), now_ns, **where)


def _appended_ms(message: KafkaMessage) -> int:
    kind, ts_ms = message.timestamp()
    return 0 if kind == TIMESTAMP_NOT_AVAILABLE else ts_ms
