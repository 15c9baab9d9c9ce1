"""Which Kafka the commands of this clone talk to."""

from collections.abc import Mapping

from schemas import deployment
from stock_tracker.kafka.broker import Broker


def kafka_config(environ: Mapping[str, str]) -> dict[str, str]:
    """Build librdkafka's connection settings.

    They are those of :func:`schemas.deployment.kafka_config`. But if ``KAFKA_BOOTSTRAP`` is not set and the local broker runs,
    they name that broker, on whatever port it was started.
    """
    if not environ.get("KAFKA_BOOTSTRAP"):
        running = Broker.of(environ).running()
        if running is not None:
            return deployment.kafka_config({**environ, "KAFKA_BOOTSTRAP": running.bootstrap})
    return deployment.kafka_config(environ)
