"""Partitions of topics, read side by side, each only as far as somebody asks."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from connectors.fixtures.core.layout import FixtureMessage
from schemas.errors import KafkaUnavailable
from schemas.position import Partition
from schemas.units import UnixMs
from stock_tracker.kafka.reading import assign, at_hand

MOST_BUFFERED: Final = 2_000_000
"""Bytes of a partition that wait to be asked for; then no more of it is fetched for a while."""
_TIMEOUT_S: Final = 20.0
_BATCH: Final = 500
_PAUSE_S: Final = 0.1


class _Log:
    """A partition that is being read."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.messages: deque[FixtureMessage] = deque()
        self.size = 0
        """Bytes of the values of ``messages``."""
        self.is_over = False
        self.is_paused = False


class Partitions:
    """What is committed on some partitions, each from its beginning to an end. Close it.

    Args:
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of the topics in Kafka.
        ends: The partitions, of topics without ``prefix``, each with the offset at which reading ends.

    Raises:
        KafkaUnavailable: The broker does not answer.
    """

    def __init__(self, kafka: Mapping[str, str], prefix: str, ends: Mapping[Partition, int]) -> None:
        self._bootstrap = kafka["bootstrap.servers"]
        self._prefix = prefix
        self._logs = {place: _Log(end) for place, end in ends.items()}
        self._consumer = Consumer(
            {
                **kafka,
                "group.id": "stock-tracker-verify",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # The end of a log comes with the answer to a fetch, which the broker holds back in the hope of more messages.
                "fetch.wait.max.ms": 20,
                "queued.max.messages.kbytes": 4_096,
                # It would let a second pass, its usual pause, before it fetches on when those were full.
                "fetch.queue.backoff.ms": 10,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
            }
        )
        try:
            assign(self._consumer, [self._named(place, OFFSET_BEGINNING) for place in self._logs], _TIMEOUT_S)
        except KafkaException as error:
            self._consumer.close()
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def read(self, place: Partition) -> Iterator[FixtureMessage]:
        """Yield the committed messages of a partition. A transaction that is open before its end is waited for.

        Raises:
            KafkaUnavailable: The broker stopped answering, or a transaction stays open.
        """
        log = self._logs[place]
        while True:
            while log.messages:
                message = log.messages.popleft()
                log.size -= len(message.value or b"")
                yield message
            if log.is_over or log.end == 0:
                return
            self._fetch(place, log)

    def _fetch(self, place: Partition, wanted: _Log) -> None:
        """Take what comes, until something of one partition has come or it is over."""
        heard = time.monotonic()
        try:
            if wanted.is_paused:
                self._consumer.resume([self._named(place)])
                wanted.is_paused = False
            while not wanted.messages and not wanted.is_over:
                batch = at_hand(self._consumer, _BATCH, _PAUSE_S)
                if batch:
                    heard = time.monotonic()
                elif time.monotonic() - heard > _TIMEOUT_S:
                    raise KafkaUnavailable(self._bootstrap, f"it stopped handing out {place.topic}[{place.number}]")
                for message in batch:
                    self._take(message)
                self._pause_others(place)
        except KafkaException as error:
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error

    def _take(self, message: Any) -> None:
        place = Partition(message.topic().removeprefix(self._prefix), message.partition())
        log = self._logs[place]
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaUnavailable(self._bootstrap, error.str())
        if message.offset() >= log.end:
            log.is_over = True
        if error is not None or log.is_over:
            return
        value: bytes | None = message.value()
        headers = tuple(message.headers() or ())
        ts_ms = UnixMs(message.timestamp()[1])
        log.messages.append(FixtureMessage(*place, message.offset(), ts_ms, message.key(), value, headers))
        log.size += len(value or b"")

    def _pause_others(self, wanted: Partition) -> None:
        full = [
            (place, log)
            for place, log in self._logs.items()
            if not log.is_paused and (log.is_over or (place != wanted and log.size > MOST_BUFFERED))
        ]
        if full:
            self._consumer.pause([self._named(place) for place, _ in full])
        for _, log in full:
            log.is_paused = True

    def _named(self, place: Partition, *offset: int) -> TopicPartition:
        return TopicPartition(f"{self._prefix}{place.topic}", place.number, *offset)
