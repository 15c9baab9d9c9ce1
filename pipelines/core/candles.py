"""The one-minute candles of a shard: each is told 15 seconds after its minute is over, and again when a late print amends it.

A candle is drawn from the lines of the tape (:mod:`pipelines.core.lines`), not from records, so that it holds what was booked and
nothing else. The feed lags the clock by seconds where the market is busy, so a minute is not over when its clock says so. What is
told, and when, follows from the lines and the clock ticks alone, however they were cut into frames::

    candles = Candles(state, day, now_ms, counts)
    candles.draw(line, reference)           # for each line of the tape
    candles.advance(now_ms)                 # when the market second moves forward
    candles.turn(day, now_ms)               # when the trading day does
    candles.finish()                        # stores what changed; candles.events is what to publish
"""

from bisect import insort
from collections import Counter
from functools import lru_cache
from typing import ClassVar, Final

import msgspec

from pipelines.core.codec import Cells, Codec, DayState, Stored
from schemas.profiles import usual
from schemas.structs import CandleEvent, ProfileRecord, TradeEvent
from schemas.units import Exchange, Price, Shares, Side, Symbol, TradingDay, UnixMs, Vnd

MINUTE_MS: Final = 60_000
LATE_MS: Final = 15_000
"""Market time between the end of a minute and the first telling of its candle."""
_MINUTES_A_DAY: Final = 24 * 60
_ELSEWHERE: Final = ("put_through", "odd_lot")


PrintOrder = tuple[int, int, int]
"""Where a print stands among those of its symbol's day: its time in milliseconds, which has one-second steps, the generation of
the feed's counter, and the total after it, which tells the prints of one second apart."""


class MinuteCandle(Stored):
    """A candle, told or not. It is kept for the whole day, because a late print may come for any minute of it."""

    DAY_AT: ClassVar[int | None] = 0

    day: int
    start_ms: int
    exchange: Exchange
    open: int
    open_at: PrintOrder
    close: int
    close_at: PrintOrder
    high: int
    low: int
    reference: int = 0
    """The day's reference price, as known when the last print came; 0 while the feed has not said it."""
    opens: bool = False
    """Whether the first match of the day is in it."""
    volume: int = 0
    value: int = 0
    active_buy: int = 0
    active_sell: int = 0
    prints: int = 0
    told: int = 0
    """How often it has been told."""
    waits: bool = False
    """Whether it is on the list of those that are to be told."""


class UsualVolumes(Stored):
    """The volume profile of a symbol."""

    DAY_AT: ClassVar[int | None] = 0

    day: int
    days: int
    volumes: list[int]


class CandleBook(Stored):
    """Which minutes have candles that are to be told."""

    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    since_ms: int = 0
    """Minutes that began before are unknown: their first prints were folded without candles."""
    minutes: list[int] = msgspec.field(default_factory=list)
    """When they began, in order. The symbols of each are a :class:`MinuteSymbols`."""


class MinuteSymbols(Stored):
    """The symbols whose candles of one minute are to be told, in the order of their first prints."""

    DAY_AT: ClassVar[int | None] = 0

    day: int
    symbols: list[str] = msgspec.field(default_factory=list)


