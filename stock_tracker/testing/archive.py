"""A ClickHouse for tests, with a database for each of them, and the real sink that fills it."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from connectors.clickhouse import sink
from connectors.clickhouse.client import connect
from connectors.clickhouse.core.access import SINK_USER
from connectors.clickhouse.core.tables import SOURCES
from connectors.clickhouse.settings import SinkSettings
from schemas.deployment import dead_letter_limit
from stock_tracker.stack.drain import Backlog, ConsumerGroup
from stock_tracker.testing.patience import PATIENCE_S, until


@dataclass
class EmbeddedServer:
    """The embedded server in a process, on one home; started again it keeps its port."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    user: str = SINK_USER

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.home / "server.log").read_text()

    @property
    def password(self) -> str:
        """The sink's."""
        return (self.home / "archive" / "sink.password").read_text().strip()

    def start(self) -> None:
        """Start it and wait until it listens."""
        address = self.home / "archive" / "address"
        address.unlink(missing_ok=True)
        environ = {**os.environ, "STOCK_TRACKER_HOME": str(self.home), "ARCHIVE_PORT": str(self.port), **self.environ}
        with (self.home / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "connectors.clickhouse.server"], env=environ, stdout=log, stderr=log
            )
        until(lambda: not self.lives or (address.exists() and address.read_text().endswith("\n")), "a server that listens")
        if not self.lives:
            raise AssertionError(f"ClickHouse did not start:\n{self.log}")
        self.port = int(address.read_text().strip().rpartition(":")[2])

    @property
    def lives(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Kill it and wait until it is gone."""
        process = self._started()
        process.kill()
        process.wait()

    def stop(self) -> int:
        """Let it end in good order; its exit code."""
        process = self._started()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE_S)

    def _started(self) -> "subprocess.Popen[bytes]":
        if self.process is None:
            raise AssertionError("it was never started")
        return self.process


@dataclass(frozen=True)
class ExternalServer:
    """The server of ``CLICKHOUSE_URL``."""

    url: str
    user: str
    password: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "ExternalServer | None":
        """The one that the environment names; None where it names none."""
        url = environ.get("CLICKHOUSE_URL")
        if not url:
            return None
        return cls(url, environ.get("ARCHIVE_USER", "default"), environ.get("ARCHIVE_PASSWORD", ""))


class Archive:
    """A database of a test's own, on the topics of the test."""

    def __init__(self, client: Client, settings: SinkSettings) -> None:
        self.client = client
        """A clickhouse-connect client that may write; names without a database are of this one."""
        self.database = settings.database
        self._settings = settings

    def store(self) -> None:
        """Run the sink until all that is on the event topics now is in the tables, which it makes first if need be."""
        stop = threading.Event()
        said: list[str] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                sink.run(self._settings, dead_letter_limit(os.environ), stop, said.append)
            except BaseException as error:  # whatever it was, the test is told
                failed.append(error)

        thread = threading.Thread(target=run, name="archive", daemon=True)
        group = ConsumerGroup(self._settings.group, tuple(topic.named(self._settings.topic_prefix) for topic in SOURCES))
        with closing(Backlog(self._settings.kafka)) as backlog:
            thread.start()
            try:
                until(lambda: failed or not backlog.has_unread(group), "the sink to store everything")
            finally:
                stop.set()
                thread.join()
        for error in failed:
            raise error

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query, each by column."""
        return list(self.client.query(sql).named_results())


@contextmanager
def engine(folder: Path) -> Iterator[EmbeddedServer | ExternalServer]:
    """A ClickHouse for a run of tests: the server of ``CLICKHOUSE_URL``, else the embedded one with its data in ``folder``."""
    external = ExternalServer.of(os.environ)
    if external is not None:
        yield external
        return
    server = EmbeddedServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def own_database(server: EmbeddedServer | ExternalServer) -> Iterator[str]:
    """The name of a database that nobody else has; what is made of that name is dropped at the end of the block."""
    name = f"t{uuid.uuid4().hex[:10]}"
    try:
        yield name
    finally:
        with closing(connect(server.url, server.user, server.password, "default")) as client:
            client.command(f"DROP DATABASE IF EXISTS {name}")


@contextmanager
def archive(server: EmbeddedServer | ExternalServer, kafka: Mapping[str, str], prefix: str, home: Path) -> Iterator[Archive]:
    """An archive for the topics of ``prefix``; its database is dropped at the end of the block.

    Args:
        server: Where it is.
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of the topics.
        home: For what the sink keeps in files.
    """
    with own_database(server) as database:
        settings = SinkSettings.model_validate(
            {
                "kafka": dict(kafka),
                "topic_prefix": prefix,
                "clickhouse_url": server.url,
                "database": database,
                "user": server.user,
                "password": server.password,
                "home": home,
                "batch_seconds": 0.1,
            }
        )
        with closing(connect(server.url, server.user, server.password, database)) as client:
            client.command(f"CREATE DATABASE {database}", use_database=False)
            yield Archive(client, settings)
