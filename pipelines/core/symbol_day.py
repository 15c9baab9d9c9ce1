"""What is known of one symbol's day, and how that reads: as a line of the board, and as a summary of the day."""

from typing import ClassVar, Final

import msgspec

from pipelines.core.codec import Stored
from pipelines.core.feeds import Feeds
from pipelines.core.phases import exchange_phase
from pipelines.core.prints import Booked, Tape
from schemas.structs import Candle, DailyEvent, PriceRow, SnapshotRecord, TradeRecord
from schemas.units import (
    FUTURES_MULTIPLIER_VND,
    POINT,
    Exchange,
    Price,
    SessionPhase,
    Shares,
    Side,
    Symbol,
    TradingDay,
    UnixMs,
    Vnd,
)

MINUTE_MS: Final = 60_000

_AUCTIONS: Final = (SessionPhase.ATO, SessionPhase.ATC)


class Minute(msgspec.Struct, array_like=True, gc=False):
    """The running one-minute candle."""

    start_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class SymbolDay(Stored):
    """All that is known of one symbol's day. Figures of the feed that it has not told yet are 0, texts None."""

    VERSION: ClassVar[int] = 1
    DAY_AT: ClassVar[int | None] = 0

    day: int
    exchange: Exchange
    tape: Tape
    info_ms: int = 0
    """Exchange time of the record that reference, ceiling, floor, high, low and indicative price were taken from."""
    session_ms: int = 0
    """Exchange time of the record that session and status were taken from."""
    session: str | None = None
    status: str | None = None
    reference: int = 0
    ceiling: int = 0
    floor: int = 0
    previous_close: int | None = None
    expected: int = 0
    feed_open: int = 0
    feed_high: int = 0
    feed_low: int = 0
    own_open: int = 0
    """Price of the earliest print, which began at volume ``own_open_at`` of the day."""
    own_open_at: int = 0
    own_high: int = 0
    own_low: int = 0
    last: int | None = None
    last_volume: int = 0
    bids: list[int] = msgspec.field(default_factory=list)
    asks: list[int] = msgspec.field(default_factory=list)
    quote_ms: int | None = None
    active_buy: int = 0
    active_sell: int = 0
    neutral: int = 0
    put_through: int = 0
    odd_lot_total: int = 0
    """TotalVol of the last odd-lot record."""
    minute: Minute | None = None
    due: bool = False
    """Whether its day has changed since its last summary."""

    def take_info(self, record: TradeRecord | SnapshotRecord) -> None:
        """Take reference, limits, high, low and indicative price of a record, unless a newer one has told them already."""
        if record.ts_ms < self.info_ms:
            return
        self.info_ms = record.ts_ms
        self.reference = record.reference or self.reference
        self.ceiling = record.ceiling or self.ceiling
        self.floor = record.floor or self.floor
        self.feed_high = record.high or self.feed_high
        self.feed_low = record.low or self.feed_low
        self.expected = record.expected
        self.take_session(record.ts_ms, record.session, record.status)

    def take_session(self, ts_ms: int, session: str | None, status: str | None) -> None:
        """Take session and status of a record of exchange time ``ts_ms``, unless a newer one has told them already."""
        if ts_ms >= self.session_ms:
            self.session_ms = ts_ms
            self.session = session or self.session
            self.status = status or self.status

    def take_print(self, booked: Booked) -> bool:
        """Add a print to the day's sums and prices. A put-through only adds to the sum of put-throughs.

        Returns:
            Whether its price lies within the high and low that the feed says itself.
        """
        record, volume, price = booked.record, booked.volume, booked.record.price
        if booked.label.phase == "put_through":
            self.put_through += volume
            return True
        side = booked.label.side
        if side is Side.BUY:
            self.active_buy += volume
        elif side is Side.SELL:
            self.active_sell += volume
        else:
            self.neutral += volume
        if not self.own_open or booked.start < self.own_open_at:
            self.own_open, self.own_open_at = price, booked.start
        self.own_high = max(self.own_high, price)
        self.own_low = min(self.own_low or price, price)
        if not booked.late or self.last is None:
            self.last, self.last_volume = price, record.volume
        self._draw(record.ts_ms // MINUTE_MS * MINUTE_MS, price, volume, closes=not booked.late)
        return record.low <= price and (price <= record.high or not record.high)

    def _draw(self, start_ms: int, price: int, volume: int, *, closes: bool) -> None:
        """Add a print to the running candle. One of an earlier minute is left out; the archive amends its own candle of it."""
        minute = self.minute
        if minute is None or start_ms > minute.start_ms:
            self.minute = Minute(start_ms, price, price, price, price, volume)
        elif start_ms == minute.start_ms:
            minute.high = max(minute.high, price)
            minute.low = min(minute.low, price)
            minute.volume += volume
            if closes:
                minute.close = price

    @property
    def open(self) -> Price | None:
        """The first price of the day, as the feed says; else that of our first print, unless prints before it were missed."""
        gaps = self.tape.gaps
        own_open = 0 if gaps and gaps[0].cause == "before_start" else self.own_open
        return Price(self.feed_open or own_open) or None

    @property
    def high(self) -> Price | None:
        """The day's highest price: the feed's or that of our own prints, whichever is higher."""
        return Price(max(self.feed_high, self.own_high)) or None

    @property
    def low(self) -> Price | None:
        """The day's lowest price: the feed's or that of our own prints, whichever is lower."""
        return Price(min(self.feed_low or self.own_low, self.own_low or self.feed_low)) or None

    @property
    def average(self) -> Price | None:
        """The volume-weighted average price: the feed's value over its volume, rounded half up."""
        volume, value = self.tape.total, self.tape.total_value
        if not volume:
            return None
        if self.exchange is Exchange.DER:
            volume *= FUTURES_MULTIPLIER_VND // POINT
        return Price((2 * value + volume) // (2 * volume))

    def row(self, symbol: Symbol, feeds: Feeds, src: int) -> PriceRow:
        """The row of ``symbol`` on ``state.prices``, as the frame at offset ``src`` leaves it."""
        tape, minute, last = self.tape, self.minute, self.last
        shown_ms = UnixMs(max(self.info_ms, self.session_ms, self.quote_ms or 0))
        phase = exchange_phase(self.session, self.exchange, TradingDay(self.day), UnixMs(max(shown_ms, feeds.now_ms)))
        return PriceRow(
            day=TradingDay(self.day),
            src=src,
            ts_ms=shown_ms,
            symbol=symbol,
            exchange=self.exchange,
            session=self.session,
            status=self.status,
            phase=phase,
            reference=Price(self.reference),
            ceiling=Price(self.ceiling),
            floor=Price(self.floor),
            previous_close=None if self.previous_close is None else Price(self.previous_close),
            last=None if last is None else Price(last),
            last_volume=Shares(self.last_volume),
            change=Price(last - self.reference) if last is not None and self.reference else None,
            expected=Price(self.expected) if self.expected and phase in _AUCTIONS else None,
            open=self.open,
            high=self.high,
            low=self.low,
            total_volume=Shares(tape.total),
            total_value=Vnd(tape.total_value),
            average=self.average,
            bids=self.bids,
            asks=self.asks,
            quote_ms=None if self.quote_ms is None else UnixMs(self.quote_ms),
            active_buy=Shares(self.active_buy),
            active_sell=Shares(self.active_sell),
            neutral=Shares(self.neutral),
            put_through_volume=Shares(self.put_through),
            candle=None
            if minute is None
            else Candle(
                minute_ms=UnixMs(minute.start_ms),
                open=Price(minute.open),
                high=Price(minute.high),
                low=Price(minute.low),
                close=Price(minute.close),
                volume=Shares(minute.volume),
            ),
            prints=tape.prints,
            repeats=tape.repeats,
            gaps=tape.gap_count,
            missed_volume=Shares(tape.missed),
        )

    def daily(self, symbol: Symbol, now_ms: UnixMs, *, final: bool) -> DailyEvent:
        """The summary of the day of ``symbol`` on ``market.daily``, as it stands at market time ``now_ms``.

        Args:
            symbol: Whose day it is.
            now_ms: Market time.
            final: Whether the day is over, though a late record may still amend it.
        """
        tape = self.tape
        return DailyEvent(
            symbol=symbol,
            exchange=self.exchange,
            day=TradingDay(self.day),
            ts_ms=now_ms,
            final=final,
            reference=Price(self.reference),
            ceiling=Price(self.ceiling),
            floor=Price(self.floor),
            open=self.open,
            high=self.high,
            low=self.low,
            close=None if self.last is None else Price(self.last),
            total_volume=Shares(tape.total),
            total_value=Vnd(tape.total_value),
            prints=tape.prints,
            printed_volume=Shares(tape.printed),
            missed_volume=Shares(tape.missed),
            active_buy=Shares(self.active_buy),
            active_sell=Shares(self.active_sell),
            neutral=Shares(self.neutral),
            put_through_volume=Shares(self.put_through),
            unanchored=tape.unanchored,
            repeats=tape.repeats,
        )
