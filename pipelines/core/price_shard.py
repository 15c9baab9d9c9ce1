"""The prices of a shard: a frame of records in; prints, quotes, day summaries and board lines out.

:class:`PriceFold` serves the stocks on ``ssi.ticks``, through :func:`fold_frame`, and the futures on ``ssi.indices``, where
:mod:`pipelines.core.index_shard` hands it their records.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Final, Literal

import msgspec

from pipelines.core.aggressor import label
from pipelines.core.breadth import Members
from pipelines.core.candles import Candles
from pipelines.core.codec import LARGEST, Cells, Codec, State, Stored
from pipelines.core.errors import RecordRejected
from pipelines.core.figures import BITS, Figures, check_book, check_nothing, check_product
from pipelines.core.frames import Folded, Shard
from pipelines.core.lines import odd_lot_line, status_line, value_of
from pipelines.core.phases import trade_phase, turning_points
from pipelines.core.prints import TapeRecorder
from pipelines.core.shard import Folding, Kinds, Use, fold_records
from pipelines.core.symbol_day import SYMBOL_DAY, SymbolDay
from pipelines.core.tape import Booked, DealCounter, Tape
from pipelines.core.terms import Offers
from schemas.events import TradePhase
from schemas.instruments import contract_of
from schemas.position import Position
from schemas.profiles import PROFILE_STEPS
from schemas.session import close_ms, open_ms
from schemas.shards import shard_keys
from schemas.structs import (
    BarRecord,
    CandlesFrame,
    DailyEvent,
    DailyFrame,
    ForeignRecord,
    Frame,
    IndexRecord,
    OddLotRecord,
    PriceRow,
    ProfileRecord,
    QuoteEvent,
    QuoteRecord,
    QuotesFrame,
    ReferenceRecord,
    SnapshotRecord,
    StatusRecord,
    TradeEvent,
    TradeRecord,
    TradesFrame,
)
from schemas.topics import MARKET_CANDLES, MARKET_DAILY, MARKET_QUOTES, MARKET_TRADES, PARTIAL_BREADTH, STATE_PRICES
from schemas.units import (
    Exchange,
    Side,
    Symbol,
    TradingDay,
    UnixMs,
)

SUMMARY_MS: Final = 5 * 60_000
"""Market time between two summaries of a symbol's day."""


class ShardDay(Stored):
    """What the price fold keeps of a shard besides its symbols."""

    VERSION: ClassVar[int] = 1
    DAY_AT: ClassVar[int | None] = 0

    day: int = 0
    summary: int = 0
    """In which five minutes of market time, counted from 1970, the last summaries were made."""
    closed: bool = False
    """Whether all symbols were summarised at the close of the day."""
    due: list[str] = msgspec.field(default_factory=list)
    """Symbols that changed since their last summary."""
    suspects: list[str] = msgspec.field(default_factory=list)
    """Symbols that may have an undecided suspect."""
    is_patchy: bool = False
    """Whether what the shard kept of this day was passed over, because it could not be read: the roster then lacks symbols."""
    put_through: DealCounter = msgspec.field(default_factory=DealCounter)
    phased_ms: int = 0
    """Market time up to which rows show the phase of their exchange; 0 where release 0.2.0 began the day."""


class Roster(Stored):
    """The symbols of a :class:`ShardDay`, in the order they came. It changes rarely, so it is kept apart."""

    VERSION: ClassVar[int] = 1

    symbols: list[str] = msgspec.field(default_factory=list)


_DAYS: Final = Codec(ShardDay)
_ROSTERS: Final = Codec(Roster)
_DAY_KEY: Final = b"prices"
_ROSTER_KEY: Final = b"prices-roster"
_SYMBOL_PREFIX: Final = b"p:"


