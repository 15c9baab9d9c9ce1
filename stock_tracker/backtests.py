"""Alert rules on a day that is over: where the day's events come from, and how the result reads."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

import msgspec

from pipelines.core.backtest import SOURCES, After, Backtest, Line, Report
from pipelines.core.rules import Rules
from schemas.position import Position
from schemas.topics import encode
from schemas.units import TradingDay
from stock_tracker.errors import NothingOfTheDay

Tell = Callable[[str], None]
Frames = Iterator[tuple[Position, Any]]
"""Frames of event topics with their positions, each shard's in order; topics without their prefix."""


def run(rules: Rules, day: TradingDay, frames: Iterable[tuple[Position, Any]]) -> Report:
    """Try ``rules`` on the events of ``day`` among ``frames``.

    Raises:
        NothingOfTheDay: There is no event of the day.
    """
    backtest = Backtest(rules, day)
    for position, frame in frames:
        backtest.take(position, frame)
    report = backtest.report()
    if not report.events:
        raise NothingOfTheDay(day)
    return report


def from_topics(tell: Tell) -> Frames:
    """All frames that Kafka still has, committed ones only: it keeps them by their age, not by the day that they are of.

    Raises:
        KafkaUnavailable: No broker answers.
        TopicsMissing: A topic is not there.
        InvalidMessage: A message is not one of its topic's.
        NewerMessage: A newer release wrote it.
    """
    from schemas.deployment import topic_prefix
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.verify.topics import read_topic

    environment = environment_of(os.environ)
    kafka, prefix = kafka_config(environment), topic_prefix(environment)
    for topic in SOURCES:
        tell(f"Reading {topic.name}")
        for raw in read_topic(kafka, topic.named(prefix)):
            yield Position(topic.name, raw.partition, raw.offset), topic.decode(raw.value)


def from_archive(day: TradingDay, tell: Tell) -> Frames:
    """The frames of ``day``, put together again from the archive's rows.

    Of a minute that was amended the archive has the last state only, and quotes are kept for 90 days.

    Raises:
        ArchiveError: ClickHouse does not answer, or its tables are not what this release needs.
    """
    from connectors.clickhouse.client import connect, naming_errors
    from connectors.clickhouse.core.tables import TABLES
    from schemas.message import twin
    from stock_tracker.verify.rows import read_rows
    from stock_tracker.verify.stack import archive_of

    sink = archive_of(environment_of(os.environ))
    client = connect(sink.clickhouse_url, sink.user, sink.read_password(), sink.database, sink.password_file, sink.ca_file)
    try:
        with naming_errors(sink.clickhouse_url, sink.user, sink.database, sink.password_file):
            for topic in SOURCES:
                table = TABLES[topic.name]
                kind = twin(table.model)
                tell(f"Reading {table.view}")
                for position, rows in groupby(read_rows(client, table, day), key=lambda found: found[0].message):
                    events = [msgspec.convert(row, kind) for _, row in rows]
                    yield position, topic.decode(encode({"schema": topic.version, "events": events}))
    finally:
        client.close()


def environment_of(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Where Kafka and the archive are: those of the simulated stack that runs in this home, unless ``environ`` names others."""
    from stock_tracker.home import Home
    from stock_tracker.stack import runfile

    home = Home(Home.of(environ).root / "simulated")
    running = runfile.read(home.runfile)
    if running is None or not running.alive:
        return environ
    named = {name: value for name, value in environ.items() if value}
    return {**running.environment, **named, "STOCK_TRACKER_HOME": str(home.root)}


def table(report: Report) -> Iterator[str]:
    """The report as lines of text."""
    horizons = [after.minutes for after in report.lines[0].after] if report.lines else []
    fired = sum(line.fired for line in report.lines)
    yield f"{report.day}: {report.events:,} events, {fired:,} alerts"
    yield f"{'rule':<24} {'direction':<10} {'fired':>6} {'symbols':>8}" + "".join(f"{f'after {m} min':>22}" for m in horizons)
    for line in report.lines:
        yield _row(line)
    yield "After an alert: mean change of the price, and at how many of them it rose / fell."


def _row(line: Line) -> str:
    return f"{line.rule:<24} {line.direction:<10} {line.fired:>6} {line.symbols:>8}" + "".join(map(_cell, line.after))


def _cell(after: After) -> str:
    text = "-" if after.mean_pct is None else f"{after.mean_pct:+.2f}%  {after.rose} / {after.fell}"
    return f"{text:>22}"
