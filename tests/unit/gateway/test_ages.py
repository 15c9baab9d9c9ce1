from typing import Any

import msgspec
import pytest

from gateway.core.ages import AGED_CHANNELS, REMEMBERED, ShardAges
from gateway.core.channels import CHANNELS
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from gateway.state_reader import StateReader
from pipelines.catalogue import READ_ON
from pipelines.core.frames import Output
from pipelines.core.progress import Progress
from schemas.position import Partition, Position
from schemas.structs import ShardProgress, TradesFrame
from schemas.topics import MARKET_TRADES, RECORD_TOPICS, SSI_STATUS, STATE_PROGRESS
from tests.builders import a_feed_status, a_frame

SHARDS = 3


def reached(topic: str, partition: int, recv_ms: int) -> ShardProgress:
    return ShardProgress(topic=topic, partition=partition, offset=1, recv_us=recv_ms * 1_000)


def all_shards(recv_ms: int) -> list[ShardProgress]:
    return [reached(topic.name, partition, recv_ms) for topic in RECORD_TOPICS for partition in range(SHARDS)]


@pytest.fixture
def ages() -> ShardAges:
    ages = ShardAges()
    ages.begin(SHARDS)
    return ages


def test_a_channel_is_as_old_as_its_slowest_shard(ages: ShardAges) -> None:
    for row in all_shards(10_000):
        ages.reach(row)
    ages.reach(reached("ssi.ticks", 1, 7_000))
    assert ages.ages_ms(10_400) == {
        "px": 3_400, "index": 400, "breadth": 3_400, "flow": 400, "basis": 400, "alert": 3_400, "candle": 3_400,
    }  # fmt: skip


def test_futures_are_prices_too(ages: ShardAges) -> None:
    for row in [*all_shards(10_000), reached("ssi.indices", 0, 1_000)]:
        ages.reach(row)
    assert ages.ages_ms(10_000)["px"] == 9_000


def test_nobody_can_say_how_old_a_channel_is_of_which_a_shard_has_said_nothing(ages: ShardAges) -> None:
    for row in all_shards(10_000)[:-1]:
        ages.reach(row)
    assert (ages.ages_ms(10_000)["px"], ages.ages_ms(10_000)["flow"]) == (None, 0)
    ages.begin(SHARDS)
    assert ages.ages_ms(10_000) == dict.fromkeys(AGED_CHANNELS)


def test_a_pipeline_that_folds_again_what_it_had_lost_is_behind_again(ages: ShardAges) -> None:
    for row in [*all_shards(10_000), reached("ssi.foreign", 2, 4_000)]:
        ages.reach(row)
    assert ages.ages_ms(10_000)["flow"] == 6_000


def test_prices_that_move_and_are_late_are_said_to_be_late(board: Any, events: Any, change: Any, peer: Any) -> None:
    now_ms = 500_000
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: now_ms, reason=str)
    fanout.begin("0123abcd", SHARDS)
    fanout.complete()
    fanout.hear(a_feed_status(ts_us=now_ms * 1_000), now_ms)
    fanout.reach(all_shards(now_ms - 900))
    fanout.reach([reached("ssi.ticks", 0, now_ms - 200_000)])
    fanout.apply([change("VNM", value=9)])
    peer.subscriber.heartbeat(fanout.heartbeat(now_ms))
    beat = peer.read()[-1]
    assert (beat["lag_ms"]["px"], beat["lag_ms"]["flow"]) == (200_000, 900)
    assert beat["stale"] == ["alert", "breadth", "candle", "px"]


class Stages:
    """Prices and alerts as they tell of themselves, and a gateway's view of it; times are milliseconds."""

    def __init__(self) -> None:
        self.ages = ShardAges()
        self.ages.begin(SHARDS)
        self.prices, self.alerts = Progress("ssi.ticks", READ_ON), Progress("market.trades", READ_ON)
        for row in all_shards(0):
            self.ages.reach(row)
        self._offset = 0

    def tick(self, ms: int, *, trades: bool = False) -> None:
        """A frame is folded into prices; the other shards and topics are as new."""
        self._offset += 1
        frame = msgspec.structs.replace(a_frame(), recv_us=ms * 1_000)  # type: ignore[type-var] # it is a Struct
        outputs = [Output(MARKET_TRADES, "k", b"{}")] if trades else []
        for row in all_shards(ms):
            if (row.topic, row.partition) != ("ssi.ticks", 0):
                self.ages.reach(row)
        self._say(self.prices.reach(frame, Position("ssi.ticks", 0, self._offset), ms, outputs))

    def alert(self, ms: int) -> None:
        """What was traded at ``ms`` is folded into the alerts."""
        self._say(self.alerts.reach(TradesFrame(events=[]), Position("market.trades", 0, self._offset), ms))

    def _say(self, output: Output | None) -> None:
        if output is not None:
            self.ages.reach(STATE_PROGRESS.decode(output.value))

    def age(self, now_ms: int) -> int | None:
        return self.ages.ages_ms(now_ms)["alert"]


