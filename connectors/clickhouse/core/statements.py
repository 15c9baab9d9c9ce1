"""What a statement is, and whether a reader may run it. Pure: text in, verdict out.

Two texts are looked at. The one that came is only cut up (where an INSERT's data begin, which FORMAT it asks for): a wrong guess
there makes an error, never a permission. What a reader may run is decided by the engine's parser (its class, see
:class:`Parsed`) and on the *canonical* text that the engine writes back from its own syntax tree, in which comments, heredocs,
escapes and Unicode quotes have nothing left to hide.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from connectors.clickhouse.core.errors import StatementRefused

STREAMED_FORMATS: Final = frozenset({"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow"})
"""Formats without a header or a footer: their blocks can be sent one after the other."""
DEFAULT_FORMAT: Final = "TabSeparated"

READER_SETTINGS: Final = re.compile(
    r"max_block_size|enable_http_compression|http_zlib_compression_level|session_timezone|extremes|limit|offset"
    r"|date_time_output_format|output_format_(json|csv|tsv|pretty|arrow|parquet|native|markdown|decimal)_\w+",
)
"""Settings that change only how a reader's result looks. (Not ``output_format_schema``: it names a file to write.)"""

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|\#[!\s][^\n]*|/\*.*?\*/)
      | (?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
      | (?P<unfinished>\$\w*\$.*)
      | (?P<string>'(?:[^'\\]|\\.|'')*'|‘[^’]*’)
      | (?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|“[^”]*”)
      | (?P<word>[A-Za-z_][\w$]*)
      | (?P<number>[0-9]\w*(?:\.\w*)?)
      | (?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
"""A heredoc that does not end is taken to reach to the end of the text. To look for the end of each of many such heredocs would
take time that grows with the square of the text's length.
"""
_HEAD_BYTES = 64 << 10
"""Enough for the text of any INSERT; its data follow."""
_ROWS = frozenset({"SELECT", "WITH", "FROM", "("})
_READING = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "("})
_SHOWN = frozenset({"TABLES", "FULL", "DATABASES", "COLUMNS", "FIELDS", "CREATE", "INDEX", "INDEXES", "FUNCTIONS"})

SYSTEM_TABLES: Final = frozenset(
    {
        "one", "numbers", "numbers_mt", "settings", "tables", "columns", "databases", "functions", "table_functions",
        "table_engines", "formats", "data_type_families", "time_zones", "keywords", "collations", "licenses", "contributors",
    }
)  # fmt: skip
"""What a reader may see of ``system``: nothing of other users, other queries or the machine."""
TABLE_FUNCTIONS: Final = frozenset(
    {"numbers", "numbers_mt", "zeros", "zeros_mt", "primes", "generateSeries", "generate_series", "view", "values", "format"}
)
"""Table functions for readers: those that compute. (``format`` is also a plain function; the engine's read-only mode refuses
the table function.)"""
_REFUSED_FUNCTIONS = re.compile(
    r"file|sleep\w*|(?i:ai)[A-Z]\w*|filesystem\w*|catboostEvaluate|showCertificate|getMacro|addressTo\w+"
    # These take time that grows with the square of a string's length, and the engine cannot interrupt them.
    r"|editDistance\w*|levenshtein\w*|damerauLevenshtein\w*|arrayLevenshtein\w*"
)
"""Plain functions that read this machine's files, call other machines or only waste time. Read-only mode stops none of them. The
bare name is refused, not only a call: ``* APPLY(file)`` and ``arrayMap(file, …)`` call it too."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the engine's parser says of a text."""

    kind: Literal["read", "write", "control", "unknown"]
    """``unknown`` does not parse."""
    statements: int


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose data came with it."""

    sql: str
    """Without its FORMAT clause."""
    format: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        return self.text.upper() if self.kind == "word" else self.text


def split_insert(body: bytes) -> Insert | None:
    """Take ``INSERT INTO … FORMAT name`` off the data that follow it; None for every other statement.

    Data begin after one line break, or right after the spaces that follow the format's name.
    """
    # Latin-1 keeps a byte a character: what is found at a position in the text is at that position in the bytes.
    head = body[:_HEAD_BYTES].decode("latin-1")
    tokens = _significant(head)
    first = next(tokens, None)
    if first is None or first.upper != "INSERT":
        return None
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.kind != "word" or depth:
            continue
        if token.upper in ("SELECT", "VALUES", "WITH"):
            return None
        if token.upper == "FORMAT":
            name = next(tokens, None)
            if name is None or name.kind != "word" or name.upper == "VALUES":
                return None
            gap = re.compile(r"[ \t]*;?[ \t]*\r?\n|[ \t]*").match(head, name.end)
            return Insert(
                sql=body[: token.start].decode().rstrip(),
                format=name.text,
                data=body[gap.end() if gap else name.end :],
            )
    return None


def format_of(sql: str, default: str) -> str:
    """Find the format of a statement's result: its own FORMAT clause, else ``default``."""
    tokens = [t for t in _significant(sql) if t.text != ";"]
    for i in range(len(tokens) - 2, -1, -1):
        if tokens[i].upper == "FORMAT" and tokens[i + 1].kind == "word":
            after = tokens[i + 2].upper if i + 2 < len(tokens) else ""
            if after in ("", "SETTINGS"):
                return tokens[i + 1].text
    return default


