"""Whose pages may talk to the gateway, and what a client may have (pure).

Browsers let any page open a WebSocket to any host, so the Origin is checked here. That is not enough: a hostile page may make
the name of its own host point at the gateway, and is then of the same origin. So the Host must be a name that the gateway is
known by, wherever it listens. A numeric address is always one: nobody can make that point elsewhere.
"""

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

HISTORY = "history"
"""What stands beside channels in a token: what REST says of the past."""


class BadToken(Exception):
    """A token that names nobody; the text says what to do."""


class Identity(NamedTuple):
    """Whom a token names."""

    name: str
    """``sub``; empty where it names nobody in particular."""
    expires_ms: int
    """When it is over, in milliseconds of the wall clock (``exp``)."""
    channels: frozenset[str] | None
    """What it is good for (``channels``): channels, and :data:`HISTORY`. None: everything."""

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> "Identity":
        """The identity that the claims of a token are.

        Raises:
            BadToken: A claim is not what it should be.
        """
        name, channels, expires_s = claims.get("sub", ""), claims.get("channels"), claims.get("exp")
        is_list = isinstance(channels, list) and all(isinstance(channel, str) for channel in channels)
        if not isinstance(name, str) or not isinstance(expires_s, int | float) or not (channels is None or is_list):
            raise BadToken("sub is text, exp a number, and channels a list of their names")
        return cls(name, int(expires_s * 1_000), None if channels is None else frozenset(channels))

    def may_have(self, what: str) -> bool:
        """Whether a channel, or :data:`HISTORY`, may be asked for."""
        return self.channels is None or what in self.channels


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


def bearer(header: str | None) -> str | None:
    """The token of an ``Authorization`` header; None where it has none."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def cross_origin_headers(origin: str | None, origins: Collection[str]) -> dict[str, str]:
    """What an answer to a page of ``origin`` says besides, so that the browser lets the page read it."""
    if origin is None or origin not in origins:
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "ETag",
        "Access-Control-Allow-Methods": "GET, HEAD",
        "Access-Control-Allow-Headers": "Authorization, If-None-Match, Last-Event-ID",
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
