"""When calls of SSI's REST are made."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.core.pace import CallPace

seconds = st.floats(min_value=0.0, max_value=1000.0)


@given(st.lists(seconds, min_size=2, max_size=50))
def test_no_two_calls_are_closer_than_the_pace_whoever_asks_when(asked: list[float]) -> None:
    pace = CallPace(1.1)
    made = [now_s + pace.take(now_s) for now_s in sorted(asked)]
    assert all(after - before >= 1.1 - 1e-9 for before, after in pairwise(made))


def test_one_who_comes_late_does_not_wait() -> None:
    pace = CallPace(1.1)
    assert [round(pace.take(now_s), 3) for now_s in (10.0, 10.0, 10.5, 20.0)] == [0.0, 1.1, 1.7, 0.0]


def test_a_pause_holds_for_the_next_call_and_a_shorter_one_does_not_end_it() -> None:
    pace = CallPace(1.1)
    pace.pause(100.0, 60.0)
    pace.pause(110.0, 5.0)
    assert (pace.left_s(120.0), pace.take(120.0), round(pace.take(120.0), 3)) == (40.0, 40.0, 41.1)


def test_without_a_pace_nobody_waits() -> None:
    pace = CallPace(0.0)
    assert [pace.take(5.0) for _ in range(3)] == [0.0, 0.0, 0.0]
