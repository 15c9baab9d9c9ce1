"""How the archive's own programs reach ClickHouse, a server or the embedded one alike, and how its errors are told apart."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from connectors.clickhouse.core.errors import ArchiveError, ClickHouseUnreachable, SchemaMismatch, StatementFailed, WrongPassword

SECONDS_TO_CONNECT = 5
SECONDS_TO_ANSWER = 60
# These two log every failed attempt with its traceback; ClickHouseUnreachable says it once, in words.
for _name in ("clickhouse_connect.driver", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)
_ERRNO = re.compile(r"\[Errno \d+\] ([\w ]+)")
_AUTHENTICATION = (193, 194, 516)
_NOT_FOUND = {
    8: "a column",
    10: "a column",
    16: "a column",
    47: "a column",
    53: "a type",
    60: "a table",
    81: "the database",
}
"""What a statement did not find as it needs it, by ClickHouse's error code."""


def connect(
    url: str, user: str, password: str, database: str, password_file: Path | None = None, ca_file: Path | None = None
) -> Client:
    """Open a clickhouse-connect client; one a thread.

    It keeps no session: a request that a killed program left running would lock it.

    Args:
        url: ``http://host:port`` or ``https://…``. A user and password in it are used instead of the next two arguments.
        user: Whom to ask as.
        password: Their password, empty for none.
        database: What unqualified names mean; it need not exist yet.
        password_file: Where the embedded server's password is: the error for a wrong password names it.
        ca_file: Certificates of those who may vouch for the server; None takes the system's. A server is always checked.

    Raises:
        ClickHouseUnreachable: Nothing answers there.
        WrongPassword: It does not know the user with this password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClickHouseUnreachable(shown(url), "CLICKHOUSE_URL must look like http://127.0.0.1:8123")
    if parts.username is not None:
        user, password = unquote(parts.username), unquote(parts.password or "")
    with naming_errors(url, user, database, password_file):
        client = clickhouse_connect.get_client(
            interface=parts.scheme,
            host=parts.hostname,
            port=parts.port or (8443 if parts.scheme == "https" else 8123),
            username=user,
            password=password,
            ca_cert=str(ca_file) if ca_file else None,
            connect_timeout=SECONDS_TO_CONNECT,
            send_receive_timeout=SECONDS_TO_ANSWER,
            autogenerate_session_id=False,
            query_retries=0,
            client_name="stock-tracker",
        )
    # Not before: asking for a database that is not there yet is an error, and the first migration makes it.
    client.database = database
    return client


def shown(url: str) -> str:
    """The URL as it may be shown: without the password that it may bring."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def is_here(url: str) -> bool:
    """Whether a URL is of this machine."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


@contextmanager
def naming_errors(url: str, user: str, database: str, password_file: Path | None = None) -> Iterator[None]:
    """Turn the client's errors into those of :mod:`connectors.clickhouse.core.errors`, which say what to do."""
    try:
        yield
    except (ClickHouseError, OSError) as error:
        raise _named(error, shown(url), user, database, password_file) from error


def _named(error: Exception, url: str, user: str, database: str, password_file: Path | None) -> ArchiveError:
    code = getattr(error, "code", None)
    if code in _AUTHENTICATION:
        return WrongPassword(url, user, password_file)
    if code in _NOT_FOUND:
        reason = (
            f"{_NOT_FOUND[code]} is not as this program needs it ({first_line(error)}): `stock-tracker archive status` says what"
            " is lacking, and what to do"
        )
        return SchemaMismatch(database, reason)
    if code is None and isinstance(error, (OperationalError, OSError)):
        refused = _ERRNO.search(str(error))
        return ClickHouseUnreachable(url, refused[1] if refused else first_line(error))
    return StatementFailed(code or 0, first_line(error))


def first_line(error: Exception) -> str:
    """What ClickHouse said, without the request around it."""
    text = str(error)
    start = text.find("DB::Exception: ")
    return text[start + len("DB::Exception: ") if start >= 0 else 0 :].splitlines()[0][:300] if text else type(error).__name__
