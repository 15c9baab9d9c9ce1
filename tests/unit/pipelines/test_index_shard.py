from typing import Any

import pytest

from pipelines.core import frames
from pipelines.core.frames import Folded
from pipelines.core.index_shard import fold_frame
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import (
    ClockTick,
    IndexRecord,
    TradeRecord,
)
from schemas.topics import (
    MARKET_BASIS,
    MARKET_INDICES,
    MARKET_TRADES,
    SSI_DLQ,
    SSI_INDICES,
    STATE_BASIS,
    STATE_INDICES,
    STATE_PRICES,
    Topic,
)
from schemas.units import Exchange, SessionPhase, Side, TradingDay
from tests import builders
from tests.builders import DAY, FRONT, INDEX, a_future, offers

SECOND = "41I1H1000"
OPEN_MS = at(DAY, 9, 15)
REFERENCE = a_future(last_trading_day=20261217)

PLACE = frames.Shard("indices", 0, 3, "s0")


class Shard:
    """Sends frames of one feed through the fold, on a dictionary as state."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.sequences: dict[str, int] = {}
        self.offset = -1

    def fold(self, *records: Any, feed: str = "a") -> Folded:
        self.offset += 1
        self.sequences[feed] = self.sequences.get(feed, -1) + 1
        frame = builders.a_frame(*records, feed=feed, seq=self.sequences[feed])
        return fold_frame(frame, Position("ssi.indices", 0, self.offset), PLACE, self.state, offers=offers(SSI_INDICES))


def said(folded: Folded, topic: Topic[Any]) -> list[Any]:
    messages = [topic.decode(output.value) for output in folded.outputs if output.topic is topic]
    return [event for message in messages for event in (getattr(message, "events", None) or [message])]


def a_tick(second: int) -> ClockTick:
    return builders.a_tick(OPEN_MS + second * 1000)


def an_index(second: int, value: int = INDEX, **changes: Any) -> IndexRecord:
    return builders.an_index(**{"ts": OPEN_MS + second * 1000, "value": value, "volume": second, **changes})


def a_trade(second: int, total: int, price: int = 200_500, symbol: str = FRONT, **changes: Any) -> TradeRecord:
    future = {"exchange": Exchange.DER, "volume": 1, "reference": INDEX, "side": Side.BUY, "status": "Normal"}
    return builders.a_trade(symbol, OPEN_MS + second * 1000, total=total, price=price, **{**future, **changes})


def test_one_frame_gives_index_prints_basis_and_rows() -> None:
    folded = Shard().fold(REFERENCE, a_tick(0), an_index(0), a_trade(1, 1), a_trade(1, 1, 200_600, SECOND))
    assert [event.value for event in said(folded, MARKET_INDICES)] == [200_000]
    assert [event.symbol for event in said(folded, MARKET_TRADES)] == [FRONT, SECOND]
    assert [(event.symbol, event.basis) for event in said(folded, MARKET_BASIS)] == [(FRONT, 500), (SECOND, 600)]
    assert [(row.symbol, row.alias, row.src) for row in said(folded, STATE_BASIS)] == [(FRONT, "F1M", 0), (SECOND, "F2M", 0)]
    assert [row.change for row in said(folded, STATE_INDICES)] == [1_000]
    assert {row.symbol for row in said(folded, STATE_PRICES)} == {FRONT, SECOND}


def test_events_are_keyed_by_shard_and_rows_by_symbol() -> None:
    folded = Shard().fold(a_tick(0), an_index(0), a_trade(1, 1))
    keys = {output.topic.name: output.key for output in folded.outputs}
    assert keys["market.indices"] == keys["market.basis"] == keys["market.trades"] == "s0"
    assert (keys["state.indices"], keys["state.basis"], keys["state.prices"]) == ("VN30", FRONT, FRONT)


def test_only_the_leading_feed_says_what_an_index_is() -> None:
    shard = Shard()
    shard.fold(a_tick(0), an_index(0), feed="a")
    beside = shard.fold(a_tick(1), an_index(1, 190_000), feed="b")
    assert said(beside, MARKET_INDICES) == []
    assert beside.counts["not_leading"] == 1


def test_a_feed_that_takes_the_lead_is_heard() -> None:
    shard = Shard()
    shard.fold(a_tick(0), an_index(0), feed="a")
    for second in range(1, 5):
        shard.fold(a_tick(second), feed="b")
    assert [event.value for event in said(shard.fold(an_index(5, 201_000), feed="b"), MARKET_INDICES)] == [201_000]


def test_both_feeds_may_bring_a_print_and_the_first_makes_the_basis() -> None:
    shard = Shard()
    shard.fold(a_tick(0), an_index(0), feed="a")
    assert len(said(shard.fold(a_trade(1, 1), feed="b"), MARKET_BASIS)) == 1
    assert said(shard.fold(a_trade(1, 1), feed="a"), MARKET_BASIS) == []


def test_a_late_print_makes_no_basis() -> None:
    shard = Shard()
    shard.fold(a_tick(0), an_index(0), a_trade(1, 1), a_trade(3, 3, 201_000))
    late = shard.fold(a_trade(2, 2, 190_000))
    assert [event.late for event in said(late, MARKET_TRADES) if event.kind == "print"] == [True]
    assert said(late, MARKET_BASIS) == []


def test_the_clock_makes_a_basis_stale_once() -> None:
    shard = Shard()
    shard.fold(a_tick(0), an_index(0), a_trade(0, 1))
    events = [event for second in range(1, 40) for event in said(shard.fold(a_tick(second)), MARKET_BASIS)]
    assert [(event.stale, event.ts_ms) for event in events] == [(True, OPEN_MS + 15_000)]


def test_yesterdays_index_books_nothing_and_stands_in_before_the_open() -> None:
    shard = Shard()
    yesterday = TradingDay(20261119)
    early = a_tick(-1800)
    old = an_index(0, 198_000, trading_day=yesterday, ts=at(yesterday, 15, 5))
    folded = shard.fold(early, old, a_trade(-1500, 1, session="ATO"))
    assert said(folded, MARKET_INDICES) == said(folded, STATE_INDICES) == []
    assert [(event.index_value, event.stale) for event in said(folded, MARKET_BASIS)] == [(198_000, True)]
    assert folded.counts["previous_day"] == 1


def test_a_repeated_index_record_makes_no_event() -> None:
    shard = Shard()
    shard.fold(a_tick(0), an_index(0))
    again = shard.fold(an_index(0), an_index(-5, 190_000))
    assert said(again, MARKET_INDICES) == []
    assert (again.counts["unchanged"], again.counts["stale"]) == (1, 1)


def test_a_record_that_is_none_of_ours_goes_to_the_dead_letters_alone() -> None:
    stray = builders.a_foreign(ts=OPEN_MS)
    folded = Shard().fold(a_tick(0), stray, an_index(0, volume=1 << 60), an_index(1))
    assert [(letter.source, letter.reason, letter.idx) for letter in said(folded, SSI_DLQ)] == [
        ("indices", "unexpected_kind", 1),
        ("indices", "out_of_range", 2),
    ]
    assert [event.value for event in said(folded, MARKET_INDICES)] == [200_000]


def test_an_index_step_is_no_record_of_an_index() -> None:
    step = builders.a_bar("VN30", OPEN_MS)
    assert Shard().fold(a_tick(0), step).outputs == []


def test_any_cut_into_frames_gives_the_same_events() -> None:
    records: list[Any] = [REFERENCE, a_tick(0)]
    for second in range(1, 60):
        records += [a_tick(second), a_trade(second, second, 200_000 + second % 7 * 100)]
        if second % 5 == 0:
            records.append(an_index(second, 200_000 + second * 10))
    whole, cut = Shard(), Shard()
    once = whole.fold(*records)
    pieces = [cut.fold(*records[n : n + 7]) for n in range(0, len(records), 7)]
    for topic in (MARKET_INDICES, MARKET_BASIS, MARKET_TRADES):
        assert [event for piece in pieces for event in said(piece, topic)] == said(once, topic)


def last_rows(pieces: list[Folded], topic: Topic[Any]) -> dict[str, Any]:
    return {row.symbol: builders.changed(row, src=0) for piece in pieces for row in said(piece, topic)}


AT_A_PREMIUM: list[Any] = [a_tick(0), an_index(0), a_trade(1, 1), a_trade(2, 1, 201_000, SECOND)]


@pytest.mark.parametrize(
    "later",
    [
        pytest.param([an_index(5, volume=0)], id="only its time moves"),
        pytest.param([a_tick(6), a_future(last_trading_day=20261216)], id="REST says late when a contract ends"),
        pytest.param([an_index(5, volume=0), a_tick(30), a_trade(31, 2, 200_700)], id="the index falls silent"),
        pytest.param([an_index(5, 210_000), an_index(65, 200_000), a_trade(66, 2)], id="a minute goes by"),
    ],
)
def test_any_cut_into_frames_gives_the_same_last_rows(later: list[Any]) -> None:
    records = AT_A_PREMIUM + later
    whole = last_rows([Shard().fold(*records)], STATE_BASIS)
    assert set(whole) == {FRONT, SECOND}
    for size in (1, 2, 3, 5):
        shard = Shard()
        pieces = [shard.fold(*records[n : n + size]) for n in range(0, len(records), size)]
        assert last_rows(pieces, STATE_BASIS) == whole
        assert last_rows(pieces, STATE_INDICES) == last_rows([Shard().fold(*records)], STATE_INDICES)


def test_a_frame_that_spans_days_leaves_the_rows_of_both() -> None:
    tomorrow = TradingDay(20261123)
    morning = at(tomorrow, 8, 45)
    today = [a_tick(0), an_index(0), a_trade(1, 1)]
    folded = Shard().fold(*today, builders.a_tick(morning, trading_day=tomorrow))
    assert [(row.day, row.basis, row.stale) for row in said(folded, STATE_BASIS)] == [(DAY, 500, True)]
    assert [row.day for row in said(folded, STATE_INDICES)] == [DAY]
    apart = Shard()
    pieces = [apart.fold(*today), apart.fold(builders.a_tick(morning, trading_day=tomorrow))]
    for topic in (STATE_BASIS, STATE_INDICES):
        assert last_rows(pieces, topic) == last_rows([folded], topic)


def test_an_index_that_cannot_be_is_a_dead_letter_and_makes_no_basis() -> None:
    shard = Shard()
    shard.fold(a_tick(0), an_index(0), a_trade(1, 1))
    folded = shard.fold(an_index(5, 900_000), a_trade(6, 2, 200_600))
    assert [(letter.reason, letter.idx) for letter in said(folded, SSI_DLQ)] == [("implausible", 0)]
    assert said(folded, MARKET_INDICES) == []
    assert [(event.index_value, event.basis) for event in said(folded, MARKET_BASIS)] == [(200_000, 600)]


def test_an_index_of_yesterday_that_cannot_be_does_not_stand_in() -> None:
    yesterday = TradingDay(20261119)
    old = an_index(0, 900_000, trading_day=yesterday, ts=at(yesterday, 15, 5))
    folded = Shard().fold(a_tick(-1800), old, a_trade(-1500, 1, session="ATO"))
    assert [letter.reason for letter in said(folded, SSI_DLQ)] == ["implausible"]
    assert said(folded, MARKET_BASIS) == []


def test_a_future_that_no_limit_allows_makes_no_basis() -> None:
    shard = Shard()
    shard.fold(a_tick(0), an_index(0), a_trade(1, 1))
    folded = shard.fold(a_trade(2, 2, 900_000))
    assert said(folded, MARKET_BASIS) == []
    assert folded.counts["outside_limits"] == 1


def test_a_new_day_begins_with_fresh_prices() -> None:
    shard, tomorrow = Shard(), TradingDay(20261123)
    shard.fold(a_tick(0), an_index(0), a_trade(1, 1))
    morning = at(tomorrow, 9, 15, 5)
    tick = builders.a_tick(morning, trading_day=tomorrow)
    folded = shard.fold(tick, an_index(0, 202_000, trading_day=tomorrow, ts=morning))
    assert [(event.day, event.ts_ms, event.stale) for event in said(folded, MARKET_BASIS)] == [(DAY, at(DAY, 16), True)]
    assert [event.day for event in said(folded, MARKET_INDICES)] == [tomorrow]


AUCTION_S = (at(DAY, 14, 45) - OPEN_MS) // 1000
"""Seconds from the open to the closing auction."""


@pytest.mark.parametrize(
    "clock",
    [
        pytest.param(range(AUCTION_S, AUCTION_S + 80), id="a tick each second"),
        pytest.param([AUCTION_S + 5, AUCTION_S + 4_500], id="nothing until 16:00"),
    ],
)
def test_after_the_closing_auction_the_clock_alone_ends_what_it_shows(clock: Any) -> None:
    shard = Shard()
    shard.fold(a_tick(AUCTION_S - 2), an_index(AUCTION_S - 3), a_trade(AUCTION_S - 2, 1, session="ATC", expected=200_900))
    # The auction's match and the index after it come some seconds late.
    last = [a_trade(AUCTION_S + 3, 2, 200_800, session="ATC", expected=200_800), an_index(AUCTION_S + 5, 200_300)]
    events, rows, boards = [], {}, {}
    for second in clock:
        arrived = last if second == AUCTION_S + 5 else []
        folded = shard.fold(a_tick(second), *arrived)
        events += said(folded, MARKET_BASIS)
        rows.update({row.symbol: row for row in said(folded, STATE_BASIS)})
        boards.update({row.symbol: row for row in said(folded, STATE_PRICES)})
    assert [(event.basis, event.stale) for event in events] == [(800, False), (500, False), (500, True)]
    assert events[-1].ts_ms == OPEN_MS + (AUCTION_S + 15 if len(clock) > 2 else AUCTION_S + 4_500) * 1000
    assert (rows[FRONT].basis, rows[FRONT].stale) == (500, True)
    assert (boards[FRONT].phase, boards[FRONT].expected) == (SessionPhase.CLOSED, None)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(builders.a_tick(at(DAY, 16)), id="the close"),
        pytest.param(builders.a_tick(at(TradingDay(20261123), 8, 45), trading_day=20261123), id="the next day"),
    ],
)
def test_what_waited_for_a_verdict_until_the_day_was_over_reaches_the_basis(end: ClockTick) -> None:
    shard = Shard()
    shard.fold(a_tick(AUCTION_S), an_index(AUCTION_S), a_trade(AUCTION_S + 2, 1_000, volume=1_000))
    # The feed took some of it back, and told two matches of the second in which it did.
    waiting = [a_trade(AUCTION_S + 3, 950, 200_700, volume=50), a_trade(AUCTION_S + 3, 960, 200_800, volume=10)]
    assert said(shard.fold(*waiting), MARKET_BASIS) == []
    folded = shard.fold(end)
    assert [(event.price, event.day) for event in said(folded, MARKET_BASIS)] == [(200_700, DAY), (200_800, DAY)]
    assert [(row.price, row.basis, row.day, row.stale) for row in said(folded, STATE_BASIS)] == [(200_800, 800, DAY, True)]
