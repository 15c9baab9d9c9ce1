from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.frames import Output
from pipelines.core.progress import BACKWARDS_US, EVERY_US, Progress
from schemas.position import Position
from schemas.structs import TradesFrame
from schemas.topics import MARKET_DAILY, MARKET_TRADES, STATE_PROGRESS
from tests.builders import a_frame

SECOND = 1_000_000


@pytest.fixture
def progress() -> Progress:
    return Progress("ssi.ticks")


def reach(progress: Progress, recv_us: int, partition: int = 0, offset: int = 0) -> Any:
    frame = msgspec.structs.replace(a_frame(), recv_us=recv_us)  # type: ignore[type-var] # at run time it is a Struct
    output = progress.reach(frame, Position("replay.ssi.ticks", partition, offset), 0)
    return None if output is None else (output.key, STATE_PROGRESS.decode(output.value))


def test_a_row_says_of_a_shard_when_its_newest_frame_was_received(progress: Progress) -> None:
    key, row = reach(progress, 7 * SECOND, partition=2, offset=40)
    assert key == "ssi.ticks/2"
    assert (row.topic, row.partition, row.offset, row.recv_us) == ("ssi.ticks", 2, 40, 7 * SECOND)


def test_each_shard_tells_once_a_second(progress: Progress) -> None:
    assert reach(progress, 7 * SECOND) is not None
    assert reach(progress, 8 * SECOND - 1) is None
    assert reach(progress, 8 * SECOND - 1, partition=1) is not None
    assert reach(progress, 8 * SECOND) is not None


def test_a_clock_that_was_set_back_is_believed_and_the_skew_of_two_connectors_is_not(progress: Progress) -> None:
    reach(progress, BACKWARDS_US + 10 * SECOND)
    assert reach(progress, 10 * SECOND) is None
    assert reach(progress, 10 * SECOND - 1)[1].recv_us == 10 * SECOND - 1


def test_what_cannot_be_read_tells_nothing(progress: Progress) -> None:
    assert progress.reach(None, Position("ssi.ticks", 0, 0), 1) is None


def test_a_row_of_what_another_pipeline_wrote_says_when_the_record_was_given_to_kafka() -> None:
    told = Progress("market.trades").reach(TradesFrame(events=[]), Position("market.trades", 1, 5), 7_250)
    assert told is not None
    row = STATE_PROGRESS.decode(told.value)
    assert (told.key, row.recv_us, row.brought_ms) == ("market.trades/1", 7_250_000, {})


def test_a_row_says_when_each_topic_that_is_read_on_was_last_brought_something() -> None:
    progress = Progress("ssi.ticks", {"market.trades"})
    trades, daily = (Output(topic, "k", b"{}") for topic in (MARKET_TRADES, MARKET_DAILY))
    frames = [(1, 1_000, [trades, daily]), (2, 1_500, [trades]), (3, 2_600, [daily])]
    told = []
    for second, taken_ms, outputs in frames:
        frame = msgspec.structs.replace(a_frame(), recv_us=second * SECOND)  # type: ignore[type-var] # it is a Struct
        row = progress.reach(frame, Position("ssi.ticks", 0, second), taken_ms, outputs)
        assert row is not None
        told.append(STATE_PROGRESS.decode(row.value).brought_ms)
    assert told == [{"market.trades": 1_000}, {"market.trades": 1_500}, {"market.trades": 1_500}]


@given(st.lists(st.integers(0, 3 * SECOND)))
def test_what_was_told_is_never_more_than_a_second_behind(steps: list[int]) -> None:
    progress, now_us, told = Progress("ssi.ticks"), 0, [0]
    reach(progress, 0)
    for step in steps:
        now_us += step
        if (row := reach(progress, now_us)) is not None:
            told.append(row[1].recv_us)
        assert now_us - told[-1] < EVERY_US
    assert all(later - earlier >= EVERY_US for earlier, later in pairwise(told))
