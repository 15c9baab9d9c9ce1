"""The ledger of one symbol over generated days: what is booked is what was delivered, once."""

from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.codec import Codec
from pipelines.core.foreign import Arrival, ForeignTotals, Step, advance, settle
from pipelines.core.speed import STILL
from pipelines.core.suspects import Thresholds
from schemas.calendar import at
from schemas.structs import ForeignRecord, LedgerEntry
from schemas.units import Exchange, Side, TradingDay, UnixMs, Vnd
from tests.builders import DAY, a_foreign, changed

OPEN_MS = at(DAY, 9)
JOINED_MS = at(DAY, 8, 55)
PRICE = 25_000
STORED = Codec(ForeignTotals)


class Delivery(NamedTuple):
    """A record as it arrives: ``second`` counts from the open."""

    second: int
    bought: int
    sold: int
    feed: str = "a"
    epoch: int = 1


def totals_of_the_day() -> ForeignTotals:
    return ForeignTotals(symbol="SSI", exchange=Exchange.HOSE, day=DAY)


def a_record(delivery: Delivery) -> ForeignRecord:
    return a_foreign(
        "SSI",
        OPEN_MS + delivery.second * 1000,
        bought=delivery.bought,
        sold=delivery.sold,
        bought_value=delivery.bought * PRICE,
        sold_value=delivery.sold * PRICE,
        current_room=1_000_000_000 - delivery.bought,
        total_room=0,
    )


def take(totals: ForeignTotals, delivery: Delivery, *, joined_ms: UnixMs = JOINED_MS, now_s: int | None = None) -> Step:
    now_ms = UnixMs(OPEN_MS + (delivery.second if now_s is None else now_s) * 1000)
    arrival = Arrival(delivery.feed, delivery.epoch, joined_ms, joined_ms, now_ms)
    step = advance(totals, a_record(delivery), arrival, Thresholds())
    totals.measure(now_ms)
    return step


def fold(totals: ForeignTotals, deliveries: list[Delivery]) -> list[LedgerEntry]:
    return [entry for delivery in deliveries for entry in take(totals, delivery).entries]


def booked(entries: list[LedgerEntry], side: Side) -> int:
    return sum(entry.volume for entry in entries if entry.side is side)


def assert_chained(entries: list[LedgerEntry]) -> None:
    """Each side's lines follow one another without a hole, and each generation starts at 0."""
    for side in (Side.BUY, Side.SELL):
        generation = counter = 0
        for entry in entries:
            if entry.side is not side:
                continue
            if entry.generation > generation:
                assert (entry.kind, entry.generation, entry.counter_from) == ("reset", generation + 1, 0)
            else:
                assert (entry.generation, entry.counter_from) == (generation, counter)
            assert entry.volume == entry.counter - entry.counter_from
            generation, counter = entry.generation, entry.counter


def buys(*counters: tuple[int, int]) -> list[Delivery]:
    return [Delivery(second, bought, 0) for second, bought in counters]


# --- the predecessor's defects


def test_a_restarted_counter_keeps_what_was_traded_after_it() -> None:
    """1,000 1,500 200 600 came to 1,900 (D6); 2,100 shares were bought."""
    totals = totals_of_the_day()
    assert booked(fold(totals, buys((1, 1000), (2, 1500), (3, 200), (4, 600))), Side.BUY) == totals.buy.volume == 2100


def test_a_late_record_is_not_counted_twice() -> None:
    """1,000 1,500 1,400 1,600 came to 1,700 (D6); 1,600 shares were bought."""
    totals = totals_of_the_day()
    entries = fold(totals, buys((10, 1000), (20, 1500), (15, 1400), (30, 1600)))
    assert booked(entries, Side.BUY) == totals.buy.volume == 1600


def test_a_gap_makes_no_spike_of_speed() -> None:
    """The whole of a gap was one instant's volume (D6)."""
    totals = totals_of_the_day()
    fold(totals, [Delivery(60, 6000, 0), Delivery(660, 66_000, 0, epoch=2)])
    assert (totals.speeds.buy_1m, totals.speeds.buy_5m) == (6000, 6000)


def test_a_cold_start_shows_no_speed() -> None:
    """Ten million shares since the open were 2,000,000 a minute (D7)."""
    totals = totals_of_the_day()
    joined_ms = UnixMs(OPEN_MS + 3_600_000)
    take(totals, Delivery(3_590, 10_000_000, 0), joined_ms=joined_ms, now_s=3_600)
    take(totals, Delivery(3_605, 10_000_000, 0), joined_ms=joined_ms)
    assert (totals.buy.volume, totals.speeds) == (10_000_000, STILL)
    take(totals, Delivery(3_660, 10_006_000, 0), joined_ms=joined_ms)
    assert (totals.speeds.buy_1m, totals.speeds.buy_5m) == (6000, 6000)


