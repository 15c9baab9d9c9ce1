"""Kafka's own ids of topics. One that is deleted and made anew has another id, and counts its offsets from 0 again."""

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient


def describe_topics(admin: AdminClient, names: Sequence[str], timeout_s: float) -> Mapping[str, Any]:
    """Ask for topics; the answers, by name, that are still to be looked into."""
    answers: Mapping[str, Any] = admin.describe_topics(TopicCollection(list(names)), request_timeout=timeout_s)
    return answers


def ids_in(answers: Mapping[str, Any]) -> dict[str, str]:
    """The ids in what :func:`describe_topics` gave.

    Raises:
        KafkaException: Kafka does not answer, or has no such topic.
    """
    return {name: str(answer.result().topic_id) for name, answer in answers.items()}


def topic_ids(admin: AdminClient, names: Sequence[str], timeout_s: float = 10.0) -> dict[str, str]:
    """The ids of topics, by name.

    Raises:
        KafkaException: Kafka does not answer, or has no such topic.
    """
    return ids_in(describe_topics(admin, names, timeout_s))
