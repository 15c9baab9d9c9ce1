"""Golden outputs: the library of days, what a changed fold looks like, and what a strange Quix Streams is told."""

import re
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from typer.testing import CliRunner

from connectors.fixtures.core.layout import FixtureMessage, Header
from connectors.fixtures.files import open_fixture, write_fixture
from pipelines.catalogue import CATALOGUE, named
from pipelines.core import basis, candles, indices, movers, speed
from schemas.units import UnixMs
from stock_tracker.cli import build
from stock_tracker.errors import NoGolden, UntriedQuix, UnusableFixture
from stock_tracker.golden import brokerless, run
from stock_tracker.golden.brokerless import outputs_of
from stock_tracker.golden.core.comparison import GoldenReport, compare
from stock_tracker.golden.outputs import in_order
from stock_tracker.golden.shards import shards_of
from tests.make_days import DAYS, LIBRARY

DAY_FILES = [DAYS / f"{story.name}.jsonl.zst" for story in LIBRARY]
QUIET = DAYS / "quiet.jsonl.zst"
MAX_BYTES = 500_000


@pytest.mark.parametrize("file", DAY_FILES, ids=lambda file: file.name.removesuffix(".jsonl.zst"))
def test_a_day_of_the_library_gives_its_golden(file: Path) -> None:
    report = run.check(file, "all", run.golden_of(file, "all"), outputs_of)
    assert report.first is None, "\n".join(report.sentences())
    assert report.messages > 100
    assert file.stat().st_size < MAX_BYTES


TOLD = {
    "hostile": ("market.trades", {"lost", "unseen"}),
    "foreign-resets": ("market.foreign", {"correction", "reset"}),
    "halt-and-lock": ("market.alerts", {"price_limit", "limit_lock"}),
    "auction-burst": ("market.trades", {"ato"}),
    "futures-expiry": ("market.trades", {"atc"}),
}
"""Words of the golden without which a day does not tell its story."""


@pytest.mark.parametrize("name", TOLD)
def test_a_day_tells_its_story(name: str) -> None:
    topic, words = TOLD[name]
    with open_fixture(run.golden_of(DAYS / f"{name}.jsonl.zst", "all")) as (_, messages):
        text = b"".join(message.value or b"" for message in messages if message.topic == topic).decode()
    assert [word for word in words if f'"{word}"' not in text] == []


def test_a_golden_of_one_pipeline_has_what_that_one_writes(tmp_path: Path) -> None:
    place = tmp_path / "alerts.jsonl"
    run.update(DAYS / "hostile.jsonl.zst", "alerts", place, outputs_of)
    with open_fixture(place) as (header, messages):
        assert {message.topic for message in messages} == set(header.topics) == {"market.alerts"}


def test_a_changed_constant_of_a_fold_is_shown_by_key_offset_and_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candles, "LATE_MS", candles.LATE_MS + 1_000)
    result = CliRunner().invoke(build(), ["golden", str(QUIET)])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert "messages are not as in the golden (market.candles" in lines[0]
    assert lines[1].startswith("market.candles[")
    assert ", key s" in lines[1]
    assert " → " in lines[2]


