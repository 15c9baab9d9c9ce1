"""When a deployment may be given another number of partitions, and what is said where it may not."""

from dataclasses import replace
from typing import Any

import pytest

from schemas.units import TradingDay
from stock_tracker.repartition.core.obstacles import PresentLayout, WantedLayout, obstacles
from tests.builders import DAY, moment

QUIET = PresentLayout(shards=3, day=TradingDay(DAY), market_ms=moment("16:00:00"), members=(), unread=(), written=())
NEW = WantedLayout(prefix="v2.", shards=6, found=None, used=False)


def test_a_day_that_is_over_and_worked_through_is_no_obstacle() -> None:
    assert obstacles(QUIET, "", NEW) == []


def test_a_deployment_that_has_never_run_is_none() -> None:
    assert obstacles(replace(QUIET, day=None, market_ms=None), "", NEW) == []


def test_topics_that_an_attempt_before_has_made_are_none() -> None:
    assert obstacles(QUIET, "", replace(NEW, found=6)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"market_ms": moment("15:59:59")}, "20261120 is under way on them: wait until the pipelines have folded 16:00"),
        ({"members": ["pipelines.prices"]}, "pipelines.prices are at work: stop these services"),
        ({"unread": ["archive"]}, "archive have not read all yet"),
        ({"written": ["ssi.ticks"]}, "something writes to ssi.ticks: stop the connectors"),
        ({"shards": 6}, "they have 6 partitions already"),
    ],
)
def test_what_is_under_way_is_named_with_what_to_do(changes: dict[str, Any], said: str) -> None:
    (only,) = obstacles(replace(QUIET, **changes), "", NEW)
    assert only.startswith(said)


@pytest.mark.parametrize(
    ("wanted", "prefix", "said"),
    [
        (NEW, "v2.", "name another prefix with --into"),
        (replace(NEW, found=4), "", "have 4 partitions already"),
        (replace(NEW, found=6, used=True), "", "there are records on topics of 'v2.' already"),
    ],
)
def test_topics_that_are_in_use_are_left_alone(wanted: WantedLayout, prefix: str, said: str) -> None:
    (only,) = obstacles(QUIET, prefix, wanted)
    assert said in only


def test_an_operator_may_say_that_a_day_will_not_go_on() -> None:
    assert obstacles(replace(QUIET, market_ms=moment("11:00:00")), "", NEW, day_is_over=True) == []
