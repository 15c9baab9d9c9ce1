"""The price fold through its topology function: frames in, messages out, over a dict."""

from collections import Counter
from typing import Any, Literal

import pytest

from pipelines.core import frames
from pipelines.core.frames import Output
from pipelines.core.price_shard import fold_frame
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import (
    ClockTick,
    DailyEvent,
    DeadLetter,
    OddLotRecord,
    PriceRow,
    QuoteEvent,
    QuoteRecord,
    TradeEvent,
    TradeRecord,
)
from schemas.topics import MARKET_DAILY, MARKET_QUOTES, MARKET_TRADES, SSI_DLQ, SSI_TICKS, STATE_PRICES
from schemas.units import Exchange, SessionPhase, Side, Symbol, TradingDay, UnixMs
from tests import builders
from tests.builders import offers

FRIDAY, MONDAY = builders.DAY, TradingDay(20261123)
VNM = Symbol("VNM")


def clock(hour: int, minute: int, second: int = 0, day: TradingDay = FRIDAY) -> UnixMs:
    return at(day, hour, minute, second)


def a_tick(ts_ms: UnixMs, day: TradingDay = FRIDAY, health: Literal["up", "down"] = "up") -> ClockTick:
    return builders.a_tick(ts_ms, trading_day=day, health=health)


AT_TEN = clock(10, 0)


def a_trade(total: int, volume: int, price: int = 60_000, ts_ms: UnixMs = AT_TEN, **changes: Any) -> TradeRecord:
    values = {"price": price, "total_value": total * price} | changes
    return builders.a_trade(ts=ts_ms, total=total, volume=volume, **values)


def a_quote(bids: list[int], asks: list[int], ts_ms: UnixMs = AT_TEN, **changes: Any) -> QuoteRecord:
    return builders.a_quote(ts=ts_ms, bids=bids, asks=asks, **changes)


def an_odd_lot(total: int, volume: int, price: int = 60_000, ts_ms: UnixMs = AT_TEN, **changes: Any) -> OddLotRecord:
    return builders.an_odd_lot(ts=ts_ms, total=total, volume=volume, price=price, **changes)


PLACE = frames.Shard.of("prices", 0, 1)


class Shard:
    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.seqs: Counter[tuple[str, int]] = Counter()
        self.offset = 0
        self.outputs: list[Output] = []
        """Of the last frame."""
        self.counts: Counter[str] = Counter()

    def fold(self, *records: Any, feed: str = "a", epoch: int = 1) -> None:
        frame = builders.a_frame(*records, feed=feed, epoch=epoch, seq=self.seqs[feed, epoch])
        self.seqs[feed, epoch] += 1
        folded = fold_frame(frame, Position("ssi.ticks", 0, self.offset), PLACE, self.state, offers=offers(SSI_TICKS))
        self.offset += 1
        self.outputs = folded.outputs
        self.counts += folded.counts

    def _values(self, topic: Any) -> list[Any]:
        return [topic.decode(output.value) for output in self.outputs if output.topic is topic]

    @property
    def trades(self) -> list[TradeEvent]:
        return [event for frame in self._values(MARKET_TRADES) for event in frame.events]

    @property
    def quotes(self) -> list[QuoteEvent]:
        return [event for frame in self._values(MARKET_QUOTES) for event in frame.events]

    @property
    def daily(self) -> list[DailyEvent]:
        return [event for frame in self._values(MARKET_DAILY) for event in frame.events]

    @property
    def letters(self) -> list[DeadLetter]:
        return self._values(SSI_DLQ)

    @property
    def rows(self) -> list[PriceRow]:
        return self._values(STATE_PRICES)

    @property
    def row(self) -> PriceRow:
        (row,) = self.rows
        return row


@pytest.fixture
def shard() -> Shard:
    shard = Shard()
    shard.fold(a_tick(clock(8, 55)))
    return shard


