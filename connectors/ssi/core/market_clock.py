"""What time it is on the market: the wall's, the feed's own, or a simulator's.

The clock ticks that the connector puts into the stream are the only clock of everything behind it, so a market clock never
goes backwards.
"""

from typing import Literal, NamedTuple, Protocol

import msgspec

from schemas.calendar import day_of, last_trading_day
from schemas.units import TradingDay, UnixMs

POLL_S = 0.25
"""How often a simulator's clock is asked while it can be extrapolated,"""
WAITING_POLL_S = 0.05
"""and while it cannot."""
TRUSTED_MS = 5_000
"""How long a simulator's answer may be extrapolated."""


class MarketTime(NamedTuple):
    """What a look at the market clock shows."""

    ts_ms: UnixMs
    trading_day: TradingDay
    """The day that the market is on: on a Saturday still Friday's."""
    date: TradingDay
    """The market's date. What is dated later is no record of a market that we know."""


class MarketClock(Protocol):
    """Tells market time from our own."""

    def read(self, wall_ms: UnixMs) -> MarketTime | None:
        """Market time at ``wall_ms``; None as long as it is unknown."""

    def observe(self, day: TradingDay, ts_ms: UnixMs) -> None:
        """Note the time of a record, which a clock may follow."""


class WallClock:
    """Market time is our own time (``SSI_CLOCK=wall``)."""

    def __init__(self) -> None:
        self._ts_ms = UnixMs(0)
        self._day = TradingDay(0)

    def read(self, wall_ms: UnixMs) -> MarketTime:
        """Market time at ``wall_ms``: itself, unless our clock was set back."""
        self._ts_ms = max(self._ts_ms, wall_ms)
        date = day_of(self._ts_ms)
        # A record of a day that the calendar calls closed proves the calendar wrong.
        self._day = max(self._day, last_trading_day(date))
        return MarketTime(self._ts_ms, self._day, date)

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
    """What a simulator says of its clock."""

    market_ms: int
    speed: float | None
    """None when it plays as fast as it is read: then only its answers count."""
    state: Literal["waiting", "running", "held", "finished"]
    trading_day: int
    start_ms: int
    end_ms: int


read_clock_answer = msgspec.json.Decoder(ClockAnswer, strict=False).decode
"""An answer of a simulator; raises msgspec.MsgspecError when it is none."""


class SimulatedClock:
    """Market time is a simulator's: asked for now and then, and extrapolated in between."""

    def __init__(self) -> None:
        self._answer: ClockAnswer | None = None
        self._asked_ms = UnixMs(0)
        self._ts_ms = UnixMs(0)

    def answered(self, answer: ClockAnswer, wall_ms: UnixMs) -> None:
        """Take in what the simulator said at ``wall_ms``."""
        self._answer = answer
        self._asked_ms = wall_ms

    def read(self, wall_ms: UnixMs) -> MarketTime | None:
        """Market time at ``wall_ms``; it stands unless the simulator runs and was heard of lately."""
        answer = self._answer
        if answer is None:
            return None
        ts_ms = answer.market_ms
        if answer.state == "running" and answer.speed is not None:
            elapsed_ms = min(max(wall_ms - self._asked_ms, 0), TRUSTED_MS)
            ts_ms = min(int(ts_ms + elapsed_ms * answer.speed), answer.end_ms)
        self._ts_ms = max(self._ts_ms, UnixMs(ts_ms))
        day = TradingDay(answer.trading_day)
        return MarketTime(self._ts_ms, day, day)

    def observe(self, day: TradingDay, ts_ms: UnixMs) -> None:
        """Records do not move it."""

    @property
    def poll_s(self) -> float:
        """How soon to ask again: until the answer comes, a clock that waits or keeps no pace is taken to stand."""
        answer = self._answer
        return POLL_S if answer and answer.state != "waiting" and answer.speed is not None else WAITING_POLL_S


def make_clock(setting: str) -> MarketClock:
    """The clock that ``SSI_CLOCK`` names."""
    if setting == "wall":
        return WallClock()
    if setting == "feed":
        return FeedClock()
    return SimulatedClock()
