"""Errors of the gateway.

GatewayError
├── InsecureBind: it would be reachable from outside, without accounts
├── PortTaken: somebody else listens there
├── Unreadable: Kafka cannot be read now; retried until it can
└── BadCursor: a cursor that no gateway made, or of another epoch
"""


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


class Unreadable(GatewayError):
    """Kafka cannot be read now."""


class BadCursor(GatewayError):
    """A cursor that this gateway did not make."""
