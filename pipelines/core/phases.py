"""What SSI's session codes mean; the time of day decides what they leave open.

The codes are an open set: ``C`` is sent before the open, at the close and in between; some records carry none.
"""

from functools import lru_cache
from typing import Final

from schemas.events import TradePhase
from schemas.session import phase_at, starts
from schemas.units import Exchange, SessionPhase, TradingDay, UnixMs

LAG_MS: Final = 60_000
"""The last prints of a session are stamped up to this long after its end."""

_HALTED: Final = ("HALT", "H")
"""The session codes of a symbol that does not trade now."""
_ORDINARY: Final = (None, "N", "NT", "Normal", "Active")
"""The status codes of a symbol of which there is nothing to say: SSI's documents name the first, the others came on its wire."""

_TRADES: Final[dict[str | None, TradePhase]] = {
    "ATO": "ato",
    "LO": "continuous",
    "CNT": "continuous",
    "ATC": "atc",
    "PLO": "post_close",
    "PT": "put_through",
}
_SESSIONS: Final[dict[str | None, SessionPhase]] = {
    "ATO": SessionPhase.ATO,
    "LO": SessionPhase.CONTINUOUS,
    "CNT": SessionPhase.CONTINUOUS,
    "BREAK": SessionPhase.BREAK,
    "Break": SessionPhase.BREAK,
    "ATC": SessionPhase.ATC,
    "PLO": SessionPhase.POST_CLOSE,
    "PT": SessionPhase.POST_CLOSE,
    "C": SessionPhase.CLOSED,
    "CLOSE": SessionPhase.CLOSED,
}
_CLOSED: Final = ("C", "CLOSE")
"""Sent before the open too, where they say nothing."""
_BY_CLOCK: Final[dict[SessionPhase, TradePhase]] = {
    SessionPhase.ATO: "ato",
    SessionPhase.CONTINUOUS: "continuous",
    SessionPhase.ATC: "atc",
}


def trade_phase(session: str | None, exchange: Exchange, day: TradingDay, ts_ms: UnixMs) -> TradePhase:
    """What kind of matching made a print that SSI sent under ``session`` at ``ts_ms``."""
    return _TRADES.get(session) or _trade_phase_at(exchange, day, ts_ms)


def exchange_phase(session: str | None, exchange: Exchange, day: TradingDay, said_ms: int, now_ms: int) -> SessionPhase:
    """What a symbol's exchange is doing, by its last session code; by the clock where that says nothing, or nothing any more.

    Many a symbol is not heard of for hours. A code that the schedule explains ends with its phase there, a minute later at most,
    since the feed lags; any other with the next phase that begins.

    Args:
        session: The code.
        exchange: Of the symbol.
        day: On which it was said.
        said_ms: Exchange time at which it was said.
        now_ms: Market time, not before ``said_ms``.
    """
    clock = _phase_at(exchange, day, now_ms)
    said = _SESSIONS.get(session)
    says_nothing = session in _CLOSED and _phase_at(exchange, day, said_ms) is SessionPhase.PRE_OPEN
    if said is None or says_nothing or has_ended(session, exchange, day, said_ms, now_ms):
        return clock
    return said


def standing(
    session: str | None, exchange: Exchange, day: TradingDay, said_ms: int, now_ms: int
) -> tuple[str | None, SessionPhase]:
    """A symbol's last session code, None once its time is over; and what its exchange is doing, as :func:`exchange_phase` says.

    Args:
        session: The code.
        exchange: Of the symbol.
        day: On which it was said.
        said_ms: Exchange time at which it was said.
        now_ms: Market time, not before ``said_ms``.
    """
    clock = _phase_at(exchange, day, now_ms)
    said = _SESSIONS.get(session)
    if said is None or said is clock:
        # Most of the time code and clock say the same.
        return session, clock
    if has_ended(session, exchange, day, said_ms, now_ms):
        return None, clock
    return session, exchange_phase(session, exchange, day, said_ms, now_ms)


def has_ended(session: str | None, exchange: Exchange, day: TradingDay, said_ms: int, now_ms: int) -> bool:
    """Whether the time of a symbol's last session code is over, by the clock. Only another code ends one like ``HALT``.

    Args:
        session: The code.
        exchange: Of the symbol.
        day: On which it was said.
        said_ms: Exchange time at which it was said.
        now_ms: Market time, not before ``said_ms``.
    """
    clock = _phase_at(exchange, day, now_ms)
    said = _SESSIONS.get(session)
    if said is None or said is clock:
        return False
    when_said = _phase_at(exchange, day, said_ms)
    if said in (when_said, _phase_at(exchange, day, said_ms - LAG_MS)):
        return _phase_at(exchange, day, now_ms - LAG_MS) is not said
    return clock is not when_said


@lru_cache(maxsize=64)
def turning_points(day: TradingDay) -> tuple[UnixMs, ...]:
    """When :func:`exchange_phase` may say something else without a new code, on any exchange; in order."""
    begins = {begin_ms for exchange in Exchange for begin_ms, _ in starts(day, exchange)}
    return tuple(sorted(begins | {UnixMs(begin_ms + LAG_MS) for begin_ms in begins}))


def is_over(ts_ms: UnixMs, day: TradingDay, exchange: Exchange) -> bool:
    """Whether ``exchange`` has ended the auctions and the continuous matching of ``day``, by the clock."""
    return phase_at(ts_ms, day, exchange) in (SessionPhase.POST_CLOSE, SessionPhase.CLOSED)


def is_ordinary(session: str | None, status: str | None) -> bool:
    """Whether a symbol trades as every symbol does, as far as its codes say."""
    return session not in _HALTED and status in _ORDINARY


@lru_cache(maxsize=4096)
def _trade_phase_at(exchange: Exchange, day: TradingDay, ts_ms: UnixMs) -> TradePhase:
    phase = phase_at(ts_ms, day, exchange)
    if phase is SessionPhase.PRE_OPEN:
        phase = starts(day, exchange)[0][1]
    elif phase not in _BY_CLOCK:
        # The print of the closing auction comes seconds after 14:45:00, the last ones of the morning after 11:30:00.
        before = phase_at(UnixMs(ts_ms - LAG_MS), day, exchange)
        phase = before if before in _BY_CLOCK else phase
    return _BY_CLOCK.get(phase, "post_close")


def _phase_at(exchange: Exchange, day: TradingDay, ts_ms: int) -> SessionPhase:
    """As :func:`schemas.session.phase_at`, for times that hardly ever come twice."""
    current = SessionPhase.PRE_OPEN
    for begin_ms, phase in _starts(day, exchange):
        if ts_ms < begin_ms:
            break
        current = phase
    return current


_starts = lru_cache(maxsize=64)(starts)