def test_alerts_whose_pipeline_has_stopped_grow_old_with_the_first_trade_that_it_owes() -> None:
    stages = Stages()
    for ms in range(1_000, 10_000, 1_000):
        stages.tick(ms, trades=True)
        stages.alert(ms)
        assert stages.age(ms + 100) == 100
    for ms in range(10_000, 60_000, 1_000):
        stages.tick(ms, trades=True)
    assert stages.age(60_000) == 60_000 - 11_000
    assert stages.ages.ages_ms(60_000)["px"] == 1_000
    # It runs again, and works off what it owes.
    stages.alert(30_000)
    assert stages.age(60_000) == 60_000 - 32_000
    stages.alert(59_000)
    assert stages.age(60_000) == 1_000


def test_a_lull_is_no_lag_of_the_alerts() -> None:
    stages = Stages()
    stages.tick(1_000, trades=True)
    stages.alert(1_000)
    stages.tick(1_900, trades=True)
    stages.alert(1_900)
    for ms in range(2_000, 60_000, 1_000):
        stages.tick(ms)
    assert stages.age(60_000) == 1_000
    stages.tick(60_000, trades=True)
    assert stages.age(60_050) == 50


def test_alerts_whose_pipeline_has_never_run_are_as_old_as_the_first_trade_that_was_seen() -> None:
    stages = Stages()
    for ms in range(1_000, 30_000, 1_000):
        stages.tick(ms, trades=True)
    assert stages.age(30_000) == 29_000


@pytest.mark.parametrize("alerts_first", [True, False])
def test_a_gateway_that_starts_while_alerts_are_behind_does_not_take_them_for_new(alerts_first: bool) -> None:
    ages = ShardAges()
    ages.begin(SHARDS)
    for row in all_shards(99_000):
        ages.reach(row)
    rows = [
        reached("market.trades", 0, 40_000),
        msgspec.structs.replace(reached("ssi.ticks", 0, 99_000), brought_ms={"market.trades": 98_000}),  # type: ignore[type-var]
    ]
    for row in rows if alerts_first else reversed(rows):
        ages.reach(row)
    assert ages.ages_ms(100_000)["alert"] == 60_000
    assert ages.ages_ms(100_000)["px"] == 1_000


def test_what_is_owed_is_remembered_within_bounds_and_from_its_beginning_on() -> None:
    stages = Stages()
    stages.tick(1_000, trades=True)
    stages.alert(1_000)
    for ms in range(10_000, 10_000 + 2_000 * REMEMBERED, 1_000):
        stages.tick(ms, trades=True)
    assert stages.age(10**7) == 10**7 - 10_000
    assert [len(owed.brought_ms) for brought in stages.ages._owed.values() for owed in brought.values()] == [REMEMBERED]


def test_the_second_stage_of_breadth_is_waited_for_too(ages: ShardAges) -> None:
    for row in all_shards(10_000):
        ages.reach(row)
    ages.reach(msgspec.structs.replace(reached("ssi.ticks", 2, 10_000), brought_ms={"partial.breadth": 4_000}))  # type: ignore[type-var]
    assert (ages.ages_ms(10_000)["breadth"], ages.ages_ms(10_000)["px"]) == (6_000, 0)
    ages.reach(reached("partial.breadth", 0, 4_000))
    assert ages.ages_ms(10_000)["breadth"] == 0


def test_every_topic_that_pipelines_read_on_is_on_the_way_to_some_channel() -> None:
    assert {topic.name for channel in CHANNELS.values() for topic in channel.by_way_of} == READ_ON


def test_a_lull_is_no_lag(board: Any, events: Any, peer: Any) -> None:
    now_ms = 500_000
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: now_ms, reason=str)
    fanout.begin("0123abcd", SHARDS)
    fanout.complete()
    fanout.hear(a_feed_status(ts_us=now_ms * 1_000), now_ms)
    # Nothing is traded, and each second a clock tick is folded.
    fanout.reach(all_shards(now_ms - 1_000))
    peer.subscriber.heartbeat(fanout.heartbeat(now_ms))
    assert peer.read()[-1]["stale"] == []


def test_the_reader_of_state_hands_on_what_pipelines_say_of_themselves(board: Any, events: Any, peer: Any) -> None:
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: 500_000, reason=str)

    def at_once(function: Any, *arguments: Any) -> None:
        function(*arguments)

    settings = GatewaySettings(kafka={}, topic_prefix="copy.")
    reader = StateReader(fanout, settings, at_once, at_once)  # type: ignore[arg-type] # neither is of any use without a thread
    parts = [Partition(f"copy.{topic.name}", number) for topic in reader.topics for number in range(topic.partitions(SHARDS))]
    reader.begin("0123abcd", dict.fromkeys(parts, 0))
    for offset, row in enumerate(all_shards(499_000)):
        reader.take(STATE_PROGRESS, Position("copy.state.progress", 0, offset), 0, row)
    reader.take(SSI_STATUS, Position("copy.ssi.status", 0, 0), 500_000, a_feed_status())
    reader.hand_over()
    reader.caught_up()
    peer.subscriber.heartbeat(fanout.heartbeat(500_000))
    beat = peer.read()[-1]
    assert beat["lag_ms"] == dict.fromkeys(AGED_CHANNELS, 1_000)
    assert (beat["stale"], beat["phase"]) == ([], "continuous")
