"""Speeds: what a window holds over the time it spans, whatever the rate of records, decaying with the clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.speed import BUCKET_MS, LONG_MS, STILL, Speeds, Volumes, ages_at, speeds
from schemas.calendar import at
from schemas.units import TradingDay, UnixMs

DAY = TradingDay(20261120)
OPEN_MS = at(DAY, 9)


def a_flow(per_second: int, seconds: int, *, records_a_second: int = 1) -> Volumes:
    """A steady flow from the open on."""
    volumes = Volumes()
    for second in range(1, seconds + 1):
        for _ in range(records_a_second):
            volumes.add(per_second // records_a_second, OPEN_MS + second * 1000, OPEN_MS + second * 1000)
    return volumes


def measured(buy: Volumes, now_ms: int, *, covered_ms: int = OPEN_MS, sell: Volumes | None = None) -> Speeds:
    return speeds(buy, sell or Volumes(), covered_ms, UnixMs(now_ms))


def test_a_steady_flow_reads_the_same_at_every_second() -> None:
    for seconds in range(120, 140):
        found = measured(a_flow(100, seconds), OPEN_MS + seconds * 1000)
        assert (found.buy_1m, found.buy_5m, found.acceleration) == (6000, 6000, 0)


def test_the_first_minute_is_divided_by_the_time_covered() -> None:
    """The predecessor divided by five minutes: 1,200 a minute for 6,000 shares in the first one (D7)."""
    for seconds in (20, 60, 150):
        found = measured(a_flow(100, seconds), OPEN_MS + seconds * 1000)
        assert (found.buy_1m, found.buy_5m) == (6000, 6000)


def test_speed_decays_with_the_clock_alone() -> None:
    """The predecessor showed the last speed for ever (D7)."""
    flow = a_flow(100, 60)
    end_ms = OPEN_MS + 60_000
    halfway = measured(flow, end_ms + 30_000, covered_ms=OPEN_MS - 600_000)
    assert (halfway.buy_1m, halfway.buy_5m) == (3000, 1200)
    minute_later = measured(flow, end_ms + 60_000, covered_ms=OPEN_MS - 600_000)
    assert (minute_later.buy_1m, minute_later.buy_5m, minute_later.acceleration) == (0, 1200, -6000)
    assert measured(flow, end_ms + LONG_MS) == STILL


def test_speed_does_not_depend_on_the_number_of_records() -> None:
    """The predecessor kept 600 records, so that 6,000 a minute in five records a second read 2,400 (D7)."""
    now_ms = OPEN_MS + 600_000
    assert measured(a_flow(100, 600), now_ms) == measured(a_flow(100, 600, records_a_second=5), now_ms)


def test_acceleration_shows_at_any_rate_of_records() -> None:
    """The predecessor's could not, from one record a second on (D8)."""
    for records_a_second in (1, 2, 5):
        volumes = a_flow(100, 300, records_a_second=records_a_second)
        for second in range(301, 361):
            for _ in range(records_a_second):
                volumes.add(500 // records_a_second, OPEN_MS + second * 1000, OPEN_MS + second * 1000)
        assert measured(volumes, OPEN_MS + 360_000).acceleration == 30_000 - 6_000


def test_acceleration_from_nothing_counts() -> None:
    now_ms = OPEN_MS + 600_000
    volumes = Volumes()
    volumes.add(9000, now_ms, now_ms)
    assert measured(volumes, now_ms).acceleration == 9000


def test_acceleration_is_of_net_buying() -> None:
    now_ms = OPEN_MS + 600_000
    buy, sell = Volumes(), Volumes()
    for volumes, volume in ((buy, 1000), (sell, 4000)):
        volumes.add(volume, now_ms, now_ms)
    assert measured(buy, now_ms, sell=sell).acceleration == -3000


def test_there_is_no_acceleration_before_a_minute_that_was_covered() -> None:
    assert measured(a_flow(100, 60), OPEN_MS + 60_000).acceleration == 0


def test_volume_spread_over_a_gap_makes_no_spike() -> None:
    volumes = Volumes()
    now_ms = OPEN_MS + 3_600_000
    volumes.spread(60_000, now_ms - 600_000, now_ms, now_ms)
    found = measured(volumes, now_ms)
    assert (found.buy_1m, found.buy_5m, found.acceleration) == (6000, 6000, 0)


@pytest.mark.parametrize("since_ms", [OPEN_MS + 3_600_000, OPEN_MS])
def test_volume_ahead_of_the_clock_counts_now(since_ms: int) -> None:
    volumes = Volumes()
    volumes.spread(600, since_ms, OPEN_MS + 3_600_000, OPEN_MS)
    assert volumes.windows(OPEN_MS) == (600, 0, 600)
    assert volumes.windows(OPEN_MS + 60_000) == (0, 600, 600)


def test_volume_older_than_the_window_is_left_out() -> None:
    volumes = Volumes()
    volumes.add(600, OPEN_MS, OPEN_MS + 600_000)
    assert volumes.windows(OPEN_MS + 600_000) == (0, 0, 0)


def test_volume_of_an_earlier_bucket_than_the_newest_counts_there() -> None:
    volumes = Volumes()
    for second in (600, 400, 500, 400, 600):
        volumes.add(second, OPEN_MS + second * 1000, OPEN_MS + 600_000)
    assert volumes.windows(OPEN_MS + 600_000) == (1_200, 500, 2_500)
    assert volumes.windows(OPEN_MS + 700_000) == (0, 1_200, 1_700)


def test_no_more_is_kept_than_the_windows_reach() -> None:
    volumes = Volumes()
    for second in range(0, 3_600, 5):
        volumes.add(1, OPEN_MS + second * 1000, OPEN_MS + second * 1000)
        volumes.spread(1, OPEN_MS + second * 1000 - 1, OPEN_MS + second * 1000, OPEN_MS + second * 1000)
    assert max(len(volumes.buckets), len(volumes.spreads)) <= LONG_MS // BUCKET_MS + 2


steps = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 1_000_000), st.integers(0, 900)),
    max_size=40,
)
"""Seconds passed, volume, seconds over which it is spread."""


