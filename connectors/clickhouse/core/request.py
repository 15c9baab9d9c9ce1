"""What an HTTP request asks the engine to do. Pure: method, query string, headers and body in, :class:`Ask` out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from connectors.clickhouse.core import statements
from connectors.clickhouse.core.access import Access
from connectors.clickhouse.core.errors import StatementRefused
from connectors.clickhouse.core.statements import Insert

_TRANSPORT: Final = frozenset(
    {
        "database", "default_format", "query", "query_id", "user", "password", "session_id", "session_timeout", "session_check",
        "compress", "decompress", "wait_end_of_query", "buffer_size", "client_protocol_version", "quota_key", "role",
        "send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression",
        "cancel_http_readonly_queries_on_client_close", "stacktrace", "network_compression_method",
    }
)  # fmt: skip
"""Parameters of a request that are not settings of its query."""
_PARAMETER: Final = "param_"
"""What stands before the name of a bind parameter: ``param_day`` fills ``{day:Date}``."""
_SESSION_SECONDS: Final = 60
"""How long an engine session lasts after its last request, if that does not say."""
_LONGEST_SESSION_SECONDS: Final = 3600
_ENCODINGS: Final = ("lz4", "zstd", "gzip")
"""What an answer can be compressed with, the fastest first."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request asks for, and how its answer is to look."""

    user: str
    access: Access
    database: str | None
    """What unqualified names mean; None for the engine's own default."""
    session: str | None
    """The client's name for the engine session to use; None for none."""
    session_seconds: int
    """How long that is kept after this request."""
    settings: Mapping[str, str]
    """Settings of the engine for this request."""
    params: Mapping[str, str]
    """Bind parameters by name."""
    statement: str | Insert
    default_format: str
    """The format of the result, where the statement names none."""
    whole: bool
    """Answer only once the statement is done: an error then has a status of its own."""
    encoding: str | None
    """How to compress the answer, as HTTP has it; None for not at all."""
    blocks: bool
    """Compress the answer as ClickHouse has it, in blocks of its own."""


def understand(
    method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, user: str, access: Access
) -> Ask | None:
    """Read a request; None when it has no statement.

    Args:
        method: Of HTTP.
        query: The query string's parameters, and those of a form.
        headers: Of HTTP.
        body: Uncompressed; with a ``query`` parameter, the data that follow it.
        user: Who asks.
        access: What they may do.

    Raises:
        StatementRefused: 62, the statement is not UTF-8; 36, a session time-out that is no number.
    """
    if query.get("query"):
        body = query["query"].encode() + b"\n" + body
    if not body.strip():
        return None
    try:
        statement: str | Insert = statements.split_insert(body) or body.decode()
    except UnicodeDecodeError as error:
        raise StatementRefused(62, "SYNTAX_ERROR", f"Syntax error: the statement is not UTF-8: {error}") from error
    return Ask(
        user=user,
        # As on a ClickHouse server, a GET never writes: it is what a browser sends for a link.
        access=Access.READ if method in ("GET", "HEAD") else access,
        database=query.get("database") or headers.get("X-ClickHouse-Database"),
        session=query.get("session_id"),
        session_seconds=_seconds(query.get("session_timeout")),
        settings={name: value for name, value in query.items() if _is_setting(name)},
        params={name.removeprefix(_PARAMETER): value for name, value in query.items() if name.startswith(_PARAMETER)},
        statement=statement,
        # As on a ClickHouse server, the header goes before the parameter; the JDBC driver knows the header only.
        default_format=headers.get("X-ClickHouse-Format") or query.get("default_format") or statements.DEFAULT_FORMAT,
        whole=query.get("wait_end_of_query") == "1",
        encoding=_encoding(headers.get("Accept-Encoding", "")) if query.get("enable_http_compression") == "1" else None,
        blocks=query.get("compress") == "1",
    )


def _encoding(accepted: str) -> str | None:
    names = {name.partition(";")[0].strip() for name in accepted.split(",")}
    return next((name for name in _ENCODINGS if name in names), None)


def _seconds(text: str | None) -> int:
    if not text:
        return _SESSION_SECONDS
    if not text.isdecimal():
        raise StatementRefused(36, "BAD_ARGUMENTS", f"Invalid session timeout: '{text[:20]}'")
    return min(int(text), _LONGEST_SESSION_SECONDS)


def _is_setting(name: str) -> bool:
    return name not in _TRANSPORT and not name.startswith(_PARAMETER) and re.fullmatch(r"[A-Za-z]\w*", name) is not None
