"""Looks at the topics of a Quix application, makes its changelogs, and goes on once the broker knows them.

Quix's own administrator looks a second after it asked, and once: a broker that is busy starting needs longer, which ended the
application; any other has had them ready for most of that second, three times over where a pipeline has three changelogs.

And it asks for the configuration of each topic each time that one is mentioned, which takes a twentieth of a second: for the
alerts, which mention topics 25 times, more than a second of each start.

While a pipeline folds, its changelogs are assigned and paused. That does not always keep librdkafka from handing out what has
been written to one, and Quix, which has no function for it, ended the application.
"""

import logging
import time
from collections.abc import Collection, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic
from quixstreams.internal_consumer import InternalConsumer
from quixstreams.kafka import ConnectionConfig
from quixstreams.models import Row, TopicConfig
from quixstreams.models import Topic as QuixTopic
from quixstreams.models.topics import TopicAdmin
from quixstreams.models.topics.exceptions import CreateTopicFailure, CreateTopicTimeout

log = logging.getLogger(__name__)

PAUSE_S: Final = 0.05
KNOWN_S: Final = 60.0
"""How long it may take until every broker of a cluster knows a new topic, in seconds."""


class ChangelogAdmin(TopicAdmin):
    """Quix's administrator of topics, except that topics are there when :meth:`create_topics` returns, and looked at once."""

    def __init__(self, broker: ConnectionConfig, group: str, topics: Collection[str], logger: logging.Logger) -> None:
        """Nothing is asked yet.

        Args:
            broker: The connection to Kafka.
            group: The consumer group of the application, which is in the names of its changelogs.
            topics: Those that it reads and writes, as they are called in Kafka.
            logger: Is told what the connection has to say.
        """
        super().__init__(broker, logger=logger)
        self._topics = frozenset(topics)
        self._changelogs = f"changelog__{group}--"
        self._configs: dict[str, TopicConfig] = {}
        """Of the topics that have been looked at."""
        self._made: set[str] = set()
        """Topics that are there by the word of one broker. Another one may be asked next, which does not know them yet."""

    def inspect_topics(self, topic_names: list[str], timeout: float = 30) -> dict[str, TopicConfig | None]:
        """Tell the configuration of each topic; None of one that is not there.

        Args:
            topic_names: Which.
            timeout: Of one request, in seconds.

        Raises:
            KafkaException: Kafka does not answer.
            TopicPermissionError: Kafka does not let us look.
        """
        for _ in range(int(KNOWN_S / PAUSE_S)):
            if not self._configs.keys() >= set(topic_names):
                self._look_at(topic_names, timeout)
            if self._configs.keys() >= self._made & set(topic_names):
                break
            time.sleep(PAUSE_S)
        return {name: self._configs.get(name) for name in topic_names}

    def _look_at(self, topic_names: list[str], timeout: float) -> None:
        ours = [name for name in self.list_topics(timeout) if name in self._topics or name.startswith(self._changelogs)]
        try:
            found = super().inspect_topics(list({*topic_names, *ours}), timeout)
        except KafkaException as error:
            if self._made and error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return
            raise
        self._configs |= {name: config for name, config in found.items() if config is not None}

    def create_topics(self, topics: Sequence[QuixTopic], timeout: float = 30, finalize_timeout: float = 60) -> None:
        """Make those of ``topics`` that are missing.

        Args:
            topics: With the configuration to make them with.
            timeout: Of one request, in seconds.
            finalize_timeout: For how long the broker is asked whether it knows them, in seconds.

        Raises:
            CreateTopicFailure: The broker refused one.
            CreateTopicTimeout: It made them, and still does not list them.
        """
        missing = {topic.name: topic for topic in topics if topic.name not in self.list_topics(timeout)}
        if not missing:
            return
        for name, made in self.admin_client.create_topics(list(map(_new, missing.values())), request_timeout=timeout).items():
            try:
                made.result()
            except KafkaException as error:
                # Another instance of the pipeline was a moment faster.
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise CreateTopicFailure(f"Kafka refused to make {name}: {error.args[0].str()}") from error
        for _ in range(int(finalize_timeout / PAUSE_S)):
            listed = self.list_topics(timeout)
            if all(name in listed for name in missing):
                self._made |= missing.keys()
                return
            time.sleep(PAUSE_S)
        raise CreateTopicTimeout(f"Kafka made {', '.join(missing)}, but does not list them after {finalize_timeout:.0f} s")


def _new(topic: QuixTopic) -> NewTopic:
    config = topic.create_config
    if config is None:
        return NewTopic(topic.name)
    return NewTopic(topic.name, config.num_partitions, config.replication_factor, config=config.extra_config)


def pass_over_changelogs(consumer: InternalConsumer, sources: Collection[str]) -> None:
    """Let ``consumer`` hand out rows of ``sources`` alone, and pause whatever else hands out one.

    What is passed over is in the state already, whose process wrote it. A recovery reads changelogs by other ways, from an offset
    of its own.
    """
    poll_row = consumer.poll_row

    def of_sources(timeout: float | None = None, buffered: bool = False) -> Row | list[Row] | None:
        rows = poll_row(timeout=timeout, buffered=buffered)
        first = rows[0] if isinstance(rows, list) and rows else rows
        if not isinstance(first, Row) or first.topic in sources:
            return rows
        log.warning("%s[%d] was not paused; it is now", first.topic, first.partition)
        consumer.pause([TopicPartition(first.topic, first.partition)])
        return None

    vars(consumer)["poll_row"] = of_sources
