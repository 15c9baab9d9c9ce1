import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.suspects import SuspectVerdict, Thresholds, judge, judge_at_close

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
