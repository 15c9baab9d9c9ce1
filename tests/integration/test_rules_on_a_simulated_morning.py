"""Our own rules on the simulator's morning: each of its stories is told, and little else. All of it is pure, so no engine."""

from random import Random
from typing import Any

import pytest

from connectors.ssi.core.decode import decode
from connectors.ssi.core.frames import partitions_of
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import MarketSize, generate
from connectors.ssi.simulator.core.records import Quote
from connectors.ssi.simulator.core.stories import Story
from connectors.ssi.simulator.core.universe import FEWEST_SYMBOLS
from schemas.calendar import at
from schemas.structs import AlertEvent
from schemas.topics import (
    RECORD_TOPICS,
)
from tests.builders import DAY, a_frame, a_tick
from tests.system import System

BEGINS_MS, ENDS_MS = at(DAY, 8, 55), at(DAY, 10)
SLACK_MS = 60_000

KINDS = {
    "ceiling": "price_limit",
    "floor": "price_limit",
    "volume_spike": "volume_spike",
    "foreign_burst": "foreign_acceleration",
    "room": "room_exhausted",
    "basis_flip": "basis_flip",
}


@pytest.fixture(scope="module")
def played() -> tuple[tuple[Story, ...], System]:
    """The stories of seed 7, and what the system made of 08:55 to 10:00."""
    market = generate(7, DAY, Random, MarketSize.of(0.02, FEWEST_SYMBOLS, "index"))
    system = System()
    seconds: dict[int, list[Any]] = {}
    for record in market.records:
        # Of the rules only that of locked books looks at them, and books are most of the records.
        if record.due_ms < ENDS_MS and not isinstance(record, Quote):
            second = max(record.due_ms, BEGINS_MS) // 1000 * 1000
            seconds.setdefault(second, []).append(decode(wire.broadcast(record.channel, wire.content(record))))
    for seq, ts_ms in enumerate(range(BEGINS_MS, ENDS_MS, 1000)):
        tick = a_tick(ts_ms)
        frames: dict[str, list[Any]] = {topic.name: [tick] for topic in RECORD_TOPICS}
        for record in seconds.get(ts_ms, ()):
            for partition in partitions_of(record, 1):
                frames[partition.topic].append(record)
        for topic, records in frames.items():
            system.take(topic, a_frame(*records, seq=seq))
    return market.stories, system


@pytest.fixture
def morning(played: tuple[tuple[Story, ...], System]) -> tuple[tuple[Story, ...], list[AlertEvent]]:
    stories, system = played
    return stories, system.alerts


def test_a_backtest_of_the_same_rules_says_what_was_said_live(played: tuple[tuple[Story, ...], System]) -> None:
    _, system = played
    report = system.backtest.report()
    by_id = {alert.alert_id: alert for alert in system.alerts}
    assert {outcome.alert.alert_id: outcome.alert for outcome in report.outcomes} == by_id
    assert sum(line.fired for line in report.lines) == len(by_id)
    up = next(line for line in report.lines if (line.kind, line.direction) == ("foreign_acceleration", "buy"))
    assert [after.known for after in up.after] == [up.fired] * 3


def test_every_story_is_told(morning: tuple[tuple[Story, ...], list[AlertEvent]]) -> None:
    stories, alerts = morning
    assert {story.name for story in stories} == set(KINDS)
    for story in stories:
        told = [alert for alert in alerts if alert.symbol == story.symbol and alert.kind == KINDS[story.name]]
        assert any(story.from_ms <= alert.ts_ms <= story.until_ms + SLACK_MS for alert in told), story


def test_there_are_some_alerts_not_hundreds(morning: tuple[tuple[Story, ...], list[AlertEvent]]) -> None:
    _, alerts = morning
    assert len(KINDS) <= len(alerts) <= 40
    assert len({alert.alert_id for alert in alerts}) == len(alerts)