@given(steps, st.integers(0, 400))
def test_windows_hold_what_a_list_of_shares_would(moves: list[tuple[int, int, int]], rest: int) -> None:
    kept, seconds = Volumes(), 0
    shares: dict[int, int] = {}
    for passed, volume, span in moves:
        seconds += passed
        now_ms = OPEN_MS + seconds * 1000
        since_ms = now_ms - span * 1000
        kept.spread(volume, since_ms, now_ms, now_ms)
        # Share by share of each bucket, by exact arithmetic over the whole past.
        placed, edge = 0, since_ms
        if not span:
            shares[(now_ms - 1) // BUCKET_MS] = shares.get((now_ms - 1) // BUCKET_MS, 0) + volume
        while edge < now_ms:
            bucket = edge // BUCKET_MS
            edge = min((bucket + 1) * BUCKET_MS, now_ms)
            share = volume * (edge - since_ms) // (now_ms - since_ms) - placed
            placed += share
            shares[bucket] = shares.get(bucket, 0) + share
    assert sum(shares.values()) == sum(volume for _, volume, _ in moves)
    now_ms = OPEN_MS + (seconds + rest) * 1000

    def since(buckets: int) -> int:
        return sum(volume for bucket, volume in shares.items() if bucket >= now_ms // BUCKET_MS - buckets)

    assert kept.windows(now_ms) == (since(12), since(24) - since(12), since(60))


@given(steps, steps, st.integers(0, 60))
def test_speeds_stay_what_they_are_until_they_are_said_to_age(
    buys: list[tuple[int, int, int]], sells: list[tuple[int, int, int]], covered: int
) -> None:
    buy, sell = Volumes(), Volumes()
    now_ms: int = OPEN_MS
    for volumes, moves in ((buy, buys), (sell, sells)):
        at_ms: int = OPEN_MS
        for passed, volume, span in moves:
            at_ms += passed * 1000
            volumes.spread(volume, at_ms - span * 1000, at_ms, at_ms)
        now_ms = max(now_ms, at_ms)
    edge = -(-now_ms // BUCKET_MS)
    covered_ms = now_ms - covered * 10_000
    for _ in range(200):
        changes = ages_at(buy, sell, covered_ms, edge * BUCKET_MS)
        until = changes or edge + 100
        assert len({speeds(buy, sell, covered_ms, each * BUCKET_MS) for each in range(edge, until)}) == 1
        if not changes:
            break
        edge = changes
    assert speeds(buy, sell, covered_ms, edge * BUCKET_MS) == STILL, "in the end nothing moves"


@given(steps)
def test_speeds_are_never_negative_and_end_at_rest(moves: list[tuple[int, int, int]]) -> None:
    volumes, seconds = Volumes(), 0
    for passed, volume, _ in moves:
        seconds += passed
        volumes.add(volume, OPEN_MS + seconds * 1000, OPEN_MS + seconds * 1000)
        found = measured(volumes, OPEN_MS + seconds * 1000)
        assert found.buy_1m >= 0
        assert found.buy_5m >= 0
    assert measured(volumes, OPEN_MS + (seconds + 310) * 1000) == STILL