class PriceFold:
    """The prices of one shard, for as long as one frame is folded."""

    def __init__(self, folding: Folding) -> None:
        state, folded = folding.state, folding.folded
        self._state = state
        self._position = folding.position
        self._shard = folding.shard
        self._feeds = folding.feeds
        self._delivery = folding.delivery
        self._folded = folded
        self._counts = folded.counts
        self._day = state.load(_DAYS, _DAY_KEY) or ShardDay()
        self._roster: Roster | None = None
        self._symbol_days = Cells(state, SYMBOL_DAY, prefix=_SYMBOL_PREFIX)
        self._shown: dict[str, SymbolDay] = {}
        self._trades: list[TradeEvent] = []
        self._quotes: list[QuoteEvent] = []
        self._daily: list[DailyEvent] = []
        self._tapes = TapeRecorder(
            folding.feeds,
            lambda: folding.terms.thresholds,
            lambda: self._day.put_through,
            lambda: folding.terms.put_through_counter,
            self._trades,
            folded.counts,
        )
        self._candles = Candles(state, self._day.day, folding.feeds.now_ms, folded.counts)
        self._drawn = 0
        # Release 0.1.0 turned a shard of futures at its next price record or clock tick, which may be after this frame.
        self.turn()

    @property
    def trades(self) -> list[TradeEvent]:
        """What this frame has brought for ``market.trades`` so far."""
        return self._trades

    def allows(self, symbol: Symbol, price: int) -> bool:
        """Whether a print of ``symbol`` could be made at ``price``, as far as the feed has said the limits of the day."""
        symbol_day = self._symbol_days.get(symbol)
        if symbol_day is None:
            return True
        return symbol_day.floor <= price and (price <= symbol_day.ceiling or not symbol_day.ceiling)

    def turn(self) -> None:
        """End the day before, if the shard's day has moved forward."""
        day = self._day
        # The feeds' day is behind this one, at 0, where it could not be read and the operator did not wait: then today goes on.
        if self._feeds.day <= day.day:
            return
        if day.day:
            self._change_phases(close_ms(TradingDay(day.day)))
            self._close(close_ms(TradingDay(day.day)))
        self._draw_candles()
        self._candles.turn(self._feeds.day, close_ms(TradingDay(day.day)) if day.day else self._feeds.now_ms)
        self._roster = Roster()
        self._day = ShardDay(
            day=self._feeds.day,
            summary=self._feeds.now_ms // SUMMARY_MS,
            is_patchy=not day.day and self._state.passed_over,
            phased_ms=self._feeds.now_ms,
        )

    def advance(self) -> None:
        """Summarise the day every five minutes of market time, and at its close; tell the candles that are due."""
        day, now_ms = self._day, self._feeds.now_ms
        if not day.day:
            return
        if now_ms >= close_ms(TradingDay(day.day)):
            self._close(now_ms)
        elif now_ms // SUMMARY_MS > day.summary:
            day.summary = now_ms // SUMMARY_MS
            self._summarise(now_ms)
        self._change_phases(now_ms)
        self._draw_candles()
        self._candles.advance(now_ms)

    def _change_phases(self, now_ms: int) -> None:
        """Show the symbols whose exchange does something else now, though nothing new was said of them."""
        day = self._day
        points, before_ms = turning_points(TradingDay(day.day)), day.phased_ms
        if before_ms and bisect_right(points, now_ms) == bisect_right(points, before_ms):
            return
        day.phased_ms = now_ms
        if not before_ms:
            return
        for symbol in self._symbols():
            symbol_day = self._symbol_days.get(symbol)
            if symbol_day is None or symbol_day.day != day.day or not symbol_day.is_told:
                continue
            if symbol_day.phase_at(now_ms) != symbol_day.phase_at(before_ms):
                self._shown[symbol] = symbol_day

    def _symbols(self) -> list[str]:
        """The symbols of the day, in the order they came."""
        self._roster = self._roster or self._state.load(_ROSTERS, _ROSTER_KEY, self._day.day) or Roster()
        return self._roster.symbols

    def finish(self) -> None:
        """Publish what came of the frame, one row a symbol and one message a topic, and store what it changed."""
        key, now_ms, src = self._shard.key, self._feeds.now_ms, self._position.offset
        # Another day of a symbol is another object, so that the row of this one can still be made when that has begun.
        self._folded.show_later(STATE_PRICES, self._shown, partial(_row, now_ms, src))
        if self._trades:
            self._folded.publish(MARKET_TRADES, key, TradesFrame(events=self._trades))
        if self._quotes:
            self._folded.publish(MARKET_QUOTES, key, QuotesFrame(events=self._quotes))
        if self._daily:
            self._folded.publish(MARKET_DAILY, key, DailyFrame(events=self._daily))
        self._draw_candles()
        if self._candles.events:
            self._folded.publish(MARKET_CANDLES, key, CandlesFrame(events=self._candles.events))
        self._candles.finish()
        self._symbol_days.store()
        if self._roster is not None:
            self._state.store(_ROSTERS, _ROSTER_KEY, self._roster)
        self._state.store(_DAYS, _DAY_KEY, self._day)

    def _draw_candles(self) -> None:
        """Draw what has come on the tape since the last time."""
        for line in self._trades[self._drawn :]:
            if symbol_day := self._symbol_days.get(line.symbol):
                self._candles.draw(line, symbol_day.reference)
        self._drawn = len(self._trades)

    def _close(self, now_ms: int) -> None:
        """Decide what is undecided. Summarise every symbol of the day the first time, and later those that changed since."""
        day = self._day
        for symbol in day.suspects:
            if symbol_day := self._symbol_days.get(symbol):
                before = len(self._trades)
                self._book(symbol_day, self._tapes.close(symbol_day.tape))
                self._shown[symbol] = symbol_day
                if len(self._trades) > before:
                    self._due(symbol, symbol_day)
        day.suspects = []
        if not day.closed:
            day.closed = True
            day.due = list(self._symbols())
            if self._tapes.shares_counter:
                self._explain_deals()
        self._summarise(now_ms)

    def _explain_deals(self) -> None:
        """Take deals off gaps in symbols of which nothing has been heard since it was learnt that they share a counter."""
        for symbol in self._day.due:
            symbol_day = self._symbol_days.get(symbol)
            if symbol_day is not None and symbol_day.day == self._day.day and symbol_day.tape.deals:
                before = len(self._trades)
                self._tapes.explain(symbol_day.tape, Symbol(symbol), symbol_day.exchange, TradingDay(symbol_day.day))
                if len(self._trades) > before:
                    self._shown[symbol] = symbol_day

    def _summarise(self, now_ms: int) -> None:
        for symbol in self._day.due:
            symbol_day = self._symbol_days.get(symbol)
            if symbol_day is not None and symbol_day.day == self._day.day:
                symbol_day.due = False
                if symbol_day.is_told:
                    self._daily.append(symbol_day.daily(Symbol(symbol), UnixMs(now_ms), final=self._day.closed))
        self._day.due = []

    def _trade(self, record: TradeRecord) -> None:
        symbol = record.symbol
        symbol_day = self._known(record)
        if symbol_day is None:
            return
        tape = symbol_day.tape
        phase = trade_phase(record.session, record.exchange, record.trading_day, record.ts_ms)
        if phase == "put_through" or not self._tapes.follows(tape, record):
            self._rare_trade(record, symbol_day, phase)
            return
        counts, start = self._counts, tape.base + tape.count.top
        named = label(record, phase, symbol_day.bids, symbol_day.asks, in_order=True, counts=counts)
        line = self._tapes.go_on(tape, record, named)
        if not symbol_day.take_print(record, line, start):
            counts["range_disagreement"] += 1
        symbol_day.take_info(record)
        if not symbol_day.due:
            self._due(symbol, symbol_day)
        self._take_session(symbol_day, record, record.status)

    def _rare_trade(self, record: TradeRecord, symbol_day: SymbolDay, phase: TradePhase) -> None:
        """As :meth:`_trade`, for a record that does not begin where the counter stands, or decides something."""
        tape, known = symbol_day.tape, len(self._trades)
        is_deal = phase == "put_through" and not self._tapes.is_cached_match(tape, record)
        if phase == "put_through" and not is_deal:
            phase = trade_phase(None, record.exchange, record.trading_day, record.ts_ms)
        in_order = record.total_volume > tape.count.top or record.ts_ms > tape.count.top_ms
        named = label(record, phase, symbol_day.bids, symbol_day.asks, in_order=in_order, counts=self._counts)
        if is_deal:
            deal = self._tapes.take_deal(tape, record, named, leads=self._delivery.leads)
            self._book(symbol_day, [] if deal is None else [deal])
            symbol_day.take_limits(record)
        elif record.total_volume == 0 and record.price > 0 and record.volume > 0:
            # Nothing tells one of these from the next: taken from two feeds, it would be booked twice.
            if self._delivery.leads:
                self._tapes.take_unanchored(tape, record, named)
            else:
                self._counts["not_leading"] += 1
        else:
            self._book(symbol_day, self._tapes.take(tape, record, named, self._delivery.epoch))
            if tape.waiting and record.symbol not in self._day.suspects:
                self._day.suspects.append(record.symbol)
            symbol_day.take_info(record)
        if len(self._trades) > known:
            self._due(record.symbol, symbol_day)
        if not is_deal:
            self._take_session(symbol_day, record, record.status)

    def _book(self, symbol_day: SymbolDay, booked: list[Booked]) -> None:
        """Add prints to the day of their symbol."""
        for print_ in booked:
            if not symbol_day.take_print(*print_):
                self._counts["range_disagreement"] += 1

    def _take_session(self, symbol_day: SymbolDay, record: Any, status: str | None, *, decides: bool = False) -> None:
        """Take session and status of a record, and tell of it if they changed."""
        session, ts_ms = record.session, record.ts_ms
        if session == symbol_day.session and status in (None, symbol_day.status) and ts_ms >= symbol_day.session_ms:
            # As below, without its calls: hardly any record says another.
            symbol_day.session_ms = ts_ms
        elif symbol_day.take_session(ts_ms, session, status, decides=decides):
            self._counts["status"] += 1
            self._trades.append(status_line(record, symbol_day.session, symbol_day.status))

    def _quote(self, record: QuoteRecord) -> None:
        if not self._delivery.leads:
            self._counts["not_leading"] += 1
            return
        symbol_day = self._known(record)
        if symbol_day is None:
            return
        self._show_book(symbol_day, record)
        ts_ms, session = record.ts_ms, record.session
        if session == symbol_day.session and ts_ms >= symbol_day.session_ms:
            # As below, without its call: quotes come more often than anything else.
            symbol_day.session_ms = ts_ms
        else:
            self._take_session(symbol_day, record, None)

    def _snapshot(self, record: SnapshotRecord) -> None:
        """Take what ``X`` shows. Its match is no print: it repeats the last one on any change of the book."""
        if not self._delivery.leads:
            self._counts["not_leading"] += 1
            return
        symbol_day = self._symbol_day(record)
        if symbol_day is not None:
            self._show_book(symbol_day, record)
            symbol_day.take_info(record)
            symbol_day.feed_open = record.open or symbol_day.feed_open
            self._take_session(symbol_day, record, record.status)

    def _status(self, record: StatusRecord) -> None:
        if not self._delivery.leads:
            self._counts["not_leading"] += 1
            return
        symbol_day = self._symbol_day(record)
        if symbol_day is not None:
            self._take_session(symbol_day, record, record.status, decides=True)

    def _profile(self, record: ProfileRecord) -> None:
        if record.trading_day == self._feeds.day:
            self._candles.take_profile(record)
        else:
            self._counts["previous_day"] += 1

    def _odd_lot(self, record: OddLotRecord) -> None:
        """Book a match on the odd-lot board: a line of its own, because its total counts the round lots too."""
        if not self._delivery.leads:
            self._counts["not_leading"] += 1
            return
        symbol_day = self._symbol_day(record)
        if symbol_day is not None and record.price and record.volume and record.total_volume > symbol_day.odd_lot_total:
            symbol_day.odd_lot_total = record.total_volume
            self._counts["odd_lot"] += 1
            self._trades.append(odd_lot_line(record, symbol_day.tape.count.generation))
            value = value_of(record.price, record.volume, record.exchange)
            symbol_day.add_traded("odd_lot", Side.NEUTRAL, record.volume, value)

    def _bar(self, record: BarRecord) -> None:
        """Take the open from the day's first bar of a symbol.

        A bar is one match, without anything to know it again by. Only a connection that has run since before the open can say
        which was the first.
        """
        day, symbol = self._feeds.day, record.symbol
        # A bar does not name its exchange. All that stocks trade on open at the same time.
        exchange = Exchange.DER if contract_of(symbol) else Exchange.HOSE
        heard_all = 0 < self._delivery.connected_ms <= open_ms(TradingDay(day), exchange)
        if record.trading_day != day or not heard_all:
            self._counts["ignored"] += 1
            return
        symbol_day = self._begin(symbol, exchange)
        if symbol_day.bar_open or not record.open:
            self._counts["ignored"] += 1
            return
        self._counts["bar"] += 1
        shown = symbol_day.open
        symbol_day.bar_open = record.open
        if symbol_day.is_told and symbol_day.open != shown:
            self._shown[symbol] = symbol_day
            self._due(symbol, symbol_day)

    def _known(self, record: Any) -> SymbolDay | None:
        """As :meth:`_symbol_day`, without its calls: nearly all records are of a symbol and a day that are known."""
        symbol = record.symbol
        symbol_day = self._shown.get(symbol) or self._symbol_days.get(symbol)
        if symbol_day is None or not symbol_day.day == self._feeds.day == record.trading_day or self._day.is_patchy:
            return self._symbol_day(record)
        self._shown[symbol] = symbol_day
        if record.ts_ms >= symbol_day.exchange_ms:
            symbol_day.exchange_ms, symbol_day.exchange = record.ts_ms, record.exchange
        return symbol_day

    def _symbol_day(self, record: Any) -> SymbolDay | None:
        """The symbol day to fold a record into; None for a previous day's record, whose price becomes the previous close."""
        symbol = record.symbol
        symbol_day = self._begin(symbol, record.exchange)
        self._shown[symbol] = symbol_day
        if record.trading_day == self._feeds.day:
            symbol_day.take_exchange(record.ts_ms, record.exchange)
            return symbol_day
        self._counts["previous_day"] += 1
        if isinstance(record, TradeRecord) and record.price and record.session != "PT":
            symbol_day.previous_close = record.price
        return None

    def _begin(self, symbol: str, exchange: Exchange) -> SymbolDay:
        """Today's symbol day of ``symbol``, begun if need be; ``exchange`` is that of the record which makes it known."""
        day = self._feeds.day
        symbol_day = self._symbol_days.get(symbol)
        if symbol_day is None or symbol_day.day != day:
            before = symbol_day
            symbol_day = self._symbol_days.put(symbol, SymbolDay(day=day, exchange=exchange, tape=Tape()))
            if before is not None:
                symbol_day.previous_close = before.previous_close if before.last is None else before.last
            self._enrol(symbol)
        elif self._day.is_patchy and symbol not in self._shown:
            self._enrol_again(symbol, symbol_day)
        return symbol_day

    def _enrol(self, symbol: str) -> None:
        self._symbols().append(symbol)

    def _enrol_again(self, symbol: str, symbol_day: SymbolDay) -> None:
        """Take a symbol of today back that the shard has forgotten."""
        if symbol not in self._symbols():
            self._symbols().append(symbol)
            symbol_day.due = False
            self._due(symbol, symbol_day)
            if symbol_day.tape.waiting and symbol not in self._day.suspects:
                self._day.suspects.append(symbol)

    def _due(self, symbol: str, symbol_day: SymbolDay) -> None:
        if not symbol_day.due:
            symbol_day.due = True
            self._day.due.append(symbol)

    def _show_book(self, symbol_day: SymbolDay, record: Any) -> None:
        """Show a book, unless a newer one is shown already; publish its best prices and volumes when these changed."""
        bids, asks, ts_ms, shown_ms = record.bids, record.asks, record.ts_ms, symbol_day.quote_ms
        if shown_ms is not None and ts_ms < shown_ms:
            self._counts["stale_quote"] += 1
            return
        changed = bids[:2] != symbol_day.bids[:2] or asks[:2] != symbol_day.asks[:2]
        symbol_day.bids, symbol_day.asks, symbol_day.quote_ms = bids, asks, ts_ms
        if changed:
            self._counts["quote"] += 1
            self._quotes.append(_quote_event(record, symbol_day))


