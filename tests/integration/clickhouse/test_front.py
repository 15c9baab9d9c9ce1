"""What an unmodified clickhouse-connect does, done with the embedded server (and with the server of CLICKHOUSE_URL)."""

import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import lz4.frame
import pytest
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from connectors.clickhouse.client import connect
from connectors.clickhouse.core.access import digest
from connectors.clickhouse.core.errors import ClickHouseUnreachable, WrongPassword
from tests.patience import until

pytestmark = pytest.mark.clickhouse


@pytest.fixture
def session(server: Any) -> Iterator[Client]:
    """As clickhouse-connect opens it on its own: with a session."""
    parts = urllib3.util.parse_url(server.url)
    client = clickhouse_connect.get_client(host=parts.host, port=parts.port, username=server.user, password=server.password)
    yield client
    client.close()


@pytest.fixture
def table(writer: Client) -> str:
    writer.command("CREATE TABLE t (a UInt64, s LowCardinality(String), n Nullable(Int32)) ENGINE = MergeTree ORDER BY a")
    return "t"


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_rows_come_back_as_they_went_in(server: Any, writer: Client, table: str, compress: str | bool) -> None:
    parts = urllib3.util.parse_url(server.url)
    client = clickhouse_connect.get_client(
        host=parts.host,
        port=parts.port,
        username=server.user,
        password=server.password,
        database=writer.database,
        compress=compress,
    )
    rows = [(i, f"s{i % 7}", None if i % 3 else -i) for i in range(100_000)]
    summary = client.insert(table, rows, column_names=["a", "s", "n"])
    assert summary.written_rows == len(rows)
    assert client.query(f"SELECT * FROM {table} ORDER BY a").result_rows == rows
    client.close()


def test_an_empty_result_has_no_rows(writer: Client, table: str) -> None:
    assert writer.query(f"SELECT a FROM {table}").result_rows == []
    assert writer.query(f"SELECT a FROM {table} LIMIT 0").column_names == ("a",)


def test_a_long_result_is_streamed(writer: Client) -> None:
    with writer.query_row_block_stream("SELECT number FROM numbers(1000000)") as blocks:
        counts = [len(block) for block in blocks]
    assert sum(counts) == 1_000_000
    assert len(counts) > 10


def test_a_failure_in_the_middle_of_a_stream_is_told(writer: Client) -> None:
    stream = writer.query_row_block_stream("SELECT throwIf(number = 900000) FROM numbers(1000000)")
    with pytest.raises(StreamFailureError, match="throwIf") as failure, stream as blocks:
        list(blocks)
    assert failure.value.code == 395


@pytest.mark.parametrize("format_", ["TSV", "JSON"])
def test_a_failed_query_leaves_nothing_for_the_next(session: Client, format_: str) -> None:
    with pytest.raises(DatabaseError):
        session.raw_query(
            "SELECT number, throwIf(number = 200000) FROM numbers(1000000)",
            fmt=format_,
            settings={"max_block_size": 1000, "wait_end_of_query": 1},
        )
    assert session.raw_query("SELECT 1", fmt="TSV") == b"1\n"


def test_errors_have_clickhouses_codes(writer: Client) -> None:
    for statement, code in (("SELECT * FROM nowhere", 60), ("SELEC 1", 62), ("SELECT no_such_column", 47)):
        with pytest.raises(DatabaseError) as error:
            writer.query(statement)
        assert error.value.code == code


def test_a_bad_insert_stores_nothing(writer: Client, table: str) -> None:
    with pytest.raises(DatabaseError):
        writer.raw_insert(table, insert_block=b"1\tx\t1\n2\tx\tnot a number\n", fmt="TSV")
    assert writer.query(f"SELECT count() FROM {table}").first_item == {"count()": 0}


def test_text_after_an_insert_is_its_data(writer: Client, table: str) -> None:
    writer.command(f"INSERT INTO {table} /* FORMAT CSV */ (a, s) FORMAT JSONEachRow", data='{"a": 1, "s": "x FORMAT TSV"}\n')
    writer.command(f"INSERT INTO {table} (a, s) VALUES (2, 'y')")
    writer.command(f"INSERT INTO {table} (a, s) SELECT 3, 'z'")
    assert writer.query(f"SELECT a, s FROM {table} ORDER BY a").result_rows == [(1, "x FORMAT TSV"), (2, "y"), (3, "z")]


