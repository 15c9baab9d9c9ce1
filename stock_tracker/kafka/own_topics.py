"""Topics of a prefix that nobody else has: for a test, or for a run that leaves nothing behind."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from stock_tracker.kafka import metadata, topics

TOPICS_S: Final = 60.0
"""How long a broker may take to tell of new topics, or to delete some."""


@contextmanager
def own_topics(kafka: Mapping[str, str], shards: int) -> Iterator[str]:
    """All our topics under a prefix of their own, as long as the block runs; gives the prefix.

    Args:
        kafka: librdkafka's connection settings.
        shards: Partitions of the sharded topics.

    Raises:
        KafkaUnavailable: Kafka does not answer.
        TopicsRefused: It refuses to make them.
        TopicsMissing: It made them, and does not tell of them.
    """
    prefix = new_prefix()
    try:
        topics.apply(kafka, prefix, shards, replication=1)
        topics.wait_for(kafka, prefix, TOPICS_S)
        yield prefix
    finally:
        delete(kafka, prefix)


def new_prefix() -> str:
    """A prefix that nobody has."""
    return f"t{uuid.uuid4().hex[:10]}."


def delete(kafka: Mapping[str, str], prefix: str) -> None:
    """Delete every topic in whose name ``prefix`` appears, which only one of :func:`new_prefix` may be.

    Quix puts words of its own before the names of its changelogs: ``changelog__<prefix><group>--<topic>--…``.
    """
    if len(prefix) < len(new_prefix()):
        raise ValueError(f"{prefix!r} is no prefix of new_prefix: topics of others may have it in their names")
    names = [name for name in metadata.ask(kafka).topics if prefix in name]
    if names:
        # The client must be kept in a variable: the answers come only as long as it exists.
        admin = metadata.admin(kafka)
        for answer in admin.delete_topics(names, operation_timeout=TOPICS_S).values():
            answer.result()
