"""Makes the topics of :mod:`schemas.topics` in a cluster, and says which are missing or differ.

It alters and deletes only what it is told to: :func:`alter`, :func:`delete`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from schemas.errors import KafkaUnavailable, TopicsMissing
from schemas.topics import TOPICS, Topic
from stock_tracker.errors import TopicsRefused
from stock_tracker.kafka import metadata
from stock_tracker.kafka.deployment_file import TopicsFile

ANSWER_S = 30.0
KINDS = ("ssi", "market", "state", "partial", "pipelines")
"""What names of topics of ours begin with, after the prefix."""
_PAUSE_S = 0.2


@dataclass(frozen=True)
class ExistingTopic:
    """A topic as the cluster has it."""

    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class TopicDifference:
    """A setting of a topic that is not as we would make it."""

    topic: str
    setting: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.found}, we would make it {self.wanted}"


@dataclass(frozen=True)
class Applied:
    """What :func:`apply` made, and what it found."""

    created: tuple[str, ...]
    present: tuple[str, ...]
    differences: tuple[TopicDifference, ...]
    """Settings, of the topics that were there before, that are not as we would make them."""


@dataclass(frozen=True)
class TopicsPlan:
    """What would have to be done for the cluster to have the topics that a file asks for."""

    make: tuple[str, ...]
    """Topics that are missing."""
    alter: tuple[TopicDifference, ...]
    """Settings that can be changed in place."""
    stuck: tuple[TopicDifference, ...]
    """Numbers of partitions, which cannot: it decides where the state of a symbol is."""
    strange: tuple[str, ...]
    """Topics of our kinds of names that this release does not know."""


def plan(kafka: Mapping[str, str], prefix: str, wanted: TopicsFile) -> TopicsPlan:
    """Compare the cluster with what ``wanted`` asks for; changes nothing.

    Raises:
        KafkaUnavailable: No broker answers.
    """
    found = describe(kafka, prefix)
    ours = {topic.named(prefix): topic for topic in TOPICS}
    differing = compare(TOPICS, found, prefix, wanted.shards, wanted.config_of)
    return TopicsPlan(
        make=tuple(name for name in ours if name not in found),
        alter=tuple(one for one in differing if one.setting != "partitions"),
        stuck=tuple(one for one in differing if one.setting == "partitions"),
        strange=tuple(
            name
            for name in sorted(metadata.ask(kafka).topics)
            if name not in ours and name.startswith(tuple(f"{prefix}{kind}." for kind in KINDS))
        ),
    )


def carry_out(kafka: Mapping[str, str], prefix: str, wanted: TopicsFile, plan: TopicsPlan, *, deletes: bool = False) -> None:
    """Do what a plan says: make and alter topics; delete those that are strange only where ``deletes`` says so.

    Raises:
        KafkaUnavailable: The cluster stopped answering, or refused a change.
        TopicsRefused: It refuses to make some of them; the others are made.
    """
    missing_ones = [topic for topic in TOPICS if topic.named(prefix) in plan.make]
    _create(kafka, missing_ones, prefix, wanted.shards, wanted.replication, wanted.config_of)
    admin = metadata.admin(kafka)
    changes: dict[str, list[ConfigEntry]] = {}
    for one in plan.alter:
        entry = ConfigEntry(one.setting, one.wanted, incremental_operation=AlterConfigOpType.SET)
        changes.setdefault(one.topic, []).append(entry)
    resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries) for name, entries in changes.items()]
    answers = list(admin.incremental_alter_configs(resources).values()) if resources else []
    if deletes and plan.strange:
        answers += admin.delete_topics(list(plan.strange), operation_timeout=ANSWER_S).values()
    for answer in answers:
        try:
            answer.result()
        except KafkaException as error:
            raise KafkaUnavailable(kafka["bootstrap.servers"], error.args[0].str()) from error


def apply(kafka: Mapping[str, str], prefix: str, shards: int, replication: int) -> Applied:
    """Make the topics that are missing. Those that exist are compared with what we would make, and not changed.

    Args:
        kafka: librdkafka's connection settings.
        prefix: What stands before each name.
        shards: Partitions of the sharded topics.
        replication: Copies of each new topic.

    Raises:
        KafkaUnavailable: No broker answers.
        TopicsRefused: The cluster refuses to make some of them; the others are made.
    """
    found = describe(kafka, prefix)
    absent = [topic for topic in TOPICS if topic.named(prefix) not in found]
    created = _create(kafka, absent, prefix, shards, replication)
    return Applied(created, tuple(found), compare(TOPICS, found, prefix, shards))


def missing(kafka: Mapping[str, str], prefix: str) -> list[str]:
    """Name the topics that have not been made yet.

    Raises:
        KafkaUnavailable: No broker answers.
    """
    existing = metadata.ask(kafka).topics
    return [name for topic in TOPICS if (name := topic.named(prefix)) not in existing]


def wait_for(kafka: Mapping[str, str], prefix: str, seconds: float) -> None:
    """Wait up to ``seconds`` until all topics are there; with 0, look once.

    This is for processes that are started together with Kafka, and so before the topics are made.

    Raises:
        KafkaUnavailable: No broker answered in time.
        TopicsMissing: Some topics were not made in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            absent = missing(kafka, prefix)
        except KafkaUnavailable:
            if time.monotonic() >= deadline:
                raise
        else:
            if not absent:
                return
            if time.monotonic() >= deadline:
                raise TopicsMissing(kafka["bootstrap.servers"], absent)
        time.sleep(_PAUSE_S)


