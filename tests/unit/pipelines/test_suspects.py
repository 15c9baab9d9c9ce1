import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.suspects import Bounds, SuspectVerdict, Thresholds, is_doubtful, judge, judge_at_close, judge_rise

THRESHOLDS = Thresholds()
MARK = 1_000


@pytest.mark.parametrize(
    ("fallen", "decider", "verdict"),
    [
        # back at the mark: the suspect was wrong, however far it fell
        (999, 1_000, SuspectVerdict.GLITCH),
        (0, 1_500, SuspectVerdict.GLITCH),
        # still below: the suspect's fall decides, not the decider's
        (999, 999, SuspectVerdict.CORRECTION),
        (900, 950, SuspectVerdict.CORRECTION),
        (900, 10, SuspectVerdict.CORRECTION),
        (899, 999, SuspectVerdict.AMBIGUOUS),
        (500, 500, SuspectVerdict.AMBIGUOUS),
        (499, 999, SuspectVerdict.RESET),
        (0, 0, SuspectVerdict.RESET),
    ],
)
def test_a_newer_record_decides_about_a_fall_from_1000(fallen: int, decider: int, verdict: SuspectVerdict) -> None:
    assert judge(MARK, fallen, decider, THRESHOLDS) is verdict


@pytest.mark.parametrize(
    ("fallen", "verdict"),
    [
        (999, SuspectVerdict.CORRECTION),
        (900, SuspectVerdict.CORRECTION),
        (899, SuspectVerdict.UNRESOLVED),
        (0, SuspectVerdict.UNRESOLVED),
    ],
)
def test_at_the_close_only_a_small_fall_is_believed(fallen: int, verdict: SuspectVerdict) -> None:
    assert judge_at_close(MARK, fallen, THRESHOLDS) is verdict


def test_thresholds_are_settings() -> None:
    wide = Thresholds(correction_percent=30, reset_percent=20)
    assert judge(MARK, 700, 700, wide) is SuspectVerdict.CORRECTION
    assert judge(MARK, 300, 300, wide) is SuspectVerdict.AMBIGUOUS
    assert judge(MARK, 199, 300, wide) is SuspectVerdict.RESET


@given(
    mark=st.integers(1, 2**53),
    share=st.floats(0, 1, exclude_max=True),
    decider=st.integers(0, 2**53),
)
def test_every_fall_gets_exactly_one_verdict(mark: int, share: float, decider: int) -> None:
    fallen = min(int(mark * share), mark - 1)
    verdict = judge(mark, fallen, decider, THRESHOLDS)
    assert (verdict is SuspectVerdict.GLITCH) == (decider >= mark)
    assert judge_at_close(mark, fallen, THRESHOLDS) in (SuspectVerdict.CORRECTION, SuspectVerdict.UNRESOLVED)


LIMITS = Bounds(55_800, 64_200)
"""What a share can be worth on a day whose reference is 60,000 VND."""


@pytest.mark.parametrize(
    ("highest", "risen", "value", "doubtful"),
    [
        # one too-high total whose value did not grow with it
        (1_000, 9_999_999, 100 * 60_000, True),
        (1_000, 9_999_999, 0, True),
        # an outage that is caught up with: the value agrees, at either limit
        (1_000, 9_999_999, 9_998_999 * 55_800, False),
        (1_000, 9_999_999, 9_998_999 * 64_200, False),
        (1_000, 9_999_999, 9_998_999 * 55_800 - 1, True),
        (1_000, 9_999_999, 9_998_999 * 64_200 + 1, True),
        # the way back would be no restart: what is wrong in it heals as a correction
        (1_000, 2_000, 0, False),
        (1_000, 2_001, 0, True),
        # the first counter of a day has nothing below it
        (0, 5_000, 5_000 * 60_000, False),
        (0, 5_000, 100 * 60_000, True),
        (0, 0, 0, False),
    ],
)
def test_a_rise_is_doubted_for_its_size_and_its_value_together(highest: int, risen: int, value: int, doubtful: bool) -> None:
    assert is_doubtful(highest, risen, value, LIMITS, THRESHOLDS) is doubtful


def test_a_rise_is_believed_where_nobody_knows_what_a_share_is_worth() -> None:
    assert not is_doubtful(1_000, 9_999_999, 0, Bounds.around(0), THRESHOLDS)


def test_bounds_around_a_price_hold_every_other_price_of_the_widest_day() -> None:
    # A stock's first day on UPCOM: 6,000 to 14,000 around 10,000. What was seen may be the lowest or the highest of it.
    assert Bounds.around(6_000).allow(1, 14_000)
    assert Bounds.around(14_000).allow(1, 6_000)
    assert not Bounds.around(6_000).allow(1, 14_002)
    assert not Bounds.around(14_000).allow(1, 5_999)


@pytest.mark.parametrize(
    ("decider", "verdict"),
    [
        (5_000, SuspectVerdict.CONFIRMED),
        (5_100, SuspectVerdict.CONFIRMED),
        (4_999, SuspectVerdict.GLITCH),
        (0, SuspectVerdict.GLITCH),
    ],
)
def test_a_rise_to_5000_is_real_if_the_counter_stays_there(decider: int, verdict: SuspectVerdict) -> None:
    assert judge_rise(5_000, decider) is verdict
