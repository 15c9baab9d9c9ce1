"""What the parts of a stack have still to work through, and how old the newest is that they have: asked of Kafka."""

import contextlib
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.clickhouse.core.tables import GROUP
from pipelines.catalogue import CATALOGUE
from schemas.calendar import ICT
from schemas.errors import InvalidMessage, KafkaUnavailable
from schemas.topics import RECORD_TOPICS, SSI_DLQ, STATE_PROGRESS
from stock_tracker.kafka.watermarks import watermarks
from stock_tracker.stack.drain import Backlog, consumer_groups

_TIMEOUT_S = 5.0
_SINK = "sink"


class Standing(NamedTuple):
    """Where a part stands."""

    lag_messages: int
    lag_seconds: float
    age_seconds: float | None
    """None of what reads no records, and where a shard has told nothing yet."""


class Standings:
    """Asks a cluster where the parts stand, again and again; one thread at a time."""

    def __init__(self, kafka: Mapping[str, str], prefix: str) -> None:
        self._kafka = dict(kafka)
        self._prefix = prefix
        self._backlog = Backlog(kafka, _TIMEOUT_S)
        self._groups = dict(zip([*(pipeline.name for pipeline in CATALOGUE), _SINK], consumer_groups(prefix), strict=True))
        assert self._groups[_SINK].name == f"{prefix}{GROUP}"  # noqa: S101 - the sink's group is the last of them

    def close(self) -> None:
        """Close the connections."""
        self._backlog.close()

    def read(self) -> dict[str, Standing]:
        """By the name of a pipeline, or ``sink``.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        ages = self._ages()
        found = {}
        for name, group in self._groups.items():
            unread = self._backlog.unread(group)
            waited_s = 0.0 if unread.oldest_ms is None else max(0.0, time.time() - unread.oldest_ms / 1_000)
            found[name] = Standing(unread.messages, waited_s, _oldest(ages, name))
        return found

    def dead_letters(self) -> int:
        """How many messages came to ``ssi.dlq`` since midnight in Vietnam.

        Raises:
            KafkaUnavailable: Kafka did not answer.
        """
        midnight = datetime.now(ICT).replace(hour=0, minute=0, second=0, microsecond=0)
        place = TopicPartition(SSI_DLQ.named(self._prefix), 0, int(midnight.timestamp() * 1_000))
        with closing(self._consumer()) as consumer:
            try:
                _, end = watermarks(consumer, place, _TIMEOUT_S)
                (first,) = consumer.offsets_for_times([place], timeout=_TIMEOUT_S)
            except KafkaException as error:
                raise KafkaUnavailable(self._kafka["bootstrap.servers"], error.args[0].str()) from error
        # Where nothing came since, Kafka says -1.
        return int(end - first.offset) if first.offset >= 0 else 0

    def _ages(self) -> dict[str, list[float]]:
        """How old the newest record is that was folded in each shard of a record topic, by the topic's name."""
        place = TopicPartition(STATE_PROGRESS.named(self._prefix), 0)
        newest: dict[tuple[str, int], int] = {}
        with closing(self._consumer()) as consumer:
            try:
                low, high = watermarks(consumer, place, _TIMEOUT_S)
            except KafkaException as error:
                raise KafkaUnavailable(self._kafka["bootstrap.servers"], error.args[0].str()) from error
            if low == high:
                return {}
            consumer.assign([TopicPartition(place.topic, 0, low)])
            while True:
                message = consumer.poll(_TIMEOUT_S)
                trouble = None if message is None else message.error()
                if trouble is not None and trouble.code() == KafkaError._PARTITION_EOF:
                    break
                if message is None or trouble is not None:
                    said = "the end was not handed out" if trouble is None else trouble.str()
                    raise KafkaUnavailable(self._kafka["bootstrap.servers"], f"{place.topic}: {said}")
                with contextlib.suppress(InvalidMessage):
                    row = STATE_PROGRESS.decode(message.value())
                    newest[row.topic, row.partition] = row.recv_us
        now_s = time.time()
        ages: dict[str, list[float]] = {}
        for (topic, _), recv_us in newest.items():
            ages.setdefault(topic, []).append(now_s - recv_us / 1_000_000)
        return ages

    def _consumer(self) -> Consumer:
        settings = {"group.id": "stock-tracker-status", "enable.auto.commit": False, "enable.partition.eof": True}
        # Uncommitted, as the gateway reads it: by the time it is committed it is a quarter of a second older.
        return Consumer({**self._kafka, **settings, "isolation.level": "read_uncommitted", "log_level": 0})


def _oldest(ages: Mapping[str, list[float]], name: str) -> float | None:
    """The age of the slowest shard of the record topics that a pipeline reads; None where it reads none, or none has told it."""
    sources = next((pipeline.sources for pipeline in CATALOGUE if pipeline.name == name), ())
    told = [age for topic in sources if topic in RECORD_TOPICS for age in ages.get(topic.name, ())]
    return max(told, default=None)