class TestRow:
    def test_before_the_first_match_it_shows_the_reference_and_no_change(self, shard: Shard) -> None:
        shard.fold(a_trade(0, 0, 0, clock(9, 1), session="ATO", expected=60_500))
        row = shard.row
        assert (row.reference, row.ceiling, row.floor) == (60_000, 64_200, 55_800)
        assert (row.last, row.change, row.open, row.average, row.candle) == (None, None, None, None, None)
        assert (row.phase, row.expected) == (SessionPhase.ATO, 60_500)

    def test_one_row_a_symbol_and_frame_says_where_it_came_from(self, shard: Shard) -> None:
        shard.fold(a_trade(100, 100, 60_000), a_trade(300, 200, 60_300, clock(10, 0, 5)), a_quote([60_200, 5], [60_300, 7]))
        row = shard.row
        assert (row.day, row.src, row.symbol) == (FRIDAY, 1, "VNM")
        assert (row.last, row.last_volume, row.change) == (60_300, 200, 300)
        assert (row.total_volume, row.total_value, row.average) == (300, 300 * 60_300, 60_300)
        assert (row.bids, row.asks, row.quote_ms) == ([60_200, 5], [60_300, 7], clock(10, 0))
        assert (row.prints, row.gaps, row.missed_volume, row.repeats) == (2, 0, 0, 0)
        assert row.ts_ms == clock(10, 0, 5)

    def test_the_indicative_price_is_shown_in_auctions_only(self, shard: Shard) -> None:
        shard.fold(a_trade(100, 100, expected=60_500))
        assert shard.row.expected is None
        shard.fold(a_trade(100, 100, ts_ms=clock(14, 31), session="ATC", expected=60_500))
        assert shard.row.expected == 60_500

    @pytest.mark.parametrize(
        ("session", "said", "still", "over", "phase"),
        [
            ("ATO", (9, 14, 50), (9, 15, 59), (9, 16, 0), SessionPhase.CONTINUOUS),
            ("LO", (11, 29, 50), (11, 30, 59), (11, 31, 0), SessionPhase.BREAK),
            ("ATC", (14, 44, 50), (14, 45, 59), (14, 46, 0), SessionPhase.POST_CLOSE),
            (None, (14, 44, 50), (14, 44, 59), (14, 45, 0), SessionPhase.POST_CLOSE),
        ],
    )
    def test_a_phase_ends_though_nothing_more_is_heard_of_the_symbol(
        self,
        shard: Shard,
        session: str | None,
        said: tuple[int, int, int],
        still: tuple[int, int, int],
        over: tuple[int, int, int],
        phase: SessionPhase,
    ) -> None:
        shard.fold(a_tick(clock(*said)), a_trade(100, 100, ts_ms=clock(*said), session=session, expected=60_500))
        before = shard.row
        shard.fold(a_tick(clock(*still)))
        assert shard.rows == []
        shard.fold(a_tick(clock(*over)))
        assert (shard.row.phase, shard.row.session, shard.row.expected) == (phase, None, None)
        known = {"phase": before.phase, "session": before.session, "expected": before.expected, "src": before.src}
        assert builders.changed(shard.row, **known) == before

    @pytest.mark.parametrize("last", [a_tick(clock(11, 45)), a_tick(clock(16, 30)), a_tick(clock(8, 45, day=MONDAY), MONDAY)])
    def test_a_phase_ends_however_frames_are_cut(self, last: ClockTick) -> None:
        records = [a_tick(clock(9, 14)), a_trade(0, 0, 0, clock(9, 14, 50), session="ATO", expected=60_500)]
        records += [a_tick(clock(9, 17)), a_quote([60_000, 1], [60_100, 1], clock(9, 17, 1)), last]
        whole = Shard()
        whole.fold(*records)
        for size in (1, 2, 3, 4):
            cut, rows = Shard(), list[PriceRow]()
            for place in range(0, len(records), size):
                cut.fold(*records[place : place + size])
                rows += cut.rows
            assert builders.changed(rows[-1], src=0) == whole.row

    def test_extremes_are_the_feeds_and_never_inside_our_own_prints(self, shard: Shard) -> None:
        shard.fold(a_trade(100, 100, 60_000, high=61_000, low=59_000))
        assert (shard.row.open, shard.row.high, shard.row.low) == (60_000, 61_000, 59_000)
        shard.fold(a_trade(200, 100, 62_000, clock(10, 1), high=61_000, low=59_000))
        assert (shard.row.open, shard.row.high, shard.row.low) == (60_000, 62_000, 59_000)
        assert shard.counts["range_disagreement"] == 1

    def test_the_open_is_unknown_when_we_joined_after_it(self) -> None:
        shard = Shard()
        shard.fold(a_tick(clock(9, 59)), a_trade(5_000, 100))
        assert shard.trades[0].cause == "before_start"
        assert shard.row.open is None

    def test_a_limit_change_of_an_older_record_is_not_taken_back(self, shard: Shard) -> None:
        shard.fold(a_trade(200, 100, ts_ms=clock(10, 5), status="H"), a_trade(200, 100, ts_ms=clock(10, 4), status="N"))
        assert shard.row.status == "H"

    def test_candles_follow_exchange_time(self, shard: Shard) -> None:
        wide: dict[str, Any] = {"ceiling": 600, "floor": 1}
        shard.fold(
            a_trade(10, 10, 100, clock(10, 0, 1), **wide),
            a_trade(40, 10, 120, clock(10, 0, 50), **wide),
            a_trade(30, 10, 90, clock(10, 0, 30), **wide),
        )
        candle = shard.row.candle
        assert candle is not None
        assert (candle.minute_ms, candle.open, candle.high, candle.low, candle.close) == (clock(10, 0), 100, 120, 90, 120)
        assert candle.volume == 30
        shard.fold(a_trade(50, 10, 110, clock(10, 1, 2), **wide), a_trade(20, 10, 500, clock(10, 0, 59), **wide))
        candle = shard.row.candle
        assert candle is not None
        assert (candle.minute_ms, candle.high, candle.volume) == (clock(10, 1), 110, 10)


