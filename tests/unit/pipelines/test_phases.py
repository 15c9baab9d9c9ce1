import pytest

from pipelines.core.phases import exchange_phase, trade_phase
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
    assert exchange_phase(session, Exchange.HOSE, DAY, at(DAY, *clock)) is phase
