"""What is known of one symbol's day, and how that reads: as a line of the board, and as a summary of the day."""

from typing import Any, ClassVar, Final, Literal

import msgspec

from pipelines.core.codec import Codec, Stored
from pipelines.core.phases import exchange_phase, is_ordinary, standing
from pipelines.core.tape import Tape, tape_of_version_1
from schemas.events import TradePhase
from schemas.structs import Candle, DailyEvent, PhaseSum, PriceRow, SnapshotRecord, TradeEvent, TradeRecord
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
Place = Literal["advance", "no_change", "decline", "ceiling", "floor", "untraded"]
"""Where a member of an index stands. One at a limit is not among the advances or declines, as in SSI's own counts."""

_AUCTIONS: Final = (SessionPhase.ATO, SessionPhase.ATC)
_BOOK: Final[tuple[TradePhase, ...]] = ("ato", "continuous", "atc", "post_close")
_PHASES: Final[tuple[TradePhase, ...]] = (*_BOOK, "put_through", "odd_lot")


class Minute(msgspec.Struct, array_like=True, gc=False):
    """The running one-minute candle."""

    start_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class PhaseTotals(msgspec.Struct, array_like=True, gc=False):
    """What was traded in a phase, by who made the prints: shares or contracts, and VND."""

    buy: int = 0
    buy_value: int = 0
    sell: int = 0
    sell_value: int = 0
    neutral: int = 0
    neutral_value: int = 0


