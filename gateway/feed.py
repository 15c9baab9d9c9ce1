"""Kafka to the event loop: the state topics into the board, the alerts to the clients.

Each reader is a thread with a consumer of its own and no consumer group: it assigns itself every partition from the beginning,
reads to the end of each, says so, and goes on with the same consumer, so that nothing can fall between snapshot and live. State
is read uncommitted, for speed (:mod:`gateway.core.board` says why that is safe); alerts are read committed. While Kafka is away a
reader says why and tries again; what was read stays on the board.
"""

import hashlib
import logging
import threading
import time
from abc import ABC, abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from gateway import metrics
from gateway.core.alerts import KEPT, Alert, alerts_of
from gateway.core.board import Change
from gateway.core.errors import Unreadable
from gateway.core.rows import SOURCES, change_of
from gateway.fanout import Fanout
from schemas.errors import InvalidMessage
from schemas.structs import FeedStatus
from schemas.topics import MARKET_ALERTS, SSI_STATUS, Topic

NAP_S = 0.005
"""Between the first message and taking what else has come: a fifth of the hand-overs for half the CPU."""
BATCH = 2_000
BATCHES_UNDER_WAY = 4
"""Batches that the event loop may owe a reader; then the reader waits, and Kafka keeps the rest."""
CHECK_S = 10.0
"""How often to ask whether Kafka answers and the topics are still the same."""
DOUBT_S = 1.0
ANSWER_S = 5.0

log = logging.getLogger(__name__)


class _Anew(Exception):
    """The topics are not what they were: read from the beginning."""


