from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_tracker.chaos.core.schedule import STOP_S, plan_strikes

PARTS = ("kafka", "archive", "prices", "foreign", "indices", "alerts", "sink", "gateway", "connector")


def test_the_same_seed_plans_the_same_and_another_seed_something_else() -> None:
    planned = plan_strikes(7, 20, 300, PARTS, Random)
    assert planned == plan_strikes(7, 20, 300, PARTS, Random)
    assert planned != plan_strikes(8, 20, 300, PARTS, Random)


@given(st.integers(), st.integers(1, 200), st.floats(30, 5_000), st.integers(1, len(PARTS)))
def test_every_part_is_struck_as_often_as_any_other_and_in_time(seed: int, kills: int, seconds: float, count: int) -> None:
    parts = PARTS[:count]
    planned = plan_strikes(seed, kills, seconds, parts, Random)
    assert planned == sorted(planned)
    assert Counter(strike.how for strike in planned) == {"kill": kills, "stop": max(kills // 5, 1), "cut": max(kills // 2, 1)}
    for how in ("kill", "stop", "cut"):
        of_each = Counter(strike.part for strike in planned if strike.how == how)
        assert max(of_each.values()) - min(of_each[part] for part in parts) <= 1
    for strike in planned:
        ends_s = strike.at_s + (STOP_S if strike.how == "stop" else 0)
        assert strike.at_s > 0
        assert ends_s <= seconds + 0.001


def test_a_stop_of_a_short_play_comes_first_and_may_outlast_it() -> None:
    (stop,) = [strike for strike in plan_strikes(7, 3, 10, PARTS, Random) if strike.how == "stop"]
    assert stop.at_s == 0.5


def test_more_kills_leave_the_cuts_where_they_are() -> None:
    def cuts(kills: int) -> list[tuple[float, str]]:
        return [(strike.at_s, strike.part) for strike in plan_strikes(7, kills, 300, PARTS, Random) if strike.how == "cut"]

    assert cuts(10) == cuts(11)
    assert len(cuts(12)) == len(cuts(10)) + 1


@pytest.mark.parametrize(("kills", "parts"), [(0, PARTS), (5, ())])
def test_without_kills_or_parts_nothing_is_struck(kills: int, parts: tuple[str, ...]) -> None:
    assert plan_strikes(7, kills, 300, parts, Random) == []
