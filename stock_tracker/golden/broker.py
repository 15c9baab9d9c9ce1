"""What the pipelines make of a fixture on a real Kafka, exactly once, in the form of :mod:`stock_tracker.golden.brokerless`.

Topics of a prefix of their own are made, read and deleted again, so that any broker will do on which that is allowed.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from connectors.fixtures.core.layout import FixtureMessage
from pipelines.catalogue import BESIDE, CATALOGUE, Pipeline
from schemas.topics import SSI_DLQ, encode
from stock_tracker.golden.apps import Apps, wait_until_folded
from stock_tracker.golden.outputs import OUTPUTS
from stock_tracker.kafka.own_topics import own_topics
from stock_tracker.recordings.record import read_messages
from stock_tracker.recordings.replay import TopicWriter, play

Tell = Callable[[str], None]


def outputs_on(
    kafka: Mapping[str, str], tell: Tell, messages: Iterable[FixtureMessage], pipelines: Sequence[Pipeline], shards: int
) -> Iterator[FixtureMessage]:
    """Play messages onto a real Kafka, through the real apps; all that they publish, read committed.

    Args:
        kafka: librdkafka's connection settings.
        tell: Takes lines of progress.
        messages: In the order in which they were appended. Those of topics that one of ``pipelines`` writes are left out.
        pipelines: Of the catalogue.
        shards: Partitions of the sharded topics.

    Raises:
        KafkaUnavailable: Kafka does not answer.
        TopicsRefused: It refuses to make the topics.
        AppEnded: A pipeline ended by itself.
        NotInTime: One stands still.
    """
    ordered = [pipeline for pipeline in CATALOGUE if pipeline in pipelines]
    with own_topics(kafka, shards) as prefix, tempfile.TemporaryDirectory(prefix="stock-tracker-golden-") as home:
        names = [pipeline.name for pipeline in ordered]
        with Apps(kafka, prefix, [names], Path(home)) as apps:
            write(kafka, prefix, inputs_of(messages, pipelines), tell)
            tell("written; the pipelines are at work")
            wait_until_folded(kafka, prefix, ordered, apps.check)
        yield from published(kafka, prefix, tell)


def inputs_of(messages: Iterable[FixtureMessage], pipelines: Sequence[Pipeline]) -> list[FixtureMessage]:
    """The messages that ``pipelines`` read, without what they make anew."""
    written = {sink.name for pipeline in pipelines for sink in (*pipeline.sinks, *BESIDE)}
    read = {source.name for pipeline in pipelines for source in pipeline.sources} - written
    return [message for message in messages if message.topic in read]


def write(kafka: Mapping[str, str], prefix: str, messages: Sequence[FixtureMessage], tell: Tell) -> None:
    """Write messages as fast as it goes, and wait until Kafka has them.

    Raises:
        KafkaUnavailable: It did not take all of them.
    """
    writer = TopicWriter(kafka, prefix)
    play(messages, len(messages), None, writer.send, tell)
    writer.close()


def published(kafka: Mapping[str, str], prefix: str, tell: Tell) -> Iterator[FixtureMessage]:
    """All that is committed on the topics that pipelines write, as if those had no prefix.

    Raises:
        KafkaUnavailable: Kafka does not answer.
        TopicsMissing: There are no such topics.
    """
    _, messages = read_messages(kafka, prefix, OUTPUTS, tell)
    for message in messages:
        if message.topic == SSI_DLQ.name and message.value is not None:
            letter = msgspec.json.decode(message.value)
            letter["topic"] = str(letter["topic"] or "").removeprefix(prefix) or None
            yield replace(message, value=encode(letter))
        else:
            yield message
