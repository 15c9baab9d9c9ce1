"""When a consumer may commit what it read, when it waits, and when it stops."""

import pytest

from schemas.dead_letters import FEW, HOLD_S, DeadLetterLimit, Limit
from schemas.deployment import dead_letter_limit
from schemas.errors import WrongSetting


def read(limit: DeadLetterLimit, good: int, bad: int) -> None:
    for _ in range(bad):
        limit.read(readable=False)
    for _ in range(good):
        limit.read(readable=True, records=50)


def test_a_few_bad_messages_are_committed_even_when_nothing_else_comes() -> None:
    limit = DeadLetterLimit(Limit())
    read(limit, good=0, bad=FEW - 1)
    assert limit.judge(0.0).do == "commit"


def test_more_than_half_of_a_full_window_stops_at_once() -> None:
    limit = DeadLetterLimit(Limit())
    read(limit, good=99, bad=101)
    assert limit.judge(0.0) == ("stop", 101, 200, "messages")


def test_half_of_a_window_goes_on() -> None:
    limit = DeadLetterLimit(Limit())
    read(limit, good=100, bad=100)
    assert limit.judge(0.0).do == "commit"


def test_before_the_window_is_full_the_commit_waits_for_what_comes() -> None:
    limit = DeadLetterLimit(Limit())
    read(limit, good=0, bad=FEW)
    assert limit.judge(100.0).do == "hold"
    read(limit, good=FEW, bad=0)
    assert limit.judge(101.0).do == "commit"


def test_a_commit_that_waited_long_enough_is_given_up() -> None:
    limit = DeadLetterLimit(Limit())
    read(limit, good=0, bad=FEW)
    assert limit.judge(100.0).do == "hold"
    assert limit.judge(100.0 + HOLD_S).do == "stop"


def test_waiting_begins_anew_after_a_commit() -> None:
    limit = DeadLetterLimit(Limit())
    read(limit, good=0, bad=FEW)
    assert limit.judge(100.0).do == "hold"
    read(limit, good=FEW, bad=0)
    assert limit.judge(101.0).do == "commit"
    read(limit, good=0, bad=FEW)
    assert limit.judge(100.0 + HOLD_S).do == "hold"


def test_only_the_last_messages_count() -> None:
    limit = DeadLetterLimit(Limit())
    read(limit, good=0, bad=200)
    read(limit, good=100, bad=0)
    assert limit.judge(0.0).do == "commit"


def test_rejected_records_in_readable_messages_count_too() -> None:
    limit = DeadLetterLimit(Limit())
    for _ in range(20):
        limit.read(readable=True, records=50, rejected=26)
    assert limit.judge(0.0) == ("stop", 520, 1_000, "records")


def test_a_full_window_of_records_stops_though_that_of_messages_has_room_left() -> None:
    limit = DeadLetterLimit(Limit())
    for _ in range(FEW):
        limit.read(readable=True, records=100, rejected=60)
    read(limit, good=0, bad=FEW + 1)
    assert limit.judge(0.0) == ("stop", 600, 1_000, "records")


def test_a_hundred_percent_never_stops() -> None:
    limit = DeadLetterLimit(Limit(percent=100))
    read(limit, good=0, bad=1_000)
    assert limit.judge(0.0).do == "commit"


def test_the_environment_sets_the_limit() -> None:
    environ = {"DEAD_LETTER_LIMIT_MESSAGES": "50", "DEAD_LETTER_LIMIT_RECORDS": "", "DEAD_LETTER_LIMIT_PERCENT": "90"}
    assert dead_letter_limit(environ) == Limit(messages=50, records=1_000, percent=90)


@pytest.mark.parametrize("said", ["x", "-1", "101", "٣", "1.5"])
def test_a_limit_that_is_none_is_refused_with_its_name(said: str) -> None:
    with pytest.raises(WrongSetting, match="DEAD_LETTER_LIMIT_PERCENT"):
        dead_letter_limit({"DEAD_LETTER_LIMIT_PERCENT": said})
