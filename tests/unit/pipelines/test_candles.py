"""The one-minute candles on ``market.candles``, through the folds of stocks and of futures: frames in, candles out."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import index_shard, price_shard
from pipelines.core.frames import Folded, Shard
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import CandleEvent, TradeEvent
from schemas.topics import MARKET_CANDLES, MARKET_TRADES, SSI_INDICES, SSI_TICKS
from schemas.units import Exchange, Side, TradingDay
from tests.builders import DAY, FRONT, PRICE, a_frame, a_profile, a_tick, a_trade, an_odd_lot, moment, offers

MONDAY = TradingDay(20261123)


class Market:
    """One shard of stocks, or of indices and their futures."""

    def __init__(self, fold: Callable[..., Folded] = price_shard.fold_frame, topic: Any = SSI_TICKS) -> None:
        self.state: dict[bytes, bytes] = {}
        self.counts: Counter[str] = Counter()
        self.lines: list[TradeEvent] = []
        self.told: list[CandleEvent] = []
        self._fold, self._topic = fold, topic
        self._offset = 0

    def fold(self, *records: Any) -> list[CandleEvent]:
        """Fold a frame; the candles that it tells."""
        frame = a_frame(*records, seq=self._offset)
        position = Position(self._topic.name, 0, self._offset)
        folded = self._fold(frame, position, Shard.of("prices", 0, 1), self.state, offers=offers(self._topic))
        self._offset += 1
        self.counts += folded.counts
        self.lines += self._events(folded, MARKET_TRADES)
        told: list[CandleEvent] = self._events(folded, MARKET_CANDLES)
        self.told += told
        return told

    def _events(self, folded: Folded, topic: Any) -> list[Any]:
        return [event for output in folded.outputs if output.topic is topic for event in topic.decode(output.value).events]


def prices_of(candle: CandleEvent) -> tuple[int, int, int, int]:
    return candle.open, candle.high, candle.low, candle.close


def test_a_minute_is_told_once_when_it_has_been_over_for_fifteen_seconds() -> None:
    market = Market()
    market.fold(
        a_tick("10:00:05"),
        a_trade(ts="10:00:05", total=100, volume=100, price=60_000, side=Side.BUY),
        a_trade(ts="10:00:20", total=400, volume=300, price=60_300, side=Side.SELL),
        a_trade(ts="10:00:59", total=450, volume=50, price=59_900, side=None),
    )
    assert market.fold(a_tick("10:01:14")) == []
    (candle,) = market.fold(a_tick("10:01:15"))
    assert candle == CandleEvent(
        symbol="VNM",
        exchange=Exchange.HOSE,
        day=DAY,
        minute_ms=moment("10:00"),
        ts_ms=moment("10:01:15"),
        revision=0,
        reference=PRICE,
        opens=True,
        open=60_000,
        high=60_300,
        low=59_900,
        close=59_900,
        volume=450,
        value=100 * 60_000 + 300 * 60_300 + 50 * 59_900,
        active_buy=100,
        active_sell=300,
        prints=3,
        usual_volume=None,
        usual_days=None,
    )
    assert market.fold(a_tick("10:01:16"), a_tick("15:00:00")) == []


def test_no_minute_is_lost_when_one_frame_holds_prints_of_two() -> None:
    market = Market()
    market.fold(
        a_tick("10:00:59"),
        a_trade(ts="10:00:58", total=100, price=60_000),
        a_trade(ts="10:00:59", total=200, price=60_100),
        a_trade(ts="10:01:00", total=300, price=60_200),
    )
    told = market.fold(a_tick("10:02:15"))
    assert [(candle.minute_ms, prices_of(candle), candle.volume) for candle in told] == [
        (moment("10:00"), (60_000, 60_100, 60_000, 60_100), 200),
        (moment("10:01"), (60_200, 60_200, 60_200, 60_200), 100),
    ]


def test_a_late_print_amends_its_minute_at_the_next_market_second() -> None:
    market = Market()
    market.fold(
        a_tick("10:00:10"), a_trade(ts="10:00:10", total=100, price=60_000), a_trade(ts="10:00:30", total=400, price=60_500)
    )
    assert [candle.revision for candle in market.fold(a_tick("10:01:15"))] == [0]
    assert market.fold(a_trade(ts="10:00:20", total=300, volume=200, price=59_000)) == []
    (amended,) = market.fold(a_tick("10:05:00"))
    assert (amended.revision, prices_of(amended), amended.volume) == (1, (60_000, 60_500, 59_000, 60_500), 400)
    assert (amended.minute_ms, amended.ts_ms, amended.prints) == (moment("10:00"), moment("10:05"), 3)
    assert (market.counts["candle"], market.counts["candle_amended"]) == (1, 1)


def test_a_late_print_of_a_minute_without_any_makes_its_candle() -> None:
    market = Market()
    market.fold(a_tick("10:05"), a_trade(ts="10:05", total=1_000, volume=100))
    market.fold(a_tick("10:06:15"))
    market.fold(a_trade(ts="10:02:30", total=500, volume=300, price=59_500))
    (candle,) = market.fold(a_tick("10:06:16"))
    assert (candle.minute_ms, candle.revision, candle.volume, candle.opens) == (moment("10:02"), 0, 300, False)


def test_inside_a_second_the_totals_are_the_order_and_not_the_arrival() -> None:
    market = Market()
    second = "10:00:10"
    market.fold(
        a_tick(second),
        a_trade(ts=second, total=200, volume=100, price=60_200),
        a_trade(ts=second, total=300, volume=100, price=60_300),
        a_trade(ts=second, total=100, volume=100, price=60_100),
    )
    (candle,) = market.fold(a_tick("10:01:15"))
    assert prices_of(candle) == (60_100, 60_300, 60_100, 60_300)


def test_deals_outside_the_order_book_and_prints_without_a_total_are_in_no_candle() -> None:
    market = Market()
    market.fold(
        a_tick("10:00:10"),
        a_trade(ts="10:00:10", total=100, volume=100, price=60_000),
        a_trade(ts="10:00:11", total=50_100, volume=50_000, price=64_000, session="PT"),
        a_trade(ts="10:00:12", total=0, volume=70, price=63_000),
        an_odd_lot(ts="10:00:13", total=7, volume=7, price=62_000),
    )
    assert {line.phase for line in market.lines if line.kind == "print"} == {"continuous", "put_through", "odd_lot"}
    (candle,) = market.fold(a_tick("10:01:15"))
    assert (prices_of(candle), candle.volume, candle.prints) == ((60_000,) * 4, 100, 1)


@pytest.mark.parametrize(
    ("records", "opens"),
    [
        ([a_trade("VNM", "09:15:04", total=5_000, volume=100, session="ATO")], True),
        ([a_trade("VNM", "09:15:04", total=100, volume=100)], True),
        ([a_trade("VNM", "09:20:00", total=5_000, volume=100)], False),
    ],
    ids=["a print of the opening auction", "the first share of the day", "joined later"],
)
def test_a_candle_says_whether_the_days_first_match_is_in_it(records: Sequence[Any], opens: bool) -> None:
    market = Market()
    market.fold(a_tick("09:20:00"), *records)
    assert [candle.opens for candle in market.fold(a_tick("09:25:00"))] == [opens]


def test_what_is_left_of_a_day_is_told_when_the_next_one_begins() -> None:
    market = Market()
    market.fold(a_tick("14:45:05"), a_trade(ts="14:45:05", total=100, session="ATC"))
    (candle,) = market.fold(a_tick("00:00:01", trading_day=MONDAY))
    assert (candle.day, candle.minute_ms, candle.ts_ms) == (DAY, moment("14:45"), at(DAY, 16, 0))
    assert market.fold(a_tick("09:00:00", trading_day=MONDAY)) == []


def test_the_next_day_draws_its_own_candles_where_those_of_the_day_before_were_kept() -> None:
    market = Market()
    market.fold(a_tick("10:00:10"), a_trade(ts="10:00:10", total=100, price=60_000))
    market.fold(a_tick("16:00:00"))
    keys = set(market.state)
    market.fold(
        a_tick("10:00:10", trading_day=MONDAY), a_trade(ts="10:00:10", trading_day=MONDAY, total=300, volume=300, price=61_000)
    )
    (candle,) = market.fold(a_tick("10:01:15", trading_day=MONDAY))
    assert (candle.day, candle.revision, candle.volume, prices_of(candle)) == (MONDAY, 0, 300, (61_000,) * 4)
    assert set(market.state) == keys


def test_the_minute_in_which_a_release_with_candles_takes_over_is_left_out_for_it_lacks_its_beginning() -> None:
    market = Market()
    market.fold(a_tick("10:00:10"), a_trade(ts="10:00:10", total=100))
    for key in list(market.state):
        if key == b"candles" or key.startswith((b"m:", b"minute:")):
            del market.state[key]
    market.fold(a_tick("10:00:40"), a_trade(ts="10:00:40", total=200))
    market.fold(a_tick("10:01:02"))
    market.fold(a_trade(ts="10:01:02", total=300, price=60_100))
    assert [(candle.minute_ms, candle.volume) for candle in market.fold(a_tick("10:02:15"))] == [(moment("10:01"), 100)]
    assert market.counts["candle_unknown"] == 1


def test_futures_have_candles_too_in_points() -> None:
    market = Market(index_shard.fold_frame, SSI_INDICES)
    market.fold(
        a_tick("10:00:10"),
        a_profile(FRONT, "10:00:10", volumes=[9] * 75),
        a_trade(FRONT, "10:00:10", exchange=Exchange.DER, total=3, volume=3, price=200_510, reference=200_000),
    )
    (candle,) = market.fold(a_tick("10:01:15"))
    assert (candle.symbol, candle.reference, candle.close, candle.value) == (FRONT, 200_000, 200_510, 3 * 200_510 * 1_000)
    assert (candle.usual_volume, candle.usual_days) == (9, 20)


def test_a_candle_says_what_is_usual_at_its_time_once_the_days_log_has_said_it() -> None:
    market = Market()
    profile = a_profile("VNM", "08:50", volumes=[*range(100, 115), 7_700, 8_800])
    market.fold(a_tick("08:50"), profile, a_profile("FPT", "08:50", volumes=[5]))
    market.fold(a_tick("10:00:10"), a_trade("VNM", "10:04:59", total=100), a_trade("VNM", "10:05:00", total=200))
    market.fold(a_trade("FPT", "10:05:00", total=100), a_trade("HPG", "10:05:00", total=100))
    told = market.fold(a_tick("10:06:15"))
    assert [(candle.symbol, candle.usual_volume, candle.usual_days) for candle in told] == [
        ("VNM", 7_700, 20),
        ("VNM", 8_800, 20),
        ("FPT", None, None),
        ("HPG", None, None),
    ]


def test_a_profile_holds_for_its_day_alone() -> None:
    market = Market()
    market.fold(a_tick("08:50"), a_profile("VNM", "08:50", volumes=[100] * 75))
    market.fold(a_tick("10:00:10", trading_day=MONDAY), a_profile("VNM", "08:50", volumes=[300] * 75))
    market.fold(a_trade("VNM", "10:00:10", trading_day=MONDAY))
    assert [candle.usual_volume for candle in market.fold(a_tick("10:01:15", trading_day=MONDAY))] == [None]


@pytest.mark.parametrize(
    "profile", [a_profile(volumes=[0] * 76), a_profile(volumes=[-1]), a_profile(volumes=[1 << 60]), a_profile(days=-1)]
)
def test_a_profile_that_cannot_be_is_a_dead_letter_alone(profile: Any) -> None:
    market = Market()
    market.fold(a_tick("10:00:10"), profile, a_trade(ts="10:00:10", total=100))
    assert market.counts["rejected"] == 1
    assert [candle.usual_volume for candle in market.fold(a_tick("10:01:15"))] == [None]


SECONDS = st.integers(0, 179)


@st.composite
def mornings(draw: st.DrawFn) -> list[Any]:
    """Three minutes of two symbols: prints that may come late or again, gaps, falls of the total, and the clock."""
    start_ms = moment("10:00")
    records: list[Any] = [a_tick(start_ms)]
    totals = {"VNM": 0, "FPT": 0}
    made: list[Any] = []
    second = 0
    for _ in range(draw(st.integers(1, 25))):
        second += draw(st.integers(0, 20))
        symbol = draw(st.sampled_from(sorted(totals)))
        what = draw(st.sampled_from(["print", "print", "print", "gap", "late", "again", "fall", "clock"]))
        if what == "clock":
            records.append(a_tick(start_ms + second * 1_000))
            continue
        if what == "again" and made:
            records.append(draw(st.sampled_from(made)))
            continue
        volume = draw(st.integers(1, 5)) * 100
        missed = draw(st.integers(1, 5)) * 100 if what in ("gap", "late") else 0
        totals[symbol] += volume + missed if what != "fall" else -totals[symbol] // 2
        price = PRICE + draw(st.integers(-3, 3)) * 100
        side = draw(st.sampled_from([Side.BUY, Side.SELL, Side.NEUTRAL]))
        ts_ms = start_ms + second * 1_000
        record = a_trade(symbol, ts_ms, total=max(totals[symbol], 100), volume=volume, price=price, side=side)
        made.append(record)
        records.append(record)
        if what == "late":
            late = max(totals[symbol] - volume, 100)
            at_ms = start_ms + draw(st.integers(0, second)) * 1_000
            made.append(a_trade(symbol, at_ms, total=late, volume=missed, price=price - 100, side=side))
            if draw(st.booleans()):
                records.append(made[-1])
    return [*records, a_tick(start_ms + 3_600_000), a_tick("16:00:00")]


def drawn_by_hand(lines: list[TradeEvent]) -> dict[tuple[str, int], tuple[Any, ...]]:
    """Candles as anybody would make them of a finished tape."""
    minutes: dict[tuple[str, int], list[TradeEvent]] = defaultdict(list)
    for line in lines:
        if line.kind == "print" and line.anchored and line.phase not in ("put_through", "odd_lot"):
            minutes[line.symbol, line.ts_ms // 60_000 * 60_000].append(line)
    candles = {}
    for minute, prints in minutes.items():
        in_order = sorted(prints, key=lambda line: (line.ts_ms, line.generation, line.total_volume))
        paid = [line.price or 0 for line in in_order]
        bought = sum(line.volume for line in prints if line.side is Side.BUY)
        candles[minute] = (paid[0], max(paid), min(paid), paid[-1], sum(line.volume for line in prints), bought, len(prints))
    return candles


@given(records=mornings())
def test_the_last_word_on_each_minute_is_what_the_finished_tape_says(records: list[Any]) -> None:
    market = Market()
    for record in records:
        market.fold(record)
    last = {
        (candle.symbol, candle.minute_ms): (*prices_of(candle), candle.volume, candle.active_buy, candle.prints)
        for candle in market.told
    }
    assert last == drawn_by_hand(market.lines)
    revisions: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for candle in market.told:
        revisions[candle.symbol, candle.minute_ms].append(candle.revision)
    assert all(numbers == list(range(len(numbers))) for numbers in revisions.values())


@given(records=mornings(), cuts=st.sets(st.integers(1, 30)))
def test_any_cut_into_frames_tells_the_same_candles(records: list[Any], cuts: set[int]) -> None:
    one, many = Market(), Market()
    one.fold(*records)
    edges = [0, *sorted(cut for cut in cuts if cut < len(records)), len(records)]
    for first, last in pairwise(edges):
        many.fold(*records[first:last])
    assert many.told == one.told