class TestSide:
    def test_the_feeds_word_comes_first_and_disagreements_are_counted(self, shard: Shard) -> None:
        shard.fold(a_quote([59_900, 5], [60_000, 5]), a_trade(100, 100, 60_000, side=Side.SELL))
        assert (shard.trades[0].side, shard.trades[0].side_source) == (Side.SELL, "feed")
        assert shard.counts["side_disagreement"] == 1
        assert (shard.row.active_buy, shard.row.active_sell) == (0, 100)

    @pytest.mark.parametrize(
        ("price", "side", "source"),
        [(60_100, Side.BUY, "quote"), (59_900, Side.SELL, "quote"), (60_000, Side.NEUTRAL, "none")],
    )
    def test_else_the_quote_before_the_print_decides(self, shard: Shard, price: int, side: Side, source: str) -> None:
        shard.fold(a_quote([59_900, 5], [60_100, 5]), a_trade(100, 100, price), a_quote([1, 1], [2, 2]))
        assert (shard.trades[0].side, shard.trades[0].side_source) == (side, source)

    def test_an_auction_has_no_aggressor(self, shard: Shard) -> None:
        shard.fold(a_quote([59_900, 5], [60_000, 5]), a_trade(100, 100, 60_000, clock(9, 15), session="ATO"))
        assert (shard.trades[0].side, shard.trades[0].side_source, shard.trades[0].phase) == (Side.NEUTRAL, "auction", "ato")

    def test_a_late_print_is_not_judged_by_todays_quote(self, shard: Shard) -> None:
        shard.fold(a_trade(100, 100), a_trade(300, 100), a_quote([59_900, 5], [60_000, 5]), a_trade(200, 100))
        late = shard.trades[-2]
        assert (late.late, late.side_source) == (True, "none")

    def test_a_market_order_in_the_book_is_no_quote(self, shard: Shard) -> None:
        shard.fold(a_quote([0, 5], [0, 5]), a_trade(100, 100))
        assert shard.trades[0].side_source == "none"


