"""Whose pages may talk to the gateway (pure).

Browsers let any page open a WebSocket to any host, so the Origin is checked here. A page may also have its own name point at this
machine and so be of the same origin: on loopback the Host must be one of the machine's own names.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def origin_allowed(origin: str | None, host: str, origins: Collection[str]) -> bool:
    """Whether a page of ``origin`` may connect to ``host`` (as the request calls it). Programs send no Origin and may."""
    if origin is None or origin in origins:
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def host_allowed(host: str, bound_to: str, *, is_loopback: bool, origins: Collection[str]) -> bool:
    """Whether a request may call us ``host``."""
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
