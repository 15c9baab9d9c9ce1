"""Makes the changelog topics of a Quix application, and goes on once the broker knows them.

Quix's own administrator looks a second after it asked, and once: a broker that is busy starting needs longer, which ended the
application; any other has had them ready for most of that second, three times over where a pipeline has three changelogs.
"""

import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic
from quixstreams.models import Topic as QuixTopic
from quixstreams.models.topics import TopicAdmin
from quixstreams.models.topics.exceptions import CreateTopicFailure, CreateTopicTimeout

PAUSE_S: Final = 0.05


class ChangelogAdmin(TopicAdmin):
    """Quix's administrator of topics, except that topics are there when :meth:`create_topics` returns."""

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
                return
            time.sleep(PAUSE_S)
        raise CreateTopicTimeout(f"Kafka made {', '.join(missing)}, but does not list them after {finalize_timeout:.0f} s")


def _new(topic: QuixTopic) -> NewTopic:
    config = topic.create_config
    if config is None:
        return NewTopic(topic.name)
    return NewTopic(topic.name, config.num_partitions, config.replication_factor, config=config.extra_config)