class StockFold(PriceFold):
    """The prices of the stocks of a shard, and what these add to the breadth of the indices that they are members of."""

    def __init__(self, folding: Folding) -> None:
        self._members: Members | None = None
        super().__init__(folding)

    def turn(self) -> None:
        """End the day before, if the shard's day has moved forward, and count the members anew."""
        if self._feeds.day <= self._day.day:
            return
        ending = self._of_today() if self._day.day else None
        enrolled = [(symbol, self._symbol_days.get(symbol)) for symbol in self._symbols()]
        super().turn()
        if ending is not None:
            self._report()
        self._members = None
        for symbol, before in enrolled:
            # Reference data of the new day may have come before its first second.
            if before is not None and before.groups_day >= self._feeds.day:
                self._join(symbol, before.exchange, before.groups, before.groups_day)

    def advance(self) -> None:
        """Do what the market second asks for, and say how the members stand, if that changed."""
        super().advance()
        self._report()

    def finish(self) -> None:
        """Publish what came of the frame, and store what it changed."""
        self._move_members()
        if self._members is not None:
            self._members.store()
        super().finish()

    def take_reference(self, record: ReferenceRecord) -> None:
        """Take the indices that a stock is a member of. What REST says of a later day is taken at once."""
        # Without groups it may be that REST did not say.
        if record.trading_day < self._feeds.day or not record.groups:
            self._counts["ignored"] += 1
            return
        self._join(record.symbol, record.exchange, sorted(set(record.groups)), record.trading_day)

    def _join(self, symbol: str, exchange: Exchange, groups: Sequence[str], said_on: int) -> None:
        symbol_day = self._begin(symbol, exchange)
        symbol_day.groups_day = said_on
        self._of_today().join(symbol_day, groups)

    def _report(self) -> None:
        """Say how the members stand at the market second, if that changed."""
        self._move_members()
        share = self._of_today().report(self._shard, self._feeds.now_ms)
        if share is not None:
            self._folded.publish(PARTIAL_BREADTH, shard_keys(1)[0], share)

    def _move_members(self) -> None:
        """Count the members that records have moved."""
        for symbol_day in self._shown.values():
            if symbol_day.groups and symbol_day.stands != symbol_day.place:
                self._of_today().move(symbol_day)

    def _of_today(self) -> Members:
        if self._members is None:
            enrolled = filter(None, map(self._symbol_days.get, self._symbols()))
            self._members = Members(self._state, self._day.day, enrolled)
        return self._members


