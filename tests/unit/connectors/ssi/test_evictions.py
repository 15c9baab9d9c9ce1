import pytest

from connectors.ssi.core.errors import ConnectionClosed, QuotaExceeded, SsiError, SsiUnavailable, TokenRejected
from connectors.ssi.core.evictions import DROPS, WITHIN_MS, Evictions
from schemas.units import MonotonicMs

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
