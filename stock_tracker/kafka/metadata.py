"""What a Kafka says of itself: one metadata request."""

import socket
from collections.abc import Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata

from stock_tracker.errors import BrokerUnreachable

ANSWER_S = 10.0

_SILENT = {"log_level": "0"}
"""librdkafka tells each refused connection on stderr; we say it once, with what to do."""


def admin(kafka: Mapping[str, str]) -> AdminClient:
    """A client for topics and metadata."""
    return AdminClient({**kafka, **_SILENT})


def ask(kafka: Mapping[str, str], timeout_s: float = ANSWER_S) -> ClusterMetadata:
    """Ask a cluster for its metadata.

    Raises:
        BrokerUnreachable: Nobody answers within ``timeout_s``.
    """
    try:
        return admin(kafka).list_topics(timeout=timeout_s)
    except KafkaException as error:
        raise BrokerUnreachable(kafka["bootstrap.servers"], error.args[0].str()) from error


def cluster_at(bootstrap: str) -> str | None:
    """The id of the cluster behind a local ``host:port``; None while nobody answers there."""
    host, _, port = bootstrap.rpartition(":")
    try:
        # A refused connection is known at once; librdkafka would wait and try again.
        socket.create_connection((host, int(port)), timeout=1).close()
        cluster: str | None = ask({"bootstrap.servers": bootstrap}, timeout_s=2).cluster_id
    except (OSError, BrokerUnreachable):
        return None
    return cluster