def test_a_query_may_read_the_data_of_its_insert(writer: Client, table: str) -> None:
    ask = f"INSERT INTO {table} (a, s) SELECT n * 2, concat('s', w) FROM input('n UInt64, w String') FORMAT CSV\n1,x\n2,y\n"
    writer.command(ask)
    writer.raw_query(ask.replace("1,x", "5,z"))
    assert writer.query(f"SELECT a, s FROM {table} ORDER BY ALL").result_rows == [(2, "sx"), (4, "sy"), (4, "sy"), (10, "sz")]
    with pytest.raises(DatabaseError) as error:
        writer.command(ask.replace("1,x", "no number,x"))
    assert error.value.code == 27
    assert writer.command(f"SELECT count() FROM {table}") == 4


def test_a_session_keeps_its_settings_and_tables(session: Client) -> None:
    session.command("SET max_threads = 3")
    session.command("CREATE TEMPORARY TABLE mine (a Int8)")
    session.command("INSERT INTO mine VALUES (1)")
    assert session.query("SELECT a FROM mine", settings={"max_threads": 1}).result_rows == [(1,)]
    assert session.command("SELECT getSetting('max_threads')") == 3


def test_without_a_session_nothing_stays(writer: Client) -> None:
    writer.command("SET max_block_size = 7")
    assert writer.command("SELECT getSetting('max_block_size')") != 7


def test_parameters_are_bound(writer: Client) -> None:
    rows = writer.query("SELECT {a:String}, {b:Array(UInt8)}", parameters={"a": "it's\t\\ \n", "b": [1, 2]}).result_rows
    assert rows == [("it's\t\\ \n", [1, 2])]


def test_the_same_token_stores_once(writer: Client) -> None:
    writer.command("CREATE TABLE d (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100")
    for _ in range(3):
        writer.insert("d", [[1], [2]], column_names=["a"], settings={"insert_deduplication_token": "x", "async_insert": 0})
    assert writer.command("SELECT count() FROM d") == 2


def test_readers_read_while_a_writer_writes(server: Any, writer: Client, table: str) -> None:
    failures: list[BaseException] = []
    database = writer.database
    assert database is not None

    def read() -> None:
        client = connect(server.url, server.user, server.password, database)
        try:
            last = 0
            for _ in range(15):
                count, total = client.query(f"SELECT count(), sum(a) FROM {table}").result_rows[0]
                assert count % 1000 == 0, "half an insert was seen"
                assert count >= last
                assert total == count // 1000 * sum(range(1000))
                last = count
        except BaseException as failure:
            failures.append(failure)
        finally:
            client.close()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(20):
        writer.insert(table, [(i, "x", None) for i in range(1000)], column_names=["a", "s", "n"])
    for reader in readers:
        reader.join()
    assert not failures


