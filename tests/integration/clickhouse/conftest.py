"""A ClickHouse of these tests' own: the embedded server as a process that can be killed, or the server of CLICKHOUSE_URL."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse.client import connect
from stock_tracker.testing.archive import EmbeddedServer, ExternalServer, own_database
from tests.integration.clickhouse.sinks import Drain, Market, SinkProcess, sinks_on

LIMITS = {"ARCHIVE_READER_SECONDS": "600", "ARCHIVE_READER_ROWS": "1000000", "ARCHIVE_READERS": "2"}
"""Of readers: rows and turns low, so that tests meet them soon. Time is long: who is to meet its end lowers it."""


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
    external = ExternalServer.of(os.environ)
    if external is not None:
        return external
    embedded: EmbeddedServer = request.getfixturevalue("embedded")
    return embedded


@pytest.fixture
def database(server: EmbeddedServer | ExternalServer) -> Iterator[str]:
    """The name of a database of one test's own, dropped afterwards."""
    with own_database(server) as name:
        yield name


@pytest.fixture
def writer(server: EmbeddedServer | ExternalServer, database: str) -> Iterator[Client]:
    """A client that may write, in the test's own database."""
    client = connect(server.url, server.user, server.password, database)
    client.command(f"CREATE DATABASE {database}", use_database=False)
    yield client
    client.close()


@pytest.fixture
def market(kafka: str, topics: str) -> Market:
    """Writes events to the test's own topics."""
    return Market(kafka, topics, seed=7)


@pytest.fixture
def a_sink(kafka: str, topics: str, tmp_path: Path) -> Iterator[Callable[..., SinkProcess]]:
    """Makes sinks on this test's topics; none outlives it."""
    with sinks_on(kafka, topics, tmp_path) as make:
        yield make


@pytest.fixture
def drain(kafka: str, topics: str) -> Iterator[Drain]:
    drain = Drain(kafka, topics)
    yield drain
    drain.close()
