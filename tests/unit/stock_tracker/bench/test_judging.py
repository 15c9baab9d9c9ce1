"""What a report says of figures: by thresholds, and beside a baseline."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_tracker.bench.core.judging import JudgedFigure, judge
from stock_tracker.bench.core.results import BenchFigure, BenchResults, Unavailable
from stock_tracker.bench.core.thresholds import BenchThresholds, WrongThresholds, read_thresholds
from tests.unit.stock_tracker.bench.results_of import a_figure, mark, results, thresholds


def judged(figure: BenchFigure, marks: BenchThresholds, before: BenchFigure | None = None) -> JudgedFigure:
    baseline = None if before is None else results({"it": before})
    return next(one for one in judge(results({"it": figure}), marks, baseline).figures if one.name == "it")


@pytest.mark.parametrize(("value", "verdict"), [(1.0, "pass"), (2.0, "pass"), (2.1, "warn"), (3.0, "warn"), (3.1, "fail")])
def test_the_target_passes_and_only_beyond_the_limit_fails(value: float, verdict: str) -> None:
    assert judged(a_figure(value), thresholds(mark("it", 2.0, 3.0))).verdict == verdict


@pytest.mark.parametrize(("value", "verdict"), [(6_000, "pass"), (4_000, "warn"), (2_000, "fail")])
def test_a_rate_has_to_be_high(value: float, verdict: str) -> None:
    assert judged(a_figure(value, better="higher"), thresholds(mark("it", 5_000, 3_000))).verdict == verdict


def test_a_machine_that_is_five_times_slower_is_judged_alike() -> None:
    marks = thresholds(mark("it", 2.0, 3.0))
    quick, slow = a_figure(1.5, scales="time"), a_figure(7.5, scales="time", loop=5_000)
    assert judged(slow, marks).judged == judged(quick, marks).judged == 1.5
    assert judged(slow, marks, before=quick).change == "no change"
    rate, slow_rate = (
        a_figure(value, loop=loop, scales="rate", better="higher") for value, loop in ((5_000, 1_000), (1_000, 5_000))
    )
    assert judged(slow_rate, marks, before=rate).change == "no change"


@pytest.mark.parametrize(
    ("values", "before", "better", "change"),
    [
        ((1.0, 1.05), (1.0, 1.02), "lower", "no change"),
        ((1.5, 1.5), (1.0, 1.0), "lower", "worse"),
        ((1.5, 1.5), (1.0, 1.0), "higher", "better"),
        ((0.5, 0.5), (1.0, 1.0), "lower", "better"),
        ((0.5, 0.5), (1.0, 1.0), "neither", "changed"),
        ((1.5, 1.5), (0.7, 1.3), "lower", "worse"),
        ((1.35, 1.35), (0.7, 1.3), "lower", "no change"),
    ],
)
def test_a_change_is_one_only_beyond_the_noise_of_both_runs(
    values: tuple[float, ...], before: tuple[float, ...], better: str, change: str
) -> None:
    assert judged(a_figure(*values, better=better), thresholds(), a_figure(*before, better=better)).change == change


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=5), st.sampled_from(["time", "rate", "none"]))
def test_a_run_beside_itself_has_not_changed(values: list[float], scales: str) -> None:
    figure = a_figure(*values, scales=scales)
    assert judged(figure, thresholds(noise=0.001), figure).change == "no change"


def test_a_figure_of_nothing_is_compared_without_a_ratio() -> None:
    assert judged(a_figure(0.0), thresholds(), a_figure(0.0)).change == "no change"
    assert judged(a_figure(5.0), thresholds(), a_figure(0.0)).change == "changed"


def test_a_section_that_is_missing_fails_and_one_that_could_not_be_measured_warns() -> None:
    told = judge(results({"it": a_figure(1)}, whole=False), thresholds(mark("it", 2, 3)), None)
    assert {one.name for one in told.absent} == {"memory", "asyncio", "archive", "end_to_end", "side_by_side"}
    assert told.verdict == "fail"
    whole = results({"it": a_figure(1)})
    without: BenchResults = whole.with_section("memory", Unavailable(reason="no Java"))
    assert judge(whole, thresholds(mark("it", 2, 3)), None).verdict == "pass"
    assert judge(without, thresholds(mark("it", 2, 3)), None).verdict == "warn"


def test_a_figure_that_went_missing_fails() -> None:
    told = judge(results({"it": a_figure(1)}), thresholds(mark("it", 2, 3), mark("gone", 2, 3)), None)
    assert [one.figure for one in told.unmet] == ["gone"]
    assert told.verdict == "fail"


def test_a_threshold_may_stand_for_many_figures() -> None:
    told = judge(results({"peak_a": a_figure(100), "peak_b": a_figure(900)}), thresholds(mark("peak_*", 300, 600)), None)
    assert {one.name: one.verdict for one in told.figures if one.section == "cpu"} == {"peak_a": "pass", "peak_b": "fail"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("loop = 1\nreference_loop_us = ", "Invalid value"),
        ("loop = 2\nreference_loop_us = 1\nnoise.usual = 1\n[[threshold]]\nsection = 'cpu'", "loop"),
        ("loop = 1\nreference_loop_us = 1\nnoise.usual = 1\n[[threshold]]\nsection = 'gpu'", "threshold.0.section"),
    ],
)
def test_thresholds_that_cannot_be_used_say_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(WrongThresholds) as caught:
        read_thresholds(text)
    assert says in str(caught.value)