_PLAIN_PRODUCT: Final = LARGEST // value_of(1, 1, Exchange.DER)
"""Price × volume below it is a value that a market may reach, on every exchange."""
_TRADE = Figures("price", "volume", "total_volume", "total_value", "reference", "ceiling", "floor", "high", "low", "expected")
_SNAPSHOT = Figures("reference", "ceiling", "floor", "open", "high", "low", "expected")
_ODD_LOT = Figures("price", "volume", "total_volume")
_BAR = Figures("open", "high", "low", "close", "volume")


def _check_trade(record: TradeRecord) -> None:
    price, volume = record.price, record.volume
    figures = price | volume | record.total_volume | record.total_value | record.reference | record.ceiling | record.floor
    if (figures | record.high | record.low | record.expected) >> BITS or price * volume >= _PLAIN_PRODUCT:
        _TRADE.check(record)
        check_product(record, "price × volume", value_of(price, volume, record.exchange))


def _check_snapshot(record: SnapshotRecord) -> None:
    _SNAPSHOT.check(record)
    check_book(record)


def _check_odd_lot(record: OddLotRecord) -> None:
    _ODD_LOT.check(record)
    check_product(record, "price × volume", value_of(record.price, record.volume, record.exchange))


def _check_profile(record: ProfileRecord) -> None:
    if len(record.volumes) > PROFILE_STEPS or not all(0 <= volume < LARGEST for volume in (record.days, *record.volumes)):
        raise RecordRejected("out_of_range", f"a profile has {PROFILE_STEPS} volumes at most, none of them negative")