CHANGED: dict[str, tuple[str, str, ModuleType, str, int, str]] = {
    "how long a speed looks back": ("foreign", "foreign-resets", speed, "MINUTE_MS", 30_000, "state.foreign"),
    "how many movers there are": ("foreign", "foreign-resets", movers, "MOVERS", 1, "partial.flow"),
    "which index records are glitches": ("indices", "quiet", indices, "MOST_PERCENT", 0, "market.indices"),
    "how long a slope looks back": ("indices", "quiet", basis, "SLOPE_MS", 30_000, "market.basis"),
}
"""By what is changed: pipeline, day, module, constant, its other value, and the topic on which that shows first."""


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_number_in_whatever_fold_is_found_and_shown(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app, day, module, constant, other, topic = CHANGED[change]
    monkeypatch.setattr(module, constant, other)
    report = against_golden(day, app)
    assert report.first is not None
    first, *fields = report.first.sentences()
    assert re.fullmatch(rf"{re.escape(topic)}\[\d\]@\d+, key \S+: .+", first)
    # A message that did not come is shown whole; of one that is another, each field.
    assert fields or "the golden has a message that did not come: {" in first
    assert all(re.match(r"    \.\S+: .+ → .+|    and \d+ fields more", field) for field in fields)


def test_a_changed_number_in_an_alert_rule_is_found_and_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rules = (resources.files("pipelines") / "alerts.toml").read_text(encoding="utf-8")
    assert rules.count("min_queue_vnd = 10_000_000_000\n") == 1
    changed = tmp_path / "alerts.toml"
    changed.write_text(rules.replace("min_queue_vnd = 10_000_000_000\n", "min_queue_vnd = 900_000_000_000\n"))
    monkeypatch.setenv("PIPELINE_ALERT_RULES", str(changed))
    report = against_golden("halt-and-lock", "alerts")
    assert report.first is not None
    assert '    .events[0].rule: "limit-lock" → "price-limit"' in report.first.sentences()


def against_golden(day: str, app: str) -> GoldenReport:
    """What one pipeline makes of a day of the library, against the golden, on the topics that no other pipeline writes."""
    file = DAYS / f"{day}.jsonl.zst"
    others = {sink for pipeline in CATALOGUE if pipeline.name != app for sink in pipeline.sinks}
    topics = {sink.name for sink in named(app).sinks if sink not in others}
    with open_fixture(run.golden_of(file, "all")) as (_, kept):
        golden = [message for message in kept if message.topic in topics]
    return compare(golden, [message for message in run.run(file, app, outputs_of)[1] if message.topic in topics])


def test_the_first_difference_is_shown_field_by_field() -> None:
    one = FixtureMessage("market.trades", 0, 0, UnixMs(0), b"s0", b'{"events":[{"symbol":"VNM","price":1}]}')
    other = replace(one, value=b'{"events":[{"symbol":"VNM","price":2,"late":true}]}')
    assert list(compare([one], [other]).sentences()) == [
        "1 messages are not as in the golden (market.trades 1). The first:",
        "market.trades[0]@0, key s0: golden → found",
        "    .events[0].price: 1 → 2",
        "    .events[0].late: nothing → true",
    ]
    assert "a message more than in the golden" in "\n".join(compare([], [one]).sentences())
    assert "a message that did not come" in "\n".join(compare([one], []).sentences())


def test_of_a_compacted_topic_the_last_row_of_each_key_counts() -> None:
    rows = [FixtureMessage("state.prices", 0, n, UnixMs(n), key, b"%d" % n) for n, key in enumerate((b"B", b"A", b"B"))]
    assert [(row.key, row.value, row.offset) for row in in_order(rows)] == [(b"A", b"1", 0), (b"B", b"2", 1)]


def test_frames_that_several_topologies_write_are_in_one_order_however_kafka_mixed_them() -> None:
    def frame(symbol: str, price: int) -> FixtureMessage:
        value = msgspec.json.encode({"events": [{"symbol": symbol, "price": price}]})
        return FixtureMessage("market.trades", 0, 0, UnixMs(0), b"s0", value)

    stocks, futures = [frame("VNM", 1), frame("VNM", 2)], [frame("41I1GC000", 3)]
    assert in_order([*stocks, *futures]) == in_order([stocks[0], *futures, stocks[1]])
    assert in_order(stocks) != in_order(stocks[::-1])


def test_a_release_of_quix_that_was_not_tried_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokerless, "version", {"quixstreams": "3.99.0"}.__getitem__)
    refused = CliRunner().invoke(build(), ["golden", str(QUIET)]).exception
    assert isinstance(refused, UntriedQuix)
    assert "3.99.0" in str(refused)
    assert "stock_tracker/golden/brokerless.py" in refused.remedy


def test_without_a_golden_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NoGolden) as missing:
        run.check(QUIET, "all", tmp_path / "none.jsonl", outputs_of)
    assert "--update" in missing.value.remedy


def test_a_fixture_that_no_pipeline_reads_is_no_golden_of_nothing(tmp_path: Path) -> None:
    file = tmp_path / "wire.jsonl"
    write_fixture(file, Header(topics=["ssi.wire"], trading_day=None), [FixtureMessage("ssi.wire", 0, 0, UnixMs(0), None, b"{}")])
    with pytest.raises(UnusableFixture, match="nothing in it is read by all"):
        run.update(file, "all", tmp_path / "golden.jsonl", outputs_of)


def test_shards_are_read_off_the_keys_where_the_header_does_not_say() -> None:
    with open_fixture(QUIET) as (header, read):
        messages = list(read)
    assert shards_of("quiet", Header(topics=header.topics, trading_day=None), messages) == 3


def test_the_pipelines_read_what_was_recorded_rather_than_make_it_anew() -> None:
    messages = [FixtureMessage("market.trades", 0, 0, UnixMs(0), b"s0", b"{}")]
    alerts = next(pipeline for pipeline in CATALOGUE if pipeline.name == "alerts")
    letters = list(outputs_of(messages, (alerts,), 1))
    assert [(letter.topic, msgspec.json.decode(letter.value or b"")["reason"]) for letter in letters] == [
        ("ssi.dlq", "unreadable")
    ]
