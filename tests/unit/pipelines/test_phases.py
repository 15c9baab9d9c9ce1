import pytest

from pipelines.core.phases import exchange_phase, has_ended, standing, trade_phase, turning_points
from schemas.calendar import at
from schemas.events import TradePhase
from schemas.units import Exchange, SessionPhase, TradingDay

DAY = TradingDay(20261120)


@pytest.mark.parametrize(
    ("session", "exchange", "clock", "phase"),
    [
        ("ATO", Exchange.HOSE, (9, 15, 1), "ato"),
        ("LO", Exchange.HOSE, (9, 15, 1), "continuous"),
        ("ATC", Exchange.HOSE, (14, 45, 2), "atc"),
        ("PLO", Exchange.HNX, (14, 50, 0), "post_close"),
        ("PT", Exchange.HOSE, (10, 0, 0), "put_through"),
        # the closing auction's print is stamped seconds after it, when the session already reads C
        ("C", Exchange.HOSE, (14, 45, 3), "atc"),
        ("C", Exchange.HOSE, (14, 50, 0), "post_close"),
        ("C", Exchange.UPCOM, (15, 0, 2), "continuous"),
        (None, Exchange.HOSE, (9, 5, 0), "ato"),
        (None, Exchange.HNX, (8, 59, 59), "continuous"),
        (None, Exchange.HOSE, (11, 30, 4), "continuous"),
        ("anything", Exchange.DER, (14, 40, 0), "atc"),
    ],
)
def test_the_code_says_what_made_a_print_and_else_the_clock(
    session: str | None, exchange: Exchange, clock: tuple[int, int, int], phase: TradePhase
) -> None:
    assert trade_phase(session, exchange, DAY, at(DAY, *clock)) == phase


@pytest.mark.parametrize(
    ("session", "clock", "phase"),
    [
        ("ATO", (9, 14, 59), SessionPhase.ATO),
        ("LO", (11, 29, 0), SessionPhase.CONTINUOUS),
        ("BREAK", (11, 30, 0), SessionPhase.BREAK),
        ("C", (8, 0, 7), SessionPhase.PRE_OPEN),
        ("C", (14, 45, 3), SessionPhase.CLOSED),
        (None, (12, 0, 0), SessionPhase.BREAK),
        ("H", (10, 0, 0), SessionPhase.CONTINUOUS),
    ],
)
def test_the_code_says_what_a_symbols_exchange_is_doing(
    session: str | None, clock: tuple[int, int, int], phase: SessionPhase
) -> None:
    now_ms = at(DAY, *clock)
    assert exchange_phase(session, Exchange.HOSE, DAY, now_ms, now_ms) is phase


@pytest.mark.parametrize(
    ("session", "exchange", "said", "now", "phase"),
    [
        # What the schedule explains ends with its phase, a minute later at most.
        ("ATO", Exchange.HOSE, (9, 14, 50), (9, 15, 59), SessionPhase.ATO),
        ("ATO", Exchange.HOSE, (9, 14, 50), (9, 16, 0), SessionPhase.CONTINUOUS),
        ("ATO", Exchange.HOSE, (9, 15, 3), (10, 0, 0), SessionPhase.CONTINUOUS),
        ("LO", Exchange.HOSE, (9, 20, 0), (12, 0, 0), SessionPhase.BREAK),
        ("LO", Exchange.HOSE, (9, 20, 0), (13, 0, 0), SessionPhase.CONTINUOUS),
        ("ATC", Exchange.HOSE, (14, 45, 3), (14, 45, 59), SessionPhase.ATC),
        ("ATC", Exchange.HOSE, (14, 45, 3), (14, 46, 0), SessionPhase.POST_CLOSE),
        ("LO", Exchange.UPCOM, (9, 20, 0), (14, 50, 0), SessionPhase.CONTINUOUS),
        ("PLO", Exchange.HNX, (14, 46, 0), (15, 1, 0), SessionPhase.CLOSED),
        # An exchange that is late goes by its own code until another phase is due.
        ("ATO", Exchange.HOSE, (9, 20, 0), (11, 29, 59), SessionPhase.ATO),
        ("ATO", Exchange.HOSE, (9, 20, 0), (11, 30, 0), SessionPhase.BREAK),
        ("ATC", Exchange.HOSE, (14, 29, 58), (14, 46, 0), SessionPhase.POST_CLOSE),
        # C is sent before the open, at the close and in between.
        ("C", Exchange.HOSE, (8, 50, 0), (9, 5, 0), SessionPhase.ATO),
        ("C", Exchange.HOSE, (11, 30, 5), (12, 0, 0), SessionPhase.CLOSED),
        ("C", Exchange.HOSE, (11, 30, 5), (13, 0, 0), SessionPhase.CONTINUOUS),
        ("C", Exchange.HOSE, (14, 46, 0), (17, 0, 0), SessionPhase.CLOSED),
    ],
)
def test_a_code_does_not_outlive_what_it_said(
    session: str, exchange: Exchange, said: tuple[int, ...], now: tuple[int, ...], phase: SessionPhase
) -> None:
    assert exchange_phase(session, exchange, DAY, at(DAY, *said), at(DAY, *now)) is phase


@pytest.mark.parametrize("exchange", Exchange)
@pytest.mark.parametrize("session", ["ATO", "LO", "BREAK", "ATC", "PLO", "C", "H", None])
def test_between_two_turning_points_no_phase_changes(session: str | None, exchange: Exchange) -> None:
    points = turning_points(DAY)
    for said_ms in range(at(DAY, 8), at(DAY, 16), 1_499_000):
        known = None
        for now_ms in range(said_ms, at(DAY, 16), 29_000):
            phase = exchange_phase(session, exchange, DAY, said_ms, now_ms)
            code = None if has_ended(session, exchange, DAY, said_ms, now_ms) else session
            assert standing(session, exchange, DAY, said_ms, now_ms) == (code, phase)
            if known is not None and phase is not known[1]:
                assert any(known[0] < point <= now_ms for point in points)
            known = now_ms, phase
