"""What pytest loads: the fixtures, by name, and ``--update-golden``. docs/testing.md shows them at work.

pytest loads it in every run in whose environment stock-tracker is installed. So it imports nothing that takes long, does nothing
unless a test asks for a fixture, and no fixture is used by itself.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from stock_tracker.testing.archive import Archive, EmbeddedServer, ExternalServer
    from stock_tracker.testing.gateway_client import GatewayClient
    from stock_tracker.testing.golden import Goldens
    from stock_tracker.testing.replay import Replay
    from stock_tracker.testing.ssi_server import SsiServer
    from stock_tracker.testing.topic_sets import TopicSets

_RUN = pytest.StashKey[Path]()
"""The folder of the run's local broker, the same for all workers of pytest-xdist."""
_FOLDER = "stock_tracker_folder"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update-golden``."""
    group = parser.getgroup("stock-tracker", "recorded days of stock-tracker")
    group.addoption("--update-golden", action="store_true", help="write goldens anew instead of comparing with them")


def pytest_configure(config: pytest.Config) -> None:
    """Explain our marker."""
    config.addinivalue_line("markers", "shards(number): how many shards the topics of the test have, 3 without it")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the broker of the run is."""
    node.workerinput[_FOLDER] = str(_folder_of_run(node.config))


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> Iterator[str]:
    """The bootstrap address of a Kafka: the cluster of ``KAFKA_BOOTSTRAP``, else a local broker for this run.

    Where there is neither, a test that asks for it fails in CI (``CI`` is set) and is skipped elsewhere.
    """
    from stock_tracker.errors import StockTrackerError
    from stock_tracker.testing.broker import kafka_of_run

    with ExitStack() as stack:
        try:
            bootstrap = stack.enter_context(kafka_of_run(_folder_of_run(pytestconfig)))
        except StockTrackerError as error:
            _nothing_to_run_on("\n".join([f"no Kafka to test on: {error}", *getattr(error, "__notes__", ()), error.remedy]))
        yield bootstrap


@pytest.fixture(scope="session")
def topic_sets(kafka: str) -> "Iterator[Callable[[int], TopicSets]]":
    """Topics with so many shards, made ahead for the tests of the run."""
    from stock_tracker.testing.topic_sets import TopicSets

    made: dict[int, TopicSets] = {}

    def with_shards(shards: int) -> TopicSets:
        if shards not in made:
            made[shards] = TopicSets(_connection(kafka), shards)
        return made[shards]

    yield with_shards
    for sets in made.values():
        sets.close()


@pytest.fixture
def topics(topic_sets: "Callable[[int], TopicSets]", request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix of the test's own with all our topics; what bears it is deleted afterwards.

    They have three shards, or six with ``@pytest.mark.shards(6)``.
    """
    from schemas.deployment import LOCAL_SHARDS

    marker = request.node.get_closest_marker("shards")
    sets = topic_sets(LOCAL_SHARDS if marker is None else int(marker.args[0]))
    prefix = sets.take()
    yield prefix
    sets.give_back(prefix)


@pytest.fixture
def replay(kafka: str, topics: str, tmp_path: Path, request: pytest.FixtureRequest) -> "Iterator[Replay]":
    """Plays recorded days onto the test's topics, through the real pipelines: ``replay("incident.jsonl.zst")``."""
    from stock_tracker.testing.replay import Replay

    with Replay(_connection(kafka), topics, tmp_path / "stock-tracker", request.path.parent) as made:
        yield made


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> "Goldens":
    """Compares what the pipelines make of a recorded day with what they made of it before: ``golden("incident.jsonl.zst")``."""
    from stock_tracker.testing.golden import Goldens

    return Goldens(
        request.path.parent,
        lambda: _connection(request.getfixturevalue("kafka")),
        bool(request.config.getoption("--update-golden")),
    )


@pytest.fixture(scope="session")
def archive_engine(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[EmbeddedServer | ExternalServer]":
    """The ClickHouse in which tests have their archives: the server of ``CLICKHOUSE_URL``, else an embedded one for this run."""
    from stock_tracker.testing.archive import engine

    with engine(tmp_path_factory.mktemp("archive")) as server:
        yield server


@pytest.fixture
def archive(kafka: str, topics: str, archive_engine: "EmbeddedServer | ExternalServer", tmp_path: Path) -> "Iterator[Archive]":
    """An archive for the test's topics, in a database of its own: ``archive.store()``, then ``archive.query("SELECT …")``."""
    from stock_tracker.testing.archive import archive as made_archive

    with made_archive(archive_engine, _connection(kafka), topics, tmp_path / "stock-tracker") as made:
        yield made


@pytest.fixture
def gateway_client(kafka: str, topics: str) -> "Iterator[GatewayClient]":
    """A client of a gateway on the test's topics: ``gateway_client.snapshot("px", "VNM")``."""
    from stock_tracker.testing.gateway_client import gateway_client as made_client

    with made_client(_connection(kafka), topics) as made:
        yield made


@pytest.fixture
def ssi_server() -> "Iterator[Callable[..., SsiServer]]":
    """Starts simulated SSIs; arguments are the simulator's settings: ``ssi_server(seed=7, end=time(9, 16))``.

    What is not given is as in docs/settings.md, but for three: a free port, as fast as the client reads, and not before it reads.
    """
    from stock_tracker.testing.ssi_server import ssi_servers

    with ssi_servers() as start:
        yield start


def _folder_of_run(config: pytest.Config) -> Path:
    """Where the local broker of the run lives, if one is started. It is only a name until then."""
    if _RUN not in config.stash:
        told: dict[str, str] = getattr(config, "workerinput", {})
        config.stash[_RUN] = Path(told[_FOLDER]) if _FOLDER in told else _new_folder()
    return config.stash[_RUN]


def _new_folder() -> Path:
    import tempfile
    import uuid

    return Path(tempfile.gettempdir()) / f"stock-tracker-tests-{uuid.uuid4().hex}"


def _connection(bootstrap: str) -> dict[str, str]:
    """Librdkafka's settings for that address, with those of security from the environment."""
    import os

    from schemas.deployment import kafka_config

    return {**kafka_config(os.environ), "bootstrap.servers": bootstrap}


def _nothing_to_run_on(reason: str) -> None:
    import os

    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
