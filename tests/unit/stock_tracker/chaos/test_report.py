import pytest

from stock_tracker.chaos.core.known import KNOWN, Known, suspicions
from stock_tracker.chaos.core.recovery import AFTERMATH_S, Quantiles, Recovery, by_part, overlaps_noted
from stock_tracker.chaos.core.report import ChaosReport, Machine
from stock_tracker.chaos.core.schedule import STOP_S

QUIET = Machine(2, 0.5)


def back(part: str, ready_s: float | None, caught_up_s: float | None = 9.0, pid: int | None = 1, at_s: float = 1.0) -> Recovery:
    return Recovery(at_s, part, "kill", pid, restarted_s=0.5, ready_s=ready_s, caught_up_s=caught_up_s)


@pytest.mark.parametrize(
    ("durations", "p50", "p99"),
    [([3.0], 3.0, 3.0), ([1.0, 2.0], 1.0, 2.0), ([5.0, 1.0, 3.0], 3.0, 5.0), ([float(n) for n in range(1, 201)], 100.0, 198.0)],
)
def test_quantiles_are_durations_that_were_seen(durations: list[float], p50: float, p99: float) -> None:
    assert Quantiles.of(durations) == Quantiles(len(durations), p50, p99, max(durations))
    assert Quantiles.of([*durations, None]) == Quantiles.of(durations)
    assert Quantiles.of([None]) is None


def test_one_that_never_came_back_is_counted_and_fails_the_run() -> None:
    recoveries = [back("prices", 3.0), back("prices", None, None), back("sink", 4.0, None)]
    prices, sink = by_part(recoveries)
    assert (prices.strikes, prices.never, prices.ready) == (2, 1, Quantiles(1, 3.0, 3.0, 3.0))
    assert (sink.never, sink.ready, sink.caught_up) == (1, Quantiles(1, 4.0, 4.0, 4.0), None)
    assert not ChaosReport(7, recoveries, (), "", QUIET).all_came_back
    assert ChaosReport(7, recoveries[:1], (), "", QUIET).all_came_back


def test_a_strike_that_found_nobody_is_said_and_fails_nothing() -> None:
    report = ChaosReport(7, [back("prices", 3.0), back("sink", None, None, pid=None)], (), "Operation not permitted", QUIET)
    told = report.as_json()
    assert (told["not_struck"], told["strikes"], report.all_came_back) == (1, {"kill": 1, "stop": 0, "cut": 0}, True)
    assert "✗ no connection was cut: Operation not permitted" in report.sentences()


def test_the_way_back_is_told_in_its_stretches_and_what_took_longest_is_named() -> None:
    ways = [
        Recovery(1.0, "prices", "kill", 1, restarted_s=0.5, ready_s=3.0, caught_up_s=3.5),
        Recovery(2.0, "prices", "kill", 2, restarted_s=0.5, ready_s=1.0, caught_up_s=2.0, overlapped=True),
        Recovery(3.0, "prices", "cut", 3, restarted_s=0.0, ready_s=0.0, caught_up_s=0.0),
    ]
    assert ways[0].stretches == {"restarting": 0.5, "starting": 2.5, "catching_up": 0.5}
    assert Recovery(1.0, "prices", "kill", 1, restarted_s=0.5).stretches == {"restarting": 0.5}
    cut, kill = by_part(ways)
    assert (kill.mostly, cut.mostly) == ("starting", None)
    assert kill.caught_up_alone == Quantiles(1, 3.5, 3.5, 3.5)
    assert kill.sentence() == (
        "prices, kill × 2: restarted after 0.5 s (p50), 0.5 s (p99), ready after 1.0 s (p50), 3.0 s (p99), "
        "caught up after 2.0 s (p50), 3.5 s (p99) (3.5 s (p50), 3.5 s (p99) of the 1 struck alone) – mostly starting"
    )
    assert cut.sentence().startswith("prices, cut × 1: ready after 0.0 s (p50)")


def test_strikes_overlap_while_one_is_not_back_and_shortly_after() -> None:
    first = Recovery(10.0, "kafka", "kill", 1, restarted_s=1.0, ready_s=2.0, caught_up_s=20.0)
    after_s = first.back_s + AFTERMATH_S
    held_up, alone = back("prices", 3.0, at_s=after_s - 0.1), back("prices", 3.0, at_s=after_s)
    nobody = back("sink", None, None, pid=None, at_s=after_s + 1)
    assert [one.overlapped for one in overlaps_noted([first, held_up])] == [False, True]
    assert [one.overlapped for one in overlaps_noted([nobody, alone, first])] == [False, False, True]
    assert [one.overlapped for one in overlaps_noted([back("sink", 1.0, at_s=29.0), first])] == [True, True]
    stop = Recovery(10.0, "sink", "stop", 1, restarted_s=0.0, ready_s=0.0, caught_up_s=1.0)
    assert stop.back_s == 10.0 + STOP_S + 1.0


A_CORNER = Known("a_corner", "archive", "kill", frozenset({"missing_row"}), "The archive forgets a row")


def test_what_is_known_is_called_by_its_name_where_it_can_have_happened() -> None:
    kinds = ["missing_row", "missing_row", "missing_print"]
    (found,) = suspicions(kinds, [back("archive", 3.0)], [A_CORNER])
    assert (found.known.name, found.differences) == ("a_corner", 2)
    said = list(ChaosReport(7, [back("archive", 3.0)], [found], "", QUIET).sentences())
    assert said[-1] == (
        "Known, and not mended yet: a_corner, which 2 of the differences may come from. The archive forgets a row"
    )
    assert suspicions(kinds, [back("sink", 3.0), back("archive", None, None, pid=None)], [A_CORNER]) == []


def test_what_is_known_and_did_not_happen_is_named_too() -> None:
    (found,) = suspicions(["missing_print"], [back("archive", 3.0)], [A_CORNER])
    assert (found.known.name, found.differences) == ("a_corner", 0)
    said = list(ChaosReport(7, [back("archive", 3.0)], [found], "", QUIET).sentences())
    assert said[-1] == "Known, and not mended yet: a_corner, which did not happen this time"


def test_each_known_corner_is_of_a_kind_of_difference_and_has_a_name_of_its_own() -> None:
    assert len({one.name for one in KNOWN}) == len(KNOWN)
    assert all(one.kinds and one.says for one in KNOWN)