class Post:
    """Runs functions on the event loop, in order, for a thread that must not get far ahead of it."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._room = threading.Semaphore(BATCHES_UNDER_WAY)

    def __call__(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run ``function`` soon; waits while too much is under way."""
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._run, function, arguments)

    def _run(self, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self._room.release()
        function(*arguments)


class Reader(ABC):
    """A thread that reads topics from where they begin to where they end, and on."""

    name: str
    topics: tuple[Topic[Any], ...]

    def __init__(
        self, kafka: dict[str, str], topic_prefix: str, fetch_wait_ms: int, post: Post, condition: Callable[[str, str], None]
    ) -> None:
        """Prepare; :meth:`start` begins.

        Args:
            kafka: librdkafka's connection settings.
            topic_prefix: What stands before the topics' names.
            fetch_wait_ms: How long the broker may collect before it answers a fetch; 0 for the least delay.
            post: To the event loop.
            condition: Told, on the event loop, (name, why this reader is behind), the reason empty when it is not.
        """
        self._kafka = kafka
        self._names = {topic.named(topic_prefix): topic for topic in self.topics}
        self._fetch_wait_ms = fetch_wait_ms
        self._post = post
        self._condition = condition
        self._said: str | None = None
        self._complaint = ""
        self._doubt = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"gateway-{self.name}", daemon=True)
        self._unreadable: set[str] = set()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stop.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout_s)

    @abstractmethod
    def settings(self) -> dict[str, str | int | bool]:
        """Consumer settings of this reader's own."""

    @abstractmethod
    def starts(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """``partitions`` with the offsets to begin at."""

    @abstractmethod
    def begin(self, epoch: str, starts: list[TopicPartition]) -> None:
        """Make room: everything is read again."""

    @abstractmethod
    def take(self, messages: Sequence[Message]) -> None:
        """Hand messages over; they come in order within each partition."""

    @abstractmethod
    def caught_up(self) -> None:
        """Everything that was there when reading began has been handed over."""

    def decode(self, message: Message) -> Any:
        """The message's value, or None when there is none or it is not readable, which is counted."""
        topic = self._names[str(message.topic())]
        value = message.value()
        if value is None:
            return None
        try:
            return topic.decode(value)
        except InvalidMessage as error:
            self.complain(error, message)
            return None

    def complain(self, error: InvalidMessage, message: Message) -> None:
        """Count a message that is not readable; the first of a topic is logged."""
        metrics.UNREADABLE.labels(error.topic).inc()
        if error.topic not in self._unreadable:
            self._unreadable.add(error.topic)
            log.warning("%s (partition %s, offset %s); later ones are only counted", error, message.partition(), message.offset())

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
            except _Anew:
                log.warning("%s: topics were made anew, reading from the beginning", self.name)
            except Unreadable as error:
                self._say(str(error))
            except KafkaException as error:
                self._say(f"Kafka refuses to be read: {error.args[0]}")
            self._stop.wait(DOUBT_S)

    def _say(self, reason: str) -> None:
        if reason == self._said or self._stop.is_set():
            return
        self._said = reason
        log.warning("%s: %s", self.name, reason or "up to date")
        self._post(self._condition, self.name, reason)

    def _connection(self) -> dict[str, Any]:
        # librdkafka would write a line for every attempt to connect; the reader says once that Kafka does not answer.
        return {
            **self._kafka,
            "log_level": 2,
            "error_cb": self._complained,
            "client.id": f"stock-tracker-gateway-{self.name}",
            # A board should be back soon after its broker is.
            "reconnect.backoff.max.ms": 1_000,
        }

    def _complained(self, error: KafkaError) -> None:
        self._complaint = error.str()
        self._doubt = True

    def _read(self) -> None:
        admin = AdminClient(self._connection())
        layout = self._layout(admin)
        low_latency = self._fetch_wait_ms == 0
        consumer = Consumer(
            {
                **self._connection(),
                # Never used: partitions are assigned, not shared, and nothing is committed.
                "group.id": "stock-tracker-gateway",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.min.bytes": 1 if low_latency else 64 * 1024,
                "fetch.wait.max.ms": 500 if low_latency else self._fetch_wait_ms,
                **self.settings(),
            }
        )
        try:
            self._follow(admin, consumer, layout)
        finally:
            consumer.close()

    def _follow(self, admin: AdminClient, consumer: Consumer, layout: dict[str, tuple[str, int]]) -> None:
        partitions = [TopicPartition(name, partition) for name, (_, count) in layout.items() for partition in range(count)]
        starts = self.starts(consumer, partitions)
        self.begin(_epoch(layout), starts)
        consumer.assign(starts)
        self._say("reading the topics from their beginning")
        behind = {(tp.topic, tp.partition) for tp in starts}
        began = checked_at = time.monotonic()
        check_at = began + CHECK_S
        while not self._stop.is_set():
            messages = []
            for message in _next(consumer):
                error = message.error()
                if error is None:
                    messages.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    behind.discard((message.topic(), message.partition()))
                else:
                    self._judge(error)
            if messages:
                self.take(messages)
            if not behind and began:
                self.caught_up()
                log.info("%s: read everything in %.2f s", self.name, time.monotonic() - began)
                began = 0.0
                self._say("")
            now = time.monotonic()
            if self._doubt:
                # Sooner, but no more often than that: while Kafka is away each look would bring the next complaint.
                self._doubt = False
                check_at = min(check_at, checked_at + DOUBT_S)
            if now >= check_at:
                check_at = now + self._check(admin, layout, caught_up=not began)
                checked_at = time.monotonic()

    def _check(self, admin: AdminClient, layout: dict[str, tuple[str, int]], *, caught_up: bool) -> float:
        """See that Kafka answers and the topics are the same; in how many seconds to look again."""
        try:
            now = self._layout(admin)
        except Unreadable as error:
            self._say(str(error))
            return DOUBT_S
        if now != layout:
            raise _Anew
        if caught_up:
            self._say("")
        return CHECK_S

    def _judge(self, error: KafkaError) -> None:
        match error.code():
            case KafkaError._AUTO_OFFSET_RESET | KafkaError.OFFSET_OUT_OF_RANGE | KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise _Anew
            case KafkaError.TOPIC_AUTHORIZATION_FAILED | KafkaError.CLUSTER_AUTHORIZATION_FAILED:
                raise Unreadable(
                    f"Kafka does not let the gateway read: {error.str()}. Grant it READ on state.*, market.alerts and ssi.*"
                )
            case _:
                self._complained(error)

    def _layout(self, admin: AdminClient) -> dict[str, tuple[str, int]]:
        """Id and partition count of each topic.

        Raises:
            Unreadable: Kafka does not answer, or a topic is missing.
        """
        where = self._kafka["bootstrap.servers"]
        layout, missing = {}, []
        try:
            self._wait_for_a_broker(admin)
            futures = admin.describe_topics(TopicCollection(list(self._names)), request_timeout=ANSWER_S)
            for name, future in futures.items():
                try:
                    description = future.result(timeout=ANSWER_S + 1)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise
                    missing.append(name)
                else:
                    layout[name] = (str(description.topic_id), len(description.partitions))
        except (KafkaException, TimeoutError) as error:
            admin.poll(0)
            cause = self._complaint or str(error)
            raise Unreadable(
                f"Kafka at {where} does not answer ({cause}): start it (`stock-tracker kafka start`) or set KAFKA_BOOTSTRAP"
            ) from error
        if missing:
            raise Unreadable(f"Kafka at {where} has no {', '.join(sorted(missing))}: run `stock-tracker topics apply`")
        self._complaint = ""
        return layout

    def _wait_for_a_broker(self, admin: AdminClient) -> None:
        """Wait in peace, and not past a stop: librdkafka spins on two cores while an administrator's request has nobody to go to.

        Raises:
            KafkaException: None answered.
        """
        deadline = time.monotonic() + ANSWER_S
        while True:
            try:
                admin.list_topics(timeout=DOUBT_S)
            except KafkaException:
                if self._stop.is_set() or time.monotonic() >= deadline:
                    raise
            else:
                return


def _next(consumer: Consumer) -> list[Message]:
    first = consumer.poll(0.25)
    if first is None:
        return []
    time.sleep(NAP_S)
    return [first, *consumer.consume(BATCH - 1, 0)]


def _epoch(layout: dict[str, tuple[str, int]]) -> str:
    text = " ".join(f"{name}={topic_id}/{count}" for name, (topic_id, count) in sorted(layout.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _appended_ms(message: Message) -> int:
    kind, ts_ms = message.timestamp()
    return 0 if kind == TIMESTAMP_NOT_AVAILABLE else ts_ms


class StateReader(Reader):
    """``state.*``, ``ssi.reference`` and ``ssi.status``, uncommitted, into the board."""

    name = "state"
    topics = (*(source.topic for source in SOURCES), SSI_STATUS)

    def __init__(
        self,
        fanout: Fanout,
        kafka: dict[str, str],
        topic_prefix: str,
        fetch_wait_ms: int,
        post: Post,
        condition: Callable[[str, str], None],
    ) -> None:
        """Prepare; see :class:`Reader`."""
        super().__init__(kafka, topic_prefix, fetch_wait_ms, post, condition)
        self._fanout = fanout
        self._sources = {source.topic.named(topic_prefix): source for source in SOURCES}

    def settings(self) -> dict[str, str | int | bool]:
        """Uncommitted."""
        return {"isolation.level": "read_uncommitted"}

    def starts(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """The beginning."""
        return [TopicPartition(tp.topic, tp.partition, OFFSET_BEGINNING) for tp in partitions]

    def begin(self, epoch: str, starts: list[TopicPartition]) -> None:
        """Clear the board."""
        self._post(self._fanout.begin, epoch)

    def take(self, messages: Sequence[Message]) -> None:
        """Decode here, apply on the loop."""
        changes: list[Change] = []
        said: list[tuple[FeedStatus, int]] = []
        for message in messages:
            source = self._sources.get(str(message.topic()))
            if source is None:
                status = self.decode(message)
                if status is not None:
                    said.append((status, _appended_ms(message)))
                continue
            value = message.value()
            # Nobody deletes a state row; a reader that starts later simply never hears of the key.
            if value is None:
                continue
            try:
                changes.append(change_of(source, message.partition() or 0, message.offset() or 0, _appended_ms(message), value))
            except InvalidMessage as error:
                self.complain(error, message)
        if changes:
            self._post(self._fanout.apply, changes)
        for status, appended_ms in said:
            self._post(self._fanout.hear, status, appended_ms)

    def caught_up(self) -> None:
        """Let clients subscribe."""
        self._post(self._fanout.complete)


class AlertReader(Reader):
    """``market.alerts``, committed, to the clients."""

    name = "alerts"
    topics = (MARKET_ALERTS,)

    def __init__(
        self, fanout: Fanout, kafka: dict[str, str], topic_prefix: str, post: Post, condition: Callable[[str, str], None]
    ) -> None:
        """Prepare; see :class:`Reader`. Alerts are few: they are never collected."""
        super().__init__(kafka, topic_prefix, 0, post, condition)
        self._fanout = fanout

    def settings(self) -> dict[str, str | int | bool]:
        """Committed."""
        return {"isolation.level": "read_committed"}

    def starts(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Far enough back for the alerts that are kept."""
        starts = []
        for tp in partitions:
            low, high = consumer.get_watermark_offsets(tp, timeout=ANSWER_S)
            starts.append(TopicPartition(tp.topic, tp.partition, max(low, high - KEPT)))
        return starts

    def begin(self, epoch: str, starts: list[TopicPartition]) -> None:
        """Forget the alerts of before."""
        self._post(self._fanout.begin_alerts, epoch, {tp.partition: tp.offset for tp in starts})

    def take(self, messages: Sequence[Message]) -> None:
        """Decode here, announce on the loop."""
        alerts: list[Alert] = []
        for message in messages:
            frame = self.decode(message)
            if frame is not None:
                alerts.extend(alerts_of(message.partition() or 0, message.offset() or 0, frame))
        metrics.ALERTS.inc(len(alerts))
        self._post(self._fanout.announce, alerts)

    def caught_up(self) -> None:
        """Let clients subscribe."""
        self._post(self._fanout.recent.settle)
