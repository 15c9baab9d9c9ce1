"""The price fold: records of stocks and futures into their tapes, quotes, day summaries and board lines.

A topology holds one :class:`PriceShard` for each frame, beside the shard's :class:`~pipelines.core.feeds.Feeds`::

    prices = PriceShard(state, feeds, thresholds, folded)
    for record in frame.records:
        ...                               # feeds.meet(), delivery.tick(), delivery.lose(): see pipelines.core.feeds
        if isinstance(record, ClockTick):
            prices.advance()              # after each clock tick
        else:
            prices.apply(record, delivery)
    prices.finish(position, shard)        # stores what was touched, publishes what came of it

It serves stocks on ``ssi.ticks`` and futures on ``ssi.indices`` alike, and ignores the kinds of record that are not its own.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final

import msgspec

from pipelines.core.aggressor import label
from pipelines.core.board import Board, daily, row, show_info, show_print, show_session
from pipelines.core.codec import LARGEST, Cells, Codec, State, Stored
from pipelines.core.errors import RecordRejected
from pipelines.core.feeds import Delivery, Feeds
from pipelines.core.frames import Folded, Shard
from pipelines.core.lines import odd_lot_line, value_of
from pipelines.core.phases import trade_phase
from pipelines.core.prints import Tape, TapeRecorder
from pipelines.core.suspects import Thresholds
from schemas.position import Position
from schemas.session import close_ms
from schemas.structs import (
    DailyEvent,
    DailyFrame,
    OddLotRecord,
    QuoteEvent,
    QuoteRecord,
    QuotesFrame,
    SnapshotRecord,
    StatusRecord,
    TradeEvent,
    TradeRecord,
    TradesFrame,
)
from schemas.topics import MARKET_DAILY, MARKET_QUOTES, MARKET_TRADES, STATE_PRICES
from schemas.units import (
    Price,
    Shares,
    Symbol,
    TradingDay,
    UnixMs,
)

SUMMARY_MS: Final = 5 * 60_000
"""Market time between two summaries of a symbol's day."""


class ShardDay(Stored):
    """What the price fold keeps of a shard besides its symbols."""

    VERSION: ClassVar[int] = 1

    day: int = 0
    summary: int = 0
    """The last five-minute stretch of market time that was summarised, counted from 1970."""
    closed: bool = False
    """Whether the day's close was summarised."""
    due: list[str] = msgspec.field(default_factory=list)
    """Symbols that changed since their last summary."""
    suspects: list[str] = msgspec.field(default_factory=list)
    """Symbols that may have an undecided suspect."""


class Roster(Stored):
    """The symbols of a shard's day, in the order they came. It changes rarely, so it is kept apart."""

    VERSION: ClassVar[int] = 1

    symbols: list[str] = msgspec.field(default_factory=list)


_BOARDS: Final = Codec(Board)
_DAYS: Final = Codec(ShardDay)
_ROSTERS: Final = Codec(Roster)
_DAY_KEY: Final = b"prices"
_ROSTER_KEY: Final = b"prices-roster"