def describe(kafka: Mapping[str, str], prefix: str) -> dict[str, ExistingTopic]:
    """Look up which of our topics exist and how they were made, in the order of :data:`schemas.topics.TOPICS`.

    Raises:
        KafkaUnavailable: No broker answers.
    """
    existing = metadata.ask(kafka).topics
    names = [name for topic in TOPICS if (name := topic.named(prefix)) in existing]
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    # The client must be kept in a variable: the answers come only as long as it exists.
    admin = metadata.admin(kafka)
    configs = admin.describe_configs(resources, request_timeout=ANSWER_S)
    return {
        resource.name: ExistingTopic(
            partitions=len(existing[resource.name].partitions),
            config={name: entry.value for name, entry in answer.result().items()},
        )
        for resource, answer in configs.items()
    }


def compare(
    topics: Sequence[Topic[Any]],
    found: Mapping[str, ExistingTopic],
    prefix: str,
    shards: int,
    config_of: Callable[[Topic[Any]], Mapping[str, str]] = Topic.config,
) -> tuple[TopicDifference, ...]:
    """The settings of existing topics that are not as we would make them."""
    differences = []
    for topic in topics:
        name = topic.named(prefix)
        if name not in found:
            continue
        wanted = {"partitions": str(topic.partitions(shards)), **config_of(topic)}
        actual = {**found[name].config, "partitions": str(found[name].partitions)}
        differences += [
            TopicDifference(name, setting, value, actual.get(setting, "not set"))
            for setting, value in wanted.items()
            if actual.get(setting) != value
        ]
    return tuple(differences)


def _create(
    kafka: Mapping[str, str],
    topics: Sequence[Topic[Any]],
    prefix: str,
    shards: int,
    replication: int,
    config_of: Callable[[Topic[Any]], Mapping[str, str]] = Topic.config,
) -> tuple[str, ...]:
    if not topics:
        return ()
    new = [
        NewTopic(topic.named(prefix), topic.partitions(shards), replication, config=dict(config_of(topic))) for topic in topics
    ]
    created, refused = [], {}
    admin = metadata.admin(kafka)
    for name, answer in admin.create_topics(new, operation_timeout=ANSWER_S).items():
        try:
            answer.result()
        except KafkaException as error:
            # Another process may be making them at the same time.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                refused[name] = error.args[0].str()
        else:
            created.append(name)
    if refused:
        raise TopicsRefused(kafka["bootstrap.servers"], refused)
    return tuple(created)
