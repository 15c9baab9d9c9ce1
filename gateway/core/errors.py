"""Errors of the gateway.

GatewayError
├── InsecureBind: it would be reachable from outside, without accounts
├── PortTaken: somebody else listens there
├── NotPermitted: Kafka does not let the gateway read its topics; asked again until it does
├── KafkaRefused: Kafka's client library does not take what it is told; asked again, in case it is Kafka that changes
└── BadCursor: a cursor that no gateway made

That Kafka is away, or has no such topics, are errors of :mod:`schemas.errors`: every service can meet them.
"""

from collections.abc import Iterable


class GatewayError(Exception):
    """Base of the errors of this package; the text says what to do next."""


class InsecureBind(GatewayError):
    """The address is not this machine's own, and nobody said that this is meant."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"the gateway has no accounts, so it does not listen on {host}, where others can reach it: "
            "set GATEWAY_HOST=127.0.0.1, or GATEWAY_INSECURE=true if a proxy in front checks who comes"
        )


class PortTaken(GatewayError):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot listen on {host}:{port} ({reason}): stop what is there, or set GATEWAY_PORT to a free port")


class NotPermitted(GatewayError):
    """Kafka answers, and forbids the gateway to read ``topics``."""

    def __init__(self, reason: str, topics: Iterable[str]) -> None:
        super().__init__(f"Kafka does not let the gateway read ({reason}): grant it READ on {', '.join(sorted(topics))}")


class KafkaRefused(GatewayError):
    """Something that is neither an absent broker nor a missing right, a setting that the library does not know for instance."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Kafka cannot be read ({reason}): see that KAFKA_BOOTSTRAP and the settings under KAFKA_… fit the broker"
        )


class BadCursor(GatewayError):
    """A cursor that this gateway did not make."""
