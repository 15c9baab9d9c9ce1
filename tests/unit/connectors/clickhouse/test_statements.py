from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.clickhouse.core import statements
from connectors.clickhouse.core.errors import StatementRefused
from connectors.clickhouse.core.statements import Insert, Parsed

FUNCTIONS = frozenset({"file", "url", "numbers", "format", "python", "merge"})


@pytest.mark.parametrize(
    ("body", "sql", "format_", "data"),
    [
        (b"INSERT INTO t FORMAT TSV\n1\n", "INSERT INTO t", "TSV", b"1\n"),
        (b"insert into `a`.`t` (`x`, y) format Native\n\x00\xff", "insert into `a`.`t` (`x`, y)", "Native", b"\x00\xff"),
        (b"INSERT INTO t FORMAT Native\r\n\n", "INSERT INTO t", "Native", b"\n"),
        (b"/* FORMAT CSV */ INSERT INTO t (`FORMAT`) FORMAT TSV 1", "/* FORMAT CSV */ INSERT INTO t (`FORMAT`)", "TSV", b"1"),
        (b"INSERT INTO t SETTINGS a=0 FORMAT JSONEachRow\n{}", "INSERT INTO t SETTINGS a=0", "JSONEachRow", b"{}"),
        (b"-- FORMAT x\nINSERT INTO t FORMAT TSV", "-- FORMAT x\nINSERT INTO t", "TSV", b""),
    ],
)  # fmt: skip
def test_an_inserts_data_begin_after_its_format(body: bytes, sql: str, format_: str, data: bytes) -> None:
    assert statements.split_insert(body) == Insert(sql, format_, data)


@pytest.mark.parametrize(
    "body",
    [
        b"SELECT 1 FORMAT TSV",
        b"INSERT INTO t VALUES (1)",
        b"INSERT INTO t SELECT 1 FORMAT TSV",
        b"INSERT INTO t WITH 1 AS x SELECT x FORMAT TSV",
        b"",
        b"\xff\xfe",
    ],
)
def test_other_statements_have_no_data(body: bytes) -> None:
    assert statements.split_insert(body) is None


@pytest.mark.parametrize(
    ("body", "sql", "structure"),
    [
        ("INSERT INTO t SELECT a FROM input('a Int32') FORMAT CSV\n1\n", "INSERT INTO t SELECT a FROM {}", "a Int32"),
        ("INSERT INTO t WITH 1 AS x SELECT a + x FROM INPUT ( 'a Int32' ) AS i FORMAT CSV\n1\n",
         "INSERT INTO t WITH 1 AS x SELECT a + x FROM {} AS i", "a Int32"),
        ("INSERT INTO t SELECT input FROM (SELECT input FROM input('input String, z DateTime64(0, \\'UTC\\')')) FORMAT CSV\n1\n",
         "INSERT INTO t SELECT input FROM (SELECT input FROM {})", "input String, z DateTime64(0, 'UTC')"),
    ],
)  # fmt: skip
def test_a_query_over_the_data_reads_them_from_a_table(body: str, sql: str, structure: str) -> None:
    found = statements.split_insert(body.encode())
    assert found == Insert(sql.format(statements.INPUT), "CSV", b"1\n", structure)


def test_the_structure_of_the_data_has_to_be_said() -> None:
    with pytest.raises(StatementRefused, match="structure") as refusal:
        statements.split_insert(b"INSERT INTO t SELECT a FROM input() FORMAT CSV\n1\n")
    assert refusal.value.code == 36


@given(st.binary(max_size=200))
def test_data_stay_byte_for_byte(data: bytes) -> None:
    split = statements.split_insert(b"INSERT INTO t (a) FORMAT RowBinary\n" + data)
    assert split is not None
    assert split.data == data


@pytest.mark.parametrize(
    ("sql", "format_"),
    [
        ("SELECT 1", "TSV"),
        ("SELECT 1 FORMAT JSON", "JSON"),
        ("SELECT 1\n FORMAT Native", "Native"),
        ("SELECT 1 format CSV ;", "CSV"),
        ("SELECT 1 FORMAT CSV SETTINGS max_threads = 1", "CSV"),
        ("SELECT 'FORMAT JSON'", "TSV"),
        ("SELECT 1 -- FORMAT JSON", "TSV"),
        ("SELECT format('{}', 1)", "TSV"),
    ],
)
def test_a_results_format_is_its_own_or_the_default(sql: str, format_: str) -> None:
    assert statements.format_of(sql, "TSV") == format_


@pytest.mark.parametrize(
    "canonical",
    [
        "SELECT 1",
        "SELECT 'file(' AS x, format('{}', a) FROM numbers(3)",
        "SELECT 'it\\'s file' FROM trades",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SHOW TABLES",
        "DESCRIBE TABLE trades",
        "EXPLAIN SELECT 1",
        "EXISTS TABLE trades",
        "SELECT name FROM system.settings",
        "SELECT {x:String}",
        "SELECT profile FROM trades",
        "SELECT map('a', 1)['a'], {'a':1}",
    ],
)
def test_reading_tables_is_allowed(canonical: str) -> None:
    statements.only_tables(canonical, FUNCTIONS)


