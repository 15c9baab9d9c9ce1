"""What all tests share: a browser for each test that wants one, and who runs where.

Kafka, topics and the archive's engine are the fixtures of our pytest plugin, ``stock_tracker/testing/plugin.py``.
"""

import fcntl
import os
import random
import secrets
import shutil
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser, Page, async_playwright, expect
from xdist.scheduler import LoadFileScheduling

from stock_tracker.errors import StockTrackerError
from stock_tracker.home import cache
from stock_tracker.kafka import java
from stock_tracker.kafka.recipe import Recipe
from tests.command_line import Command, StockTracker, within_this_process
from tests.patience import PATIENCE_S
from tests.proof import usually

# A library that Quix imports warns, whatever the filters say, of what it imports itself: nothing that we could mend.
with warnings.catch_warnings(record=True):
    import quixstreams  # noqa: F401

# How long an example takes says something about the machine and its neighbours, not about the code.
settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=usually(20, proving=2_000)
)
settings.load_profile("unhurried")
# Nor does how long a page takes to show something.
expect.set_options(timeout=PATIENCE_S * 1000)

SCENARIOS = "tests/e2e/scenarios/"
"""A folder whose tests share one stack, and run in random order."""
LONGEST_FIRST = (
    "tests/e2e/test_stack.py",
    "tests/integration/clickhouse/test_sink.py",
    "tests/e2e/test_chaos.py",
    "tests/integration/test_prices_topology.py",
    "tests/integration/test_replay.py",
    "tests/integration/ssi/",
    "tests/integration/test_halts.py",
    "tests/integration/test_broker.py",
    SCENARIOS,
    "tests/integration/clickhouse/",
    "tests/mutation/",
)
"""Each for half a minute or more."""
SHARING = (
    SCENARIOS,
    "tests/integration/clickhouse/",
    "tests/mutation/",
    "tests/unit/connectors/ssi/simulator/",
    "tests/unit/gateway/",
)
"""Folders whose tests share a stack, a server or days of a market: several workers would each make their own."""
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
_SEED = pytest.StashKey[str]()
"""Of the order of the scenarios, the same for all workers: they have to agree on the order of all tests."""


def pytest_configure(config: pytest.Config) -> None:
    """Choose the order of the scenarios, or take that of the process that directs the run."""
    told = getattr(config, "workerinput", None)
    config.stash[_SEED] = told["seed"] if told is not None else os.environ.get("SCENARIOS_SEED") or secrets.token_hex(3)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist that order."""
    node.workerinput["seed"] = node.config.stash[_SEED]


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[Any]:
    """Let one process compile the tests, and the others take what it has compiled.

    They begin at once and go through all files in the same order: each would compile every one of them, which takes three times
    as long as all else that they do until the first test.
    """
    with (session.config.cache.mkdir("collection") / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_SH)
        return (yield)


class _OneStack(LoadFileScheduling):  # type: ignore[misc]
    """Gives the tests of a file to one worker, and those of a folder that share what is costly to make too."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return next((folder for folder in SHARING if file.startswith(folder) and file not in LONGEST_FIRST), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Take the place of pytest-xdist's own scheduler where that would tear the files of a stack apart."""
    return _OneStack(config, log) if config.getvalue("dist") == "loadfile" else None


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


@pytest.fixture
def stock_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> StockTracker:
    """Runs ``stock-tracker`` commands within this process, in a home of the test's own."""

    def run(*words: str, **environ: str) -> Command:
        return within_this_process(monkeypatch, capfd, words, {"STOCK_TRACKER_HOME": str(tmp_path), **environ})

    return run


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