class Candles:
    """The candles of a shard, while a frame is folded.

    Args:
        state: The shard's.
        day: The trading day that the shard had reached before the frame; 0 when it had none.
        now_ms: Its market second then.
        counts: Gets ``candle``, ``candle_amended`` and ``candle_unknown``.
    """

    def __init__(self, state: DayState, day: int, now_ms: int, counts: Counter[str]) -> None:
        self.events: list[CandleEvent] = []
        """What is told because of the frame."""
        self._state = state
        self._counts = counts
        known = state.load(_BOOK, _BOOK_KEY)
        if known is None or known.day < day:
            # A release without candles began the day, or what was known cannot be read: the minute that runs lacks its beginning.
            known = CandleBook(day=day, since_ms=-(-(now_ms + 1) // MINUTE_MS) * MINUTE_MS if day else 0)
        self._book = known
        self._cells = Cells(state, _CANDLES, _CANDLE_PREFIX)
        self._symbols = Cells(state, _MINUTE_SYMBOLS, _SYMBOLS_PREFIX)
        self._profiles: dict[str, UsualVolumes | None] = {}
        self._drawn: dict[tuple[str, int], MinuteCandle] = {}
        """The candles that the frame has drawn in, by symbol and start of the minute."""

    def take_profile(self, record: ProfileRecord) -> None:
        """Take what a symbol usually trades; candles that were told before say nothing of it."""
        profile = UsualVolumes(record.trading_day, record.days, list(record.volumes))
        self._profiles[record.symbol] = profile
        self._state.store(_PROFILES, _profile_key(record.symbol), profile)

    def draw(self, line: TradeEvent, reference: int) -> None:
        """Add a line of the tape to the candle of its minute, if it is a match of the order book with a total.

        Args:
            line: Of the day on which the shard is.
            reference: The reference price of the symbol's day; 0 while the feed has not said it.
        """
        price = line.price
        if line.kind != "print" or not line.anchored or price is None or line.phase in _ELSEWHERE:
            return
        start_ms = line.ts_ms - line.ts_ms % MINUTE_MS
        candle = self._drawn.get((line.symbol, start_ms)) or self._begin(line, start_ms, price)
        if candle is None:
            self._counts["candle_unknown"] += 1
            return
        place = (line.ts_ms, line.generation, line.total_volume)
        if place >= candle.close_at:
            candle.close, candle.close_at = price, place
        elif place < candle.open_at:
            candle.open, candle.open_at = price, place
        if price > candle.high:
            candle.high = price
        elif price < candle.low:
            candle.low = price
        if reference:
            candle.reference = reference
        if line.phase == "ato" or (not line.start and not line.generation):
            candle.opens = True
        candle.volume += line.volume
        candle.value += line.value
        if line.side is Side.BUY:
            candle.active_buy += line.volume
        elif line.side is Side.SELL:
            candle.active_sell += line.volume
        candle.prints += 1
        if not candle.waits:
            candle.waits = True
            self._enlist(line.symbol, start_ms)

    def advance(self, now_ms: int) -> None:
        """Tell the candles whose minutes have been over for long enough at market time ``now_ms``."""
        minutes = self._book.minutes
        while minutes and minutes[0] + MINUTE_MS + LATE_MS <= now_ms:
            self._tell(minutes.pop(0), now_ms)

    def turn(self, day: int, now_ms: int) -> None:
        """Tell all that is left of the day before at market time ``now_ms``, and begin ``day``, if it is a later one."""
        if day <= self._book.day:
            return
        for start_ms in self._book.minutes:
            self._tell(start_ms, now_ms)
        self._book = CandleBook(day=day)
        self._drawn.clear()

    def finish(self) -> None:
        """Store what the frame changed."""
        self._cells.store()
        self._symbols.store()
        self._state.store(_BOOK, _BOOK_KEY, self._book)

    def _begin(self, line: TradeEvent, start_ms: int, price: int) -> MinuteCandle | None:
        """The candle that the print ``line`` belongs to, a new one if it is the first; None when its minute is unknown."""
        if start_ms < self._book.since_ms or line.day != self._book.day:
            return None
        candle = self._candle(line.symbol, start_ms)
        if candle is None:
            place = (line.ts_ms, line.generation, line.total_volume)
            candle = MinuteCandle(self._book.day, start_ms, line.exchange, price, place, price, place, price, price)
            self._cells.put(_name(line.symbol, start_ms), candle)
        elif candle.start_ms != start_ms:
            return None
        self._drawn[line.symbol, start_ms] = candle
        return candle

    def _candle(self, symbol: str, start_ms: int) -> MinuteCandle | None:
        """The candle of the symbol's minute; None when this day has none yet. Its place in the state is that of a day before."""
        candle = self._cells.get(_name(symbol, start_ms))
        return candle if candle is not None and candle.day == self._book.day else None

    def _enlist(self, symbol: str, start_ms: int) -> None:
        number = _number(start_ms)
        waiting = self._symbols.get(number)
        if waiting is None or waiting.day != self._book.day or start_ms not in self._book.minutes:
            waiting = self._symbols.put(number, MinuteSymbols(self._book.day))
            insort(self._book.minutes, start_ms)
        waiting.symbols.append(symbol)

    def _tell(self, start_ms: int, now_ms: int) -> None:
        waiting = self._symbols.get(_number(start_ms))
        for symbol in waiting.symbols if waiting is not None else ():
            candle = self._candle(symbol, start_ms)
            if candle is not None:
                self.events.append(_event(Symbol(symbol), candle, self._profile(symbol), now_ms))
                self._counts["candle_amended" if candle.told else "candle"] += 1
                candle.told += 1
                candle.waits = False

    def _profile(self, symbol: str) -> UsualVolumes | None:
        """What the symbol usually trades, if this day's log has said so."""
        if symbol not in self._profiles:
            self._profiles[symbol] = self._state.load(_PROFILES, _profile_key(symbol))
        profile = self._profiles[symbol]
        return profile if profile is not None and profile.day == self._book.day else None


def _event(symbol: Symbol, candle: MinuteCandle, profile: UsualVolumes | None, now_ms: int) -> CandleEvent:
    usual_volume = None if profile is None else usual(profile.volumes, TradingDay(candle.day), candle.start_ms)
    return CandleEvent(
        symbol=symbol,
        exchange=candle.exchange,
        day=TradingDay(candle.day),
        minute_ms=UnixMs(candle.start_ms),
        ts_ms=UnixMs(now_ms),
        revision=candle.told,
        reference=Price(candle.reference),
        opens=candle.opens,
        open=Price(candle.open),
        high=Price(candle.high),
        low=Price(candle.low),
        close=Price(candle.close),
        volume=Shares(candle.volume),
        value=Vnd(candle.value),
        active_buy=Shares(candle.active_buy),
        active_sell=Shares(candle.active_sell),
        prints=candle.prints,
        usual_volume=usual_volume,
        usual_days=None if profile is None or usual_volume is None else profile.days,
    )


@lru_cache(maxsize=2 * _MINUTES_A_DAY)
def _number(start_ms: int) -> str:
    """The number of a minute in its day. State keys are used again the next day: their number stays what it is."""
    return str(start_ms // MINUTE_MS % _MINUTES_A_DAY)


def _profile_key(symbol: str) -> bytes:
    return b"usual:" + symbol.encode()


def _name(symbol: str, start_ms: int) -> str:
    return f"{symbol}:{_number(start_ms)}"


_BOOK: Final = Codec(CandleBook)
_BOOK_KEY: Final = b"candles"
_CANDLES: Final = Codec(MinuteCandle)
_CANDLE_PREFIX: Final = b"m:"
_MINUTE_SYMBOLS: Final = Codec(MinuteSymbols)
_SYMBOLS_PREFIX: Final = b"minute:"
_PROFILES: Final = Codec(UsualVolumes)
