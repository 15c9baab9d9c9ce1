from connectors.ssi.core.backoff import SsiBackoff
from connectors.ssi.core.errors import QuotaExceeded, SsiUnavailable
from schemas.units import MonotonicMs

DOWN = SsiUnavailable("the stream", "HTTP 502")
NOW = MonotonicMs(86_400_000)


def test_pauses_grow_from_half_a_second_to_a_minute() -> None:
    longest = SsiBackoff(lambda: 1.0)
    assert [longest.failed(DOWN, NOW) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    shortest = SsiBackoff(lambda: 0.0)
    assert [shortest.failed(DOWN, NOW) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_connection_of_less_than_a_minute_resets_nothing() -> None:
    backoff = SsiBackoff(lambda: 1.0)
    pauses = []
    for attempt in range(4):
        backoff.connected(MonotonicMs(NOW + attempt * 60_000))
        pauses.append(backoff.failed(DOWN, MonotonicMs(NOW + attempt * 60_000 + 59_999)))
    assert pauses == [1, 2, 4, 8]


def test_a_stable_minute_starts_over() -> None:
    backoff = SsiBackoff(lambda: 1.0)
    for _ in range(5):
        backoff.failed(DOWN, NOW)
    backoff.connected(NOW)
    assert backoff.failed(DOWN, MonotonicMs(NOW + 60_000)) == 1
    assert backoff.failed(DOWN, MonotonicMs(NOW + 600_000)) == 2


def test_an_attempt_that_worked_starts_over() -> None:
    backoff = SsiBackoff(lambda: 1.0)
    for _ in range(5):
        backoff.failed(DOWN, NOW)
    backoff.worked()
    assert backoff.failed(DOWN, NOW) == 1


def test_a_quota_is_waited_out_for_minutes() -> None:
    assert SsiBackoff(lambda: 0.0).failed(QuotaExceeded("negotiate", "HTTP 429"), NOW) == 60
    assert SsiBackoff(lambda: 1.0).failed(QuotaExceeded("negotiate", "HTTP 429"), NOW) == 300


def test_what_ssi_asks_for_is_honoured() -> None:
    assert SsiBackoff(lambda: 0.0).failed(QuotaExceeded("negotiate", "HTTP 429", 120.0), NOW) == 120
    assert SsiBackoff(lambda: 0.0).failed(SsiUnavailable("negotiate", "HTTP 503", 7.0), NOW) == 7


def test_pauses_may_grow_longer_where_nobody_waits() -> None:
    backoff = SsiBackoff(lambda: 1.0, 200.0)
    assert [backoff.failed(DOWN, NOW) for _ in range(10)] == [1, 2, 4, 8, 16, 32, 64, 128, 200, 200]


def test_a_pause_may_have_another_bound_for_a_while() -> None:
    backoff = SsiBackoff(lambda: 1.0)
    assert [backoff.failed(DOWN, NOW, 300.0) for _ in range(10)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert backoff.failed(DOWN, NOW, 90.0) == 90
    assert [backoff.failed(DOWN, NOW) for _ in range(2)] == [60, 60]