def test_a_restart_loses_nothing() -> None:
    """Speeds, totals and suspects were gone after a restart (D11)."""
    deliveries = buys((1, 1000), (20, 1500), (40, 200), (60, 600))
    through, killed = totals_of_the_day(), totals_of_the_day()
    expected, entries = [], []
    for delivery in deliveries:
        expected.append(take(through, delivery))
        killed = STORED.decode(STORED.encode(killed))
        entries.append(take(killed, delivery))
    assert entries == expected
    assert STORED.encode(killed) == STORED.encode(through)


# --- rules that the table of docs/foreign-ledger.md cannot show


def test_a_correction_moves_the_total_and_not_the_speed() -> None:
    totals = totals_of_the_day()
    fold(totals, buys((30, 100_000), (60, 95_000)))
    before = totals.speeds
    take(totals, Delivery(60, 95_000, 0, feed="b"))
    assert totals.buy.volume == 100_000
    fold(totals, buys((61, 95_000)))
    assert totals.buy.volume == 95_000
    assert totals.speeds.sell_1m == before.sell_1m == 0
    assert totals.speeds.buy_1m == pytest.approx(before.buy_1m, rel=0.05)


def test_room_is_that_of_the_newest_record() -> None:
    totals = totals_of_the_day()
    fold(totals, buys((10, 1000), (5, 900)))
    assert totals.room == 1_000_000_000 - 1000
    fold(totals, buys((20, 10)))
    assert totals.room == 1_000_000_000 - 10, "a suspect's room is the newest, whatever becomes of its counters"


def test_an_entry_carries_the_room_of_its_record() -> None:
    [entry] = fold(totals_of_the_day(), buys((10, 1000)))
    assert entry.room == 1_000_000_000 - 1000


def test_a_lower_counter_books_nothing_until_a_newer_record_decides() -> None:
    totals = totals_of_the_day()
    fold(totals, buys((10, 1500)))
    assert take(totals, Delivery(20, 200, 0)) == Step((), ("suspect",))
    assert (totals.buy.volume, totals.suspects, totals.active) == (1500, 1, True)
    assert take(totals, Delivery(20, 250, 0)).entries == ()
    assert totals.suspects == 1


def test_another_value_at_the_same_time_is_a_repeat() -> None:
    totals = totals_of_the_day()
    fold(totals, buys((10, 1000)))
    record = a_record(Delivery(10, 1000, 0))
    other = changed(record, bought_value=Vnd(1))
    step = advance(totals, other, Arrival("b", 1, JOINED_MS, JOINED_MS, record.ts_ms), Thresholds())
    assert (step, totals.buy.value) == (Step((), ("stale",)), 1000 * PRICE)


def test_a_settled_side_leaves_the_other_alone() -> None:
    totals = totals_of_the_day()
    fold(totals, [Delivery(10, 1000, 1000), Delivery(20, 990, 1200)])
    step = settle(totals, Thresholds())
    assert [(entry.side, entry.kind, entry.volume) for entry in step.entries] == [(Side.BUY, "correction", -10)]
    assert settle(totals, Thresholds()) == Step((), ())


def test_a_new_day_keeps_what_the_symbol_is_and_nothing_of_what_was_traded() -> None:
    totals = ForeignTotals(symbol="SSI", exchange=Exchange.HOSE, day=DAY, groups=["VN30"], sector="Securities")
    fold(totals, buys((10, 1000), (20, 10)))
    totals.begin(TradingDay(20261123))
    fresh = ForeignTotals(symbol="SSI", exchange=Exchange.HOSE, day=TradingDay(20261123), groups=["VN30"], sector="Securities")
    assert totals == fresh


# --- generated days