def test_the_same_statements_work_without_a_server(tmp_path: Any) -> None:
    # One engine path a process, for good: so in a process of its own.
    script = """
import sys, clickhouse_connect
from connectors.clickhouse.migrations import migrate
client = clickhouse_connect.get_client(interface="chdb", path=sys.argv[1])
client.command("CREATE DATABASE market")
client.close()
client = clickhouse_connect.get_client(interface="chdb", path=sys.argv[1], database="market")
assert len(migrate(client, "market")) >= 5
assert migrate(client, "market") == ()
assert client.query("SELECT * FROM candles_1m").result_rows == []
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "offline")], check=True)


def test_a_server_that_is_away_is_named_with_the_remedy() -> None:
    with pytest.raises(ClickHouseUnreachable, match="stock-tracker archive serve"):
        connect("http://127.0.0.1:9", "sink", "", "market")


def test_a_wrong_password_is_named_with_the_remedy(server: Any) -> None:
    with pytest.raises(WrongPassword, match="ARCHIVE_PASSWORD"):
        connect(server.url, server.user, "wrong", "market")


def test_a_url_may_bring_the_password_and_no_message_shows_it(server: Any) -> None:
    with_password = server.url.replace("://", f"://{server.user}:{server.password}@")
    client = connect(with_password, "nobody", "", "default")
    assert client.command("SELECT 1") == 1
    client.close()
    with pytest.raises(WrongPassword) as refusal:
        connect(server.url.replace("://", f"://{server.user}:s3cret@"), "nobody", "", "default")
    assert "s3cret" not in str(refusal.value)
    with pytest.raises(ClickHouseUnreachable) as silence:
        connect("http://sink:s3cret@127.0.0.1:9", "nobody", "", "default")
    assert "s3cret" not in str(silence.value)


def test_a_second_server_is_told_who_has_the_path(embedded: Any) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "connectors.clickhouse.server"],
        env={**os.environ, "STOCK_TRACKER_HOME": str(embedded.home), "ARCHIVE_PORT": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert f"in use by process {embedded.process.pid}, serving {embedded.url}" in second.stderr


def test_a_taken_port_is_named_with_the_remedy(embedded: Any, tmp_path: Any) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "connectors.clickhouse.server"],
        env={**os.environ, "STOCK_TRACKER_HOME": str(tmp_path), "ARCHIVE_PORT": str(embedded.port)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{embedded.port}: another process listens there" in second.stderr
    assert "ARCHIVE_PORT" in second.stderr


def test_a_killed_server_opens_again_with_what_it_had_taken_and_a_further_user_of_the_users_file(own_server: Any) -> None:
    client = connect(own_server.url, "sink", own_server.password, "default")
    client.command("CREATE TABLE kept (a UInt64) ENGINE = MergeTree ORDER BY a")
    client.insert("kept", [[1], [2]], column_names=["a"])
    own_server.kill()
    users = own_server.home / "archive" / "users.toml"
    users.write_text(f'[analyst]\npassword_sha256 = "{digest("open sesame")}"\naccess = "read"\n')
    own_server.start()
    assert client.command("SELECT sum(a) FROM kept") == 3
    client.close()

    reader = connect(own_server.url, "analyst", "open sesame", "default")
    assert reader.command("SELECT 1") == 1
    with pytest.raises(DatabaseError) as refusal:
        reader.command("CREATE DATABASE x")
    assert refusal.value.code == 164
    reader.close()


def test_a_client_that_leaves_takes_its_query_along(embedded: Any) -> None:
    client = connect(embedded.url, "sink", embedded.password, "default")
    mark = uuid.uuid4().hex

    def running() -> bool:
        ours = f"query LIKE '%{mark}%' AND query NOT LIKE '%processes%'"
        return bool(client.command(f"SELECT count() FROM system.processes WHERE {ours}"))

    endless = f"SELECT count() FROM system.numbers WHERE '{mark}' != ''".encode()
    who = urllib3.make_headers(basic_auth=f"sink:{embedded.password}")["authorization"]
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{embedded.port}\r\nAuthorization: {who}\r\nContent-Length: {len(endless)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", embedded.port)) as leaving:
        leaving.sendall(head.encode() + endless)
        until(running, "its query")
    until(lambda: not running(), "the end of its query")
    client.close()


def test_a_body_that_unpacks_beyond_its_limit_is_refused(embedded: Any) -> None:
    bomb = lz4.frame.compress(b"SELECT 1" + b" " * (64 << 20))
    assert len(bomb) < 1 << 20
    answer = urllib3.request("POST", embedded.url, body=bomb, headers={"Content-Encoding": "lz4"})
    assert answer.headers["X-ClickHouse-Exception-Code"] == "307"
    assert urllib3.request("POST", embedded.url, body=b"not lz4", headers={"Content-Encoding": "lz4"}).status == 500


def test_a_session_timeout_that_is_no_number_is_refused(embedded: Any) -> None:
    answer = urllib3.request("POST", f"{embedded.url}/?session_id=x&session_timeout=soon", body=b"SELECT 1")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "36"
