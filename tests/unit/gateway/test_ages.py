from typing import Any

import pytest

from gateway.core.ages import AGED_CHANNELS, ShardAges
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from gateway.state_reader import StateReader
from schemas.position import Partition, Position
from schemas.structs import ShardProgress
from schemas.topics import RECORD_TOPICS, SSI_STATUS, STATE_PROGRESS
from tests.builders import a_feed_status

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
    assert ages.ages_ms(10_400) == {"px": 3_400, "index": 400, "breadth": 3_400, "flow": 400, "basis": 400}


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
    assert beat["stale"] == ["breadth", "px"]


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
