import pytest

from stock_tracker.chaos.core.known import suspicions
from stock_tracker.chaos.core.recovery import Quantiles, Recovery, by_part
from stock_tracker.chaos.core.report import ChaosReport


def back(part: str, ready_s: float | None, caught_up_s: float | None = 9.0, pid: int | None = 1) -> Recovery:
    return Recovery(1.0, part, "kill", pid, ready_s=ready_s, caught_up_s=caught_up_s)


@pytest.mark.parametrize(
    ("durations", "p50", "p99"),
    [([3.0], 3.0, 3.0), ([1.0, 2.0], 1.0, 2.0), ([5.0, 1.0, 3.0], 3.0, 5.0), ([float(n) for n in range(1, 201)], 100.0, 198.0)],
)
def test_quantiles_are_durations_that_were_seen(durations: list[float], p50: float, p99: float) -> None:
    assert Quantiles.of(durations) == Quantiles(len(durations), p50, p99, max(durations))
    assert Quantiles.of([]) is None


def test_one_that_never_came_back_is_counted_and_fails_the_run() -> None:
    recoveries = [back("prices", 3.0), back("prices", None, None), back("sink", 4.0, None)]
    prices, sink = by_part(recoveries)
    assert (prices.strikes, prices.never, prices.ready) == (2, 1, Quantiles(1, 3.0, 3.0, 3.0))
    assert (sink.never, sink.ready, sink.caught_up) == (1, Quantiles(1, 4.0, 4.0, 4.0), None)
    assert not ChaosReport(7, recoveries, (), "").all_came_back
    assert ChaosReport(7, recoveries[:1], (), "").all_came_back


def test_a_strike_that_found_nobody_is_said_and_fails_nothing() -> None:
    report = ChaosReport(7, [back("prices", 3.0), back("sink", None, None, pid=None)], (), "Operation not permitted")
    told = report.as_json()
    assert (told["not_struck"], told["strikes"], report.all_came_back) == (1, {"kill": 1, "stop": 0, "cut": 0}, True)
    assert "✗ no connection was cut: Operation not permitted" in report.sentences()


def test_what_is_known_is_called_by_its_name_where_it_can_have_happened() -> None:
    kinds = ["missing_row", "missing_row", "missing_print"]
    (found,) = suspicions(kinds, [back("archive", 3.0)])
    assert (found.known.name, found.differences) == ("engine_killed_inside_a_rename", 2)
    assert suspicions(kinds, [back("sink", 3.0), back("archive", None, None, pid=None)]) == []
    assert suspicions(["missing_print"], [back("archive", 3.0)]) == []
