"""What Kafka has deleted before a pipeline read it, and going on without that.

A topic keeps its messages for a time, and a pipeline that was down for longer has a commit below the beginning of its log. Its
state is as of that commit: what followed cannot be folded any more.
"""

import logging
from collections.abc import Iterable
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipelines.catalogue import Pipeline
from pipelines.errors import Loss
from pipelines.settings import PipelineSettings
from schemas.errors import KafkaUnavailable
from schemas.units import UnixMs

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0


class _Asked(Protocol):
    """What is asked here of a consumer, be it librdkafka's or Quix's."""

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]: ...

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]: ...


def lost(pipeline: Pipeline, settings: PipelineSettings) -> tuple[Loss, ...]:
    """What ``pipeline`` has committed in no partition of its sources and Kafka no longer keeps; empty when that is nothing.

    Raises:
        KafkaUnavailable: No broker answers.
    """
    group = f"{settings.topic_prefix}{pipeline.group}"
    sources = [source.named(settings.topic_prefix) for source in pipeline.sources]
    # It never subscribes, and so never becomes a member of the group.
    consumer = Consumer({**settings.kafka, "group.id": group, "enable.auto.commit": False, "enable.partition.eof": True})
    try:
        topics = consumer.list_topics(timeout=TIMEOUT_S).topics
        partitions = [TopicPartition(source, number) for source in sources for number in topics[source].partitions]
        return tuple(
            Loss(
                topic=commit.topic,
                partition=commit.partition,
                partitions=len(topics[commit.topic].partitions),
                committed=commit.offset,
                kept=low,
                state_ms=_written(
                    settings, [name for name in topics if _is_changelog(name, group, commit.topic)], commit.partition
                ),
                kept_ms=_appended(consumer, TopicPartition(commit.topic, commit.partition, low)),
            )
            for commit, low in _below(consumer, partitions)
        )
    except KafkaException as error:
        raise KafkaUnavailable(settings.bootstrap, error.args[0].str()) from error
    finally:
        consumer.close()


def kept_instead(consumer: _Asked, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """Where to go on with those of ``partitions`` whose commit is below what Kafka keeps: at the first message that it does."""
    places = []
    for commit, low in _below(consumer, partitions):
        log.warning(
            "PIPELINE_SKIP_LOST is set: %s[%d] goes on at offset %d instead of %d; what was between is lost. Unset it for the "
            "next start",
            commit.topic,
            commit.partition,
            low,
            commit.offset,
        )
        places.append(TopicPartition(commit.topic, commit.partition, low))
    return places


def _below(consumer: _Asked, partitions: list[TopicPartition]) -> Iterable[tuple[TopicPartition, int]]:
    """The commits that are below the beginning of their log, each with that beginning."""
    for commit in consumer.committed(partitions, timeout=TIMEOUT_S):
        if commit.error is not None:
            raise KafkaException(commit.error)
        low, _ = consumer.get_watermark_offsets(TopicPartition(commit.topic, commit.partition), timeout=TIMEOUT_S)
        # Nothing committed at all is below 0, and begins at what there is.
        if 0 <= commit.offset < low:
            yield commit, low


def _is_changelog(name: str, group: str, source: str) -> bool:
    """Whether a topic holds the state of a group for a source. The names are Quix's."""
    return name.startswith(f"changelog__{group}--{source}--")


def _appended(consumer: Consumer, place: TopicPartition) -> UnixMs | None:
    """When the message at ``place``, or the first one after it, was appended; None when there is none."""
    consumer.assign([place])
    try:
        message = consumer.poll(TIMEOUT_S)
    finally:
        consumer.unassign()
    if message is None or message.error() is not None:
        return None
    _, ms = message.timestamp()
    return UnixMs(ms)


def _written(settings: PipelineSettings, changelogs: list[str], partition: int) -> UnixMs | None:
    """When one of ``changelogs`` was last written to; None when it never was, or the broker cannot tell."""
    if not changelogs:
        return None
    admin = AdminClient({**settings.kafka, "logger": log})
    asked = admin.list_offsets(
        {TopicPartition(name, partition): OffsetSpec.max_timestamp() for name in changelogs}, request_timeout=TIMEOUT_S
    )
    try:
        latest = max(answer.result().timestamp for answer in asked.values())
    except KafkaException:
        # Brokers before 3.0 do not know the question.
        return None
    return UnixMs(latest) if latest >= 0 else None
