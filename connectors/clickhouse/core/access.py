"""Who may ask the embedded server, and for what: users and their passwords, and the guard against web pages. Pure.

A browser lets any page send requests to 127.0.0.1. Such a request carries the page's ``Origin``, says in ``Sec-Fetch-Site`` that
it comes from elsewhere, or (when the page had its own name point here) has a foreign ``Host``. All three are refused.
"""

import base64
import binascii
from collections.abc import Mapping
from enum import Enum
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from connectors.clickhouse.core.errors import ForeignRequest, StatementRefused

SINK_USER: Final = "sink"
"""The embedded server's writer; its password is made at the first start."""
ANONYMOUS: Final = "default"
"""Whoever gives no name: may read, within limits."""
LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""What this machine calls itself."""


class Access(Enum):
    """What a user may do."""

    READ = "read"
    """Reading statements over tables, within limits of time, memory and size."""
    WRITE = "write"
    """Everything that the engine can do."""


class User(BaseModel):
    """A user's entry in the users file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    password_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """The SHA-256 of the password in UTF-8, in hexadecimal digits."""
    access: Access


def digest(password: str) -> str:
    """Hash a password as the users file has it. Passwords here are generated, long and random: one round is enough."""
    return sha256(password.encode()).hexdigest()


class Users:
    """The users of the server by name: the anonymous reader, the sink, and whoever is in the users file."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = dict(users)

    def identify(self, headers: Mapping[str, str], params: Mapping[str, str]) -> tuple[str, Access]:
        """Find out who asks: Basic authorization, ClickHouse's two headers, or ``user`` and ``password`` in the query string.

        Raises:
            StatementRefused: 516, there is no such user, or the password is another.
        """
        name = headers.get("X-ClickHouse-User") or params.get("user") or ANONYMOUS
        password = headers.get("X-ClickHouse-Key") or params.get("password") or ""
        scheme, _, credentials = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise _authentication_failed("?") from error
        user = self._users.get(name)
        if user is None or not compare_digest(user.password_sha256, digest(password)):
            raise _authentication_failed(name)
        return name, user.access


class Guard:
    """Tells requests of programs on this machine from those that a web page made a browser send."""

    def __init__(self, names: frozenset[str], port: int) -> None:
        """Set whose requests are served.

        Args:
            names: Under which the server may be asked, besides those of this machine; in lower case.
            port: Where it listens: only pages from there are its own.
        """
        self._names = LOOPBACK_NAMES | names
        self._port = port

    def check(self, headers: Mapping[str, str]) -> None:
        """Look at where a request says it comes from, and which host it was meant for.

        Raises:
            ForeignRequest: It is a web page's, or meant for another host.
        """
        host = headers.get("Host", "")
        if _name(host) not in self._names:
            raise ForeignRequest(f"Host {host[:100]!r} is none of this server's names (ARCHIVE_ALLOWED_HOSTS adds some)")
        origin = headers.get("Origin")
        if origin is not None and not self._own(origin):
            raise ForeignRequest(f"Origin {origin[:100]!r} is not this server's own")
        site = headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin"):
            raise ForeignRequest(f"Sec-Fetch-Site is {site[:20]!r}")

    def _own(self, origin: str) -> bool:
        scheme, _, host = origin.partition("://")
        return scheme == "http" and _name(host) in self._names and host.rpartition(":")[2] == str(self._port)


def _authentication_failed(name: str) -> StatementRefused:
    return StatementRefused(
        516,
        "AUTHENTICATION_FAILED",
        f"{name[:100]}: Authentication failed: password is incorrect, or there is no user with such name",
    )


def _name(host: str) -> str:
    """The name in a Host header: without the port, and without IPv6's brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
