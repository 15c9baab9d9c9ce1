"""The engines that tests run on, one of each a session: a real Kafka and a real ClickHouse.

Kafka is the cluster of ``KAFKA_BOOTSTRAP``, else the local broker, on a free port with a home of its own, else a container
where a Docker engine answers. With none of them tests that need one fail in CI (``CI`` is set) and are skipped on a laptop.
"""

import os
import shutil
import subprocess
import sys
import uuid
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version

import pytest
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser, Page, async_playwright

from schemas.deployment import kafka_config
from stock_tracker.errors import StockTrackerError
from stock_tracker.home import Home, cache
from stock_tracker.kafka import java, metadata
from stock_tracker.kafka import topics as stock_topics
from stock_tracker.kafka.broker import Broker
from stock_tracker.kafka.recipe import Recipe
from stock_tracker.ports import free_port

# A library that Quix imports warns, whatever the filters say, of what it imports itself: nothing that we could mend.
with warnings.catch_warnings(record=True):
    import quixstreams  # noqa: F401

# How long an example takes says something about the machine and its neighbours, not about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

SHARDS = 3
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ANSWER_S = 30.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests on one worker, for its fixtures' sake, and all whole stacks on one, for the machine's."""
    for item in items:
        group = "e2e" if "e2e" in item.path.parts else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_report_header() -> list[str]:
    return [f"kafka: {_which_kafka()}", f"clickhouse: {_which_clickhouse()}"]


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of the session's Kafka."""
    external = os.environ.get("KAFKA_BOOTSTRAP")
    if external:
        metadata.ask(kafka_config(os.environ))
        yield external
        return
    home = Home(tmp_path_factory.mktemp("home"))
    environ = {**os.environ, "STOCK_TRACKER_HOME": str(home.root)}
    try:
        running = Broker(home.kafka, environ).start(free_port(), tell=_say)
    except StockTrackerError as error:
        if not _docker_answers():
            _nothing_to_run_on(error)
        with _kafka_container() as bootstrap:
            yield bootstrap
        return
    with _stopped_at_the_end(environ):
        yield running.bootstrap
    shutil.rmtree(home.root)


@pytest.fixture
def topics(kafka: str) -> Iterator[str]:
    """A prefix of one test's own, with every topic made in three shards; all that bears the prefix is deleted afterwards."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    config = {**kafka_config(os.environ), "bootstrap.servers": kafka}
    stock_topics.apply(config, prefix, SHARDS, replication=1)
    yield prefix
    # Quix puts its own words before a topic's name: changelog__<group>--<topic>--….
    names = [name for name in metadata.ask(config).topics if prefix in name]
    admin = metadata.admin(config)
    for answer in admin.delete_topics(names, operation_timeout=ANSWER_S).values():
        answer.result()


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium. Without it a test fails in CI and is skipped elsewhere."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        reason = f"none of {', '.join(CHROMIUMS)}: apt-get install -y --no-install-recommends chromium fonts-dejavu-core"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGS))
        yield browser
        await browser.close()


@pytest.fixture
def watched() -> Callable[[Page], list[str]]:
    """Collects what a page complains of: console errors, uncaught errors, failed requests, CSP violations."""

    def watch(page: Page) -> list[str]:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))
        page.on(
            "response",
            lambda response: complaints.append(f"{response.url}: {response.status}") if response.status >= 400 else None,
        )
        return complaints

    return watch


def _which_kafka() -> str:
    external = os.environ.get("KAFKA_BOOTSTRAP")
    if external:
        return f"KAFKA_BOOTSTRAP, {external}"
    try:
        runtime = java.find(Recipe.of_repository(), cache(os.environ), os.environ, _say)
    except StockTrackerError:
        return "a container, if a Docker engine answers"
    return f"the local broker, with {runtime}"


def _which_clickhouse() -> str:
    external = os.environ.get("CLICKHOUSE_URL")
    # A URL may bring a password.
    return f"CLICKHOUSE_URL, {external.rpartition('@')[2]}" if external else f"the embedded one, chDB {version('chdb')}"


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _nothing_to_run_on(error: StockTrackerError) -> None:
    reason = f"no engine to test on: {error}\n{error.remedy}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextmanager
def _stopped_at_the_end(environ: Mapping[str, str]) -> Iterator[None]:
    """Stop the broker of ``environ`` when the block ends, or when this process does, in whatever way.

    A broker lives in a session of its own, so a killed test run would leave it behind for good. This guard waits for the end
    of a pipe that only we hold open.
    """
    script = 'read -r _; exec "$0" -m stock_tracker kafka stop'
    guard = subprocess.Popen(
        ["sh", "-c", script, sys.executable],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        code = guard.wait()
    assert code == 0, "the session's broker could not be stopped"


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return subprocess.run([docker, "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@contextmanager
def _kafka_container() -> Iterator[str]:
    from testcontainers.kafka import KafkaContainer

    with KafkaContainer().with_kraft() as container:
        yield container.get_bootstrap_server()
