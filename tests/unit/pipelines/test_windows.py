from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.windows import Window

SIZE, WIDTH_MS = 6, 10_000


@given(st.lists(st.tuples(st.integers(0, 90_000), st.integers(-500, 500)), max_size=50), st.integers(1, SIZE))
def test_a_window_sums_what_is_in_its_buckets_and_nothing_older(steps: list[tuple[int, int]], newest: int) -> None:
    window, now, added = Window.of(SIZE, WIDTH_MS), 1_763_600_000_000, []
    for pause, amount in steps:
        now += pause
        window.move_to(now)
        window.add(amount)
        added.append((now // WIDTH_MS, amount))
        inside = [(bucket, value) for bucket, value in added if bucket > now // WIDTH_MS - SIZE]
        assert window.total() == (len(inside), sum(value for _, value in inside))
        assert window.recent(newest) == sum(value for bucket, value in inside if bucket > now // WIDTH_MS - newest)


def test_time_does_not_run_backwards() -> None:
    window = Window.of(SIZE, WIDTH_MS)
    window.move_to(100_000)
    window.add(5)
    window.move_to(20_000)
    window.add(7)
    assert window.recent(1) == 12