class TestQuotes:
    def test_only_a_change_of_the_top_is_an_event(self, shard: Shard) -> None:
        shard.fold(a_quote([100, 5, 90, 1], [110, 5]), a_quote([100, 5, 90, 2], [110, 5]), a_quote([100, 6], []))
        assert [(q.bid, q.bid_volume, q.ask, q.ask_volume) for q in shard.quotes] == [(100, 5, 110, 5), (100, 6, 0, 0)]

    def test_they_come_from_the_leader_alone(self, shard: Shard) -> None:
        shard.fold(a_quote([100, 5], [110, 5]), feed="b")
        assert shard.quotes == []
        shard.fold(a_tick(clock(10, 0), health="down"))
        shard.fold(a_tick(clock(10, 0)), a_quote([100, 5], [110, 5]), feed="b")
        assert len(shard.quotes) == 1

    def test_an_older_book_is_not_taken(self, shard: Shard) -> None:
        shard.fold(a_quote([100, 5], [110, 5], clock(10, 5)), a_quote([90, 5], [110, 5], clock(10, 4)))
        assert len(shard.quotes) == 1
        assert shard.row.bids == [100, 5]

    def test_a_snapshot_shows_its_book_and_open_but_books_no_print(self, shard: Shard) -> None:
        snapshot = builders.a_snapshot(total=900, open=59_500, high=60_500, low=59_000, bids=[60_000, 3], asks=[60_100, 4])
        shard.fold(snapshot)
        assert shard.trades == []
        assert len(shard.quotes) == 1
        row = shard.row
        assert (row.last, row.total_volume, row.open, row.high, row.low) == (None, 0, 59_500, 60_500, 59_000)


def test_prints_are_taken_from_every_feed(shard: Shard) -> None:
    shard.fold(a_trade(100, 100))
    shard.fold(a_trade(100, 100), a_trade(150, 50), feed="b")
    assert [event.total_volume for event in shard.trades] == [150]
    assert shard.row.repeats == 1


def test_a_status_record_of_the_leader_sets_session_and_status(shard: Shard) -> None:
    status = builders.a_status(ts=clock(14, 45, 3), session="C", status="H")
    shard.fold(status)
    assert (shard.row.session, shard.row.status, shard.row.phase) == ("C", "H", SessionPhase.CLOSED)
    shard.fold(status, feed="b")
    assert shard.outputs == []


class TestOwnLines:
    """Prints that stay outside last, open, high, low, sums and candles."""

    def test_a_deal_is_told_and_summed_and_moves_nothing_else(self, shard: Shard) -> None:
        shard.fold(a_trade(100, 100), a_trade(1_100, 1_000, 66_000, clock(10, 0, 1), session="PT", high=66_000, low=60_000))
        row = shard.row
        assert [event.phase for event in shard.trades] == ["continuous", "put_through"]
        assert (row.last, row.high, row.total_volume, row.put_through_volume) == (60_000, 60_000, 100, 1_000)
        assert (row.session, row.phase) == ("LO", SessionPhase.CONTINUOUS)
        assert row.active_buy + row.active_sell + row.neutral == 100
        assert row.candle is not None
        assert row.candle.volume == 100

    def test_a_print_without_a_total_is_booked_by_the_leader_and_counted(self, shard: Shard) -> None:
        shard.fold(a_trade(0, 100, 60_000))
        (event,) = shard.trades
        assert (event.anchored, event.volume, event.total_volume) == (False, 100, 0)
        assert (shard.row.last, shard.row.total_volume, shard.row.prints) == (None, 0, 0)
        shard.fold(a_trade(0, 100, 60_000), feed="b")
        assert shard.trades == []

    def test_a_put_through_with_a_counter_of_its_own_leaves_the_tape_alone(self, shard: Shard) -> None:
        shard.fold(a_trade(1_000_000, 1_000_000))
        shard.fold(
            a_trade(20_000, 20_000, 66_000, clock(14, 50), session="PT"),
            a_trade(50_000, 30_000, 66_000, clock(14, 55), session="PT"),
        )
        assert [(event.kind, event.phase, event.anchored, event.start, event.volume) for event in shard.trades] == [
            ("print", "put_through", True, 0, 20_000),
            ("print", "put_through", True, 20_000, 30_000),
        ]
        assert (shard.row.total_volume, shard.row.last) == (1_000_000, 60_000)
        shard.fold(a_trade(1_000_100, 100, ts_ms=clock(14, 56)))
        assert [event.kind for event in shard.trades] == ["print"]

    def test_an_odd_lot_is_a_line_of_its_own(self, shard: Shard) -> None:
        record = an_odd_lot(107, 7)
        shard.fold(record, record)
        (event,) = shard.trades
        assert (event.phase, event.anchored, event.volume) == ("odd_lot", False, 7)


