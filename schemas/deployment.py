"""Names and defaults that all services and all users agree on, and how Kafka is reached. Pure: the environment is an argument."""

from collections.abc import Mapping
from typing import Final

from schemas.dead_letters import Limit
from schemas.errors import WrongSetting

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


def dead_letter_limit(environ: Mapping[str, str]) -> Limit:
    """How much of what a consumer reads may be unusable: DEAD_LETTER_LIMIT_MESSAGES, …_RECORDS and …_PERCENT.

    Raises:
        WrongSetting: One of them is no such number.
    """
    limit = Limit()
    return Limit(
        messages=_number(environ, "DEAD_LETTER_LIMIT_MESSAGES", limit.messages, 10, 100_000),
        records=_number(environ, "DEAD_LETTER_LIMIT_RECORDS", limit.records, 10, 1_000_000),
        percent=_number(environ, "DEAD_LETTER_LIMIT_PERCENT", limit.percent, 0, 100),
    )


def _number(environ: Mapping[str, str], name: str, usual: int, least: int, most: int) -> int:
    said = environ.get(name, "")
    if not said:
        return usual
    if not (said.isascii() and said.isdigit() and least <= int(said) <= most):
        raise WrongSetting(name, said, f"a number from {least} to {most}")
    return int(said)
