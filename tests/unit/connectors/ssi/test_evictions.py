import pytest

from connectors.ssi.core.errors import ConnectionClosed, QuotaExceeded, SsiError, SsiUnavailable, TokenRejected
from connectors.ssi.core.evictions import DROPS, GONE_MS, WITHIN_MS, Evictions, OtherFeeds
from schemas.units import MonotonicMs
from tests.builders import a_feed_status

DROP = ConnectionClosed("the stream", "the connection was closed with code 1000")


def verdicts(evictions: Evictions, times_ms: list[int], error: SsiError = DROP, was_subscribed: bool = True) -> list[bool]:
    return [evictions.ended(error, was_subscribed, MonotonicMs(time_ms)) for time_ms in times_ms]


def test_three_drops_within_a_minute_are_no_accident() -> None:
    assert verdicts(Evictions("b"), [0, 30_000, WITHIN_MS]) == [False, False, True]
    assert verdicts(Evictions("b"), [0, 30_000, WITHIN_MS + 1, 62_000]) == [False, False, False, True]


def test_after_a_verdict_it_counts_anew() -> None:
    assert verdicts(Evictions("b"), [0, 1, 2, 3, 4, 5]) == [False, False, True] * 2


def test_the_first_feed_never_stands_by() -> None:
    assert not any(verdicts(Evictions("a"), list(range(2 * DROPS))))


@pytest.mark.parametrize("error", [SsiUnavailable("the stream", "silent"), QuotaExceeded("x", "y"), TokenRejected("x", "y")])
def test_other_ends_are_no_sign_of_another_client(error: SsiError) -> None:
    assert not any(verdicts(Evictions("b"), list(range(2 * DROPS)), error))


def test_a_connection_that_was_never_served_was_not_thrown_out() -> None:
    assert not any(verdicts(Evictions("b"), list(range(2 * DROPS)), was_subscribed=False))


def at(seconds: float) -> MonotonicMs:
    return MonotonicMs(86_400_000 + int(seconds * 1000))


def test_nothing_is_known_of_feeds_that_say_nothing() -> None:
    others = OtherFeeds("b")
    others.hear(a_feed_status("b"), at(0))
    assert others.is_any_up(at(1_000)) is None


def test_another_feed_is_up_as_long_as_it_says_so() -> None:
    others = OtherFeeds("b")
    others.hear(a_feed_status("a"), at(0))
    assert others.is_any_up(MonotonicMs(at(0) + GONE_MS - 1)) is True
    assert others.is_any_up(MonotonicMs(at(0) + GONE_MS)) is False
    others.hear(a_feed_status("a"), at(20))
    assert others.is_any_up(at(21)) is True


def test_a_feed_that_connects_is_given_time() -> None:
    others = OtherFeeds("b")
    for second in range(12):
        others.hear(a_feed_status("a", state="connecting"), at(second))
        assert others.is_any_up(at(second)) is (None if second < 10 else False)
    others.hear(a_feed_status("a"), at(12))
    others.hear(a_feed_status("a", state="down"), at(15))
    assert others.is_any_up(at(16)) is True
    assert others.is_any_up(at(22)) is False
