"""What time it is on the market: by this machine's clock, by the records of the feed, or by a simulator's clock.

The clock ticks that the connector puts into the stream are the only clock of everything behind it, so a market clock never
goes backwards.
"""

from math import ceil
from typing import Literal, NamedTuple, Protocol

import msgspec

from connectors.ssi.core.errors import ClockSetBack
from schemas.calendar import HOLIDAYS, day_of, last_trading_day
from schemas.units import TradingDay, UnixMs

POLL_S = 0.25
"""How often a simulator is asked for the time while its clock runs at a known speed, in seconds."""
WAITING_POLL_S = 0.05
"""How often a simulator is asked for the time while its clock stands or its speed is not known, in seconds."""
TRUSTED_MS = 5_000
"""For how long after a simulator's answer its clock is assumed to run on, in milliseconds."""
STEP_MS = 1_000
"""The step of the exchanges' own clocks, in milliseconds."""


class MarketTime(NamedTuple):
    """What a look at the market clock shows."""

    ts_ms: UnixMs
    trading_day: TradingDay
    """The day that the market is on; on a Saturday that is still Friday."""
    date: TradingDay
    """The date on the market. A record with a later one cannot be right."""
    step_ms: int = STEP_MS
    """Market time, in whole seconds, after which whoever hears of nothing else is told the time. More than a second in a market
    that is played faster than the real one, and one in a market that stands still: no later time takes the place of this one."""


class MarketClock(Protocol):
    """Says what time it is on the market, given the time by this machine's clock."""

    def read(self, wall_ms: UnixMs) -> MarketTime | None:
        """Market time when this machine's clock shows ``wall_ms``; None as long as it is unknown."""

    def observe(self, day: TradingDay, ts_ms: UnixMs) -> None:
        """Take note of the day and time of a record; what a clock makes of it is its own affair."""


SET_BACK_MS = 2_000
"""A clock that was set back by less than this is as good as any, in milliseconds."""


class WallClock:
    """Market time is the time of this machine (``SSI_CLOCK=wall``)."""

    def __init__(self, holidays: frozenset[TradingDay] = HOLIDAYS) -> None:
        self._holidays = holidays
        self._ts_ms = UnixMs(0)
        self._behind_ms = 0
        """How far this machine's clock is behind market time."""
        self._day = TradingDay(0)

    def read(self, wall_ms: UnixMs) -> MarketTime:
        """Market time: ``wall_ms`` itself, unless this machine's clock was set back; then it stands still."""
        self._ts_ms = max(self._ts_ms, wall_ms)
        self._behind_ms = self._ts_ms - wall_ms
        date = day_of(self._ts_ms)
        # A day that a record was dated stays the trading day, even if the calendar calls it a holiday: the calendar is wrong.
        self._day = max(self._day, last_trading_day(date, self._holidays))
        return MarketTime(self._ts_ms, self._day, date)

    @property
    def trouble(self) -> ClockSetBack | None:
        """That market time stands still, if it did when it was read last."""
        return ClockSetBack(self._behind_ms / 1000) if self._behind_ms >= SET_BACK_MS else None

    def observe(self, day: TradingDay, ts_ms: UnixMs) -> None:
        """Learn the trading day from the feed."""
        self._day = max(self._day, day)


class FeedClock:
    """Market time is the greatest exchange time received (``SSI_CLOCK=feed``): for replayed days and slow machines."""

    def __init__(self) -> None:
        self._ts_ms = UnixMs(0)
        self._day = TradingDay(0)

    def read(self, wall_ms: UnixMs) -> MarketTime | None:
        """Market time; None before the first record."""
        if not self._ts_ms:
            return None
        return MarketTime(self._ts_ms, self._day, day_of(wall_ms))

    def observe(self, day: TradingDay, ts_ms: UnixMs) -> None:
        """Move on to a later record."""
        self._ts_ms = max(self._ts_ms, ts_ms)
        self._day = max(self._day, day)


class ClockAnswer(msgspec.Struct, frozen=True):
    """The answer of a simulator's ``/sim/clock``, as far as the connector needs it."""

    market_ms: int
    speed: float | None
    """Market seconds a second; None when it plays as fast as it is read, and nothing can be assumed between its answers."""
    state: Literal["waiting", "running", "held", "finished"]
    trading_day: int
    start_ms: int
    end_ms: int


read_clock_answer = msgspec.json.Decoder(ClockAnswer, strict=False).decode
"""Read a :class:`ClockAnswer` from JSON bytes; raises msgspec.MsgspecError when it is none."""


class SimulatedClock:
    """Market time is a simulator's: asked for now and then, and assumed to run on at the simulator's speed in between."""

    def __init__(self) -> None:
        self._answer: ClockAnswer | None = None
        self._asked_ms = UnixMs(0)
        self._ts_ms = UnixMs(0)

    def answered(self, answer: ClockAnswer, wall_ms: UnixMs) -> None:
        """Take in the answer that came at ``wall_ms``."""
        self._answer = answer
        self._asked_ms = wall_ms

    def read(self, wall_ms: UnixMs) -> MarketTime | None:
        """Market time at ``wall_ms``. It stands still when the simulator's clock does, or has not been heard of for long."""
        answer = self._answer
        if answer is None:
            return None
        ts_ms, step_ms = answer.market_ms, STEP_MS
        if answer.state == "running" and answer.speed is not None:
            elapsed_ms = min(max(wall_ms - self._asked_ms, 0), TRUSTED_MS)
            ts_ms = min(int(ts_ms + elapsed_ms * answer.speed), answer.end_ms)
            if ts_ms < answer.end_ms and elapsed_ms < TRUSTED_MS:
                # What passes on the market in a second of ours.
                step_ms = max(ceil(answer.speed), 1) * STEP_MS
        self._ts_ms = max(self._ts_ms, UnixMs(ts_ms))
        day = TradingDay(answer.trading_day)
        return MarketTime(self._ts_ms, day, day, step_ms)

    def observe(self, day: TradingDay, ts_ms: UnixMs) -> None:
        """Records do not move it."""

    @property
    def poll_s(self) -> float:
        """Seconds until the simulator is to be asked again: sooner while its clock cannot be assumed to run on."""
        answer = self._answer
        return POLL_S if answer and answer.state != "waiting" and answer.speed is not None else WAITING_POLL_S


def make_clock(setting: str, holidays: frozenset[TradingDay] = HOLIDAYS) -> MarketClock:
    """The clock that ``SSI_CLOCK`` names: ``wall``, ``feed``, or else a simulator's."""
    if setting == "wall":
        return WallClock(holidays)
    if setting == "feed":
        return FeedClock()
    return SimulatedClock()
