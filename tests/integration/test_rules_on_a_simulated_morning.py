"""Our own rules on the simulator's morning: each of its stories is told, and little else. All of it is pure, so no engine."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest

from connectors.ssi.core.decode import decode
from connectors.ssi.core.frames import partitions_of
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import generate
from connectors.ssi.simulator.core.records import Quote
from connectors.ssi.simulator.core.stories import Story
from pipelines.core import foreign_shard, index_shard, price_shard
from pipelines.core.alert_shard import fold_basis, fold_candles, fold_foreign, fold_trades
from pipelines.core.backtest import Backtest
from pipelines.core.frames import Folded, Shard
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import AlertEvent
from schemas.topics import (
    MARKET_ALERTS,
    MARKET_BASIS,
    MARKET_CANDLES,
    MARKET_FOREIGN,
    MARKET_TRADES,
    RECORD_TOPICS,
    SSI_FOREIGN,
    SSI_INDICES,
    SSI_TICKS,
)
from tests.builders import DAY, a_frame, a_tick, offers

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


class System:
    """The folds of all pipelines one behind the other, in one shard, as Kafka would join them."""

    def __init__(self) -> None:
        rules = Parameters(PipelineSettings(kafka={})).rules
        self.backtest = Backtest(rules, DAY)
        self._folds: dict[str, Callable[..., Folded]] = {
            "ssi.ticks": partial(price_shard.fold_frame, offers=offers(SSI_TICKS)),
            "ssi.foreign": partial(foreign_shard.fold_frame, offers=offers(SSI_FOREIGN, sectors={})),
            "ssi.indices": partial(index_shard.fold_frame, offers=offers(SSI_INDICES)),
            "market.trades": partial(fold_trades, offers=offers(MARKET_TRADES, rules=rules.trades)),
            "market.candles": partial(fold_candles, offers=offers(MARKET_CANDLES, rules=rules.candles)),
            "market.foreign": partial(fold_foreign, offers=offers(MARKET_FOREIGN, rules=rules.foreign)),
            "market.basis": partial(fold_basis, offers=offers(MARKET_BASIS, rules=rules.basis)),
        }
        self._states: dict[str, dict[bytes, bytes]] = {topic: {} for topic in self._folds}
        self._offsets = dict.fromkeys(self._folds, -1)
        self._topics = {topic.name: topic for topic in (MARKET_TRADES, MARKET_CANDLES, MARKET_FOREIGN, MARKET_BASIS)}
        self.alerts: list[AlertEvent] = []

    def take(self, topic: str, message: Any) -> None:
        self._offsets[topic] += 1
        position = Position(topic, 0, self._offsets[topic])
        if topic in self._topics:
            self.backtest.take(position, message)
        for output in self._folds[topic](message, position, Shard.of("test", 0, 1), self._states[topic]).outputs:
            if output.topic is MARKET_ALERTS:
                self.alerts += MARKET_ALERTS.decode(output.value).events
            elif output.topic.name in self._topics:
                self.take(output.topic.name, output.topic.decode(output.value))


@pytest.fixture(scope="module")
def played() -> tuple[tuple[Story, ...], System]:
    """The stories of seed 7, and what the system made of 08:55 to 10:00."""
    market = generate(7, DAY, Random)
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
