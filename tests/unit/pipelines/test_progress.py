from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.progress import BACKWARDS_US, EVERY_US, Progress
from schemas.position import Position
from schemas.structs import TradesFrame
from schemas.topics import STATE_PROGRESS
from tests.builders import a_frame

SECOND = 1_000_000


@pytest.fixture
def progress() -> Progress:
    return Progress("ssi.ticks")


def reach(progress: Progress, recv_us: int, partition: int = 0, offset: int = 0) -> Any:
    frame = msgspec.structs.replace(a_frame(), recv_us=recv_us)  # type: ignore[type-var] # at run time it is a Struct
    output = progress.reach(frame, Position("replay.ssi.ticks", partition, offset))
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


def a_message_without_a_receive_time() -> TradesFrame:
    return TradesFrame(events=[])


def test_what_no_connector_received_has_no_age(progress: Progress) -> None:
    assert progress.reach(None, Position("ssi.ticks", 0, 0)) is None
    assert Progress("market.trades").reach(a_message_without_a_receive_time(), Position("market.trades", 0, 0)) is None


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