@st.composite
def true_days(draw: st.DrawFn, *, generations: int = 1) -> list[list[Delivery]]:
    """What foreigners really did: by generation, the counters of seconds in order.

    A restart leaves less than half of the mark for its first two seconds, as those that can be told from a correction do.
    """
    second, day = 0, []
    bought = sold = 0
    for generation in range(generations):
        told: list[Delivery] = []
        mark = (bought, sold)
        if generation:
            bought, sold = draw(st.integers(0, (mark[0] - 1) // 2 if mark[0] else 0)), sold // 4
            bought = min(bought, max(0, (mark[0] - 1) // 2))
            second += draw(st.integers(1, 30))
            told.append(Delivery(second, bought, sold))
        for _ in range(draw(st.integers(2, 15))):
            second += draw(st.integers(1, 120))
            room = (max(0, (mark[0] - 1) // 2 - bought), max(0, (mark[1] - 1) // 2 - sold)) if len(told) == 1 else None
            grown = (draw(st.integers(0, 5000)), draw(st.integers(0, 5000)))
            if generation and room is not None:
                grown = (min(grown[0], room[0]), min(grown[1], room[1]))
            elif not generation and not told:
                grown = (max(grown[0], 10), max(grown[1], 10))
            bought, sold = bought + grown[0], sold + grown[1]
            told.append(Delivery(second, bought, sold))
        day.append(told)
    return day


@st.composite
def journeys(draw: st.DrawFn, told: list[Delivery]) -> list[Delivery]:
    """How two feeds bring what was told: each loses some and connects anew, one lags, and old records come again."""
    feeds: list[list[Delivery]] = []
    for feed in ("a", "b"):
        epoch = 1
        stream: list[Delivery] = []
        for record in told:
            if draw(st.integers(0, 9)) == 0:
                epoch += 1
                if stream:
                    # What SSI has cached, which may be older than what came.
                    stream.append(stream[draw(st.integers(0, len(stream) - 1))]._replace(epoch=epoch))
            if draw(st.integers(0, 3)):
                stream.append(record._replace(feed=feed, epoch=epoch))
            if stream and draw(st.integers(0, 5)) == 0:
                stream.append(stream[-1])
        feeds.append(stream)
    merged: list[Delivery] = []
    while any(feeds):
        next_up = draw(st.sampled_from([stream for stream in feeds if stream]))
        merged.append(next_up.pop(0))
    return merged


@given(st.data())
def test_entries_add_up_to_the_newest_that_was_delivered(data: st.DataObject) -> None:
    [told] = data.draw(true_days())
    journey = data.draw(journeys(told))
    totals = totals_of_the_day()
    entries = fold(totals, journey)
    newest = max(journey, key=lambda delivery: delivery.second, default=Delivery(0, 0, 0))
    assert (booked(entries, Side.BUY), booked(entries, Side.SELL)) == (newest.bought, newest.sold)
    assert (totals.buy.volume, totals.sell.volume) == (newest.bought, newest.sold)
    assert {entry.kind for entry in entries} <= {"delta", "catch_up"}
    assert_chained(entries)
    assert sum(entry.value for entry in entries) == (newest.bought + newest.sold) * PRICE


@given(st.data())
def test_entries_add_up_over_restarts_of_the_counters(data: st.DataObject) -> None:
    day = data.draw(true_days(generations=data.draw(st.integers(2, 4))))
    journey: list[Delivery] = []
    bought = sold = 0
    for told in day:
        # A restart shows in its first two seconds, and what a generation had come to in its last.
        first, second, last = told[0], told[1], told[-1]
        repeats = [journey[n] for n in data.draw(st.lists(st.integers(0, len(journey) - 1), max_size=3))] if journey else []
        journey += [*repeats, first, second, *data.draw(journeys(told[2:])), last]
        bought, sold = bought + last.bought, sold + last.sold
    totals = totals_of_the_day()
    entries = fold(totals, journey)
    assert (booked(entries, Side.BUY), booked(entries, Side.SELL)) == (bought, sold)
    assert (totals.buy.volume, totals.sell.volume) == (bought, sold)
    assert (totals.suspects, totals.unresolved) == (0, 0)
    assert_chained(entries)


hostile = st.lists(
    st.builds(
        Delivery,
        second=st.integers(0, 25_000),
        bought=st.integers(0, 3000),
        sold=st.sampled_from([0, 1, 900, 1000, 10**12]),
        feed=st.sampled_from("ab"),
        epoch=st.integers(0, 3),
    ),
    max_size=40,
)
"""Anything that decodes."""


@given(hostile)
def test_the_ledger_stands_any_input(journey: list[Delivery]) -> None:
    totals = totals_of_the_day()
    entries = fold(totals, journey)
    entries += settle(totals, Thresholds()).entries
    assert_chained(entries)
    assert booked(entries, Side.BUY) == totals.buy.volume
    assert booked(entries, Side.SELL) == totals.sell.volume
    assert totals.suspects == 0
    assert min(totals.buy.volume, totals.sell.volume) >= 0


@given(hostile)
def test_a_record_books_one_entry_a_side_at_most(journey: list[Delivery]) -> None:
    totals = totals_of_the_day()
    for delivery in journey:
        sides = [entry.side for entry in take(totals, delivery).entries]
        assert len(sides) == len(set(sides))


@given(st.data())
def test_any_prefix_again_changes_nothing(data: st.DataObject) -> None:
    [told] = data.draw(true_days())
    journey = data.draw(journeys(told))
    totals = totals_of_the_day()
    fold(totals, journey)
    before = STORED.decode(STORED.encode(totals))
    prefix = journey[: data.draw(st.integers(0, len(journey)))]
    # At the market time that has been reached by now: it does not run backwards.
    now_s = max((delivery.second for delivery in journey), default=0)
    for delivery in prefix:
        assert take(totals, delivery, now_s=now_s).entries == ()
    before.stale, before.connections = totals.stale, totals.connections
    before.measure(UnixMs(OPEN_MS + now_s * 1000))
    totals.measure(UnixMs(OPEN_MS + now_s * 1000))
    assert totals == before


@given(hostile)
def test_a_day_comes_back_from_its_bytes(journey: list[Delivery]) -> None:
    totals = totals_of_the_day()
    fold(totals, journey)
    assert STORED.decode(STORED.encode(totals)) == totals


@given(hostile)
def test_an_entry_comes_back_from_its_json(journey: list[Delivery]) -> None:
    for entry in fold(totals_of_the_day(), journey):
        assert msgspec.json.decode(msgspec.json.encode(entry), type=LedgerEntry) == entry
