import logging
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic
from quixstreams.internal_consumer import InternalConsumer
from quixstreams.kafka import ConnectionConfig
from quixstreams.models import MessageContext, Row, Topic, TopicConfig
from quixstreams.models.topics.exceptions import CreateTopicFailure, CreateTopicTimeout

from pipelines.changelogs import ChangelogAdmin, pass_over_changelogs

log = logging.getLogger(__name__)

NAME = "changelog__pipelines.prices--ssi.ticks--default"
CHANGELOG = Topic(NAME, create_config=TopicConfig(3, 1, {"cleanup.policy": "compact"}))


class Client:
    """Speaks for a broker that lists a new topic only when it has been asked ``unaware`` times."""

    def __init__(self, *, unaware: int = 0, refusal: int | None = None, there: bool = False) -> None:
        self.unaware = unaware
        self.refusal = refusal
        self.there = there
        self.made: list[NewTopic] = []

    def create_topics(self, topics: list[NewTopic], request_timeout: float) -> dict[str, Future[None]]:
        self.made += topics
        made: Future[None] = Future()
        if self.refusal is None:
            made.set_result(None)
        else:
            made.set_exception(KafkaException(KafkaError(self.refusal)))
        return {NAME: made}

    def list_topics(self, timeout: float) -> Any:
        if self.made:
            self.there = self.unaware <= 0
            self.unaware -= 1
        return SimpleNamespace(topics={NAME: ...} if self.there else {})


def admin_of(client: Any, monkeypatch: pytest.MonkeyPatch) -> ChangelogAdmin:
    monkeypatch.setattr(ChangelogAdmin, "admin_client", client)
    return ChangelogAdmin(ConnectionConfig(bootstrap_servers="127.0.0.1:1"), "pipelines.prices", ["ssi.ticks"], log)


def test_a_broker_that_is_slow_to_list_a_new_topic_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(unaware=3)
    admin_of(client, monkeypatch).create_topics([CHANGELOG])
    assert client.there
    assert [(new.topic, new.num_partitions, new.replication_factor, new.config) for new in client.made] == [
        (NAME, 3, 1, {"cleanup.policy": "compact"})
    ]


def test_what_another_instance_made_meanwhile_is_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(refusal=KafkaError.TOPIC_ALREADY_EXISTS)
    admin_of(client, monkeypatch).create_topics([CHANGELOG])
    assert client.there


def test_what_is_there_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(there=True)
    admin_of(client, monkeypatch).create_topics([CHANGELOG])
    assert client.made == []


def test_a_refusal_names_the_topic_and_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(refusal=KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(CreateTopicFailure, match=f"{NAME}: .*authorization failed"):
        admin_of(client, monkeypatch).create_topics([CHANGELOG])


def test_a_topic_that_is_never_listed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CreateTopicTimeout, match=NAME):
        admin_of(Client(unaware=1000), monkeypatch).create_topics([CHANGELOG], finalize_timeout=0.1)


class Describer:
    """Speaks for a broker with topics of ours and of others; counts how often it is asked for configurations."""

    def __init__(self) -> None:
        self.topics = {"ssi.ticks": 3, NAME: 3, "changelog__pipelines.alerts--ssi.ticks--default": 3, "market.trades": 3}
        self.asked: list[set[str]] = []

    def list_topics(self, timeout: float) -> Any:
        partition = SimpleNamespace(replicas=[1])
        return SimpleNamespace(
            topics={
                name: SimpleNamespace(partitions=dict.fromkeys(range(count), partition)) for name, count in self.topics.items()
            }
        )

    def describe_configs(self, resources: list[Any], request_timeout: float) -> dict[Any, Future[dict[str, Any]]]:
        self.asked.append({resource.name for resource in resources})
        told: Future[dict[str, Any]] = Future()
        told.set_result({"x": SimpleNamespace(name="cleanup.policy", value="compact")})
        return dict.fromkeys(resources, told)


def test_topics_are_looked_at_once_and_those_of_others_never(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Describer()
    admin = admin_of(client, monkeypatch)
    for _ in range(3):
        for name in ("ssi.ticks", NAME):
            assert admin.inspect_topics([name]) == {name: TopicConfig(3, 1, {"cleanup.policy": "compact"})}
    assert client.asked == [{"ssi.ticks", NAME}]


def test_a_topic_that_was_not_there_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Describer()
    admin = admin_of(client, monkeypatch)
    new = "changelog__pipelines.prices--partial.breadth--default"
    assert admin.inspect_topics([new]) == {new: None}
    client.topics[new] = 1
    found = admin.inspect_topics([new])[new]
    assert found is not None
    assert found.num_partitions == 1


class Cluster(Describer):
    """Speaks for brokers that answer in turn: ``knowing`` says of each answer whether who gives it knows of a new topic."""

    def __init__(self, knowing: list[bool]) -> None:
        super().__init__()
        self.topics = {}
        self.knowing = knowing

    def create_topics(self, topics: list[NewTopic], request_timeout: float) -> dict[str, Future[None]]:
        made: Future[None] = Future()
        made.set_result(None)
        self.topics = dict.fromkeys((new.topic for new in topics), 3)
        return dict.fromkeys(self.topics, made)

    def list_topics(self, timeout: float) -> Any:
        return super().list_topics(timeout) if not self.topics or self.knowing.pop(0) else SimpleNamespace(topics={})


def test_a_new_topic_is_waited_for_where_another_broker_is_asked_that_does_not_know_it_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Cluster([True, False, False, False, True, True])
    admin = admin_of(client, monkeypatch)
    admin.create_topics([CHANGELOG])
    assert admin.inspect_topics([NAME]) == {NAME: TopicConfig(3, 1, {"cleanup.policy": "compact"})}


def a_row(topic: str, partition: int = 0) -> Row:
    return Row(b"", b"", 0, MessageContext(topic=topic, partition=partition, offset=0, size=0), None)


class Handing(InternalConsumer):
    """A consumer that hands out ``rows``, whatever was paused."""

    def __init__(self, *rows: Row | list[Row] | None) -> None:
        self.rows = list(rows)
        self.paused: list[TopicPartition] = []

    def poll_row(self, timeout: float | None = None, buffered: bool = False) -> Row | list[Row] | None:
        return self.rows.pop(0)

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused += partitions

    def __del__(self) -> None:
        """It has no connection to close."""


def test_what_a_changelog_hands_out_while_it_should_be_paused_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    first, second, several = a_row("ssi.ticks"), a_row(NAME, 2), [a_row("ssi.ticks", 1)]
    consumer = Handing(None, first, second, several, [])
    pass_over_changelogs(consumer, {"ssi.ticks"})
    assert [consumer.poll_row(timeout=0.1) for _ in range(5)] == [None, first, None, several, []]
    assert [(place.topic, place.partition) for place in consumer.paused] == [(NAME, 2)]
    assert f"{NAME}[2] was not paused" in caplog.text
