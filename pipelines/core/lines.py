"""The lines of a tape: how prints, gaps, fills, corrections, resets and statuses read on ``market.trades``."""

from typing import Any, Literal, NamedTuple

import msgspec

from schemas.events import GapCause, TradePhase
from schemas.structs import OddLotRecord, TradeEvent, TradeRecord
from schemas.units import FUTURES_MULTIPLIER_VND, POINT, Exchange, Price, Shares, Side, Symbol, TradingDay, UnixMs, Vnd

SideSource = Literal["feed", "quote", "auction", "none"]


class Label(NamedTuple):
    """Who made a print, how we know, and in which phase. It is decided when the record comes, and kept if it must wait."""

    side: Side
    side_source: SideSource
    phase: TradePhase


class LineHead(NamedTuple):
    """Of which symbol and day a line is, and when it happened."""

    symbol: Symbol
    exchange: Exchange
    trading_day: TradingDay
    ts_ms: UnixMs


class Gap(msgspec.Struct, array_like=True, gc=False):
    """A stretch (start, end] of a symbol's counted volume that no print has covered yet."""

    start: int
    end: int
    cause: GapCause

    @property
    def volume(self) -> int:
        """How long it is, in shares or contracts."""
        return self.end - self.start


def value_of(price: int, volume: int, exchange: Exchange) -> Vnd:
    """Price × volume, in VND."""
    if exchange is Exchange.DER:
        return Vnd(price * volume * (FUTURES_MULTIPLIER_VND // POINT))
    return Vnd(price * volume)


def print_line(
    record: TradeRecord, label: Label, generation: int, start: int, volume: int, *, late: bool, anchored: bool
) -> TradeEvent:
    """The line of a match, or of that part of it which no earlier print covered.

    Args:
        record: Of the match.
        label: Who made it, and in which phase.
        generation: Of the feed's counter.
        start: The counter before the part that is booked.
        volume: What is booked, at most the record's.
        late: Whether its total lies below the highest so far.
        anchored: Whether it has a total at all.
    """
    price = record.price
    # By position, in the order of the model's fields: millions are made a day, and names take twice as long.
    return TradeEvent(  # type: ignore[call-arg] # to a type checker twins are models, which take names alone
        "print",
        record.symbol,
        record.exchange,
        record.trading_day,
        record.ts_ms,
        None,
        generation,
        Shares(start),
        record.total_volume,
        Shares(volume),
        value_of(price, volume, record.exchange),
        price,
        record.volume,
        label.side,
        label.side_source,
        label.phase,
        "ceiling" if price == record.ceiling else "floor" if price == record.floor else None,
        late,
        volume < record.volume,
        anchored,
        None,
        None,
    )


def gap_line(record: TradeRecord, generation: int, gap: Gap, value: int, since_ms: UnixMs, epoch: int) -> TradeEvent:
    """The line of a gap: volume before the match of ``record`` of which no record told.

    Args:
        record: The first after it, which shows it.
        generation: Of the feed's counter.
        gap: Where it lies.
        value: What was traded in it, in VND.
        since_ms: Exchange time of the last record before it.
        epoch: Of the connection that ``record`` came from.
    """
    return _line("gap", record, generation, gap.start, gap.end, value, since_ms=since_ms, cause=gap.cause, epoch=epoch)


def fill_line(record: TradeRecord, generation: int, gap: Gap) -> TradeEvent:
    """The line of a fill: the part of an earlier gap that the print of ``record`` covers."""
    value = value_of(record.price, gap.volume, record.exchange)
    return _line("fill", record, generation, gap.start, gap.end, value, price=record.price, cause=gap.cause)


def correction_line(record: TradeRecord, generation: int, top: int, total: int, value: int, *, is_ambiguous: bool) -> TradeEvent:
    """The line of a correction: the feed took back what lies between ``top`` and ``total``, or gave it.

    Args:
        record: That showed it.
        generation: Of the feed's counter.
        top: The highest total before it.
        total: The feed's total after it.
        value: By how much the feed's value changed, in VND.
        is_ambiguous: Whether nobody can tell that it was one.
    """
    return _line("correction", record, generation, top, total, value, ambiguous=is_ambiguous)


def reset_line(record: TradeRecord, generation: int, top: int, *, is_ambiguous: bool) -> TradeEvent:
    """The line of a reset: the feed's counter had reached ``top`` and began at 0 again, as ``record`` showed.

    ``generation`` is that of the new count.
    """
    return _line("reset", record, generation, top, 0, 0, volume=0, ambiguous=is_ambiguous)


def status_line(record: Any, session: str | None, status: str | None) -> TradeEvent:
    """The line of a symbol whose session or trading status changed, as ``record`` told."""
    place = LineHead(record.symbol, record.exchange, record.trading_day, record.ts_ms)
    return _line("status", place, 0, 0, 0, 0, session=session, status=status)


def deal_line(
    symbol: Symbol, exchange: Exchange, day: TradingDay, generation: int, start: int, total: int, price: int, ts_ms: UnixMs
) -> TradeEvent:
    """The line of a fill by a put-through deal, whose interval is (start, total] and which was made at ``ts_ms``."""
    place = LineHead(symbol, exchange, day, ts_ms)
    value = value_of(price, total - start, exchange)
    return _line("fill", place, generation, start, total, value, price=Price(price), cause="unseen", phase="put_through")


def odd_lot_line(record: OddLotRecord, generation: int) -> TradeEvent:
    """The line of a match on the odd-lot board."""
    return TradeEvent(
        kind="print",
        symbol=record.symbol,
        exchange=record.exchange,
        day=record.trading_day,
        ts_ms=record.ts_ms,
        since_ms=None,
        generation=generation,
        start=Shares(0),
        total_volume=Shares(0),
        volume=record.volume,
        value=value_of(record.price, record.volume, record.exchange),
        price=record.price,
        last_volume=record.volume,
        side=Side.NEUTRAL,
        side_source="none",
        phase="odd_lot",
        limit=None,
        late=False,
        clipped=False,
        anchored=False,
        cause=None,
        epoch=None,
    )


def _line(
    kind: Literal["gap", "fill", "correction", "reset", "status"],
    record: TradeRecord | LineHead,
    generation: int,
    start: int,
    total: int,
    value: int,
    *,
    since_ms: UnixMs | None = None,
    price: Price | None = None,
    phase: TradePhase | None = None,
    cause: GapCause | None = None,
    epoch: int | None = None,
    volume: int | None = None,
    ambiguous: bool = False,
    session: str | None = None,
    status: str | None = None,
) -> TradeEvent:
    """A line that is no print. Its volume is what lies between ``start`` and ``total``, unless ``volume`` says otherwise."""
    return TradeEvent(
        kind=kind,
        symbol=record.symbol,
        exchange=record.exchange,
        day=record.trading_day,
        ts_ms=record.ts_ms,
        since_ms=since_ms,
        generation=generation,
        start=Shares(start),
        total_volume=Shares(total),
        volume=Shares(total - start if volume is None else volume),
        value=Vnd(value),
        price=price,
        last_volume=None,
        side=None,
        side_source=None,
        phase=phase,
        limit=None,
        late=False,
        clipped=False,
        anchored=True,
        cause=cause,
        epoch=epoch,
        ambiguous=ambiguous,
        session=session,
        status=status,
    )