@pytest.mark.parametrize(
    ("canonical", "what"),
    [
        ("SELECT file('x')", "function file"),
        ("SELECT * APPLY file FROM t", "function file"),
        ("SELECT `file`('x')", "function file"),
        ("SELECT * FROM url('x')", "table function url"),
        ("SELECT * FROM `python`('x')", "table function python"),
        ("SELECT * FROM Python(x)", "table function Python"),
        ("SELECT * FROM system.processes", "system.processes"),
        ("SELECT * FROM `system`.`users`", "system.users"),
        ("SELECT * FROM SYSTEM.processes", "system.processes"),
        ("SELECT * FROM `sys\\x74em`.processes", "the name"),
        ("SHOW PROCESSLIST", "SHOW PROCESSLIST"),
        ("SELECT * FROM {t:Identifier}", "a parameter"),
        ("SELECT aiGenerate('x')", "aiGenerate"),
        ("SELECT AIGenerate('x')", "AIGenerate"),
        ("SELECT editDistance('a', 'b')", "editDistance"),
        ("SELECT arraySimilarity(range(100000), range(100000), range(100000), range(100000))", "arraySimilarity"),
        ("SELECT getServerSetting('path')", "getServerSetting"),
        ("SELECT 1 $tag$ FROM system.processes", "a heredoc without an end"),
    ],
)
def test_looking_elsewhere_is_refused_with_what_it_was(canonical: str, what: str) -> None:
    with pytest.raises(StatementRefused, match=what) as refusal:
        statements.only_tables(canonical, FUNCTIONS)
    assert refusal.value.code == 497


@pytest.mark.parametrize(
    "canonical", ["", "DROP TABLE t", "INSERT INTO t", "KILL QUERY WHERE 1", "CHECK TABLE t", "SYSTEM SHUTDOWN"]
)
def test_only_reading_statements_are_tables_business(canonical: str) -> None:
    with pytest.raises(StatementRefused) as refusal:
        statements.only_tables(canonical, FUNCTIONS)
    assert refusal.value.code == 164


@pytest.mark.parametrize(("parsed", "code"), [(Parsed("write", 1), 164), (Parsed("control", 1), 164), (Parsed("read", 2), 62)])
def test_the_engines_verdict_counts(parsed: Parsed, code: int) -> None:
    with pytest.raises(StatementRefused) as refusal:
        statements.only_reads(parsed)
    assert refusal.value.code == code


@given(st.text(max_size=50))
def test_no_text_breaks_the_reading_of_it(text: str) -> None:
    statements.format_of(text, "TSV")
    statements.gives_rows(text)
    with suppress(StatementRefused):
        statements.only_tables(text, FUNCTIONS)


@pytest.mark.parametrize("piece", ["$b{}", " $b{}$", "1$b{}$", "$b{}$ '"])
def test_unfinished_heredocs_cost_no_more_than_their_length(piece: str) -> None:
    # A quarter of a megabyte: looking for the end of each would take minutes, far beyond a test's time.
    text = "SELECT 1 AS a" + "".join(piece.format(number) for number in range(40_000))
    assert statements.format_of(text, "TSV") == "TSV"
    assert statements.gives_rows(text)


def test_a_dollar_may_be_in_a_name() -> None:
    assert statements.format_of("SELECT a$b$c FORMAT CSV", "TSV") == "CSV"


LIMITS = {"max_execution_time": 60.0, "max_threads": 2}


def test_a_reader_may_lower_its_limits() -> None:
    asked = {"max_threads": "1", "max_execution_time": "0.5", "max_block_size": "10"}
    assert statements.reader_settings(asked, LIMITS) == asked
    assert statements.reader_settings({"readonly": "1", **asked}, LIMITS) == asked
    assert statements.reader_settings({}, LIMITS) == {"max_execution_time": "60.0", "max_threads": "2"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_threads", "3"), ("max_threads", "0"), ("max_threads", "-1"), ("max_threads", "1; x"), ("max_execution_time", "60.1"),
     ("max_execution_time", "nan"), ("max_execution_time", "inf"), ("readonly", "0"), ("readonly", "2"),
     ("max_memory_usage_for_user", "1")],
)  # fmt: skip
def test_a_reader_may_raise_no_limit(name: str, value: str) -> None:
    with pytest.raises(StatementRefused, match=name) as refusal:
        statements.reader_settings({name: value}, LIMITS)
    assert refusal.value.code == 164


@pytest.mark.parametrize(
    ("format_", "type_"),
    [
        ("JSON", "application/json; charset=UTF-8"),
        ("JSONCompact", "application/json; charset=UTF-8"),
        ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
        ("JSONCompactEachRowWithNames", "application/x-ndjson; charset=UTF-8"),
        ("CSV", "text/csv; charset=UTF-8; header=absent"),
        ("CSVWithNames", "text/csv; charset=UTF-8; header=present"),
        ("TSV", "text/tab-separated-values; charset=UTF-8"),
        ("PrettyCompact", "text/plain; charset=UTF-8"),
        ("Parquet", "application/vnd.apache.parquet"),
        ("Native", "application/octet-stream"),
    ],
)
def test_a_format_says_what_it_is_on_the_web(format_: str, type_: str) -> None:
    assert statements.content_type(format_) == type_


def test_a_reader_is_shown_which_settings_it_may_bring_along() -> None:
    shown = statements.showing_settings("SELECT name FROM system.settings AS s WHERE name = 'system.settings'", LIMITS)
    assert shown is not None
    assert "FROM (SELECT * REPLACE (toUInt8(NOT match(name, '^(max_execution_time|max_threads|max_block_size|" in shown
    assert shown.endswith("AS readonly) FROM system.settings) AS s WHERE name = 'system.settings'")
    assert statements.showing_settings("SELECT 'system.settings' FROM trades", LIMITS) is None
    assert statements.showing_settings("SELECT system.settings.name FROM trades", LIMITS) is None
