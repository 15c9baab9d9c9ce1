"""Speeds: what a window holds over the time it spans, whatever the rate of records, decaying with the clock."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.speed import BUCKET_MS, LONG_MS, STILL, Speeds, VolumeRing, speeds
from schemas.calendar import at
from schemas.units import TradingDay, UnixMs

DAY = TradingDay(20261120)
OPEN_MS = at(DAY, 9)


def a_flow(per_second: int, seconds: int, *, records_a_second: int = 1) -> VolumeRing:
    """A steady flow from the open on."""
    ring = VolumeRing()
    for second in range(1, seconds + 1):
        ring.roll(OPEN_MS + second * 1000)
        for _ in range(records_a_second):
            ring.add(per_second // records_a_second, OPEN_MS + second * 1000)
    return ring


def measured(buy: VolumeRing, now_ms: int, *, covered_ms: int = OPEN_MS, sell: VolumeRing | None = None) -> Speeds:
    buy.roll(now_ms)
    return speeds(buy, sell or VolumeRing(), covered_ms, UnixMs(now_ms))


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
    measured(flow, end_ms + LONG_MS + BUCKET_MS)
    assert flow.slots == [], "a ring at rest takes no room"


def test_speed_does_not_depend_on_the_number_of_records() -> None:
    """The predecessor kept 600 records, so that 6,000 a minute in five records a second read 2,400 (D7)."""
    now_ms = OPEN_MS + 600_000
    assert measured(a_flow(100, 600), now_ms) == measured(a_flow(100, 600, records_a_second=5), now_ms)


def test_acceleration_shows_at_any_rate_of_records() -> None:
    """The predecessor's could not, from one record a second on (D8)."""
    for records_a_second in (1, 2, 5):
        ring = a_flow(100, 300, records_a_second=records_a_second)
        for second in range(301, 361):
            ring.roll(OPEN_MS + second * 1000)
            for _ in range(records_a_second):
                ring.add(500 // records_a_second, OPEN_MS + second * 1000)
        assert measured(ring, OPEN_MS + 360_000).acceleration == 30_000 - 6_000


def test_acceleration_from_nothing_counts() -> None:
    ring = VolumeRing()
    ring.roll(OPEN_MS + 600_000)
    ring.add(9000, OPEN_MS + 600_000)
    assert measured(ring, OPEN_MS + 600_000).acceleration == 9000


def test_acceleration_is_of_net_buying() -> None:
    now_ms = OPEN_MS + 600_000
    buy, sell = VolumeRing(), VolumeRing()
    for ring, volume in ((buy, 1000), (sell, 4000)):
        ring.roll(now_ms)
        ring.add(volume, now_ms)
    assert measured(buy, now_ms, sell=sell).acceleration == -3000


def test_there_is_no_acceleration_before_a_minute_that_was_covered() -> None:
    assert measured(a_flow(100, 60), OPEN_MS + 60_000).acceleration == 0


def test_volume_spread_over_a_gap_makes_no_spike() -> None:
    ring = VolumeRing()
    now_ms = OPEN_MS + 3_600_000
    ring.roll(now_ms)
    ring.spread(60_000, now_ms - 600_000, now_ms)
    found = measured(ring, now_ms)
    assert (found.buy_1m, found.buy_5m, found.acceleration) == (6000, 6000, 0)


def test_volume_ahead_of_the_clock_counts_now() -> None:
    ring = VolumeRing()
    ring.roll(OPEN_MS)
    ring.add(600, OPEN_MS + 3_600_000)
    assert ring.volumes(OPEN_MS) == (600, 0, 600)


def test_volume_older_than_the_window_is_left_out() -> None:
    ring = VolumeRing()
    ring.roll(OPEN_MS + 600_000)
    ring.add(600, OPEN_MS)
    assert ring.slots == []


def test_time_does_not_run_backwards() -> None:
    ring = a_flow(100, 60)
    before = list(ring.slots)
    ring.roll(OPEN_MS)
    assert (ring.slots, ring.newest) == (before, (OPEN_MS + 59_999) // BUCKET_MS)


steps = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 1_000_000), st.integers(0, 900)),
    max_size=40,
)
"""Seconds passed, volume, seconds over which it is spread."""


@given(steps)
def test_the_ring_holds_what_a_list_of_shares_would(moves: list[tuple[int, int, int]]) -> None:
    ring, seconds = VolumeRing(), 0
    volumes: dict[int, int] = {}
    for passed, volume, span in moves:
        seconds += passed
        now_ms = OPEN_MS + seconds * 1000
        ring.roll(now_ms)
        since_ms = now_ms - span * 1000
        ring.spread(volume, since_ms, now_ms)
        # Share by share of each bucket, by exact arithmetic over the whole past.
        placed, edge = 0, since_ms
        if not span:
            volumes[(now_ms - 1) // BUCKET_MS] = volumes.get((now_ms - 1) // BUCKET_MS, 0) + volume
        while edge < now_ms:
            bucket = edge // BUCKET_MS
            edge = min((bucket + 1) * BUCKET_MS, now_ms)
            share = volume * (edge - since_ms) // (now_ms - since_ms) - placed
            placed += share
            volumes[bucket] = volumes.get(bucket, 0) + share
    now_ms = OPEN_MS + seconds * 1000
    newest = (now_ms - 1) // BUCKET_MS
    slots = LONG_MS // BUCKET_MS + 1
    kept = sum(volume for bucket, volume in volumes.items() if bucket > newest - slots)
    assert sum(ring.slots) == kept
    assert sum(volumes.values()) == sum(volume for _, volume, _ in moves)


@given(steps)
def test_speeds_are_never_negative_and_end_at_rest(moves: list[tuple[int, int, int]]) -> None:
    ring, seconds = VolumeRing(), 0
    for passed, volume, _ in moves:
        seconds += passed
        ring.roll(OPEN_MS + seconds * 1000)
        ring.add(volume, OPEN_MS + seconds * 1000)
        found = measured(ring, OPEN_MS + seconds * 1000)
        assert found.buy_1m >= 0
        assert found.buy_5m >= 0
    assert measured(ring, OPEN_MS + (seconds + 310) * 1000) == STILL