USED: Final[dict[type, Use[PriceFold]]] = {
    TradeRecord: Use(_check_trade, PriceFold._trade),
    QuoteRecord: Use(check_book, PriceFold._quote),
    SnapshotRecord: Use(_check_snapshot, PriceFold._snapshot),
    StatusRecord: Use(check_nothing, PriceFold._status),
    OddLotRecord: Use(_check_odd_lot, PriceFold._odd_lot),
    BarRecord: Use(_BAR.check, PriceFold._bar),
    ProfileRecord: Use(_check_profile, PriceFold._profile),
}
"""The kinds of record that say something about prices."""
_KINDS: Final = Kinds(
    StockFold,
    used={
        **{kind: Use[StockFold](use.check, use.take) for kind, use in USED.items()},
        ReferenceRecord: Use(check_nothing, StockFold.take_reference),
    },
    ignored=(),
    unexpected=(ForeignRecord, IndexRecord),
)


def fold_frame(frame: Frame, position: Position, shard: Shard, state: State, *, offers: Offers) -> Folded:
    """Fold a frame of ``ssi.ticks``, and say what to publish because of it."""
    return fold_records(frame, position, shard, state, _KINDS, StockFold, offers)


def symbol_day_of(state: State, symbol: str) -> SymbolDay | None:
    """What a shard keeps of a symbol's day, for whoever looks on; None before its first record.

    Raises:
        StateUnreadable: Another release wrote it.
    """
    data = state.get(_SYMBOL_PREFIX + symbol.encode())
    return None if data is None else SYMBOL_DAY.decode(data)


def _row(now_ms: int, src: int, symbol: str, symbol_day: SymbolDay) -> PriceRow:
    return symbol_day.row(Symbol(symbol), now_ms, src)


def _quote_event(record: QuoteRecord | SnapshotRecord, symbol_day: SymbolDay) -> QuoteEvent:
    bid, bid_volume = record.bids[:2] or (0, 0)
    ask, ask_volume = record.asks[:2] or (0, 0)
    limit: Literal["ceiling", "floor"] | None = None
    if not ask_volume and bid_volume and 0 < bid == symbol_day.ceiling:
        limit = "ceiling"
    elif ask_volume and not bid_volume and 0 < ask == symbol_day.floor:
        limit = "floor"
    # By position, in the order of the model's fields, as all lines are of which there are millions a day.
    return QuoteEvent(  # type: ignore[call-arg]
        record.symbol,
        record.exchange,
        record.trading_day,
        record.ts_ms,
        bid,
        bid_volume,
        ask,
        ask_volume,
        record.session,
        limit,
    )
