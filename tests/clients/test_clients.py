"""Clients as others have made them, unmodified, against the embedded ClickHouse: what each is for has to work.

Those of Java and Node are fetched into the user's cache at the first run. Where they or their runtime are missing, their test is
skipped on a laptop and fails in CI. Go's is tried where Go is installed.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
import sqlalchemy

from connectors.clickhouse.client import connect
from stock_tracker.testing.archive import EmbeddedServer
from tests.fetching import fetched, not_here
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.clickhouse

HERE = Path(__file__).parent
DATABASE = "clients"
VNM = ("VNM", date(2026, 11, 20), 60_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with one print in it."""
    server = EmbeddedServer(tmp_path_factory.mktemp("clients"))
    server.start()
    client = connect(server.url, server.user, server.password, DATABASE)
    client.command(f"CREATE DATABASE {DATABASE}", use_database=False)
    client.command("CREATE TABLE prints (symbol String, day Date, price Int32) ENGINE = MergeTree ORDER BY symbol")
    client.insert("prints", [VNM])
    client.close()
    yield server
    assert server.stop() == 0


def run(command: list[str], cwd: Path, **environ: str) -> str:
    environment = {**os.environ, **environ}
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_jdbc_selects_prepares_describes_and_inserts(server: EmbeddedServer) -> None:
    fetch = ["mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
    jars = fetched(HERE / "jdbc", "java", fetch) / "jars"
    # The compiler that stays interpreted is the quicker one for a program of a second.
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*", "JdbcClient.java", urlsplit(server.url).netloc]
    assert run([*command, DATABASE, server.password], HERE / "jdbc") == "jdbc: ok\n"


def test_node_selects_streams_and_inserts(server: EmbeddedServer) -> None:
    folder = fetched(HERE / "node", "node", ["npm", "ci", "--silent", "--no-audit", "--no-fund"])
    # It looks for its packages beside itself.
    shutil.copy(HERE / "node" / "client.mjs", folder)
    assert run(["node", "client.mjs", server.url, DATABASE, server.password], folder) == "node: ok\n"


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_go_asks_streams_and_inserts(server: EmbeddedServer) -> None:
    # It has nothing to fetch, and must not try to. Most of its time goes into Go's own packages: less without C and inlining.
    alone = {"GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    assert (
        run(["go", "run", "-gcflags=all=-l", "client.go", server.url, DATABASE, server.password], HERE / "go", **alone)
        == "go: ok\n"
    )


def test_curl_asks_and_inserts(server: EmbeddedServer) -> None:
    if shutil.which("curl") is None:
        not_here("curl is not installed")
    assert run(["sh", "client.sh", server.url, DATABASE, server.password], HERE / "curl") == "curl: ok\n"


def test_clickhouse_connect_gives_rows_frames_and_arrow(server: EmbeddedServer) -> None:
    parts = urlsplit(server.url)
    client = clickhouse_connect.get_client(host=parts.hostname, port=parts.port, database=DATABASE)
    ask = "SELECT symbol, day, price FROM prints WHERE symbol = 'VNM'"
    assert client.query(ask).result_rows == [VNM]
    assert client.query_arrow(ask).column("price").to_pylist() == [60_000]
    assert client.query_df(ask)["price"].tolist() == [60_000]
    client.close()


def test_clickhouse_connect_asks_without_blocking(server: EmbeddedServer) -> None:
    async def ask() -> object:
        parts = urlsplit(server.url)
        client = await clickhouse_connect.get_async_client(host=parts.hostname, port=parts.port, database=DATABASE)
        try:
            answers = await asyncio.gather(*(client.query("SELECT price FROM prints WHERE symbol = 'VNM'") for _ in range(4)))
            return [answer.result_rows for answer in answers]
        finally:
            await client.close()

    assert asyncio.run(ask()) == [[(60_000,)]] * 4


def test_sqlalchemy_reflects_and_selects_as_superset_does(server: EmbeddedServer) -> None:
    engine = sqlalchemy.create_engine(f"clickhousedb://default@{urlsplit(server.url).netloc}/{DATABASE}")
    assert "prints" in sqlalchemy.inspect(engine).get_table_names(schema=DATABASE)
    table = sqlalchemy.Table("prints", sqlalchemy.MetaData(schema=DATABASE), autoload_with=engine)
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.select(table.c.price).where(table.c.symbol == "VNM"))
        assert [row.price for row in found] == [60_000]
    engine.dispose()
