"""Errors of the gateway.

GatewayError
├── InsecureBind: it would be reachable from outside, without accounts
├── NotPermitted: Kafka does not let the gateway read its topics; asked again until it does
├── KafkaRefused: Kafka's client library does not take what it is told; asked again, in case it is Kafka that changes
├── ArchiveAway: the archive does not answer what REST was asked for
├── ReaderDied: a thread that reads Kafka has ended and said nothing
├── Refused: a client's command cannot be carried out; the client is told, and the connection goes on
└── BadCursor: a cursor that no gateway made

That Kafka is away or has no such topics, or that the port is taken, every service can meet: see :mod:`schemas.errors`.
"""

from collections.abc import Iterable

from schemas.stock_v1 import ErrorCode


class GatewayError(Exception):
    """Base of the errors of this package; the text says what to do next."""


class InsecureBind(GatewayError):
    """The address is not this machine's own, and nobody said that this is meant."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"the gateway has no accounts as it is set, so it does not listen on {host}, where others can reach it: "
            "set GATEWAY_HOST=127.0.0.1, or GATEWAY_JWT_SECRET or GATEWAY_JWKS_URL, by which clients name themselves, "
            "or GATEWAY_INSECURE=true if a proxy in front checks who comes"
        )


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


class ArchiveAway(GatewayError):
    """The archive does not answer; what is live goes on."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.detail = detail
        """What it, or the way to it, said; for the log."""


class TooManyQuestions(GatewayError):
    """A client asks the archive more at a time than it may."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} questions of this address are not answered yet: wait for those")


class ReaderDied(GatewayError):
    """A thread that reads Kafka is gone, and nobody asked it to end."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the reader of {name} has died: start the gateway again, and report what its log says before this")


class Refused(GatewayError):
    """A client's command cannot be carried out."""

    def __init__(self, code: ErrorCode, reason: str, retry_ms: int | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.retry_ms = retry_ms
        """When the client may try again; None when that would not help."""


class BadCursor(GatewayError):
    """A cursor that no gateway made."""
