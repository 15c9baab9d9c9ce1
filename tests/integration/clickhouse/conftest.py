"""A ClickHouse of these tests' own: the embedded server as a process that can be killed, or the server of CLICKHOUSE_URL."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse.client import connect
from tests.patience import PATIENCE_S, until

LIMITS = {"ARCHIVE_READER_SECONDS": "2", "ARCHIVE_READER_ROWS": "1000000", "ARCHIVE_READERS": "2"}
"""Of readers: low, so that tests meet them soon."""


@dataclass
class EmbeddedServer:
    """The embedded server in a process, on one home; started again it keeps its port."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.home / "server.log").read_text()

    @property
    def password(self) -> str:
        return (self.home / "archive" / "sink.password").read_text().strip()

    @property
    def user(self) -> str:
        return "sink"

    def start(self) -> None:
        address = self.home / "archive" / "address"
        address.unlink(missing_ok=True)
        environ = {**os.environ, "STOCK_TRACKER_HOME": str(self.home), "ARCHIVE_PORT": str(self.port), **self.environ}
        with (self.home / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "connectors.clickhouse.server"], env=environ, stdout=log, stderr=log
            )
        until(lambda: not self.lives or (address.exists() and address.read_text().endswith("\n")), "a server that listens")
        assert self.lives, self.log
        self.port = int(address.read_text().strip().rpartition(":")[2])

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@dataclass(frozen=True)
class ExternalServer:
    """The server of CLICKHOUSE_URL."""

    url: str
    user: str
    password: str


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One embedded server for all tests that leave it alive."""
    server = EmbeddedServer(tmp_path_factory.mktemp("archive"), LIMITS)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def mortal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path_factory.mktemp("mortal"))
    yield server
    assert server.stop() == 0, server.log


@pytest.fixture
def own_server(mortal_server: EmbeddedServer) -> EmbeddedServer:
    """An embedded server that a test may stop and kill, handed on from test to test of a file."""
    if not mortal_server.lives:
        mortal_server.start()
    return mortal_server


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> EmbeddedServer | ExternalServer:
    """What the archive's code is tried on: the server of CLICKHOUSE_URL, else the embedded one."""
    url = os.environ.get("CLICKHOUSE_URL")
    if url:
        return ExternalServer(url, os.environ.get("ARCHIVE_USER", "default"), os.environ.get("ARCHIVE_PASSWORD", ""))
    embedded: EmbeddedServer = request.getfixturevalue("embedded")
    return embedded


@pytest.fixture
def database(server: Any) -> Iterator[str]:
    """The name of a database of one test's own, dropped afterwards."""
    name = f"t{uuid.uuid4().hex[:10]}"
    yield name
    client = connect(server.url, server.user, server.password, "default")
    client.command(f"DROP DATABASE IF EXISTS {name}")
    client.close()


@pytest.fixture
def writer(server: Any, database: str) -> Iterator[Client]:
    """A client that may write, in the test's own database."""
    client = connect(server.url, server.user, server.password, database)
    client.command(f"CREATE DATABASE {database}", use_database=False)
    yield client
    client.close()