class PriceShard:
    """The prices of one shard, for as long as one frame is folded.

    Args:
        state: The shard's.
        feeds: The shard's, kept up to date by the caller.
        thresholds: For totals that fell.
        folded: Gets the outputs at :meth:`finish`, and the counts as they happen.
    """

    def __init__(self, state: State, feeds: Feeds, thresholds: Thresholds, folded: Folded) -> None:
        self._state = state
        self._feeds = feeds
        self._folded = folded
        self._counts = folded.counts
        self._day = _DAYS.load(state, _DAY_KEY) or ShardDay()
        self._stored_day = _DAYS.encode(self._day)
        self._roster: Roster | None = None
        self._boards = Cells(state, _BOARDS, prefix=b"p:")
        self._shown: dict[str, Board] = {}
        self._trades: list[TradeEvent] = []
        self._quotes: list[QuoteEvent] = []
        self._daily: list[DailyEvent] = []
        self._tapes = TapeRecorder(feeds, thresholds, self._trades, folded.counts)

    @property
    def trades(self) -> list[TradeEvent]:
        """What this frame has brought for ``market.trades`` so far."""
        return self._trades

    def last_price(self, symbol: Symbol) -> Price | None:
        """The last match of ``symbol`` on the shard's day, or None."""
        board = self._boards.get(symbol)
        return Price(board.last) if board and board.day == self._feeds.day and board.last is not None else None

    def apply(self, record: Any, delivery: Delivery) -> None:
        """Fold any record that has a symbol; those of kinds that say nothing about prices are ignored.

        Raises:
            RecordRejected: The record cannot be true; nothing has changed.
        """
        self._turn()
        fold = _FOLDS.get(type(record))
        if fold is not None:
            fold(self, record, delivery)

    def advance(self) -> None:
        """Do what market time asks for: summaries every five minutes, and the close. Call it after each clock tick."""
        self._turn()
        day, now_ms = self._day, self._feeds.now_ms
        if not day.day:
            return
        if now_ms >= close_ms(TradingDay(day.day)):
            self._close(now_ms)
        elif now_ms // SUMMARY_MS > day.summary:
            day.summary = now_ms // SUMMARY_MS
            self._summarise(now_ms)

    def finish(self, position: Position, shard: Shard) -> None:
        """Store what was touched and publish what came of it: one row a symbol, one message a topic."""
        for symbol, board in self._shown.items():
            self._folded.publish(STATE_PRICES, symbol, row(Symbol(symbol), board, self._feeds, position.offset))
        if self._trades:
            self._folded.publish(MARKET_TRADES, shard.key, TradesFrame(events=self._trades))
        if self._quotes:
            self._folded.publish(MARKET_QUOTES, shard.key, QuotesFrame(events=self._quotes))
        if self._daily:
            self._folded.publish(MARKET_DAILY, shard.key, DailyFrame(events=self._daily))
        self._boards.store()
        if self._roster is not None:
            _ROSTERS.store(self._state, _ROSTER_KEY, self._roster)
        encoded = _DAYS.encode(self._day)
        if encoded != self._stored_day:
            self._state[_DAY_KEY] = encoded

    def _turn(self) -> None:
        """End the day before, if the shard's day has moved forward."""
        day = self._day
        if self._feeds.day == day.day:
            return
        if day.day:
            self._close(close_ms(TradingDay(day.day)))
        self._roster = Roster()
        self._day = ShardDay(day=self._feeds.day, summary=self._feeds.now_ms // SUMMARY_MS)

    def _close(self, now_ms: int) -> None:
        """Decide what is undecided; summarise every symbol of the day once, and later whatever amends it."""
        day = self._day
        for symbol in day.suspects:
            if board := self._boards.get(symbol):
                before = len(self._trades)
                self._tapes.close(board.tape)
                self._shown[symbol] = board
                if len(self._trades) > before:
                    self._due(symbol, board)
        day.suspects = []
        if not day.closed:
            day.closed = True
            self._roster = self._roster or _ROSTERS.load(self._state, _ROSTER_KEY) or Roster()
            day.due = list(self._roster.symbols)
        self._summarise(now_ms)

    def _summarise(self, now_ms: int) -> None:
        for symbol in self._day.due:
            board = self._boards.get(symbol)
            if board is not None and board.day == self._day.day:
                board.due = False
                # A symbol of which only earlier days were heard has no day to summarise.
                if board.info_ms or board.session_ms or board.quote_ms is not None:
                    self._daily.append(daily(Symbol(symbol), board, UnixMs(now_ms), final=self._day.closed))
        self._day.due = []

    def _trade(self, record: TradeRecord, delivery: Delivery) -> None:
        _check(
            record, record.price, record.volume, record.total_volume, record.total_value, record.reference, record.ceiling,
            record.floor, record.high, record.low, record.expected, value_of(record.price, record.volume, record.exchange),
        )  # fmt: skip
        board = self._board(record)
        if board is None:
            return
        phase = trade_phase(record.session, record.exchange, record.trading_day, record.ts_ms)
        tape = board.tape
        in_order = record.total_volume > tape.top
        named = label(record, phase, board.bids, board.asks, in_order=in_order, counts=self._counts)
        # Whether put-through matches share the counter of the others is not known: one that counts lower, and later, does not.
        off_counter = phase == "put_through" and record.total_volume < tape.top and record.ts_ms > tape.top_ms
        if (record.total_volume == 0 or off_counter) and record.price > 0 and record.volume > 0:
            # Nothing tells one of these from the next, so two feeds would book it twice.
            if delivery.leads:
                self._tapes.take_unanchored(tape, record, named)
            return
        before = len(self._trades)
        booked = self._tapes.take(tape, record, named, delivery.epoch)
        for print_ in booked:
            if not show_print(board, print_):
                self._counts["range_disagreement"] += 1
        if tape.suspect is not None and record.symbol not in self._day.suspects:
            self._day.suspects.append(record.symbol)
        show_info(board, record)
        if len(self._trades) > before:
            self._due(record.symbol, board)

    def _quote(self, record: QuoteRecord, delivery: Delivery) -> None:
        if not delivery.leads:
            self._counts["not_leading"] += 1
            return
        _check(record, *record.bids, *record.asks)
        board = self._board(record)
        if board is not None:
            self._show_book(board, record)
            show_session(board, record.ts_ms, record.session, board.status)

    def _snapshot(self, record: SnapshotRecord, delivery: Delivery) -> None:
        """Take what ``X`` shows. Its match is no print: it repeats the last one on any change of the book."""
        if not delivery.leads:
            self._counts["not_leading"] += 1
            return
        _check(
            record, record.reference, record.ceiling, record.floor, record.open, record.high, record.low, record.expected,
            *record.bids, *record.asks,
        )  # fmt: skip
        board = self._board(record)
        if board is not None:
            self._show_book(board, record)
            show_info(board, record)
            board.feed_open = record.open or board.feed_open

    def _status(self, record: StatusRecord, delivery: Delivery) -> None:
        if not delivery.leads:
            self._counts["not_leading"] += 1
            return
        board = self._board(record)
        if board is not None:
            show_session(board, record.ts_ms, record.session, record.status)

    def _odd_lot(self, record: OddLotRecord, delivery: Delivery) -> None:
        """Book a match on the odd-lot board: a line of its own, because its total counts the round lots too."""
        if not delivery.leads:
            self._counts["not_leading"] += 1
            return
        _check(record, record.price, record.volume, record.total_volume, value_of(record.price, record.volume, record.exchange))
        board = self._board(record)
        if board is not None and record.price and record.volume and record.total_volume > board.odd_lot_total:
            board.odd_lot_total = record.total_volume
            self._counts["odd_lot"] += 1
            self._trades.append(odd_lot_line(record, board.tape.generation))

    def _board(self, record: Any) -> Board | None:
        """The board of a record's symbol on the shard's day; None for a previous day's record, which is noted on it."""
        symbol, day = record.symbol, self._feeds.day
        board = self._boards.get(symbol)
        if board is None or board.day != day:
            before = board
            board = self._boards.put(symbol, Board(day=day, exchange=record.exchange, tape=Tape()))
            if before is not None:
                board.previous_close = before.previous_close if before.last is None else before.last
            self._enrol(symbol)
        self._shown[symbol] = board
        if record.trading_day == day:
            return board
        self._counts["previous_day"] += 1
        if isinstance(record, TradeRecord) and record.price and record.session != "PT":
            board.previous_close = record.price
        return None

    def _enrol(self, symbol: str) -> None:
        if self._roster is None:
            self._roster = _ROSTERS.load(self._state, _ROSTER_KEY) or Roster()
        self._roster.symbols.append(symbol)

    def _due(self, symbol: str, board: Board) -> None:
        if not board.due:
            board.due = True
            self._day.due.append(symbol)

    def _show_book(self, board: Board, record: Any) -> None:
        """Take a book that is not older than the one shown; publish its top when that changed."""
        if board.quote_ms is not None and record.ts_ms < board.quote_ms:
            self._counts["stale_quote"] += 1
            return
        changed = record.bids[:2] != board.bids[:2] or record.asks[:2] != board.asks[:2]
        board.bids, board.asks, board.quote_ms = record.bids, record.asks, record.ts_ms
        if changed:
            self._counts["quote"] += 1
            self._quotes.append(_quote_event(record))


_FOLDS: Final[dict[type, Callable[[PriceShard, Any, Delivery], None]]] = {
    TradeRecord: PriceShard._trade,
    QuoteRecord: PriceShard._quote,
    SnapshotRecord: PriceShard._snapshot,
    StatusRecord: PriceShard._status,
    OddLotRecord: PriceShard._odd_lot,
}


def _check(record: Any, *numbers: int) -> None:
    """Refuse what no market says; the decoder only sees to it that they are integers."""
    if min(numbers, default=0) < 0 or max(numbers, default=0) >= LARGEST or not 0 < record.ts_ms < LARGEST:
        raise RecordRejected("out_of_range", f"{record.symbol}: a number of it is below 0 or not below 2^53")


def _quote_event(record: QuoteRecord | SnapshotRecord) -> QuoteEvent:
    bid, bid_volume = record.bids[:2] or (0, 0)
    ask, ask_volume = record.asks[:2] or (0, 0)
    return QuoteEvent(
        symbol=record.symbol,
        exchange=record.exchange,
        day=record.trading_day,
        ts_ms=record.ts_ms,
        bid=Price(bid),
        bid_volume=Shares(bid_volume),
        ask=Price(ask),
        ask_volume=Shares(ask_volume),
        session=record.session,
    )