class SymbolDay(Stored):
    """All that is known of one symbol's day. Figures of the feed that it has not told yet are 0, texts None."""

    VERSION: ClassVar[int] = 2
    DAY_AT: ClassVar[int | None] = 0

    day: int
    exchange: Exchange
    """That of the newest record of the day; before the first, that of the record which made it known."""
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
    exchange_ms: int = 0
    """Exchange time of the record that ``exchange`` was taken from; 0 before the day's first."""
    auction_open: int = 0
    """The price of the opening auction, once a print of it was seen: all its prints have the same."""
    is_open_sure: bool = False
    """Whether no print before ``own_open`` can have been missed."""
    traded: dict[TradePhase, PhaseTotals] | None = msgspec.field(default_factory=dict)
    """What was traded in each phase; None on a day that a release before 0.3.0 began."""
    bar_open: int = 0
    """The price of the day's first match as ``B`` says it; 0 where that is not known."""
    groups: list[str] = msgspec.field(default_factory=list)
    """Indices that it is a member of, by the reference data of ``groups_day``."""
    groups_day: int = 0
    place: Place | None = None
    """Where it is counted in the breadth of these; None while it is not."""

    def take_exchange(self, ts_ms: int, exchange: Exchange) -> None:
        """Take the exchange of a record of the day, unless a newer one has told it already."""
        if ts_ms >= self.exchange_ms:
            self.exchange_ms, self.exchange = ts_ms, exchange

    def take_info(self, record: TradeRecord | SnapshotRecord) -> None:
        """Take reference, limits, high, low and indicative price of a record, unless a newer one has told them already."""
        if record.ts_ms < self.info_ms:
            return
        self.info_ms, self.expected = record.ts_ms, record.expected
        if record.reference:
            self.reference = record.reference
        if record.ceiling:
            self.ceiling = record.ceiling
        if record.floor:
            self.floor = record.floor
        if record.high:
            self.feed_high = record.high
        if record.low:
            self.feed_low = record.low

    def take_limits(self, record: TradeRecord | SnapshotRecord) -> None:
        """Take reference and limits of a record, unless a newer one has told them already."""
        if record.ts_ms < self.info_ms:
            return
        self.info_ms = record.ts_ms
        self.reference = record.reference or self.reference
        self.ceiling = record.ceiling or self.ceiling
        self.floor = record.floor or self.floor

    def take_session(self, ts_ms: int, session: str | None, status: str | None, *, decides: bool) -> bool:
        """Take session and status of a record, unless another of the same second or a newer one has told them already.

        Args:
            ts_ms: Exchange time of the record.
            session: As it says; None when it does not.
            status: Likewise.
            decides: Whether it is taken also against other records of the same second, because it was sent to tell of the change.

        Returns:
            Whether that is worth a line: it changed, or it is not the ordinary one.
        """
        if ts_ms < self.session_ms:
            return False
        if session in (None, self.session) and status in (None, self.status):
            self.session_ms = ts_ms
            return False
        before = self.session, self.status
        if ts_ms > self.session_ms or decides:
            self.session, self.status = session or self.session, status or self.status
        else:
            self.session, self.status = self.session or session, self.status or status
        self.session_ms = ts_ms
        after = self.session, self.status
        if after == before:
            return False
        was_known = any(old is not None and old != new for old, new in zip(before, after, strict=True))
        return was_known or not is_ordinary(*after)

    def take_print(self, record: TradeRecord, line: TradeEvent, start: int) -> bool:
        """Add a print to the day's sums and prices. A put-through deal or an odd lot only adds to its own sums.

        Args:
            record: That tells of it.
            line: What was booked of it.
            start: The day's volume before it, earlier generations of the counter included.

        Returns:
            Whether its price lies within the high and low that the feed says itself.
        """
        price, side, volume = record.price, line.side, line.volume
        phase: Any = line.phase
        self.add_traded(phase, side, volume, line.value)
        if phase == "put_through":
            self.put_through += volume
            return True
        if side is Side.BUY:
            self.active_buy += volume
        elif side is Side.SELL:
            self.active_sell += volume
        else:
            self.neutral += volume
        if phase == "ato":
            self.auction_open = price
        if start < self.own_open_at or not self.own_open:
            # It is the earliest so far.
            self.own_open, self.own_open_at = price, start
            self.is_open_sure = not self.tape.may_miss_before(start)
        if price > self.own_high:
            self.own_high = price
        if price < self.own_low or not self.own_low:
            self.own_low = price
        closes = not line.late
        if closes or self.last is None:
            self.last, self.last_volume = price, record.volume
        ts_ms, minute = record.ts_ms, self.minute
        if minute is None or ts_ms >= minute.start_ms + MINUTE_MS:
            self.minute = Minute(ts_ms - ts_ms % MINUTE_MS, price, price, price, price, volume)
        elif ts_ms >= minute.start_ms:
            # One of an earlier minute is left out; the archive amends its own candle of it.
            if price > minute.high:
                minute.high = price
            elif price < minute.low:
                minute.low = price
            minute.volume += volume
            if closes:
                minute.close = price
        return record.low <= price and (price <= record.high or not record.high)

    def add_traded(self, phase: TradePhase, side: Side | None, volume: int, value: int) -> None:
        """Add a print to the sums of its phase."""
        traded = self.traded
        if traded is None:
            return
        sums = traded.get(phase)
        if sums is None:
            sums = traded[phase] = PhaseTotals()
        if side is Side.BUY:
            sums.buy += volume
            sums.buy_value += value
        elif side is Side.SELL:
            sums.sell += volume
            sums.sell_value += value
        else:
            sums.neutral += volume
            sums.neutral_value += value

    @property
    def open(self) -> Price | None:
        """The first price of the day, where it is known.

        It is that of the opening auction, if a print of it was seen; else what ``X`` or ``B`` says, which are not subscribed by
        default; else that of our first print, unless prints before it may have been missed.
        """
        own_open = self.own_open if self.is_open_sure else 0
        return Price(self.auction_open or self.feed_open or self.bar_open or own_open) or None

    @property
    def high(self) -> Price | None:
        """The day's highest price: the feed's or that of our own prints, whichever is higher."""
        highest = self.feed_high if self.feed_high > self.own_high else self.own_high
        return Price(highest) if highest else None

    @property
    def low(self) -> Price | None:
        """The day's lowest price: the feed's or that of our own prints, whichever is lower."""
        feed, own = self.feed_low, self.own_low
        lowest = feed if not own or 0 < feed < own else own
        return Price(lowest) if lowest else None

    @property
    def average(self) -> Price | None:
        """The volume-weighted average price of the order book: the feed's value over its volume, rounded half up.

        Put-through deals that are known to be in the feed's totals are taken out.
        """
        return self._average(self.tape.total, self.tape.total_value)

    def _average(self, total: int, total_value: int) -> Price | None:
        """As :attr:`average`, with what the feed counts of the day."""
        volume, value = total - self.tape.explained, total_value - self.tape.explained_value
        if not volume:
            return None
        if self.exchange is Exchange.DER:
            volume *= FUTURES_MULTIPLIER_VND // POINT
        return Price((2 * value + volume) // (2 * volume))

    def phase_at(self, now_ms: int) -> SessionPhase:
        """What the symbol's exchange is doing at market time ``now_ms``."""
        return exchange_phase(self.session, self.exchange, TradingDay(self.day), self.session_ms, max(now_ms, self.session_ms))

    @property
    def is_told(self) -> bool:
        """Whether anything of today was told: there is nothing to show of a symbol of which only earlier days were heard."""
        return bool(self.info_ms or self.session_ms or self.quote_ms is not None)

    @property
    def stands(self) -> Place:
        """Where the last price stands; untraded as long as it or the reference is not known."""
        last = self.last
        if last is None or not self.reference:
            return "untraded"
        if last == self.ceiling:
            return "ceiling"
        if last == self.floor:
            return "floor"
        if last == self.reference:
            return "no_change"
        return "advance" if last > self.reference else "decline"

    def row(self, symbol: Symbol, now_ms: int, src: int) -> PriceRow:
        """The row of ``symbol`` on ``state.prices``, as the frame at offset ``src`` leaves it at market time ``now_ms``."""
        # State has whole numbers, a row has units. To say so to a type checker figure by figure would cost a third of a row.
        day: Any = self
        tape: Any = self.tape
        minute: Any = self.minute
        last = self.last
        total, total_value = tape.total, tape.total_value
        shown_ms = max(self.info_ms, self.session_ms, self.quote_ms or 0)
        now_ms = max(shown_ms, now_ms)
        session, phase = standing(
            self.session, self.exchange, TradingDay(self.day), self.session_ms, max(now_ms, self.session_ms)
        )
        return PriceRow(
            day=day.day,
            src=src,
            ts_ms=UnixMs(shown_ms),
            symbol=symbol,
            exchange=self.exchange,
            session=session,
            status=self.status,
            phase=phase,
            reference=day.reference,
            ceiling=day.ceiling,
            floor=day.floor,
            previous_close=day.previous_close,
            last=day.last,
            last_volume=day.last_volume,
            change=Price(last - self.reference) if last is not None and self.reference else None,
            expected=day.expected if self.expected and phase in _AUCTIONS else None,
            open=self.open,
            high=self.high,
            low=self.low,
            total_volume=total,
            total_value=total_value,
            average=self._average(total, total_value),
            bids=self.bids,
            asks=self.asks,
            quote_ms=day.quote_ms,
            active_buy=day.active_buy,
            active_sell=day.active_sell,
            neutral=day.neutral,
            put_through_volume=day.put_through,
            # By position, which is faster.
            candle=None
            if minute is None
            else Candle(minute.start_ms, minute.open, minute.high, minute.low, minute.close, minute.volume),  # type: ignore[call-arg]
            prints=tape.prints,
            repeats=tape.repeats,
            gaps=tape.gap_count,
            missed_volume=tape.missed,
            phases=self._phases(),
        )

    def _phases(self) -> list[PhaseSum]:
        traded = self.traded or {}
        return [
            # By position, which is faster, and there are six a row.
            PhaseSum(phase, sums.buy, sums.buy_value, sums.sell, sums.sell_value, sums.neutral, sums.neutral_value)  # type: ignore[call-arg]
            for phase in _PHASES
            if (sums := traded.get(phase)) is not None
        ]

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
            active_buy_value=self._value(_BOOK, "buy_value"),
            active_sell_value=self._value(_BOOK, "sell_value"),
            neutral_value=self._value(_BOOK, "neutral_value"),
            put_through_value=self._value(("put_through",), "buy_value", "sell_value", "neutral_value"),
        )

    def _value(self, phases: tuple[TradePhase, ...], *sums: str) -> Vnd | None:
        """What was traded in ``phases`` is worth, in VND; None when the day was begun without counting it."""
        traded = self.traded
        if traded is None:
            return None
        return Vnd(sum(getattr(traded[phase], name) for phase in phases if phase in traded for name in sums))


def _of_version_1(fields: list[Any]) -> list[Any]:
    """The array of a symbol day as release 0.2.0 kept it, in today's order."""
    tape, own_open_at = fields[2], fields[16]
    gaps, base = tape[14], tape[6]
    is_open_sure = not any(base + start < own_open_at and cause != "unseen" for start, _, cause in gaps)
    return [*fields[:2], tape_of_version_1(tape), *fields[3:], 0, 0, is_open_sure, None]


SYMBOL_DAY: Final = Codec(SymbolDay, upgrades={1: _of_version_1})
