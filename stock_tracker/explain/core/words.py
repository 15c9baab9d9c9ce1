"""How times, prices and records read."""

from datetime import timedelta
from typing import Any

from schemas.calendar import at, day_of
from schemas.structs import ForeignRecord, IndexRecord, QuoteRecord, SnapshotRecord, StatusRecord, TradeRecord
from schemas.units import POINT, Exchange, UnixMs


def clock(ts_ms: int) -> str:
    """A time as the clock in Vietnam shows it."""
    seconds = (ts_ms - at(day_of(UnixMs(ts_ms)), 0)) // 1000
    return str(timedelta(seconds=seconds)).rjust(8, "0")


def price(value: int | None, exchange: Exchange | None) -> str:
    """A price: dong for what is listed on a stock exchange, points for futures and indices, which are on none or on DER."""
    if value is None:
        return "none"
    return f"{value / POINT:,.2f}" if exchange in (Exchange.DER, None) else f"{value:,}"


def said(record: Any) -> str:
    """What a record says, in one line."""
    if isinstance(record, TradeRecord):
        if not record.price or not record.volume:
            return f"no match, total {record.total_volume:,}"
        session = "" if record.session in (None, "LO") else f", session {record.session}"
        return f"{record.volume:,} at {price(record.price, record.exchange)}, total {record.total_volume:,}{session}"
    if isinstance(record, ForeignRecord):
        return f"bought {record.bought:,}, sold {record.sold:,}, room {record.current_room:,}"
    if isinstance(record, QuoteRecord):
        return f"book {_book(record)}"
    if isinstance(record, SnapshotRecord):
        return f"snapshot: {record.volume:,} at {price(record.price, record.exchange)}, book {_book(record)}"
    if isinstance(record, StatusRecord):
        return f"session {record.session}, status {record.status}"
    if isinstance(record, IndexRecord):
        return f"value {price(record.value, None)}"
    return str(record.kind)


def _book(record: QuoteRecord | SnapshotRecord) -> str:
    bid, bid_volume = record.bids[:2] or (0, 0)
    ask, ask_volume = record.asks[:2] or (0, 0)
    return f"{bid_volume:,} at {price(bid, record.exchange)} / {ask_volume:,} at {price(ask, record.exchange)}"
