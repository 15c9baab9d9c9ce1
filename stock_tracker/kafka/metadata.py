"""What a cluster says of itself: its brokers, its id and its topics."""

import socket
from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigResource, ResourceType

from schemas.errors import KafkaUnavailable

ANSWER_S = 10.0
CONNECT_S = 2.0

_SILENT = {"log_level": "0"}
"""librdkafka would print every refused connection to stderr. Our error says it once, with what to do."""


def admin(kafka: Mapping[str, str]) -> AdminClient:
    """A client that makes and describes topics."""
    return AdminClient({**kafka, **_SILENT})


def ask(kafka: Mapping[str, str], timeout_s: float = ANSWER_S) -> ClusterMetadata:
    """Ask a cluster for its metadata.

    Raises:
        KafkaUnavailable: No broker answers within ``timeout_s``, or nothing listens at any of the addresses.
    """
    bootstrap = kafka["bootstrap.servers"]
    # librdkafka tries again until the time is over, even where nothing listens. We see that at once.
    if all(_refused(address) for address in bootstrap.split(",")):
        raise KafkaUnavailable(bootstrap, "the connection is refused")
    said: list[KafkaError] = []
    client = AdminClient({**kafka, **_SILENT, "error_cb": said.append})
    try:
        return client.list_topics(timeout=timeout_s)
    except KafkaException as error:
        # Why a connection failed is told beside the answer, which is only that it did.
        client.poll(0)
        raise KafkaUnavailable(bootstrap, _reason(error.args[0], said)) from error


def _reason(error: KafkaError, said: Sequence[KafkaError]) -> str:
    for other in said:
        if other.code() == KafkaError._AUTHENTICATION:
            return f"{other.str()}. It is KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD"
        if other.code() == KafkaError._SSL:
            return f"{other.str()}. KAFKA_SSL_CA_LOCATION names the certificate of who vouches for the brokers"
    return str(error.str())


def broker_config(kafka: Mapping[str, str], broker: int) -> dict[str, str]:
    """The settings of a broker, by name.

    Raises:
        KafkaUnavailable: It does not tell them.
    """
    client = admin(kafka)
    asked = client.describe_configs([ConfigResource(ResourceType.BROKER, str(broker))], request_timeout=ANSWER_S)
    try:
        return {name: entry.value for answer in asked.values() for name, entry in answer.result().items()}
    except KafkaException as error:
        raise KafkaUnavailable(kafka["bootstrap.servers"], error.args[0].str()) from error


def cluster_at(bootstrap: str) -> str | None:
    """The id of the cluster whose broker listens at ``bootstrap``; None while none answers there."""
    try:
        cluster: str | None = ask({"bootstrap.servers": bootstrap}, timeout_s=2).cluster_id
    except KafkaUnavailable:
        return None
    return cluster


def _refused(address: str) -> bool:
    """Whether a connection to ``[PROTOCOL://]host[:port]`` is refused, so that certainly nothing listens there."""
    host, _, port = address.strip().rpartition("//")[2].rpartition(":")
    if not host or not port.isdigit():
        return False
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
