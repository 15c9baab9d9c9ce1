"""What a statement is, and whether a reader may run it. Pure: text in, verdict out.

Two texts are looked at. The one that came is only cut up (where an INSERT's data begin, which FORMAT it asks for): a wrong guess
there makes an error, never a permission. What a reader may run is decided by the engine's parser (its class, see
:class:`Parsed`) and on the *canonical* text that the engine writes back from its own syntax tree, in which comments, heredocs,
escapes and Unicode quotes have nothing left to hide.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from connectors.clickhouse.core.errors import StatementRefused

STREAMED_FORMATS: Final = frozenset({"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow"})
"""Formats without a header or a footer: their blocks can be sent one after the other."""
DEFAULT_FORMAT: Final = "TabSeparated"
_CONTENT_TYPES: Final = (
    (re.compile(r"JSON(Each|Compact(Strings)?Each|StringsEach)Row\w*"), "application/x-ndjson; charset=UTF-8"),
    (re.compile(r"JSON\w*"), "application/json; charset=UTF-8"),
    (re.compile(r"CSVWithNames\w*"), "text/csv; charset=UTF-8; header=present"),
    (re.compile(r"CSV"), "text/csv; charset=UTF-8; header=absent"),
    (re.compile(r"(TSV|TabSeparated)\w*"), "text/tab-separated-values; charset=UTF-8"),
    (re.compile(r"(Pretty|Vertical|Values|Markdown|Template|SQLInsert)\w*"), "text/plain; charset=UTF-8"),
    (re.compile(r"XML"), "application/xml; charset=UTF-8"),
    (re.compile(r"Arrow(Stream)?"), "application/vnd.apache.arrow.stream"),
    (re.compile(r"Parquet"), "application/vnd.apache.parquet"),
)
"""What a format is on the Web. What an answer holds is other people's text: no browser is to take it for HTML."""

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
INPUT: Final = "_data_of_the_request"
"""A temporary table, which holds what ``input(…)`` stands for."""
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
    r"file|sleep\w*|(?i:ai)[A-Z]\w*|filesystem\w*|catboostEvaluate|showCertificate|getMacro|getServerSetting|addressTo\w+"
    # These take time that grows with the square of a string's or an array's length, and the engine cannot interrupt them.
    r"|editDistance\w*|levenshtein\w*|damerauLevenshtein\w*|arrayLevenshtein\w*|arraySimilarity"
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
    structure: str | None = None
    """For an INSERT of a query over its data: their columns and types. The query reads them from the table :data:`INPUT`."""


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

    Data begin after one line break, or right after the spaces that follow the format's name. A query in the place of columns or
    values has data only where it reads ``input('the structure of the data')``.

    Raises:
        StatementRefused: 36, the structure is no string.
    """
    # Latin-1 keeps a byte a character: what is found at a position in the text is at that position in the bytes.
    head = body[:_HEAD_BYTES].decode("latin-1")
    tokens = _significant(head)
    first = next(tokens, None)
    if first is None or first.upper != "INSERT":
        return None
    depth = 0
    is_query = False
    found: _Input | None = None
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if is_query and found is None and token.upper == "INPUT":
            found = _input(head, token)
        if token.kind != "word" or depth:
            continue
        if token.upper == "VALUES":
            return None
        is_query = is_query or token.upper in ("SELECT", "WITH")
        if token.upper == "FORMAT":
            name = next(tokens, None)
            if name is None or name.kind != "word" or name.upper == "VALUES" or (is_query and found is None):
                return None
            gap = re.compile(r"[ \t]*;?[ \t]*\r?\n|[ \t]*").match(head, name.end)
            sql = body[: token.start].decode().rstrip()
            if found is not None:
                sql = (body[: found.start] + INPUT.encode() + body[found.end : token.start]).decode().rstrip()
            return Insert(sql, name.text, body[gap.end() if gap else name.end :], found.structure if found else None)
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


def content_type(format_: str) -> str:
    """What a format of ClickHouse's is on the Web."""
    return next((type_ for names, type_ in _CONTENT_TYPES if names.fullmatch(format_)), "application/octet-stream")


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


def reader_settings(settings: Mapping[str, str], limits: Mapping[str, float]) -> dict[str, str]:
    """Let through the settings that a reader may bring along, and hold it to its limits, or to lower ones of its own.

    Args:
        settings: That came with a request.
        limits: What a reader may have at most, by the setting that limits it.

    Raises:
        StatementRefused: 164, another setting was given, or a higher limit.
    """
    found = {name: str(limit) for name, limit in limits.items()}
    for name, value in settings.items():
        # As ClickHouse does: who may only read may say so.
        if name == "readonly" and value == "1":
            continue
        limit = limits.get(name)
        if limit is not None:
            # 0 would be no limit at all.
            if not re.fullmatch(r"\d+(\.\d+)?", value) or not 0 < float(value) <= limit:
                raise StatementRefused(164, "READONLY", f"Cannot modify '{name}' setting in readonly mode: its limit is {limit}")
        elif not READER_SETTINGS.fullmatch(name):
            raise StatementRefused(164, "READONLY", f"Cannot modify '{name}' setting in readonly mode")
        found[name] = value
    return found


def showing_settings(canonical: str, limits: Collection[str]) -> str | None:
    """A reading statement in which ``system.settings`` says which settings a reader may bring along; None where it is not asked.

    The engine's read-only mode would say that it may bring none, and clickhouse-connect then sends none.

    Args:
        canonical: The statement as the engine writes it back.
        limits: The settings that a reader may lower.
    """
    tokens = list(_significant(canonical))
    names = [_name(token).lower() if token.kind in ("word", "quoted") else token.text for token in tokens]
    wanted = ["system", ".", "settings"]
    found = [n for n in range(len(names) - 2) if names[n : n + 3] == wanted and names[n + 3 : n + 4] != ["."]]
    if not found:
        return None
    own = f"^({'|'.join(sorted(limits))}|{READER_SETTINGS.pattern})$"
    shown = f"(SELECT * REPLACE (toUInt8(NOT match(name, {quote(own)})) AS readonly) FROM system.settings)"  # noqa: S608
    for n in reversed(found):
        canonical = canonical[: tokens[n].start] + shown + canonical[tokens[n + 2].end :]
    return canonical


def quote(text: str) -> str:
    """Write ``text`` as a string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_name(name: str) -> str:
    """Write ``name`` as an identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


class _Input(NamedTuple):
    """Where ``input(…)`` stands, and what it says."""

    start: int
    end: int
    structure: str


_INPUT = re.compile(r"""input\s*\(\s*('(?:[^'\\]|\\.|'')*')\s*\)""", re.IGNORECASE | re.DOTALL)


def _input(head: str, word: _Token) -> _Input | None:
    if not re.compile(r"\s*\(").match(head, word.end):
        return None
    found = _INPUT.match(head, word.start)
    if found is None:
        raise StatementRefused(
            36, "BAD_ARGUMENTS", "input() needs the structure of the data as a string: input('a Int32, b String')"
        )
    text = found[1][1:-1].encode("latin-1").decode()
    return _Input(found.start(), found.end(), re.sub(r"\\(.)|''", lambda m: m[1] or "'", text, flags=re.DOTALL))


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