def gives_rows(sql: str) -> bool:
    """Whether it is a query, whose blocks the engine can hand out one by one."""
    first = next(_significant(sql), None)
    return first is not None and first.upper in _ROWS


def only_one(parsed: Parsed) -> None:
    """Refuse several statements in one request, as a ClickHouse server does.

    Raises:
        StatementRefused: 62, there is more than one.
    """
    if parsed.statements > 1:
        raise StatementRefused(62, "SYNTAX_ERROR", "Multi-statements are not allowed: send them one by one")


def only_reads(parsed: Parsed) -> None:
    """Refuse everything that is not one reading statement, by what the engine's parser says.

    Raises:
        StatementRefused: 164, it would change something, or is not for HTTP.
    """
    only_one(parsed)
    if parsed.kind not in ("read", "unknown"):
        raise StatementRefused(
            164,
            "READONLY",
            "this user may only SELECT, SHOW, DESCRIBE, EXPLAIN and ask EXISTS; writers give a password",
        )


def only_tables(canonical: str, table_functions: frozenset[str]) -> None:
    """Refuse a reading statement that looks anywhere but into tables.

    Args:
        canonical: The statement as the engine writes it back from its syntax tree.
        table_functions: The names of all that the engine has.

    Raises:
        StatementRefused: 164 or 497, with what it must not use.
    """
    tokens = list(_significant(canonical))
    if not tokens or tokens[0].upper not in _READING:
        raise StatementRefused(164, "READONLY", "this user may only SELECT, SHOW, DESCRIBE, EXPLAIN and ask EXISTS")
    if tokens[0].upper == "SHOW" and (len(tokens) < 2 or tokens[1].upper not in _SHOWN):
        raise _denied(f"SHOW {tokens[1].text if len(tokens) > 1 else ''}")
    # Some functions answer to their name in any case: Python(x) is python(x), and x one of our own variables.
    refused = {name.lower() for name in table_functions} - {name.lower() for name in TABLE_FUNCTIONS}
    for i, token in enumerate(tokens):
        if token.kind == "unfinished":
            raise _denied("a heredoc without an end")
        if token.text == "{":
            _check_parameter(tokens[i : i + 4])
        if token.kind not in ("word", "quoted"):
            continue
        name = _name(token)
        if _REFUSED_FUNCTIONS.fullmatch(name):
            raise _denied(f"function {name}")
        after = tokens[i + 1].text if i + 1 < len(tokens) else ""
        if after == "(" and name.lower() in refused:
            raise _denied(f"table function {name}")
        if name.lower() == "system" and after == ".":
            table = _name(tokens[i + 2]) if i + 2 < len(tokens) else ""
            if table not in SYSTEM_TABLES:
                raise _denied(f"system.{table}")


def reader_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Let through the settings that a reader may bring along.

    Raises:
        StatementRefused: 164, another one was given.
    """
    for name in settings:
        if not READER_SETTINGS.fullmatch(name):
            raise StatementRefused(164, "READONLY", f"Cannot modify '{name}' setting in readonly mode")
    return dict(settings)


def quote(text: str) -> str:
    """Write ``text`` as a string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_name(name: str) -> str:
    """Write ``name`` as an identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _check_parameter(braces: list[_Token]) -> None:
    # A {name:Identifier} becomes a table only when the query runs, so it could be one that the text does not show.
    if any(token.upper == "IDENTIFIER" for token in braces):
        raise _denied("a parameter as the name of something")


def _denied(what: str) -> StatementRefused:
    return StatementRefused(497, "ACCESS_DENIED", f"this user may not use {what}")


def _name(token: _Token) -> str:
    if token.kind != "quoted":
        return token.text
    inner = token.text[1:-1]
    if "\\" in inner:
        raise _denied(f"the name {token.text}")
    return inner.replace("``", "`").replace('""', '"')


def _significant(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match[0], match.start(), match.end())
