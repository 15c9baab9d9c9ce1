"""A hostile day on a real Kafka, through apps that are killed, gives its golden; what was played can be recorded again."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import msgspec
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from connectors.fixtures.core.errors import DamagedFixture
from connectors.fixtures.core.layout import FixtureMessage, Header
from connectors.fixtures.files import open_fixture, write_fixture
from pipelines.catalogue import CATALOGUE, NAMES
from schemas.deployment import kafka_config
from schemas.topics import (
    EVENT_TOPICS,
    MARKET_QUOTES,
    PARTIAL_FLOW,
    PIPELINES_TERMS,
    RECORD_TOPICS,
    STATE_BREADTH,
    STATE_PRICES,
    STATE_TOPICS,
)
from stock_tracker.cli import build
from stock_tracker.errors import NothingToRecord
from stock_tracker.golden.apps import Apps, wait_until_folded
from stock_tracker.golden.broker import published, write
from stock_tracker.golden.brokerless import outputs_of
from stock_tracker.golden.core.comparison import compare
from stock_tracker.golden.outputs import in_order
from stock_tracker.golden.run import golden_of
from stock_tracker.verify.delivery import compare_delivery
from tests.commits import Commits
from tests.make_days import DAY, DAYS, SHARDS, Outage, StoryDay, hostile, record
from tests.patience import PATIENCE_S, until
from tests.proof import PROVING, usually
from tests.recut import recut, told

pytestmark = pytest.mark.kafka
HOSTILE, QUIET = DAYS / "hostile.jsonl.zst", DAYS / "quiet.jsonl.zst"


def stock_tracker(kafka: str, home: Path, *words: object, prefix: str = "") -> Result:
    environ = {"KAFKA_BOOTSTRAP": kafka, "STOCK_TRACKER_HOME": str(home), "TOPIC_PREFIX": prefix}
    return CliRunner().invoke(build(), [*map(str, words)], env=environ)


def silent(line: str) -> None:
    """Take a line of progress."""


def the_hostile_day() -> tuple[list[FixtureMessage], list[FixtureMessage]]:
    """A day with losses, repeats, late records and killed connectors, and its golden; half an hour of two feeds when proving."""
    with open_fixture(HOSTILE) as (_, read), open_fixture(golden_of(HOSTILE, "all")) as (_, golden):
        short = list(read), list(golden)
    if not PROVING:
        return short
    begins, ends, seconds = (9, 14), (9, 44), (10, 25, 40)
    outages = [Outage("ab"[n % 2], (9, 16 + 3 * n, 0), (9, 16 + 3 * n, seconds[n % 3])) for n in range(9)]
    story = StoryDay("proof", "", begins, ends, stocks=12, change=hostile, feeds=("a", "b"), outages=outages, garbled_every=60)
    _, messages = record(story)
    return messages, in_order(outputs_of(messages, CATALOGUE, SHARDS))


def differences(kafka: Mapping[str, str], prefix: str, golden: list[FixtureMessage]) -> str:
    """How what is committed on the topics differs from a golden; empty if it does not."""
    report = compare(golden, in_order(published(kafka, prefix, silent)))
    return "\n".join(report.sentences()) if report.first else ""


def parts_of(messages: list[FixtureMessage], count: int) -> Iterator[list[FixtureMessage]]:
    size = -(-len(messages) // count)
    return (messages[first : first + size] for first in range(0, len(messages), size))


def test_a_hostile_day_gives_its_golden_though_its_apps_are_killed_again_and_again(
    kafka: str, topics: str, tmp_path: Path
) -> None:
    """Each kill meets an app that has committed something since it was started, at whatever it is doing then."""
    messages, golden = the_hostile_day()
    config = {**kafka_config(os.environ), "bootstrap.servers": kafka}
    kills, rng = usually(1, proving=20), Random(7)
    *parts, last = parts_of(messages, kills + 1)
    assert len(parts) == kills
    commits = {one.name: Commits(config, f"{topics}{one.group}", one.sources[0].named(topics)) for one in CATALOGUE}
    processes = usually([list(NAMES)], proving=[[name] for name in NAMES])
    at_kill = dict.fromkeys(NAMES, 0)
    with ExitStack() as stack:
        for one in commits.values():
            stack.enter_context(one)
        apps = stack.enter_context(Apps(config, topics, processes, tmp_path))

        def has_committed(name: str) -> bool:
            apps.check()
            return commits[name].count() > at_kill[name]

        for part in parts:
            write(config, topics, part, silent)
            victim = rng.randrange(len(processes))
            for name in processes[victim]:
                until(partial(has_committed, name), f"a commit of {name}")
            apps.kill(victim)
            at_kill |= {name: commits[name].count() for name in processes[victim]}
        write(config, topics, last, silent)
        wait_until_folded(config, topics, CATALOGUE, apps.check)
    assert differences(config, topics, golden) == ""
    delivery_is_proven(config, topics)


def delivery_is_proven(kafka: Mapping[str, str], prefix: str) -> None:
    """The comparison of what was delivered finds nothing, and then what is written beside the pipelines, and only that."""
    outputs = list(published(kafka, prefix, silent))
    report = compare_delivery(kafka, prefix, silent)
    assert (report.differences, report.not_judged, report.beyond) == ([], [], 0)
    told = Counter(message.topic for message in outputs)
    assert {topic.name: report.compared[topic.name] for topic in (*EVENT_TOPICS, PARTIAL_FLOW)} == {
        topic.name: told[topic.name] for topic in (*EVENT_TOPICS, PARTIAL_FLOW)
    }
    # No index of this day has members of which the breadth could be counted.
    rows = [topic.name for topic in (*STATE_TOPICS, PIPELINES_TERMS) if report.compared[topic.name] > 0]
    assert rows == [topic.name for topic in (*STATE_TOPICS, PIPELINES_TERMS) if topic is not STATE_BREADTH]

    producer = Producer({**kafka, "partitioner": "murmur2"})
    again = next(message for message in reversed(outputs) if message.topic == MARKET_QUOTES.name)
    first = next(message for message in outputs if message.topic == STATE_PRICES.name)
    for message in (again, first):
        producer.produce(f"{prefix}{message.topic}", message.value, message.key, message.partition, headers=list(message.headers))
    assert producer.flush(PATIENCE_S) == 0
    report = compare_delivery(kafka, prefix, silent)
    assert [(found.kind, found.position.message[:2]) for found in report.differences if found.position] == [
        ("doubled_message", (MARKET_QUOTES.name, again.partition)),
        ("stale_value", (STATE_PRICES.name, first.partition)),
    ]


@pytest.mark.skipif(not PROVING, reason="make prove-replay")
@pytest.mark.parametrize("speed", ["max", "20x"])
def test_at_whatever_speed_a_hostile_day_is_played_it_gives_its_golden(
    kafka: str, topics: str, tmp_path: Path, speed: str
) -> None:
    messages, golden = the_hostile_day()
    config = {**kafka_config(os.environ), "bootstrap.servers": kafka}
    day = tmp_path / "day.jsonl.zst"
    names = sorted({message.topic for message in messages})
    write_fixture(day, Header(topics=names, trading_day=DAY, partitions=dict.fromkeys(names, SHARDS)), messages)
    with Apps(config, topics, [NAMES], tmp_path) as apps:
        played = stock_tracker(kafka, tmp_path, "replay", day, "--speed", speed, "--topic-prefix", topics)
        assert played.exit_code == 0, played.output
        assert f"{len(messages)} messages in" in played.stderr
        assert ("lateness p99" in played.stderr) == (speed != "max")
        wait_until_folded(config, topics, CATALOGUE, apps.check)
    assert differences(config, topics, golden) == ""


@pytest.mark.skipif(not PROVING, reason="make prove-replay")
def test_a_hostile_day_in_other_frames_tells_the_same(kafka: str, topics: str, tmp_path: Path) -> None:
    messages, _ = the_hostile_day()
    config = {**kafka_config(os.environ), "bootstrap.servers": kafka}
    with Apps(config, topics, [NAMES], tmp_path) as apps:
        write(config, topics, list(recut(messages, Random(7))), silent)
        wait_until_folded(config, topics, CATALOGUE, apps.check)
    wanted, found = told(outputs_of(messages, CATALOGUE, SHARDS)), told(published(config, topics, silent))
    assert {about: events for about, events in found.items() if events != wanted.get(about)} == {}
    assert wanted.keys() == found.keys()


@pytest.mark.skipif(not PROVING, reason="make prove-replay")
def test_golden_through_kafka_shows_the_first_message_that_differs(kafka: str, tmp_path: Path) -> None:
    """The golden is changed in one field of one message: everything else is as without a broker."""
    changed = tmp_path / "changed.jsonl.zst"
    with open_fixture(golden_of(QUIET, "all")) as (header, read):
        golden = list(read)
    at = next(number for number, message in enumerate(golden) if message.topic == "market.trades" and message.offset == 3)
    frame = msgspec.json.decode(golden[at].value or b"")
    price = frame["events"][0]["price"]
    frame["events"][0]["price"] = price + 100
    golden[at] = replace(golden[at], value=msgspec.json.encode(frame))
    write_fixture(changed, header, golden)
    said = stock_tracker(kafka, tmp_path, "golden", QUIET, "--broker", "-o", changed)
    assert said.exit_code == 1, said.output
    assert said.stdout.splitlines() == [
        "1 messages are not as in the golden (market.trades 1). The first:",
        f"market.trades[{golden[at].partition}]@3, key {(golden[at].key or b'').decode()}: golden → found",
        f"    .events[0].price: {price + 100} → {price}",
    ]


def test_what_was_played_can_be_recorded_again(kafka: str, topics: str, tmp_path: Path) -> None:
    quiet, again, part = QUIET, tmp_path / "again.jsonl.zst", tmp_path / "part.jsonl"
    assert stock_tracker(kafka, tmp_path, "replay", quiet, "--topic-prefix", topics).exit_code == 0
    recorded = stock_tracker(kafka, tmp_path, "record", "-o", again, prefix=topics)
    assert recorded.exit_code == 0, recorded.output
    with open_fixture(quiet) as (header, read), open_fixture(again) as (told, read_again):
        assert (told.trading_day, told.partitions) == (header.trading_day, header.partitions)

        def by_place(messages: Iterator[FixtureMessage]) -> dict[tuple[str, int, int], tuple[bytes | None, bytes | None]]:
            return {(m.topic, m.partition, m.offset): (m.key, m.value) for m in messages}

        assert by_place(read) == by_place(read_again)
    assert {topic.name for topic in RECORD_TOPICS} == set(told.topics)
    nothing = stock_tracker(kafka, tmp_path, "record", "-o", part, "--from", "11:00", prefix=topics)
    assert isinstance(nothing.exception, NothingToRecord)
    assert "there is nothing on ssi.ticks" in str(nothing.exception)
    assert not part.exists()


def test_a_damaged_day_is_played_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.jsonl.zst"
    damaged.write_bytes(QUIET.read_bytes()[:-20_000])
    played = stock_tracker("127.0.0.1:1", tmp_path, "replay", damaged, "--to", "stdout")
    lines = played.stdout.splitlines()
    assert isinstance(played.exception, DamagedFixture)
    assert f"damaged after {len(lines)} records" in str(played.exception)
    assert len(lines) > 500
