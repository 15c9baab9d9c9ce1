"""Names and defaults that all services and all users agree on, and how Kafka is reached. Pure: the environment is an argument."""

from collections.abc import Mapping
from typing import Final

KAFKA_BOOTSTRAP: Final = "127.0.0.1:9092"
CLICKHOUSE_URL: Final = "http://127.0.0.1:8123"
CLICKHOUSE_DATABASE: Final = "market"
GATEWAY_PORT: Final = 8080
SIMULATOR_PORT: Final = 8181
LOCAL_SHARDS: Final = 3
"""Partitions of the sharded topics on one machine; production has 6 or more."""

_SECURITY = ("KAFKA_SECURITY_", "KAFKA_SASL_", "KAFKA_SSL_")


def kafka_config(environ: Mapping[str, str]) -> dict[str, str]:
    """Build librdkafka's connection settings from KAFKA_BOOTSTRAP and security settings under their own names.

    ``KAFKA_SASL_MECHANISM`` becomes ``sasl.mechanism``, and so on for ``KAFKA_SECURITY_…``, ``KAFKA_SASL_…`` and
    ``KAFKA_SSL_…``. The rest of the environment is none of Kafka's business.
    """
    config = {"bootstrap.servers": environ.get("KAFKA_BOOTSTRAP") or KAFKA_BOOTSTRAP}
    for name, value in environ.items():
        if name.startswith(_SECURITY):
            config[name.removeprefix("KAFKA_").lower().replace("_", ".")] = value
    return config


def topic_prefix(environ: Mapping[str, str]) -> str:
    """What stands before every topic, group and transactional id: empty in production, something unique in a test or replay."""
    return environ.get("TOPIC_PREFIX", "")
