"""Who may ask the embedded server, and for what: users and their passwords, and the guard against web pages.

A browser lets any page send requests to 127.0.0.1. Such a request carries the page's ``Origin``, says in ``Sec-Fetch-Site`` that
it comes from elsewhere, or (when the page had its own name point here) has a foreign ``Host``. All three are refused.
"""

import base64
import binascii
import os
import secrets
import tomllib
from collections.abc import Mapping
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from connectors.clickhouse.core.errors import ArchiveError, StatementRefused
from connectors.clickhouse.settings import ANONYMOUS, LOOPBACK_NAMES, SINK_USER


class Access(Enum):
    """What a user may do."""

    READ = "read"
    """Reading statements over tables, within limits of time, memory and size."""
    WRITE = "write"
    """Everything that the engine can do."""


class UsersFileInvalid(ArchiveError):
    """The users file cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f'{self.path}: {self.reason} (a user is `[NAME]`, `password_sha256 = "…"`, `access = "read"` or `"write"`)'


class ForeignRequest(ArchiveError):
    """A request that a program on this machine would not send."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return f"refused: {self.reason}. The archive answers programs on this machine, not web pages from elsewhere"


class User(BaseModel):
    """A line of the users file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    password_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the UTF-8 password."""
    access: Access


def digest(password: str) -> str:
    """Hash a password as the users file has it. Passwords here are generated, long and random: one round is enough."""
    return sha256(password.encode()).hexdigest()


class Users:
    """The users of the server: the anonymous reader, the sink, and whoever is in the users file."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = dict(users)

    @classmethod
    def load(cls, password_file: Path, users_file: Path) -> "Users":
        """Read the sink's password, making one at the first start, and the users file if there is one.

        Raises:
            UsersFileInvalid: It is not valid TOML, or says something else than users.
        """
        users = {ANONYMOUS: User(password_sha256=digest(""), access=Access.READ)}
        users[SINK_USER] = User(password_sha256=digest(_password(password_file)), access=Access.WRITE)
        if users_file.exists():
            try:
                extra = TypeAdapter(dict[str, User]).validate_python(tomllib.loads(users_file.read_text()))
            except (tomllib.TOMLDecodeError, ValidationError) as error:
                raise UsersFileInvalid(users_file, str(error)) from error
            users |= extra
        return cls(users)

    def identify(self, headers: Mapping[str, str], params: Mapping[str, str]) -> tuple[str, Access]:
        """Find out who asks: Basic authorization, ClickHouse's two headers, or ``user`` and ``password`` in the query string.

        Raises:
            StatementRefused: 516, no such user, or not with this password.
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
        if user is None or not secrets.compare_digest(user.password_sha256, digest(password)):
            raise _authentication_failed(name)
        return name, user.access


class Guard:
    """Tells requests of programs on this machine from those that a web page made a browser send."""

    def __init__(self, names: frozenset[str], port: int) -> None:
        self._names = LOOPBACK_NAMES | names
        self._port = port

    def check(self, headers: Mapping[str, str]) -> None:
        """Look at where a request says it comes from, and whom it thinks it asks.

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
    """Take the port, and IPv6's brackets, off a Host."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _password(path: Path) -> str:
    """Read the password in ``path``, or make one that only the owner of this process can read."""
    if not path.exists():
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        new.rename(path)  # whole or not at all: the sink may be waiting for it
    path.chmod(0o600)
    return path.read_text().strip()
