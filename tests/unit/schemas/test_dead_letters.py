"""When a consumer may commit what it read, when it waits, and when it stops."""

import pytest

from schemas.dead_letters import FEW, HOLD_S, DeadLetterLimit, Hold, Limit
from schemas.deployment import dead_letter_limit
from schemas.errors import WrongSetting


def read(limit: DeadLetterLimit, good: int, bad: int) -> None:
    for _ in range(bad):
        limit.read(readable=False)
    for _ in range(good):
        limit.read(readable=True, records=50)


@pytest.mark.parametrize("bad", [1, FEW - 1])
def test_a_few_bad_messages_wait_for_what_comes_and_are_committed_when_nothing_else_does(bad: int) -> None:
    limit = DeadLetterLimit(Limit())
    read(limit, good=0, bad=bad)
    assert limit.judge(0.0) == ("hold", bad, bad, "messages")
    assert limit.judge(HOLD_S).do == "commit"


def test_a_few_bad_messages_with_as_many_good_ones_do_not_wait() -> None:
    limit = DeadLetterLimit(Limit())
    read(limit, good=FEW - 1, bad=FEW - 1)
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
    assert limit.judge(0.0).do == "hold"
    read(limit, good=FEW, bad=0)
    assert limit.judge(1.0).do == "commit"


def test_a_commit_that_waited_long_enough_is_given_up() -> None:
    limit = DeadLetterLimit(Limit())
    read(limit, good=0, bad=FEW)
    assert limit.judge(0.0).do == "hold"
    assert limit.judge(HOLD_S).do == "stop"


def test_how_long_a_commit_is_held_back_is_counted_from_its_own_first_time() -> None:
    hold = Hold()
    assert hold.lasted_s(100.0) == 0.0
    hold.note(100.0, held=True)
    hold.note(103.0, held=True)
    assert hold.lasted_s(104.0) == 4.0
    hold.note(104.0, held=False)
    assert hold.lasted_s(200.0) == 0.0


@pytest.mark.parametrize("pause_s", [0.0, 0.5, 1.0])
def test_whoever_is_started_again_and_again_does_not_put_a_topic_aside_a_few_at_a_time(pause_s: float) -> None:
    """Every message is bad, and one comes in a second; a supervisor starts the consumer again ``pause_s`` after each stop."""
    now_s, committed, seen = 0.0, 0, []
    for _ in range(20):
        limit, hold, read_to = DeadLetterLimit(Limit()), Hold(), committed
        while True:
            while read_to < int(now_s) + 1:
                limit.read(readable=False)
                read_to += 1
            if read_to > committed:
                verdict = limit.judge(hold.lasted_s(now_s))
                hold.note(now_s, held=verdict.do == "hold")
                if verdict.do == "stop":
                    break
                if verdict.do == "commit":
                    committed = read_to
            now_s += 0.25
        seen.append(committed)
        now_s += pause_s
    assert seen[0] < FEW
    assert set(seen) == {seen[0]}


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
