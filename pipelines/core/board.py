"""What is known of one symbol's day, and how it is shown: the board line and the day summary."""

from typing import ClassVar, Final

import msgspec

from pipelines.core.codec import Stored
from pipelines.core.feeds import Feeds
from pipelines.core.phases import session_phase
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


class Board(Stored):
    """All that is known of one symbol's day."""

    VERSION: ClassVar[int] = 1
    DAY_AT: ClassVar[int | None] = 0

    day: int
    exchange: Exchange
    tape: Tape
    info_ms: int = 0
    """Exchange time of the record that limits, extremes and indicative price are from."""
    session_ms: int = 0
    """Exchange time of the record that session and status are from."""
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
    bought: int = 0
    sold: int = 0
    neutral: int = 0
    put_through: int = 0
    odd_lot_total: int = 0
    """TotalVol of the last odd-lot record."""
    minute: Minute | None = None
    due: bool = False
    """Whether its day has changed since its last summary."""


def show_info(board: Board, record: TradeRecord | SnapshotRecord) -> None:
    """Take limits, extremes and indicative price from a record that is not older than the one they are from."""
    if record.ts_ms < board.info_ms:
        return
    board.info_ms = record.ts_ms
    board.reference = record.reference or board.reference
    board.ceiling = record.ceiling or board.ceiling
    board.floor = record.floor or board.floor
    board.feed_high = record.high or board.feed_high
    board.feed_low = record.low or board.feed_low
    board.expected = record.expected
    show_session(board, record.ts_ms, record.session, record.status)


def show_session(board: Board, ts_ms: int, session: str | None, status: str | None) -> None:
    """Take session and status codes from a record that is not older than the one they are from."""
    if ts_ms >= board.session_ms:
        board.session_ms = ts_ms
        board.session = session or board.session
        board.status = status or board.status


def show_print(board: Board, booked: Booked) -> bool:
    """Take a print; a put-through stays outside everything but its own sum.

    Returns:
        Whether the feed's own extremes agree that it happened.
    """
    record, volume, price = booked.record, booked.volume, booked.record.price
    if booked.label.phase == "put_through":
        board.put_through += volume
        return True
    side = booked.label.side
    if side is Side.BUY:
        board.bought += volume
    elif side is Side.SELL:
        board.sold += volume
    else:
        board.neutral += volume
    if not board.own_open or booked.start < board.own_open_at:
        board.own_open, board.own_open_at = price, booked.start
    board.own_high = max(board.own_high, price)
    board.own_low = min(board.own_low or price, price)
    if not booked.late or board.last is None:
        board.last, board.last_volume = price, record.volume
    _draw(board, record.ts_ms // MINUTE_MS * MINUTE_MS, price, volume, closes=not booked.late)
    return record.low <= price and (price <= record.high or not record.high)


def _draw(board: Board, start_ms: int, price: int, volume: int, *, closes: bool) -> None:
    """Add a print to the running candle; one of an earlier minute is for the archive to amend."""
    minute = board.minute
    if minute is None or start_ms > minute.start_ms:
        board.minute = Minute(start_ms, price, price, price, price, volume)
    elif start_ms == minute.start_ms:
        minute.high = max(minute.high, price)
        minute.low = min(minute.low, price)
        minute.volume += volume
        if closes:
            minute.close = price


def _open(board: Board) -> Price | None:
    """The first price of the day: the feed's, else that of our first print if nothing is missing before it."""
    gaps = board.tape.gaps
    own_open = 0 if gaps and gaps[0].cause == "before_start" else board.own_open
    return Price(board.feed_open or own_open) or None


def _high(board: Board) -> Price | None:
    return Price(max(board.feed_high, board.own_high)) or None


def _low(board: Board) -> Price | None:
    return Price(min(board.feed_low or board.own_low, board.own_low or board.feed_low)) or None


def _average(board: Board) -> Price | None:
    """Volume-weighted, of the feed's totals, rounded half up."""
    volume, value = board.tape.total, board.tape.total_value
    if not volume:
        return None
    if board.exchange is Exchange.DER:
        volume *= FUTURES_MULTIPLIER_VND // POINT
    return Price((2 * value + volume) // (2 * volume))


def row(symbol: Symbol, board: Board, feeds: Feeds, src: int) -> PriceRow:
    """The board line of ``symbol`` after the record frame at offset ``src``."""
    tape, minute, last = board.tape, board.minute, board.last
    shown_ms = UnixMs(max(board.info_ms, board.session_ms, board.quote_ms or 0))
    phase = session_phase(board.session, board.exchange, TradingDay(board.day), UnixMs(max(shown_ms, feeds.now_ms)))
    return PriceRow(
        day=TradingDay(board.day),
        src=src,
        ts_ms=shown_ms,
        symbol=symbol,
        exchange=board.exchange,
        session=board.session,
        status=board.status,
        phase=phase,
        reference=Price(board.reference),
        ceiling=Price(board.ceiling),
        floor=Price(board.floor),
        previous_close=None if board.previous_close is None else Price(board.previous_close),
        last=None if last is None else Price(last),
        last_volume=Shares(board.last_volume),
        change=Price(last - board.reference) if last is not None and board.reference else None,
        expected=Price(board.expected) if board.expected and phase in _AUCTIONS else None,
        open=_open(board),
        high=_high(board),
        low=_low(board),
        total_volume=Shares(tape.total),
        total_value=Vnd(tape.total_value),
        average=_average(board),
        bids=board.bids,
        asks=board.asks,
        quote_ms=None if board.quote_ms is None else UnixMs(board.quote_ms),
        bought=Shares(board.bought),
        sold=Shares(board.sold),
        neutral=Shares(board.neutral),
        put_through_volume=Shares(board.put_through),
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


def daily(symbol: Symbol, board: Board, now_ms: UnixMs, *, final: bool) -> DailyEvent:
    """The day of ``symbol`` so far, at market time ``now_ms``."""
    tape = board.tape
    return DailyEvent(
        symbol=symbol,
        exchange=board.exchange,
        day=TradingDay(board.day),
        ts_ms=now_ms,
        final=final,
        reference=Price(board.reference),
        ceiling=Price(board.ceiling),
        floor=Price(board.floor),
        open=_open(board),
        high=_high(board),
        low=_low(board),
        close=None if board.last is None else Price(board.last),
        total_volume=Shares(tape.total),
        total_value=Vnd(tape.total_value),
        prints=tape.prints,
        printed_volume=Shares(tape.printed),
        missed_volume=Shares(tape.missed),
        bought=Shares(board.bought),
        sold=Shares(board.sold),
        neutral=Shares(board.neutral),
        put_through_volume=Shares(board.put_through),
        unanchored=tape.unanchored,
        repeats=tape.repeats,
    )
