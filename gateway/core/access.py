"""Whose pages may talk to the gateway (pure).

Browsers let any page open a WebSocket to any host, so the Origin is checked here. That is not enough: a hostile page may make
the name of its own host point at the gateway, and is then of the same origin. So the Host must be a name that the gateway is
known by, wherever it listens. A numeric address is always one: nobody can make that point elsewhere.
"""

from collections.abc import Collection, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address
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


def host_allowed(host: str, own: Collection[str], origins: Collection[str]) -> bool:
    """Whether a request may call this gateway ``host``; ``own`` are the names that it is known by, beside this machine's."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    if name is None:
        return False
    return name in _OWN_NAMES or name in own or any(urlsplit(origin).hostname == name for origin in origins) or _is_numeric(name)


def _is_numeric(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_within(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether ``address`` is in one of ``networks``; never when it is no address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in network for network in networks)


def client_address(peer: str, forwarded_for: str | None, proxies: Collection[IPv4Network | IPv6Network]) -> str:
    """Whom a request comes from: ``peer``, unless that is one of ``proxies``, which says for whom it speaks.

    Each proxy appends whom it was asked by. So it is the last one that is no proxy of ours: what stands before, anybody can say.
    """
    if not is_within(peer, proxies):
        return peer
    named = [name.strip() for name in (forwarded_for or "").split(",") if name.strip()]
    return next((name for name in reversed(named) if not is_within(name, proxies)), peer)


def cross_origin_headers(origin: str | None, origins: Collection[str]) -> dict[str, str]:
    """What an answer to a page of ``origin`` says besides, so that the browser lets the page read it."""
    if origin is None or origin not in origins:
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "ETag",
        "Access-Control-Allow-Methods": "GET, HEAD",
        "Access-Control-Allow-Headers": "If-None-Match",
        "Access-Control-Max-Age": "600",
    }


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
