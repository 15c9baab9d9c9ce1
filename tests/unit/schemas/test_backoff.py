"""Pauses between attempts."""

from schemas.backoff import Backoff


def test_pauses_double_up_to_a_bound_and_begin_anew_after_success() -> None:
    backoff = Backoff(1.0, 4.0, lambda: 0.0)
    assert [backoff.failed() for _ in range(4)] == [0.5, 1.0, 2.0, 2.0]
    backoff.worked()
    assert backoff.failed() == 0.5


def test_chance_spreads_a_pause_over_its_upper_half() -> None:
    assert Backoff(2.0, 8.0, lambda: 0.0).failed() == 1.0
    assert Backoff(2.0, 8.0, lambda: 0.5).failed() == 1.5
