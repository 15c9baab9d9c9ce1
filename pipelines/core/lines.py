"""The lines of a tape: how prints, gaps, fills, corrections and resets read on ``market.trades``."""

from typing import Literal, NamedTuple

import msgspec

from schemas.events import GapCause, TradePhase
from schemas.structs import OddLotRecord, TradeEvent, TradeRecord
from schemas.units import FUTURES_MULTIPLIER_VND, POINT, Exchange, Price, Shares, Side, UnixMs, Vnd

SideSource = Literal["feed", "quote", "auction", "none"]


class Label(NamedTuple):
    """What is said of a print besides its volume, decided when its record comes."""

    side: Side
    side_source: SideSource
    phase: TradePhase


class Gap(msgspec.Struct, array_like=True, gc=False):
    """Volume in (start, end] of which no record has told yet."""

    start: int
    end: int
    cause: GapCause

    @property
    def volume(self) -> int:
        """How much it is."""
        return self.end - self.start


def value_of(price: int, volume: int, exchange: Exchange) -> Vnd:
    """Price × volume, in VND."""
    if exchange is Exchange.DER:
        return Vnd(price * volume * (FUTURES_MULTIPLIER_VND // POINT))
    return Vnd(price * volume)


def print_line(
    record: TradeRecord, label: Label, generation: int, *, start: int, volume: int, late: bool, anchored: bool
) -> TradeEvent:
    """A match, or the part of it from volume ``start`` of the day on that no earlier print covered."""
    price = record.price
    return TradeEvent(
        kind="print",
        symbol=record.symbol,
        exchange=record.exchange,
        day=record.trading_day,
        ts_ms=record.ts_ms,
        since_ms=None,
        generation=generation,
        start=Shares(start),
        total_volume=record.total_volume,
        volume=Shares(volume),
        value=value_of(price, volume, record.exchange),
        price=price,
        last_volume=record.volume,
        side=label.side,
        side_source=label.side_source,
        phase=label.phase,
        limit="ceiling" if price == record.ceiling else "floor" if price == record.floor else None,
        late=late,
        clipped=volume < record.volume,
        anchored=anchored,
        cause=None,
        epoch=None,
    )


def gap_line(record: TradeRecord, generation: int, gap: Gap, value: int, since_ms: UnixMs, epoch: int) -> TradeEvent:
    """Volume that ``record``, of connection ``epoch``, leaves over; it traded since ``since_ms``."""
    return _line("gap", record, generation, gap.start, gap.end, value, since_ms=since_ms, cause=gap.cause, epoch=epoch)


def fill_line(record: TradeRecord, generation: int, gap: Gap) -> TradeEvent:
    """The part of an earlier gap that the print of ``record`` covers."""
    value = value_of(record.price, gap.volume, record.exchange)
    return _line("fill", record, generation, gap.start, gap.end, value, price=record.price, cause=gap.cause)


def correction_line(record: TradeRecord, generation: int, top: int, top_value: int) -> TradeEvent:
    """The feed took back what lies between ``record`` and the old top."""
    return _line("correction", record, generation, top, record.total_volume, record.total_value - top_value)


def reset_line(record: TradeRecord, generation: int, top: int) -> TradeEvent:
    """The feed's counter was at ``top`` and began again, as ``record`` showed; ``generation`` is the new one."""
    return _line("reset", record, generation, top, 0, 0, volume=0)


def odd_lot_line(record: OddLotRecord, generation: int) -> TradeEvent:
    """A match on the odd-lot board."""
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
    kind: Literal["gap", "fill", "correction", "reset"],
    record: TradeRecord,
    generation: int,
    start: int,
    total: int,
    value: int,
    *,
    since_ms: UnixMs | None = None,
    price: Price | None = None,
    cause: GapCause | None = None,
    epoch: int | None = None,
    volume: int | None = None,
) -> TradeEvent:
    """A line that is no print; its volume is what lies between ``start`` and ``total``, unless it says otherwise."""
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
        phase=None,
        limit=None,
        late=False,
        clipped=False,
        anchored=True,
        cause=cause,
        epoch=epoch,
    )
