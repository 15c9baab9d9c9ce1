"""Which Kafka a command of this clone talks to."""

from collections.abc import Mapping

from schemas import deployment
from stock_tracker.kafka.broker import Broker


def kafka_config(environ: Mapping[str, str]) -> dict[str, str]:
    """Build librdkafka's connection settings.

    They are those of :func:`schemas.deployment.kafka_config`; but where ``KAFKA_BOOTSTRAP`` is not set and the local broker
    runs on a port of its own choice, it is found there.
    """
    if not environ.get("KAFKA_BOOTSTRAP"):
        running = Broker.of(environ).running()
        if running is not None:
            return deployment.kafka_config({**environ, "KAFKA_BOOTSTRAP": running.bootstrap})
    return deployment.kafka_config(environ)
