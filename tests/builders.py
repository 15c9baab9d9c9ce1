"""What tests and benchmarks are fed: records, events and frames, with the values of a quiet market where a test says nothing.

The arguments are the fields of the message and take plain numbers and text. Two are shorter: ``ts`` for ``ts_ms``, which may
also be a time of the trading day in Vietnam (``"09:15:20"``), and ``total`` for ``total_volume``. What follows from other
fields (a value, the day's limits from the reference) does so unless it is said.

A test of what a decoder reads names every field of what it expects and does not build it here.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, cast

import msgspec

from pipelines.core.codec import DayState
from pipelines.core.rules import AnyRule, tables_of
from pipelines.core.sectors import Sectors
from pipelines.core.suspects import Thresholds
from pipelines.core.terms import Configured
from schemas.calendar import at
from schemas.events import GapCause, TradePhase
from schemas.instruments import contract_of, limits
from schemas.message import Message
from schemas.records import FrameRecord
from schemas.session import phase_at
from schemas.structs import (
    AlertEvent,
    BarRecord,
    BasisEvent,
    CandleEvent,
    ClockTick,
    DailyEvent,
    DeadLetter,
    FeedStatus,
    ForeignRecord,
    Frame,
    IndexRecord,
    LedgerEntry,
    LossMarker,
    OddLotRecord,
    ProfileRecord,
    QuoteEvent,
    QuoteRecord,
    ReferenceRecord,
    SnapshotRecord,
    StatusRecord,
    Terms,
    TradeEvent,
    TradeRecord,
)
from schemas.terms import DealCounting
from schemas.topics import Topic
from schemas.units import FUTURES_MULTIPLIER_VND, POINT, Exchange, Price, SessionPhase, Side, TradingDay, UnixMs

M = TypeVar("M", bound=Message)
T = TypeVar("T")

DAY = TradingDay(20261120)
"""A Friday without holidays around it."""
TEN = "10:00:00"
"""The middle of the morning: every exchange matches continuously."""
PRICE = 60_000
"""VND; of a quiet day it is also the reference."""
FRONT = "41I1GC000"
"""The future on VN30 that is the front month on :data:`DAY`."""
INDEX = 200_000
"""VN30, in hundredths of a point."""


def changed(message: M, **changes: Any) -> M:
    """A copy of a twin with some of its fields changed. To a type checker twins are models, to msgspec they are Structs."""
    return cast(M, msgspec.structs.replace(cast(msgspec.Struct, message), **changes))


def moment(ts: str | int, day: int = DAY) -> UnixMs:
    """``ts`` as milliseconds since the epoch: a time of ``day`` in Vietnam (``"09:15"``, ``"09:15:20"``) or milliseconds."""
    if isinstance(ts, str):
        return at(TradingDay(day), *map(int, ts.split(":")))
    return UnixMs(ts)


def _or(said: T | None, otherwise: T) -> T:
    return otherwise if said is None else said


def _vnd(volume: int, price: int, exchange: Exchange) -> int:
    return volume * price * (FUTURES_MULTIPLIER_VND // POINT if exchange is Exchange.DER else 1)


# -- records


def a_trade(
    symbol: str = "VNM", ts: str | int = TEN, *, trading_day: int = DAY, exchange: Exchange = Exchange.HOSE, price: int = PRICE,
    volume: int = 100, total: int | None = None, total_value: int | None = None, reference: int = PRICE,
    ceiling: int | None = None, floor: int | None = None, high: int | None = None, low: int | None = None, expected: int = 0,
    side: Side | None = None, session: str | None = "LO", status: str | None = "N",
) -> TradeRecord:  # fmt: skip
    """A match; the first of its day unless ``total`` says otherwise. What traded so far did so at the reference."""
    total = _or(total, volume)
    top, bottom = limits(Price(reference), exchange)
    return TradeRecord(
        symbol=symbol, trading_day=trading_day, ts_ms=moment(ts, trading_day), exchange=exchange, price=price, volume=volume,
        total_volume=total, total_value=_or(total_value, _vnd(total, reference, exchange)), reference=reference,
        ceiling=_or(ceiling, top), floor=_or(floor, bottom),
        high=_or(high, price), low=_or(low, price), expected=expected, side=side, session=session,
        status=status,
    )  # fmt: skip


def a_quote(
    symbol: str = "VNM", ts: str | int = TEN, *, trading_day: int = DAY, exchange: Exchange = Exchange.HOSE,
    bids: Sequence[int] = (PRICE - 100, 500), asks: Sequence[int] = (PRICE, 700), session: str | None = "LO",
) -> QuoteRecord:  # fmt: skip
    """A book of one level on each side."""
    return QuoteRecord(
        symbol=symbol, trading_day=trading_day, ts_ms=moment(ts, trading_day), exchange=exchange, bids=list(bids),
        asks=list(asks), session=session,
    )  # fmt: skip


def a_snapshot(
    symbol: str = "VNM", ts: str | int = TEN, *, trading_day: int = DAY, exchange: Exchange = Exchange.HOSE, price: int = PRICE,
    volume: int = 100, total: int | None = None, total_value: int | None = None, reference: int = PRICE,
    ceiling: int | None = None, floor: int | None = None, open: int | None = None, high: int | None = None,  # noqa: A002 - a field
    low: int | None = None, expected: int = 0, bids: Sequence[int] = (PRICE - 100, 500), asks: Sequence[int] = (PRICE, 700),
    session: str | None = "LO", status: str | None = "N",
) -> SnapshotRecord:  # fmt: skip
    """A match and the book beside it; what traded so far did so at the reference."""
    total = _or(total, volume)
    top, bottom = limits(Price(reference), exchange)
    return SnapshotRecord(
        symbol=symbol, trading_day=trading_day, ts_ms=moment(ts, trading_day), exchange=exchange, price=price, volume=volume,
        total_volume=total, total_value=_or(total_value, _vnd(total, reference, exchange)), reference=reference,
        ceiling=_or(ceiling, top), floor=_or(floor, bottom),
        open=_or(open, price), high=_or(high, price), low=_or(low, price),
        expected=expected, bids=list(bids), asks=list(asks), session=session, status=status,
    )  # fmt: skip


def a_profile(
    symbol: str = "VNM", ts: str | int = "09:00", *, trading_day: int = DAY, days: int = 20, volumes: Sequence[int] = ()
) -> ProfileRecord:
    """What a symbol usually trades in each five minutes from 08:45 on, over twenty days."""
    return ProfileRecord(
        symbol=symbol, trading_day=trading_day, ts_ms=moment(ts, trading_day), days=days, volumes=list(volumes)
    )  # fmt: skip


def a_bar(
    symbol: str = "VNM", ts: str | int = TEN, *, trading_day: int = DAY, price: int = PRICE, volume: int = 100
) -> BarRecord:
    """One match as a bar."""
    return BarRecord(
        symbol=symbol, trading_day=trading_day, ts_ms=moment(ts, trading_day), open=price, high=price, low=price, close=price,
        volume=volume,
    )  # fmt: skip


def an_odd_lot(
    symbol: str = "VNM", ts: str | int = TEN, *, trading_day: int = DAY, exchange: Exchange = Exchange.HOSE, price: int = PRICE,
    volume: int = 7, total: int | None = None, total_value: int | None = None, bids: Sequence[int] = (), asks: Sequence[int] = (),
    session: str | None = "LO", status: str | None = "N",
) -> OddLotRecord:  # fmt: skip
    """A match of the odd-lot board, whose book is empty."""
    total = _or(total, volume)
    return OddLotRecord(
        symbol=symbol, trading_day=trading_day, ts_ms=moment(ts, trading_day), exchange=exchange, price=price, volume=volume,
        total_volume=total, total_value=_or(total_value, _vnd(total, price, exchange)), bids=list(bids), asks=list(asks),
        session=session, status=status,
    )  # fmt: skip


def a_status(
    symbol: str = "VNM", ts: str | int = TEN, *, trading_day: int = DAY, exchange: Exchange = Exchange.HOSE,
    session: str | None = "LO", status: str | None = "N",
) -> StatusRecord:  # fmt: skip
    """Continuous matching, nothing special."""
    return StatusRecord(
        symbol=symbol, trading_day=trading_day, ts_ms=moment(ts, trading_day), exchange=exchange, session=session, status=status
    )


def a_foreign(
    symbol: str = "VNM", ts: str | int = TEN, *, trading_day: int = DAY, exchange: Exchange = Exchange.HOSE, bought: int = 0,
    sold: int = 0, bought_value: int | None = None, sold_value: int | None = None, current_room: int = 1_000_000,
    total_room: int = 5_000_000,
) -> ForeignRecord:  # fmt: skip
    """The counters of foreign investors; values at :data:`PRICE`."""
    return ForeignRecord(
        symbol=symbol, trading_day=trading_day, ts_ms=moment(ts, trading_day), exchange=exchange, total_room=total_room,
        current_room=current_room, bought=bought, sold=sold,
        bought_value=_or(bought_value, bought * PRICE),
        sold_value=_or(sold_value, sold * PRICE),
    )  # fmt: skip


def an_index(
    symbol: str = "VN30", ts: str | int = TEN, *, trading_day: int = DAY, exchange: Exchange | None = Exchange.HOSE,
    value: int = INDEX, prior_value: int = INDEX - 1_000, volume: int = 0, traded_value: int = 0, put_through_volume: int = 0,
    put_through_value: int = 0, advances: int = 0, no_changes: int = 0, declines: int = 0, ceilings: int = 0, floors: int = 0,
    session: str | None = "LO",
) -> IndexRecord:  # fmt: skip
    """An index ten points above the day before."""
    return IndexRecord(
        symbol=symbol, trading_day=trading_day, ts_ms=moment(ts, trading_day), exchange=exchange, value=value,
        prior_value=prior_value, volume=volume, traded_value=traded_value, put_through_volume=put_through_volume,
        put_through_value=put_through_value, advances=advances, no_changes=no_changes, declines=declines, ceilings=ceilings,
        floors=floors, session=session,
    )  # fmt: skip


def a_reference(
    symbol: str = "VNM", *, trading_day: int = DAY, exchange: Exchange = Exchange.HOSE, name: str | None = None,
    groups: Sequence[str] = (), sector: str | None = None, lot: int | None = 100, underlying: str | None = None,
    last_trading_day: int | None = None,
) -> ReferenceRecord:  # fmt: skip
    """A stock of which REST says little."""
    return ReferenceRecord(
        symbol=symbol, trading_day=trading_day, exchange=exchange, name=name, groups=list(groups), sector=sector, lot=lot,
        underlying=underlying, last_trading_day=last_trading_day,
    )  # fmt: skip


def a_future(symbol: str = FRONT, *, trading_day: int = DAY, last_trading_day: int | None = None) -> ReferenceRecord:
    """What REST says of a future. Raises ValueError when ``symbol`` names none."""
    contract = contract_of(symbol)
    if contract is None:
        raise ValueError(f"{symbol} is no future")
    return a_reference(
        symbol, trading_day=trading_day, exchange=Exchange.DER, lot=1, underlying=contract.underlying,
        last_trading_day=last_trading_day,
    )  # fmt: skip


def a_tick(
    ts: str | int = TEN, *, trading_day: int = DAY, phase: SessionPhase | None = None, health: Literal["up", "down"] = "up",
    step: int = 1,
) -> ClockTick:  # fmt: skip
    """A second of market time, with the phase of the calendar; the next one comes within ``step`` seconds."""
    ts_ms = moment(ts, trading_day)
    return ClockTick(
        trading_day=trading_day, ts_ms=ts_ms, phase=phase or phase_at(ts_ms, TradingDay(trading_day)), health=health,
        step_ms=step * 1_000,
    )  # fmt: skip


def a_loss(ts: str | int = TEN, *, trading_day: int = DAY, records: int = 3) -> LossMarker:
    """What the connector writes where it threw records away."""
    return LossMarker(trading_day=trading_day, ts_ms=moment(ts, trading_day), records=records)


def a_frame(*records: FrameRecord, feed: str = "a", epoch: int = 1, seq: int = 0) -> Frame:
    """A Kafka message with ``records``; the first of its connection unless ``seq`` says otherwise."""
    return Frame(feed=feed, epoch=epoch, seq=seq, recv_us=0, records=list(records))


# -- events


def a_trade_event(
    symbol: str = "VNM", ts: str | int = TEN, *, kind: Literal["print", "gap", "fill", "correction", "reset", "status"] = "print",
    day: int = DAY, exchange: Exchange = Exchange.HOSE, since: str | int | None = None, generation: int = 0,
    start: int | None = None, total: int | None = None, volume: int = 100, value: int | None = None, price: int | None = PRICE,
    last_volume: int | None = None, side: Side | None = Side.BUY,
    side_source: Literal["feed", "quote", "auction", "none"] = "feed", phase: TradePhase = "continuous",
    limit: Literal["ceiling", "floor"] | None = None, late: bool = False, clipped: bool = False, anchored: bool = True,
    cause: GapCause | None = None, epoch: int | None = None,
) -> TradeEvent:  # fmt: skip
    """A line of a tape: the first print of the day, a continuous buy, unless it is said otherwise.

    Lines of another kind have no price, side or phase, whatever is said. A gap is of volume that epoch 1 lost.
    """
    is_print, is_gap = kind == "print", kind == "gap"
    total = _or(total, (start or 0) + volume)
    ts_ms = moment(ts, day)
    return TradeEvent(
        kind=kind, symbol=symbol, exchange=exchange, day=day, ts_ms=ts_ms,
        since_ms=(ts_ms if is_gap else None) if since is None else moment(since, day), generation=generation,
        start=_or(start, total - volume), total_volume=total, volume=volume,
        value=_or(value, _vnd(volume, price or 0, exchange)), price=price if is_print else None,
        last_volume=_or(last_volume, volume) if is_print else None, side=side if is_print else None,
        side_source=side_source if is_print else None, phase=phase if is_print else None, limit=limit if is_print else None,
        late=late, clipped=clipped, anchored=anchored, cause=cause or ("lost" if is_gap else None),
        epoch=1 if is_gap and epoch is None else epoch,
    )  # fmt: skip


def a_quote_event(
    symbol: str = "VNM", ts: str | int = TEN, *, day: int = DAY, exchange: Exchange = Exchange.HOSE, bid: int = PRICE - 100,
    bid_volume: int = 500, ask: int = PRICE, ask_volume: int = 700, session: str | None = "LO",
    limit: Literal["ceiling", "floor"] | None = None,
) -> QuoteEvent:  # fmt: skip
    """The top of a book."""
    return QuoteEvent(
        symbol=symbol, exchange=exchange, day=day, ts_ms=moment(ts, day), bid=bid, bid_volume=bid_volume, ask=ask,
        ask_volume=ask_volume, session=session, limit=limit,
    )  # fmt: skip


def a_candle_event(
    symbol: str = "VNM", minute: str | int = TEN, *, day: int = DAY, exchange: Exchange = Exchange.HOSE,
    ts: str | int | None = None, revision: int = 0, reference: int = PRICE, opens: bool = False, open: int = PRICE,  # noqa: A002
    close: int | None = None, volume: int = 100, value: int | None = None, active_buy: int = 0, active_sell: int = 0,
    prints: int = 1, usual_volume: int | None = None, usual_days: int | None = None,
) -> CandleEvent:  # fmt: skip
    """A minute in which all prints were made at the reference, told when it had been over for fifteen seconds."""
    minute_ms = moment(minute, day)
    last = _or(close, open)
    return CandleEvent(
        symbol=symbol, exchange=exchange, day=day, minute_ms=minute_ms,
        ts_ms=UnixMs(minute_ms + 75_000) if ts is None else moment(ts, day), revision=revision, reference=reference, opens=opens,
        open=open, high=max(open, last), low=min(open, last), close=last, volume=volume,
        value=_or(value, _vnd(volume, last, exchange)), active_buy=active_buy,
        active_sell=active_sell, prints=prints, usual_volume=usual_volume, usual_days=usual_days,
    )  # fmt: skip


def a_daily_event(
    symbol: str = "VNM", ts: str | int = TEN, *, day: int = DAY, exchange: Exchange = Exchange.HOSE, final: bool = False,
    total: int = 0, total_value: int | None = None, prints: int = 0,
) -> DailyEvent:  # fmt: skip
    """The summary of a day whose ``prints`` were all buys at the reference; none of it is missing."""
    top, bottom = limits(Price(PRICE), exchange)
    traded = PRICE if prints else None
    return DailyEvent(
        symbol=symbol, exchange=exchange, day=day, ts_ms=moment(ts, day), final=final, reference=PRICE, ceiling=top, floor=bottom,
        open=traded, high=traded, low=traded, close=traded, total_volume=total,
        total_value=_or(total_value, total * PRICE), prints=prints, printed_volume=total, missed_volume=0,
        active_buy=total, active_sell=0, neutral=0, put_through_volume=0, unanchored=0, repeats=0,
    )  # fmt: skip


def a_ledger_entry(
    symbol: str = "VNM", ts: str | int = TEN, *,
    kind: Literal["delta", "catch_up", "correction", "reset", "revaluation", "room"] = "delta", day: int = DAY,
    exchange: Exchange = Exchange.HOSE, since: str | int | None = None, side: Side = Side.BUY, generation: int = 0,
    counter_from: int = 0, volume: int = 1_000, value: int | None = None, room: int = 1_000_000,
    ambiguous: bool = False,
) -> LedgerEntry:  # fmt: skip
    """A line of the foreign ledger that takes the counter from ``counter_from`` on by ``volume``, within a second."""
    ts_ms = moment(ts, day)
    return LedgerEntry(
        kind=kind, symbol=symbol, exchange=exchange, day=day, ts_ms=ts_ms,
        since_ms=ts_ms - 1_000 if since is None else moment(since, day), side=side, generation=generation,
        counter_from=counter_from, counter=counter_from + volume, volume=volume,
        value=_or(value, volume * PRICE), room=room, ambiguous=ambiguous,
    )  # fmt: skip


def a_basis_event(
    symbol: str = FRONT, ts: str | int = TEN, *, day: int = DAY, price: int = INDEX + 500, index_value: int = INDEX,
    days_to_expiry: int = 27, stale: bool = False,
) -> BasisEvent:  # fmt: skip
    """A future against its index, five points above it. Raises ValueError when ``symbol`` names no future."""
    contract = contract_of(symbol)
    if contract is None:
        raise ValueError(f"{symbol} is no future")
    basis = price - index_value
    return BasisEvent(
        symbol=symbol, underlying=contract.underlying, month=contract.month, day=day, ts_ms=moment(ts, day), price=price,
        index_value=index_value, basis=basis, basis_pct=round(basis * 100 / index_value, 4), days_to_expiry=days_to_expiry,
        stale=stale,
    )  # fmt: skip


def an_alert(
    alert_id: str = "alert-1", ts: str | int = TEN, *, rule: str = "limit", kind: str = "price_limit",
    severity: Literal["info", "warning", "critical"] = "warning", symbol: str = "VNM", direction: str = "up", day: int = DAY,
    message: str = "VNM is at its ceiling.", message_vi: str = "",
    data: dict[str, int | float | str] | None = None,
) -> AlertEvent:  # fmt: skip
    """A stock at its ceiling."""
    return AlertEvent(
        alert_id=alert_id, rule=rule, kind=kind, severity=severity, symbol=symbol, direction=direction, day=day,
        ts_ms=moment(ts, day), message=message, message_vi=message_vi, data=_or(data, {"price": 64_200}),
    )  # fmt: skip


# -- what is said of the feed


def a_dead_letter(
    source: str = "ssi", *, reason: str = "bad_field", detail: str = "no number", feed: str = "a", epoch: int = 1,
    topic: str | None = "ssi.ticks", partition: int | None = 0, offset: int | None = 7, idx: int | None = 2, payload: str = "",
) -> DeadLetter:  # fmt: skip
    """A record that could not be used, with its place."""
    return DeadLetter(
        source=source, reason=reason, detail=detail, feed=feed, epoch=epoch, topic=topic, partition=partition, offset=offset,
        idx=idx, payload=payload,
    )  # fmt: skip


def a_feed_status(
    feed: str = "a", *, state: Literal["connecting", "up", "down", "stopped"] = "up", reason: str = "", epoch: int = 1,
    ts_us: int = 1, market_ms: int | None = None, trading_day: int = DAY, phase: SessionPhase = SessionPhase.CONTINUOUS,
    received: int = 1, dead_letters: int = 0, dropped: int = 0, connects: int = 1,
) -> FeedStatus:  # fmt: skip
    """What a connector says of itself: connected, and nothing went wrong; ten o'clock unless it is said otherwise."""
    return FeedStatus(
        feed=feed, epoch=epoch, state=state, reason=reason, ts_us=ts_us,
        market_ms=_or(market_ms, moment(TEN, trading_day)),
        trading_day=trading_day, phase=phase, received=received, dead_letters=dead_letters, dropped=dropped, connects=connects,
    )  # fmt: skip


# -- the state of a shard


def a_state(cells: dict[bytes, bytes], day: int = DAY) -> DayState:
    """The state in ``cells``, while a message of ``day`` is folded."""
    return DayState(cells, lambda: day, Counter())


def offers(
    topic: Topic[Any],
    *,
    thresholds: Thresholds | None = None,
    sectors: Sectors | None = None,
    rules: Sequence[AnyRule] | None = None,
    release: str = "0.0.0",
    forced: bool = False,
    put_through_counter: DealCounting | None = None,
) -> Configured:
    """What a fold over ``topic`` is to fold with: the usual thresholds, and nothing else but what is said."""
    percents = thresholds or Thresholds()
    terms = Terms(
        release=release, correction_percent=percents.correction_percent, reset_percent=percents.reset_percent,
        sectors=None if sectors is None else dict(sectors), rules=None if rules is None else tables_of(rules),
        put_through_counter=put_through_counter,
    )  # fmt: skip
    return Configured(topic.name, terms, forced=forced)
