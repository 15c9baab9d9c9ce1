"""Sessions of the exchanges since KRX (2025-05-05), as HSC's and FPTS's trading regulations state them.

Clock times bound what to expect, never what to accept: the feed lags by seconds at the auctions, and the closing print is
stamped a few seconds after 14:45:00.
"""

from schemas.calendar import at
from schemas.units import Exchange, SessionPhase, TradingDay, UnixMs

_Clock = tuple[int, int]
_P = SessionPhase

SCHEDULE: dict[Exchange, tuple[tuple[_Clock, SessionPhase], ...]] = {
    Exchange.HOSE: (
        ((9, 0), _P.ATO), ((9, 15), _P.CONTINUOUS), ((11, 30), _P.BREAK), ((13, 0), _P.CONTINUOUS),
        ((14, 30), _P.ATC), ((14, 45), _P.POST_CLOSE), ((15, 0), _P.CLOSED),
    ),
    Exchange.HNX: (
        ((9, 0), _P.CONTINUOUS), ((11, 30), _P.BREAK), ((13, 0), _P.CONTINUOUS),
        ((14, 30), _P.ATC), ((14, 45), _P.POST_CLOSE), ((15, 0), _P.CLOSED),
    ),
    Exchange.UPCOM: (
        ((9, 0), _P.CONTINUOUS), ((11, 30), _P.BREAK), ((13, 0), _P.CONTINUOUS), ((15, 0), _P.CLOSED),
    ),
    Exchange.DER: (
        ((8, 45), _P.ATO), ((9, 0), _P.CONTINUOUS), ((11, 30), _P.BREAK), ((13, 0), _P.CONTINUOUS),
        ((14, 30), _P.ATC), ((14, 45), _P.CLOSED),
    ),
    Exchange.HNXBOND: (
        ((9, 0), _P.CONTINUOUS), ((11, 30), _P.BREAK), ((13, 0), _P.CONTINUOUS),
        ((14, 30), _P.ATC), ((14, 45), _P.POST_CLOSE), ((15, 0), _P.CLOSED),
    ),
}  # fmt: skip
"""When each phase begins (hour, minute in Vietnam); before the first it is PRE_OPEN."""

DAY_CLOSE = (16, 0)
"""Market time after which nothing of the day is expected: SSI's last foreign records come at about 15:33."""


def starts(day: TradingDay, exchange: Exchange) -> tuple[tuple[UnixMs, SessionPhase], ...]:
    """The phases of ``day`` on ``exchange`` with the instant each begins, in order, PRE_OPEN left out."""
    return tuple((at(day, *clock), phase) for clock, phase in SCHEDULE[exchange])


def phase_at(ts_ms: UnixMs, day: TradingDay, exchange: Exchange = Exchange.HOSE) -> SessionPhase:
    """The phase of ``exchange`` at ``ts_ms`` if ``day`` is a trading day."""
    current = _P.PRE_OPEN
    for begins_ms, phase in starts(day, exchange):
        if ts_ms < begins_ms:
            break
        current = phase
    return current


def open_ms(day: TradingDay, exchange: Exchange) -> UnixMs:
    """When the first phase of ``day`` begins."""
    return starts(day, exchange)[0][0]


def close_ms(day: TradingDay) -> UnixMs:
    """When the day is over for good, feed included."""
    return at(day, *DAY_CLOSE)
