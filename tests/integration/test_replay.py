"""A recorded day, played onto a real Kafka at different speeds, gives its golden; and what was played can be recorded again."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from connectors.fixtures.core.layout import FixtureMessage
from connectors.fixtures.files import open_fixture, write_fixture
from pipelines.application import make_application
from pipelines.catalogue import CATALOGUE
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.deployment import kafka_config
from schemas.topics import (
    EVENT_TOPICS,
    MARKET_QUOTES,
    PARTIAL_FLOW,
    PIPELINES_TERMS,
    RECORD_TOPICS,
    STATE_PRICES,
    STATE_TOPICS,
)
from schemas.units import UnixMs
from stock_tracker.golden.core.comparison import compare
from stock_tracker.golden.outputs import OUTPUTS, in_order
from stock_tracker.golden.run import golden_of
from stock_tracker.recordings.record import read_messages
from stock_tracker.stack.drain import Backlog, ConsumerGroup
from stock_tracker.verify.delivery import compare_delivery
from tests.make_days import DAYS
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.kafka
HOSTILE = DAYS / "hostile.jsonl.zst"


def stock_tracker(kafka: str, home: Path, *words: object, prefix: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stock_tracker", *map(str, words)],
        env={**os.environ, "KAFKA_BOOTSTRAP": kafka, "STOCK_TRACKER_HOME": str(home), "TOPIC_PREFIX": prefix},
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def pipelines(kafka: str, prefix: str, home: Path) -> Iterator[None]:
    """All pipelines, exactly once, each in a thread."""
    settings = PipelineSettings(kafka={**kafka_config(os.environ), "bootstrap.servers": kafka}, topic_prefix=prefix, home=home)
    made = [make_application(pipeline, pipeline.make_folds(Parameters(settings)), settings) for pipeline in CATALOGUE]
    threads = [threading.Thread(target=application.run, daemon=True) for application in made]
    for thread in threads:
        thread.start()
    try:
        until(lambda: all(application.ready for application in made), "the pipelines")
        yield
    finally:
        for application in made:
            application.stop()
        for thread in threads:
            thread.join()


def all_is_folded(kafka: str, prefix: str) -> None:
    """Wait until every pipeline has committed all that is on its topics, one after the other, as they read one another."""
    backlog = Backlog({"bootstrap.servers": kafka})
    try:
        for pipeline in CATALOGUE:
            names = tuple(source.named(prefix) for source in pipeline.sources)
            group = ConsumerGroup(f"{prefix}{pipeline.group}", names)
            until(lambda group=group: not backlog.has_unread(group), f"{pipeline.name} to fold everything")  # type: ignore[misc]
    finally:
        backlog.close()


def spread(messages: list[FixtureMessage], seconds: int) -> Iterator[FixtureMessage]:
    """The messages as if they had been appended within so many seconds."""
    first, last = messages[0].ts_ms, messages[-1].ts_ms
    return (replace(m, ts_ms=UnixMs((m.ts_ms - first) * seconds * 1000 // (last - first))) for m in messages)


@pytest.mark.parametrize("speed", ["max", "20x"])
def test_a_hostile_day_that_is_played_again_gives_its_golden(kafka: str, topics: str, tmp_path: Path, speed: str) -> None:
    with open_fixture(HOSTILE) as (header, read):
        messages = list(read)
    day = tmp_path / "day.jsonl.zst"
    # Whatever else the pipelines do with them, they hand on headers.
    messages = [replace(message, headers=(("trace", b"1"),)) for message in messages]
    write_fixture(day, header, messages if speed == "max" else spread(messages, 60))
    with pipelines(kafka, topics, tmp_path):
        played = stock_tracker(kafka, tmp_path, "replay", day, "--speed", speed, "--topic-prefix", topics)
        assert played.returncode == 0, played.stderr
        assert f"{len(messages)} messages in" in played.stderr
        assert ("lateness p99" in played.stderr) == (speed != "max")
        all_is_folded(kafka, topics)

    _, found = read_messages({"bootstrap.servers": kafka}, topics, OUTPUTS, lambda line: None)
    with open_fixture(golden_of(HOSTILE, "all")) as (_, golden):
        wanted = list(golden)
    report = compare(wanted, in_order(found))
    assert report.first is None, "\n".join(report.sentences())
    if speed == "max":
        delivery_is_proven(kafka, topics, found)


def delivery_is_proven(kafka: str, prefix: str, outputs: list[FixtureMessage]) -> None:
    """The comparison of what was delivered finds nothing, and then what is written beside the pipelines, and only that."""
    config = {"bootstrap.servers": kafka}
    report = compare_delivery(config, prefix, lambda line: None)
    assert (report.differences, report.not_judged, report.beyond) == ([], [], 0)
    published = Counter(message.topic for message in outputs)
    assert {topic.name: report.compared[topic.name] for topic in (*EVENT_TOPICS, PARTIAL_FLOW)} == {
        topic.name: published[topic.name] for topic in (*EVENT_TOPICS, PARTIAL_FLOW)
    }
    assert all(report.compared[topic.name] > 0 for topic in (*STATE_TOPICS, PIPELINES_TERMS))

    producer = Producer({**config, "partitioner": "murmur2"})
    again = next(message for message in reversed(outputs) if message.topic == MARKET_QUOTES.name)
    first = next(message for message in outputs if message.topic == STATE_PRICES.name)
    for message in (again, first):
        producer.produce(f"{prefix}{message.topic}", message.value, message.key, message.partition, headers=list(message.headers))
    assert producer.flush(PATIENCE_S) == 0
    report = compare_delivery(config, prefix, lambda line: None)
    assert [(found.kind, found.position.message[:2]) for found in report.differences if found.position] == [
        ("doubled_message", (MARKET_QUOTES.name, again.partition)),
        ("stale_value", (STATE_PRICES.name, first.partition)),
    ]


def test_what_was_played_can_be_recorded_again(kafka: str, topics: str, tmp_path: Path) -> None:
    quiet, again, part = DAYS / "quiet.jsonl.zst", tmp_path / "again.jsonl.zst", tmp_path / "part.jsonl"
    assert stock_tracker(kafka, tmp_path, "replay", quiet, "--topic-prefix", topics).returncode == 0
    recorded = stock_tracker(kafka, tmp_path, "record", "-o", again, prefix=topics)
    assert recorded.returncode == 0, recorded.stderr
    with open_fixture(quiet) as (header, read), open_fixture(again) as (told, read_again):
        assert (told.trading_day, told.partitions) == (header.trading_day, header.partitions)

        def by_place(messages: Iterator[FixtureMessage]) -> dict[tuple[str, int, int], tuple[bytes | None, bytes | None]]:
            return {(m.topic, m.partition, m.offset): (m.key, m.value) for m in messages}

        assert by_place(read) == by_place(read_again)
    assert {topic.name for topic in RECORD_TOPICS} == set(told.topics)
    nothing = stock_tracker(kafka, tmp_path, "record", "-o", part, "--from", "11:00", prefix=topics)
    assert nothing.returncode == 1
    assert "there is nothing on ssi.ticks" in nothing.stderr
    assert not part.exists()


def test_a_damaged_day_is_played_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.jsonl.zst"
    damaged.write_bytes((DAYS / "quiet.jsonl.zst").read_bytes()[:-20_000])
    played = stock_tracker("127.0.0.1:1", tmp_path, "replay", damaged, "--to", "stdout")
    lines = played.stdout.splitlines()
    assert played.returncode == 1
    assert f"damaged after {len(lines)} records" in played.stderr
    assert len(lines) > 500
