"""Whose pages may talk to the gateway (pure).

Browsers let any page open a WebSocket to any host, so the Origin is checked here. That is not enough: a hostile page may make
the name of its own host point at this machine, and is then of the same origin. So on loopback the Host must be a name of this
machine.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def origin_allowed(origin: str | None, host: str, origins: Collection[str]) -> bool:
    """Whether a page of ``origin`` may connect to what its request calls ``host``. Programs send no Origin, and may."""
    if origin is None or origin in origins:
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def host_allowed(host: str, bound_to: str, *, is_loopback: bool, origins: Collection[str]) -> bool:
    """Whether a request may call this gateway ``host``; ``bound_to`` is the address that it listens on."""
    if not is_loopback:
        return True
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name in _OWN_NAMES or name == bound_to or any(urlsplit(origin).hostname == name for origin in origins)


HEADERS = {
    "Server": "stock-tracker",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Sent with every answer."""
