"""The pytest plugin in other people's suites: what a golden says there, and that its mere presence changes nothing."""

import shutil
from pathlib import Path

import pytest

import stock_tracker.golden.brokerless  # noqa: F401 - a suite that runs in this process may not import it a second time
from connectors.fixtures.files import open_fixture
from pipelines.core import candles
from stock_tracker.errors import NoJava
from stock_tracker.golden.run import golden_of
from stock_tracker.testing import broker
from tests.make_days import DAYS

pytest_plugins = ("pytester",)
DAY = DAYS / "half-open.jsonl.zst"
SUITE = "def test_the_day(golden):\n    golden('day.jsonl.zst')\n"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A suite with one test of a day beside it, and the golden of that day."""
    pytester.makepyfile(test_day=SUITE)
    shutil.copy(DAY, pytester.path / "day.jsonl.zst")
    shutil.copy(golden_of(DAY, "all"), pytester.path / "day.golden.jsonl.zst")
    return pytester


def run(suite: pytest.Pytester, *options: str) -> pytest.RunResult:
    return suite.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", *options)


def test_a_day_that_gives_its_golden_passes(suite: pytest.Pytester) -> None:
    run(suite).assert_outcomes(passed=1)


def test_a_changed_fold_fails_with_the_first_message_that_differs(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candles, "LATE_MS", candles.LATE_MS + 1_000)
    result = run(suite)
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"\d+ messages are not as in the golden \(market\.candles",
            r"market\.candles\[\d\]@\d+, key s\d+: golden → found",
            r"    \.events\[\d+\]\.\w+: .* → ",
        ]
    )


def test_a_golden_is_written_where_it_is_asked_for_and_only_there(suite: pytest.Pytester) -> None:
    golden: Path = suite.path / "day.golden.jsonl.zst"
    golden.unlink()
    result = run(suite)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*there is no golden*", "*pytest --update-golden*"])
    assert not golden.exists()
    run(suite, "--update-golden").assert_outcomes(passed=1)
    with open_fixture(golden) as (_, written), open_fixture(golden_of(DAY, "all")) as (_, kept):
        assert list(written) == list(kept)


@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("true", "errors")])
def test_where_no_kafka_can_be_had_a_test_is_skipped_but_not_in_ci(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str
) -> None:
    def none(folder: Path) -> None:
        raise NoJava(["PATH: no java"])

    monkeypatch.setattr(broker, "kafka_of_run", none)
    monkeypatch.setenv("CI", ci)
    suite.makepyfile(test_day="def test_the_address(kafka):\n    assert kafka\n")
    result = run(suite, "-rs")
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["*no Kafka to test on: *"])


def test_its_presence_imports_nothing_and_own_fixtures_of_the_same_name_come_first(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest\n\n@pytest.fixture\ndef kafka():\n    return 'theirs'\n")
    pytester.makepyfile(
        """
        import sys

        OURS = ("aiohttp", "chdb", "confluent_kafka", "connectors", "gateway", "msgspec", "pipelines", "quixstreams", "schemas")


        def test_their_own(kafka, request):
            assert kafka == "theirs"
            assert request.fixturenames == ["kafka", "request"]
            assert request.config.pluginmanager.has_plugin("stock-tracker")
            assert [name for name in OURS if name in sys.modules] == []
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:hypothesispytest").assert_outcomes(
        passed=1
    )