class TestLast:
    def test_the_only_print_sets_the_last_price_though_its_total_was_known_before(self, shard: Shard) -> None:
        shard.fold(a_trade(100, 0), a_trade(100, 100, 61_000))
        assert [event.late for event in shard.trades if event.kind == "print"] == [True]
        assert shard.row.last == 61_000

    def test_a_time_that_is_none_is_rejected_and_the_day_stays(self, shard: Shard) -> None:
        shard.fold(
            a_trade(100, 100),
            a_trade(50, 50, ts_ms=UnixMs(-5), trading_day=MONDAY),
            a_tick(UnixMs(2**64), day=MONDAY),
            a_trade(200, 100, ts_ms=clock(10, 1)),
        )
        assert [letter.reason for letter in shard.letters] == ["out_of_range", "out_of_range"]
        assert [(event.kind, event.day) for event in shard.trades] == [("print", FRIDAY)] * 2


class TestDay:
    def test_a_previous_days_record_gives_the_previous_close_and_books_nothing(self, shard: Shard) -> None:
        yesterday = TradingDay(20261119)
        shard.fold(a_trade(900, 100, 59_000, clock(14, 45, day=yesterday), trading_day=yesterday))
        assert shard.trades == []
        row = shard.row
        assert (row.day, row.previous_close, row.last, row.total_volume) == (FRIDAY, 59_000, None, 0)
        assert shard.counts["previous_day"] == 1

    def test_only_a_match_on_the_ordinary_board_is_a_previous_close(self, shard: Shard) -> None:
        yesterday: dict[str, Any] = {"trading_day": TradingDay(20261119), "ts_ms": clock(14, 45, day=TradingDay(20261119))}
        shard.fold(a_trade(900, 100, 59_000, **yesterday))
        shard.fold(a_trade(900, 100, 70_000, session="PT", **yesterday))
        shard.fold(an_odd_lot(900, 7, 55_900, **yesterday))
        assert shard.row.previous_close == 59_000

    def test_reference_data_does_not_say_when_the_day_began(self) -> None:
        shard = Shard()
        shard.fold(builders.a_reference(), a_tick(clock(9, 59)), a_trade(5_000, 100))
        assert [(event.kind, event.cause) for event in shard.trades] == [("gap", "before_start"), ("print", None)]

    def test_a_later_day_begins_anew_and_remembers_the_close(self, shard: Shard) -> None:
        shard.fold(a_trade(900, 900))
        shard.fold(a_trade(50, 50, 61_000, clock(9, 15, day=MONDAY), trading_day=MONDAY))
        assert [(event.kind, event.day, event.start) for event in shard.trades] == [("print", MONDAY, 0)]
        row = shard.row
        assert (row.day, row.previous_close, row.last, row.prints) == (MONDAY, 60_000, 61_000, 1)
        assert [(event.day, event.final, event.close) for event in shard.daily] == [(FRIDAY, True, 60_000)]

    def test_a_fall_is_settled_when_the_day_ends(self, shard: Shard) -> None:
        shard.fold(a_trade(1_000, 1_000), a_trade(950, 50, 60_100, clock(10, 1)))
        shard.fold(a_tick(clock(16, 0)))
        assert [(event.kind, event.volume) for event in shard.trades] == [("correction", -100), ("print", 50)]
        assert shard.row.last == 60_100
        assert shard.row.total_volume == 950
        assert [(event.final, event.total_volume) for event in shard.daily] == [(True, 950)]


