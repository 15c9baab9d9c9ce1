"""What all tests share: one Kafka for the whole run, a browser for each test that wants one, and who runs where.

Kafka is the cluster of ``KAFKA_BOOTSTRAP``, else the local broker, on a free port with a home of its own, else a container
where a Docker engine answers. With none of them tests that need one fail in CI (``CI`` is set) and are skipped on a laptop.
"""

import contextlib
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser, Page, async_playwright, expect
from xdist.scheduler import LoadFileScheduling

from schemas.deployment import kafka_config
from stock_tracker.errors import StockTrackerError
from stock_tracker.home import Home, cache
from stock_tracker.kafka import java, metadata
from stock_tracker.kafka.broker import Broker
from stock_tracker.kafka.recipe import Recipe
from stock_tracker.ports import free_port
from tests.patience import PATIENCE_S, until
from tests.proof import usually
from tests.topic_sets import TopicSets

# A library that Quix imports warns, whatever the filters say, of what it imports itself: nothing that we could mend.
with warnings.catch_warnings(record=True):
    import quixstreams  # noqa: F401

# How long an example takes says something about the machine and its neighbours, not about the code.
settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=usually(50, proving=2_000)
)
settings.load_profile("unhurried")
# Nor does how long a page takes to show something.
expect.set_options(timeout=PATIENCE_S * 1000)

LONGEST_FIRST = (
    "tests/e2e/test_stack.py",
    "tests/integration/clickhouse/test_sink.py",
    "tests/e2e/test_up.py",
    "tests/integration/ssi/test_hostile_day.py",
    "tests/e2e/scenarios/",
)
"""Each for half a minute or more."""
SCENARIOS = "tests/e2e/scenarios/"
"""A folder whose tests share one stack, and so one worker, and run in random order."""
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
_HOME = pytest.StashKey[Path]()
"""The home of the run's local broker, the same for all workers."""
_GUARD = pytest.StashKey["subprocess.Popen[bytes]"]()
"""Who stops that broker; only in the process that directs the run."""
_SEED = pytest.StashKey[str]()
"""Of the order of the scenarios, the same for all workers: they have to agree on the order of all tests."""


def pytest_configure(config: pytest.Config) -> None:
    """Say where the run's broker lives, and see to its end."""
    told = getattr(config, "workerinput", None)
    if told is not None:
        config.stash[_HOME], config.stash[_SEED] = Path(told["home"]), told["seed"]
        return
    home = Path(tempfile.mkdtemp(prefix="stock-tracker-tests-"))
    config.stash[_HOME] = home
    config.stash[_GUARD] = _guard(home)
    config.stash[_SEED] = os.environ.get("SCENARIOS_SEED") or secrets.token_hex(3)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where that is."""
    node.workerinput["home"] = str(node.config.stash[_HOME])
    node.workerinput["seed"] = node.config.stash[_SEED]


class _OneStack(LoadFileScheduling):  # type: ignore[misc]
    """Gives the tests of a file to one worker, and those of all files that share a stack too."""

    def _split_scope(self, nodeid: str) -> str:
        return SCENARIOS if nodeid.startswith(SCENARIOS) else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Take the place of pytest-xdist's own scheduler where that would tear the files of a stack apart."""
    return _OneStack(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_unconfigure(config: pytest.Config) -> None:
    _end_broker(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the files that take longest first: one that a worker came to last would keep the whole run waiting.

    The scenarios stay together, and are shuffled: none may rely on what another has left behind.
    """

    def place(item: pytest.Item) -> int:
        return next((number for number, path in enumerate(LONGEST_FIRST) if item.nodeid.startswith(path)), len(LONGEST_FIRST))

    items.sort(key=place)
    places = [number for number, item in enumerate(items) if item.nodeid.startswith(SCENARIOS)]
    shuffled = [items[number] for number in places]
    random.Random(config.stash[_SEED]).shuffle(shuffled)
    for number, item in zip(places, shuffled, strict=True):
        items[number] = item


def pytest_report_header(config: pytest.Config) -> list[str]:
    order = f"order of the scenarios: SCENARIOS_SEED={config.stash[_SEED]}"
    return [f"kafka: {_which_kafka()}", f"clickhouse: {_which_clickhouse()}", order]


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> Iterator[str]:
    """The bootstrap address of the run's Kafka."""
    external = os.environ.get("KAFKA_BOOTSTRAP")
    if external:
        metadata.ask(kafka_config(os.environ))
        yield external
        return
    home = Home(pytestconfig.stash[_HOME])
    environ = {**os.environ, "STOCK_TRACKER_HOME": str(home.root)}
    try:
        # The first worker starts it, the others find it: two starts at once make one broker.
        running = Broker(home.kafka, environ).start(free_port(), tell=_say)
    except StockTrackerError as error:
        if not _docker_answers():
            _nothing_to_run_on(error)
        with _kafka_container() as bootstrap:
            yield bootstrap
        return
    _await_groups(running.bootstrap)
    yield running.bootstrap
    # In a run without workers: while what its clients complain of is still captured.
    _end_broker(pytestconfig)


@pytest.fixture(scope="session")
def topic_sets(kafka: str) -> Iterator[TopicSets]:
    sets = TopicSets(kafka)
    yield sets
    sets.close()


@pytest.fixture
def topics(topic_sets: TopicSets) -> Iterator[str]:
    """A prefix of one test's own, with every topic made in three shards; all that bears the prefix is deleted afterwards."""
    prefix = topic_sets.take()
    yield prefix
    topic_sets.give_back(prefix)


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, for the tests of a file. Without it a test fails in CI and is skipped elsewhere."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        reason = f"none of {', '.join(CHROMIUMS)}: apt-get install -y --no-install-recommends chromium fonts-dejavu-core"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGS), timeout=PATIENCE_S * 1000)
        yield browser
        await browser.close()


@pytest.fixture
async def new_page(chromium: Browser) -> AsyncIterator[Callable[[], Awaitable[Page]]]:
    """Opens pages of a laptop's size, each in a browser profile of its own."""
    opened: list[Page] = []

    async def open_page() -> Page:
        page = await chromium.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_S * 1000)
        opened.append(page)
        return page

    yield open_page
    for page in opened:
        await page.close()


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


def _guard(home: Path) -> "subprocess.Popen[bytes]":
    """Stop the broker in ``home``, if there is one, when this process closes the guard's input or ends in whatever way.

    A broker lives in a session of its own, so a killed test run would leave it behind for good.
    """
    script = 'read -r _; if [ -d "$1/kafka" ]; then "$0" -m stock_tracker kafka stop || exit 1; fi; rm -rf "$1"'
    return subprocess.Popen(
        ["sh", "-c", script, sys.executable, str(home)],
        env={**os.environ, "STOCK_TRACKER_HOME": str(home), "KAFKA_BOOTSTRAP": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _await_groups(bootstrap: str) -> None:
    """Wait until the broker knows of consumer groups.

    It makes the topic of their commits when it is first asked for them, and librdkafka's administrator who asks at that moment
    gets no answer for a minute.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "the-first"})

    def answers() -> bool:
        with contextlib.suppress(KafkaException):
            consumer.committed([TopicPartition("none", 0)], timeout=1.0)
            return True
        return False

    until(answers, "the broker's word of consumer groups")
    consumer.close()


def _end_broker(config: pytest.Config) -> None:
    """Have the run's broker stopped, if this process directs the run; once."""
    guard = config.stash.get(_GUARD, None)
    if guard is not None and guard.returncode is None:
        guard.communicate()
        assert guard.returncode == 0, f"the broker in {config.stash[_HOME]} could not be stopped"


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
