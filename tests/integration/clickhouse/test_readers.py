"""Anonymous users may read the archive's tables, and nothing else, whatever they write."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import clickhouse_connect
import pytest
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.patience import until

pytestmark = pytest.mark.clickhouse

ACCESS_DENIED, READONLY, SYNTAX_ERROR, AUTHENTICATION_FAILED = 497, 164, 62, 516
FORBIDDEN = [
    # files, the network, processes
    "SELECT file('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT \"file\"('/etc/passwd')",
    "SELECT “file”('/etc/passwd')",
    "SELECT `fi\\x6ce`('/etc/passwd')",
    "SELECT file/**/('/etc/passwd')",
    "SELECT -- \n file -- '\n ('/etc/passwd')",
    "SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS x)",
    "SELECT arrayMap(file, ['/etc/passwd'])",
    "SELECT $a$'$a$, file('/etc/passwd')",
    "WITH x AS (SELECT file('/etc/passwd') AS y) SELECT y FROM x",
    "EXPLAIN SELECT file('/etc/passwd')",
    "DESCRIBE TABLE file('/etc/passwd')",
    "DESC file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "select * FrOm file ( '/etc/passwd', 'LineAsString' )",
    "SELECT * FROM system.one WHERE 1 IN (SELECT count() FROM file('/etc/passwd', 'LineAsString'))",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/x')",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT * FROM executable('id', 'TSV', 'x String', (SELECT 1))",
    "SELECT * FROM sqlite('/etc/passwd', 'x')",
    "SELECT * FROM python('json')",
    "SELECT * FROM Python(FORBIDDEN)",
    "SELECT * FROM PYTHON(FORBIDDEN)",
    "SELECT * FROM filesystem('/etc')",
    "SELECT * FROM merge('system', 'processes')",
    "SELECT * FROM loop(system.one)",
    "SELECT aiGenerate('x')",
    "SELECT sleepEachRow(3) FROM numbers(100)",
    # writing
    "INSERT INTO FUNCTION file('/tmp/stock_tracker_probe') SELECT 1",
    "INSERT INTO t VALUES (1)",
    "INSERT INTO t FORMAT TSV\n1\n",
    "/* SELECT */ INSERT INTO t SELECT 1",
    "CREATE TABLE x (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE x (a Int8)",
    "CREATE DATABASE x",
    "CREATE FUNCTION f AS (x) -> file(x)",
    "DROP DATABASE system",
    "TRUNCATE TABLE t",
    "OPTIMIZE TABLE t",
    "ALTER TABLE t DELETE WHERE 1",
    "ATTACH TABLE x FROM '/etc'",
    "BACKUP TABLE t TO File('x')",
    "SELECT 1 INTO OUTFILE '/tmp/stock_tracker_probe'",
    "SELECT 1 INTO/**/OUTFILE '/tmp/stock_tracker_probe'",
    "SELECT 1 PARALLEL WITH DROP TABLE t",
    "SELECT 1; DROP TABLE t",
    "SELECT 1;\nSELECT 2",
    "EXPLAIN SELECT 1; DROP TABLE t",
    # ruling
    "KILL QUERY WHERE 1",
    "kill/**/query where 1 SYNC",
    "SET readonly = 0",
    "SET max_memory_usage = 0",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SYSTEM SHUTDOWN",
    "SYSTEM FLUSH LOGS",
    "USE system",
    "GRANT ALL ON *.* TO default",
    # others
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "SELECT query FROM system.processes",
    "SELECT query FROM `system`.`processes`",
    'SELECT query FROM "system"."processes"',
    "SELECT query FROM `sys\\x74em`.processes",
    "SELECT query FROM system . /* */ processes",
    "SELECT * FROM system.users",
    "SELECT * FROM system.disks",
    "SELECT * FROM system.merges",
    "SELECT * FROM (SELECT * FROM system.processes)",
    "SELECT * FROM view(SELECT * FROM system.processes)",
    "TABLE system.processes",
]


@pytest.fixture
def anonymous(embedded: Any) -> Iterator[Client]:
    client = clickhouse_connect.get_client(host="127.0.0.1", port=embedded.port)
    yield client
    client.close()


@pytest.fixture
def post(embedded: Any) -> Iterator[Callable[..., urllib3.BaseHTTPResponse]]:
    """A plain HTTP request, as a script or a web page would send it."""
    with urllib3.PoolManager(retries=False) as pool:

        def send(
            body: str = "SELECT 1", headers: dict[str, str] | None = None, method: str = "POST", **params: str
        ) -> urllib3.BaseHTTPResponse:
            return pool.request(method, f"{embedded.url}/?{urlencode(params)}", body=body.encode(), headers=headers)

        yield send


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_reader_is_refused(anonymous: Client, statement: str) -> None:
    with pytest.raises(DatabaseError) as refusal:
        anonymous.raw_query(statement)
    # Refused for what it is: an unknown table or a syntax error would mean that it was tried.
    assert refusal.value.code in (ACCESS_DENIED, READONLY, SYNTAX_ERROR), refusal.value
    if refusal.value.code == SYNTAX_ERROR:
        assert "ulti-statements" in str(refusal.value) or statement == "TABLE system.processes"


def test_a_reader_cannot_name_a_table_by_a_parameter(anonymous: Client) -> None:
    with pytest.raises(DatabaseError, match="as the name of something") as refusal:
        anonymous.raw_query("SELECT * FROM {d:Identifier}.{t:Identifier}", parameters={"d": "system", "t": "processes"})
    assert refusal.value.code == ACCESS_DENIED


def test_a_reader_cannot_have_system_as_its_database(post: Any) -> None:
    answer = post("SELECT query FROM processes", database="system")
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, str(ACCESS_DENIED))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("readonly", "0"),
        ("max_memory_usage", "0"),
        ("max_execution_time", "0"),
        ("max_result_rows", "0"),
        ("allow_ddl", "1"),
        ("format_schema", "x"),
        ("output_format_schema", "/tmp/stock_tracker_probe"),
        ("log_comment", "x"),
        ("dialect", "kusto"),
        ("user_files_path", "/etc"),
    ],
)
def test_a_reader_cannot_change_a_setting_by_a_parameter(post: Any, name: str, value: str) -> None:
    answer = post(**{name: value})
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, str(READONLY))


def test_a_reader_may_read(anonymous: Client, embedded: Any) -> None:
    assert anonymous.query("SELECT number, 'file' AS word FROM numbers(3)").result_rows == [(0, "file"), (1, "file"), (2, "file")]
    assert anonymous.query("SHOW DATABASES").result_rows
    assert anonymous.query("DESCRIBE TABLE system.one").result_rows[0][0] == "dummy"
    assert anonymous.query("EXPLAIN SELECT 1").result_rows
    assert anonymous.command("EXISTS TABLE system.one") == 1
    assert anonymous.query("(SELECT 1) UNION ALL (SELECT 2)").row_count == 2
    assert anonymous.query("WITH 1 AS x SELECT x, {y:String}", parameters={"y": "it's"}).result_rows == [(1, "it's")]


def test_a_readers_query_has_limits(anonymous: Client) -> None:
    assert anonymous.command("SELECT getSetting('max_execution_time')") == 600
    for statement, code in (
        ("SELECT count() FROM numbers(100000000000)", 159),
        ("SELECT groupArray(repeat('x', 10000)) FROM numbers(1000000000)", 241),
        ("SELECT number FROM numbers(100000000)", 396),
    ):
        with pytest.raises(DatabaseError) as refusal:
            anonymous.raw_query(statement, fmt="JSON", settings={"max_execution_time": 2})
        assert refusal.value.code == code


def test_readers_that_do_not_take_their_answers_keep_nobody_out(post: Any, embedded: Any) -> None:
    body = b"SELECT repeat('x', 1000) FROM numbers(900000) FORMAT TSV"
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %d\r\n\r\n" % (embedded.port, len(body))

    def dropped() -> int:
        return str(embedded.log).count("makes room for another one")

    before = dropped()
    with ExitStack() as opened:
        # More than may be open; none of them reads more than the beginning.
        for _ in range(2 * 8 + 3):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", embedded.port)))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.sendall(head + body)
            assert client.recv(15) == b"HTTP/1.1 200 OK"
        answer = post("SELECT 1")
        assert (answer.status, answer.data) == (200, b"1\n")
        assert dropped() > before


def test_a_reader_may_lower_its_limits(post: Any) -> None:
    # Those of another test who did not read their answers may be on their way out still.
    until(lambda: post("SELECT 1").status == 200, "a place for a reader")
    answer = post("SELECT count() FROM numbers(100000000000)", max_execution_time="0.2", max_threads="1", max_block_size="1000")
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "159")
    assert post("SELECT getSetting('max_threads')", max_threads="1").data == b"1\n"
    assert post("SELECT getSetting('max_threads')").data == b"2\n"


def test_an_answer_says_what_it_is(post: Any) -> None:
    for format_, type_ in (("JSON", "application/json"), ("CSV", "text/csv"), ("Native", "application/octet-stream")):
        assert post(f"SELECT 1 FORMAT {format_}").headers["Content-Type"].startswith(type_)


def test_an_answer_may_be_gzip(post: Any) -> None:
    for statement in ("SELECT number FROM numbers(100000) FORMAT TSV", "SELECT number FROM numbers(100000) FORMAT JSON"):
        answer = post(statement, {"Accept-Encoding": "gzip, deflate"}, enable_http_compression="1")
        assert answer.headers["Content-Encoding"] == "gzip"
        assert b"99999" in answer.data


def test_a_get_only_reads_even_with_the_sinks_password(post: Any, embedded: Any) -> None:
    headers = {"X-ClickHouse-User": "sink", "X-ClickHouse-Key": embedded.password}
    for method in ("GET", "HEAD"):
        answer = post("", headers, method, query="CREATE DATABASE by_get")
        assert answer.headers["X-ClickHouse-Exception-Code"] == str(READONLY)
    assert post("", headers, "GET", query="SELECT 1").data == b"1\n"


@pytest.mark.parametrize("user", ["sink", "default", "nobody"])
def test_a_wrong_password_is_refused(post: Any, user: str) -> None:
    for answer in (
        post(headers={"X-ClickHouse-User": user, "X-ClickHouse-Key": "wrong"}),
        post(headers=urllib3.make_headers(basic_auth=f"{user}:wrong")),
        post(user=user, password="wrong"),
    ):
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, str(AUTHENTICATION_FAILED))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Origin", "http://evil.example"),
        ("Origin", "http://127.0.0.1:8080"),
        ("Origin", "null"),
        ("Host", "evil.example"),
        ("Host", "127.0.0.1.evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
    ],
)
def test_a_web_page_from_elsewhere_is_refused(post: Any, name: str, value: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        answer = post(headers={name: value}, method=method)
        assert answer.status == 403
        assert "web pages from elsewhere" in answer.data.decode()


def test_the_servers_own_origin_is_not_foreign(post: Any, embedded: Any) -> None:
    assert post(headers={"Origin": embedded.url, "Sec-Fetch-Site": "same-origin"}).data == b"1\n"


def test_it_listens_on_loopback_only(embedded: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        own = probe.getsockname()[0]
    if own.startswith("127."):
        pytest.skip("this machine has no other address")
    with socket.socket() as client:
        assert client.connect_ex((own, embedded.port)) != 0


def test_the_sinks_password_is_its_owners_only(embedded: Any) -> None:
    assert (embedded.home / "archive" / "sink.password").stat().st_mode & 0o777 == 0o600


def test_metrics_count_what_was_refused(post: Any, embedded: Any) -> None:
    def counted() -> float:
        lines = urllib3.request("GET", f"{embedded.url}/metrics").data.decode().splitlines()
        name = f'stock_tracker_archive_requests_total{{access="read",code="{ACCESS_DENIED}"}}'
        return next((float(line.split()[1]) for line in lines if line.startswith(name)), 0.0)

    before = counted()
    post("SELECT file('/etc/passwd')")
    assert counted() == before + 1


def test_a_reader_may_say_how_the_result_looks(post: Any) -> None:
    settings = {"output_format_json_quote_64bit_integers": "0", "max_block_size": "10", "session_timezone": "UTC"}
    assert json.loads(post("SELECT toUInt64(1) AS x FORMAT JSON", **settings).data)["data"] == [{"x": 1}]


def test_a_result_may_be_json(post: Any) -> None:
    assert json.loads(post("SELECT 1 AS x FORMAT JSON").data)["data"] == [{"x": 1}]
