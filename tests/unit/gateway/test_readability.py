"""When a reader that cannot read stops: at what was there taken as a whole, then at the last messages."""

import pytest

from gateway.core.readability import Readability
from schemas.dead_letters import FEW, HOLD_S, Limit
from schemas.errors import TooManyDeadLetters

LIMIT = Limit(messages=40, records=40)
NEVER = Limit(percent=100)


def reading(limit: Limit = LIMIT) -> Readability:
    return Readability(limit)


def live(limit: Limit = LIMIT) -> Readability:
    readability = reading(limit)
    readability.caught_up()
    return readability


def fill(readability: Readability, readable: int, unreadable: int) -> None:
    for number in range(unreadable):
        readability.read(("state.prices", f"OLD{number}"), unreadable="no JSON, at state.prices[0]@17")
    for number in range(readable):
        readability.read(("state.prices", f"S{number}"))


def test_what_is_there_is_judged_as_a_whole_and_only_when_all_of_it_was_read() -> None:
    readability = reading()
    fill(readability, readable=1_000, unreadable=900)
    readability.check(now_s=1_000.0)
    readability.caught_up()


def test_too_much_of_what_is_there_is_the_end_at_once() -> None:
    readability = reading()
    fill(readability, readable=900, unreadable=901)
    with pytest.raises(
        TooManyDeadLetters, match=r"the gateway could not use 901 of the last 1801 messages .* state\.prices\[0\]@17"
    ):
        readability.caught_up()


def test_a_gateway_which_commits_nothing_speaks_of_no_commit() -> None:
    readability = reading()
    fill(readability, readable=0, unreadable=FEW)
    with pytest.raises(TooManyDeadLetters) as caught:
        readability.caught_up()
    assert str(caught.value) == (
        "the gateway could not use 10 of the last 10 messages and has stopped; the last one: no JSON, at state.prices[0]@17. If "
        "this release is at fault, run the one before it; if the messages are, and may be left out, raise "
        "DEAD_LETTER_LIMIT_PERCENT"
    )


def test_fewer_than_a_few_prove_nothing() -> None:
    readability = reading()
    fill(readability, readable=0, unreadable=FEW - 1)
    readability.caught_up()


def test_a_later_message_about_the_same_replaces_an_earlier_one() -> None:
    readability = reading()
    for number in range(1_000):
        readability.read("VNM", unreadable=f"at {number}")
    for number in range(FEW - 1):
        readability.read(number, unreadable="at 1")
    readability.read("VNM")
    readability.caught_up()


def test_what_was_there_does_not_count_against_what_comes() -> None:
    readability = reading()
    fill(readability, readable=1_000, unreadable=900)
    readability.caught_up()
    fill(readability, readable=0, unreadable=FEW - 1)
    readability.check(now_s=0.0)
    readability.check(now_s=1_000.0)


def test_a_full_window_of_bad_messages_is_the_end_at_once() -> None:
    readability = live()
    fill(readability, readable=0, unreadable=LIMIT.messages)
    with pytest.raises(TooManyDeadLetters, match=f"{LIMIT.messages} of the last {LIMIT.messages} messages"):
        readability.check(now_s=0.0)


def test_a_few_bad_messages_are_the_end_when_nothing_better_comes_for_a_while() -> None:
    readability = live()
    fill(readability, readable=0, unreadable=FEW)
    readability.check(now_s=10.0)
    readability.check(now_s=10.0 + HOLD_S - 0.1)
    with pytest.raises(TooManyDeadLetters):
        readability.check(now_s=10.0 + HOLD_S)


def test_better_ones_that_come_in_time_are_enough() -> None:
    readability = live()
    fill(readability, readable=0, unreadable=FEW)
    readability.check(now_s=10.0)
    fill(readability, readable=FEW, unreadable=0)
    readability.check(now_s=10.0 + 2 * HOLD_S)


def test_after_the_topics_were_made_anew_everything_is_judged_as_a_whole_again() -> None:
    readability = live()
    fill(readability, readable=0, unreadable=LIMIT.messages)
    readability.begin()
    readability.check(now_s=0.0)
    fill(readability, readable=FEW, unreadable=FEW)
    readability.caught_up()


def test_a_limit_of_a_hundred_percent_never_stops() -> None:
    readability = reading(NEVER)
    fill(readability, readable=0, unreadable=1_000)
    readability.caught_up()
    fill(readability, readable=0, unreadable=1_000)
    readability.check(now_s=1_000.0)