class TestSummary:
    def test_it_comes_every_five_market_minutes_when_something_changed(self, shard: Shard) -> None:
        shard.fold(a_tick(clock(10, 0)), a_trade(100, 100))
        shard.fold(a_tick(clock(10, 4, 59)))
        assert shard.daily == []
        shard.fold(a_tick(clock(10, 5)))
        (event,) = shard.daily
        assert (event.symbol, event.ts_ms, event.final) == ("VNM", clock(10, 5), False)
        assert (event.open, event.high, event.low, event.close, event.prints) == (60_000, 60_000, 60_000, 60_000, 1)
        shard.fold(a_tick(clock(10, 10)), a_trade(100, 100))
        assert shard.daily == []

    def test_the_close_summarises_all_symbols_once_and_a_late_record_amends_its_own(self, shard: Shard) -> None:
        shard.fold(a_trade(100, 100), a_trade(20, 20, symbol=Symbol("FPT")))
        shard.fold(a_tick(clock(10, 5)))
        shard.fold(a_tick(clock(16, 0)))
        assert [(event.symbol, event.final) for event in shard.daily] == [("VNM", True), ("FPT", True)]
        shard.fold(a_tick(clock(16, 0, 1)))
        assert shard.daily == []
        shard.fold(a_trade(150, 50, ts_ms=clock(14, 45)), a_tick(clock(16, 0, 2)))
        assert [(event.symbol, event.final, event.total_volume) for event in shard.daily] == [("VNM", True, 150)]


class TestRejected:
    @pytest.mark.parametrize(
        "record",
        [
            a_trade(1 << 53, 100),
            a_trade(100, -5),
            a_trade(100, 100, -1),
            a_trade(1 << 40, 1 << 40, 1 << 40, total_value=0),
            a_quote([1 << 60, 1], []),
            a_quote([], [5, -1]),
        ],
    )
    def test_an_impossible_number_goes_to_the_dead_letters_alone(self, shard: Shard, record: Any) -> None:
        shard.fold(a_trade(100, 100), record, a_trade(150, 50))
        assert [event.total_volume for event in shard.trades] == [100, 150]
        (letter,) = shard.letters
        assert (letter.source, letter.reason, letter.topic, letter.offset, letter.idx) == (
            "prices", "out_of_range", "ssi.ticks", 1, 1,
        )  # fmt: skip
        assert '"symbol":"VNM"' in letter.payload
        assert shard.counts["rejected"] == 1

    def test_a_day_that_is_no_date_does_not_move_the_day(self, shard: Shard) -> None:
        shard.fold(a_trade(100, 100, trading_day=20269999), a_trade(100, 100))
        assert [letter.reason for letter in shard.letters] == ["bad_day"]
        assert shard.row.day == FRIDAY


def test_a_loss_marker_makes_the_next_hole_a_lost_one(shard: Shard) -> None:
    shard.fold(a_trade(100, 100))
    shard.fold(builders.a_loss(AT_TEN), a_tick(clock(10, 0, 1)), a_trade(400, 100))
    assert shard.trades[0].cause == "lost"


def test_a_reference_record_of_a_quiet_symbol_says_nothing_about_prices(shard: Shard) -> None:
    shard.fold(builders.a_reference())
    assert shard.outputs == []


def test_futures_are_worth_a_hundred_thousand_dong_a_point(shard: Shard) -> None:
    future: dict[str, Any] = {"symbol": Symbol("41I1GC000"), "exchange": Exchange.DER, "reference": 128_000}
    shard.fold(a_trade(10, 10, 128_450, total_value=10 * 128_450_000, **future))
    (event,) = shard.trades
    assert event.value == 10 * 1284.5 * 100_000
    assert shard.row.average == 128_450
