"""The ledger of one symbol over generated days: what is booked is what was delivered, once."""

from collections import Counter
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.feeds import Feeds
from pipelines.core.foreign import TOTALS, Arrival, ForeignTotals, Step, advance, go_on, settle
from pipelines.core.speed import STILL, Speeds
from pipelines.core.suspects import MAX_HELD, Thresholds
from schemas.calendar import at
from schemas.structs import ForeignRecord, LedgerEntry
from schemas.units import Exchange, Side, TradingDay, UnixMs, Vnd
from tests.builders import DAY, a_foreign, changed

OPEN_MS = at(DAY, 9)
JOINED_MS = at(DAY, 8, 55)
PRICE = 25_000


class Delivery(NamedTuple):
    """A record as it arrives: ``second`` counts from the open."""

    second: int
    bought: int
    sold: int
    feed: str = "a"
    epoch: int = 1


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


class Ledger:
    """The ledger of one symbol, and the feeds that bring its records, each record in a frame of its own.

    What it folds by the long way it folds by the short one too, and compares.
    """

    shortened = 0
    """How many records took the short way."""

    def __init__(self) -> None:
        self.totals = ForeignTotals(symbol="SSI", exchange=Exchange.HOSE, day=DAY)
        self.feeds = Feeds(day=DAY)
        self.now_ms = UnixMs(0)
        self._frames: Counter[tuple[str, int]] = Counter()

    def take(self, delivery: Delivery, *, joined_ms: UnixMs = JOINED_MS, now_s: int | None = None, **changes: Any) -> Step:
        """Fold a delivery, at the market time of its own record unless ``now_s`` says another second."""
        connection = delivery.feed, delivery.epoch
        self.feeds.arrive(*connection, self._frames[connection])
        self._frames[connection] += 1
        now_ms = UnixMs(OPEN_MS + (delivery.second if now_s is None else now_s) * 1000)
        arrival = Arrival(*connection, self.feeds.mark, self.feeds.covered_since, self.feeds.covered_from, joined_ms, now_ms)
        record = changed(a_record(delivery), **changes)
        before = TOTALS.encode(self.totals)
        shortened = TOTALS.decode(before)
        entries = go_on(shortened, record, arrival, Thresholds())
        step = advance(self.totals, record, arrival, Thresholds())
        if entries is None:
            assert TOTALS.encode(shortened) == before, "the short way changes nothing where it is none"
        else:
            assert (entries, shortened) == (step.entries, self.totals), "it books what the long one does"
            self.shortened += 1
        self.now_ms = max(self.now_ms, now_ms)
        return step

    @property
    def speeds(self) -> Speeds:
        """Speeds at the market time of the newest record."""
        return self.totals.speeds(self.now_ms)

    def fold(self, deliveries: list[Delivery]) -> list[LedgerEntry]:
        return [entry for delivery in deliveries for entry in self.take(delivery).entries]

    def settle(self) -> Step:
        return settle(self.totals, Thresholds(), self.now_ms)

    def store(self) -> None:
        """Leave nothing but the bytes of the state."""
        self.totals = TOTALS.decode(TOTALS.encode(self.totals))


def booked(entries: list[LedgerEntry], side: Side) -> int:
    return sum(entry.volume for entry in entries if entry.side is side)


def assert_chained(entries: list[LedgerEntry]) -> None:
    """Each generation's lines follow one another without a hole, and each generation starts at 0."""
    for side in (Side.BUY, Side.SELL):
        reached = {0: 0}
        for entry in entries:
            if entry.side is not side:
                continue
            if entry.kind == "reset":
                assert (entry.generation, entry.counter_from) == (max(reached) + 1, 0)
            else:
                assert entry.counter_from == reached[entry.generation]
            assert entry.volume == entry.counter - entry.counter_from
            reached[entry.generation] = entry.counter


def buys(*counters: tuple[int, int]) -> list[Delivery]:
    return [Delivery(second, bought, 0) for second, bought in counters]


# --- the predecessor's defects


def test_a_restarted_counter_keeps_what_was_traded_after_it() -> None:
    """1,000 1,500 200 600 came to 1,900 (D6); 2,100 shares were bought."""
    ledger = Ledger()
    assert booked(ledger.fold(buys((1, 1000), (2, 1500), (3, 200), (4, 600))), Side.BUY) == ledger.totals.buy.volume == 2100


def test_a_late_record_is_not_counted_twice() -> None:
    """1,000 1,500 1,400 1,600 came to 1,700 (D6); 1,600 shares were bought."""
    ledger = Ledger()
    entries = ledger.fold(buys((10, 1000), (20, 1500), (15, 1400), (30, 1600)))
    assert booked(entries, Side.BUY) == ledger.totals.buy.volume == 1600


def test_a_gap_makes_no_spike_of_speed() -> None:
    """The whole of a gap was one instant's volume (D6)."""
    ledger = Ledger()
    ledger.fold([Delivery(60, 6000, 0), Delivery(660, 66_000, 0, epoch=2)])
    assert (ledger.speeds.buy_1m, ledger.speeds.buy_5m) == (6000, 6000)


def test_a_cold_start_shows_no_speed() -> None:
    """Ten million shares since the open were 2,000,000 a minute (D7)."""
    ledger = Ledger()
    joined_ms = UnixMs(OPEN_MS + 3_600_000)
    ledger.take(Delivery(3_590, 10_000_000, 0), joined_ms=joined_ms, now_s=3_600)
    ledger.take(Delivery(3_605, 10_000_000, 0), joined_ms=joined_ms)
    assert (ledger.totals.buy.volume, ledger.speeds) == (10_000_000, STILL)
    ledger.take(Delivery(3_660, 10_006_000, 0), joined_ms=joined_ms)
    assert (ledger.speeds.buy_1m, ledger.speeds.buy_5m) == (6000, 6000)


def test_a_restart_loses_nothing() -> None:
    """Speeds, totals and suspects were gone after a restart (D11)."""
    deliveries = buys((1, 1000), (20, 1500), (40, 200), (60, 600))
    through, killed = Ledger(), Ledger()
    expected, entries = [], []
    for delivery in deliveries:
        expected.append(through.take(delivery))
        killed.store()
        entries.append(killed.take(delivery))
    assert entries == expected
    assert TOTALS.encode(killed.totals) == TOTALS.encode(through.totals)


# --- rules that the table of docs/foreign-ledger.md cannot show


def test_a_correction_moves_the_total_and_not_the_speed() -> None:
    ledger = Ledger()
    ledger.fold(buys((30, 100_000), (60, 95_000)))
    before = ledger.speeds
    ledger.take(Delivery(60, 95_000, 0, feed="b"))
    assert ledger.totals.buy.volume == 100_000
    ledger.fold(buys((61, 95_000)))
    assert ledger.totals.buy.volume == 95_000
    assert ledger.speeds.sell_1m == before.sell_1m == 0
    assert ledger.speeds.buy_1m == pytest.approx(before.buy_1m, rel=0.05)


def test_room_is_that_of_the_newest_record() -> None:
    ledger = Ledger()
    ledger.fold(buys((10, 1000), (5, 900)))
    assert ledger.totals.room == 1_000_000_000 - 1000
    ledger.fold(buys((20, 10)))
    assert ledger.totals.room == 1_000_000_000 - 1000, "what is not believed tells no room"
    ledger.fold(buys((21, 10)))
    assert ledger.totals.room == 1_000_000_000 - 10


def test_an_entry_carries_the_room_of_its_record() -> None:
    [entry] = Ledger().fold(buys((10, 1000)))
    assert entry.room == 1_000_000_000 - 1000


def test_a_lower_counter_books_nothing_until_a_newer_record_decides() -> None:
    ledger = Ledger()
    ledger.fold(buys((10, 1500)))
    assert ledger.take(Delivery(20, 200, 0)) == Step((), ("suspect",))
    assert (ledger.totals.buy.volume, ledger.totals.suspects) == (1500, 1)
    assert ledger.take(Delivery(20, 250, 0)).entries == ()
    assert ledger.totals.suspects == 1


@pytest.mark.parametrize(
    ("first", "kind", "total"), [(200, "reset", 10_000 + 264), (9_500, "correction", 9_564)], ids=["a restart", "a correction"]
)
def test_more_readings_of_one_second_than_are_held_force_a_verdict(first: int, kind: str, total: int) -> None:
    ledger = Ledger()
    ledger.fold(buys((10, 10_000)))
    steps = [ledger.take(Delivery(20, first + n, 0)) for n in range(MAX_HELD + 1)]
    assert [step.notes for step in steps[:-1]] == [("suspect",), *[("held",)] * (MAX_HELD - 1)]
    assert "forced" in steps[-1].notes
    assert [entry.kind for entry in steps[-1].entries] == [kind, *["delta"] * MAX_HELD]
    assert (ledger.totals.buy.volume, ledger.totals.suspects) == (total, 0)


def test_what_is_held_keeps_how_it_came() -> None:
    ledger = Ledger()
    ledger.fold(buys((10, 1000), (20, 200)))
    # Feed a connects anew in the suspect's second: what it then tells was not seen to happen, whatever comes before the verdict.
    assert ledger.take(Delivery(20, 250, 0, epoch=2)).notes == ("held",)
    assert ledger.take(Delivery(20, 260, 0, epoch=2)).notes == ("held",)
    lines = ledger.take(Delivery(21, 300, 0, epoch=2)).entries
    assert [(line.kind, line.counter) for line in lines] == [("reset", 200), ("catch_up", 250), ("delta", 260), ("delta", 300)]


def test_a_break_behind_a_dropped_suspect_is_not_forgotten() -> None:
    ledger = Ledger()
    ledger.fold([Delivery(10, 1000, 0), Delivery(20, 200, 0, epoch=2)])
    [line] = ledger.take(Delivery(21, 1100, 0, epoch=2)).entries
    assert (line.kind, line.since_ms) == ("catch_up", OPEN_MS + 10_000)


def test_another_value_at_the_same_time_is_a_repeat() -> None:
    ledger = Ledger()
    ledger.fold(buys((10, 1000)))
    step = ledger.take(Delivery(10, 1000, 0, feed="b"), bought_value=Vnd(1))
    assert (step, ledger.totals.buy.value) == (Step((), ("stale",)), 1000 * PRICE)


def test_a_settled_side_leaves_the_other_alone() -> None:
    ledger = Ledger()
    ledger.fold([Delivery(10, 1000, 1000), Delivery(20, 990, 1200)])
    step = ledger.settle()
    assert [(entry.side, entry.kind, entry.volume) for entry in step.entries] == [(Side.BUY, "correction", -10)]
    assert ledger.settle() == Step((), ())


def test_a_new_day_keeps_what_the_symbol_is_and_what_a_share_cost() -> None:
    ledger, monday = Ledger(), TradingDay(20261123)
    ledger.totals.groups, ledger.totals.sector = ["VN30"], "Securities"
    ledger.fold(buys((10, 1000), (20, 10)))
    ledger.totals = ledger.totals.next(monday)
    assert ledger.totals == ForeignTotals(
        symbol="SSI", exchange=Exchange.HOSE, day=monday, groups=["VN30"], sector="Securities", price_before=PRICE
    )


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
    ledger = Ledger()
    entries = ledger.fold(journey)
    newest = max(journey, key=lambda delivery: delivery.second, default=Delivery(0, 0, 0))
    assert (booked(entries, Side.BUY), booked(entries, Side.SELL)) == (newest.bought, newest.sold)
    assert (ledger.totals.buy.volume, ledger.totals.sell.volume) == (newest.bought, newest.sold)
    assert {entry.kind for entry in entries} <= {"delta", "catch_up"}
    assert_chained(entries)
    assert sum(entry.value for entry in entries) == (newest.bought + newest.sold) * PRICE


@st.composite
def restarted_journeys(draw: st.DrawFn) -> tuple[list[Delivery], int, int]:
    """Counters that begin at 0 again a few times, as they come; and what was bought and sold in all."""
    journey: list[Delivery] = []
    bought = sold = 0
    for told in draw(true_days(generations=draw(st.integers(2, 4)))):
        # A restart shows in its first two seconds, and what a generation had come to in its last.
        first, second, last = told[0], told[1], told[-1]
        repeats = [journey[n] for n in draw(st.lists(st.integers(0, len(journey) - 1), max_size=3))] if journey else []
        journey += [*repeats, first, second, *draw(journeys(told[2:])), last]
        bought, sold = bought + last.bought, sold + last.sold
    return journey, bought, sold


@given(restarted_journeys())
def test_entries_add_up_over_restarts_of_the_counters(day: tuple[list[Delivery], int, int]) -> None:
    journey, bought, sold = day
    ledger = Ledger()
    entries = ledger.fold(journey)
    assert (booked(entries, Side.BUY), booked(entries, Side.SELL)) == (bought, sold)
    assert (ledger.totals.buy.volume, ledger.totals.sell.volume) == (bought, sold)
    assert ledger.totals.suspects == 0
    assert_chained(entries)


@given(restarted_journeys(), st.data())
def test_any_prefix_of_a_day_with_restarts_books_nothing_again(day: tuple[list[Delivery], int, int], data: st.DataObject) -> None:
    journey, bought, sold = day
    ledger = Ledger()
    ledger.fold(journey)
    now_s = max(delivery.second for delivery in journey)
    for delivery in journey[: data.draw(st.integers(0, len(journey)))]:
        assert [entry for entry in ledger.take(delivery, now_s=now_s).entries if entry.volume] == []
    assert (ledger.totals.buy.volume, ledger.totals.sell.volume) == (bought, sold)
    assert ledger.totals.suspects == 0


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
    ledger = Ledger()
    entries = ledger.fold(journey)
    entries += ledger.settle().entries
    assert_chained(entries)
    assert booked(entries, Side.BUY) == ledger.totals.buy.volume
    assert booked(entries, Side.SELL) == ledger.totals.sell.volume
    assert ledger.totals.suspects == 0
    assert min(ledger.totals.buy.volume, ledger.totals.sell.volume) >= 0


def test_a_record_that_only_adds_takes_the_short_way() -> None:
    ledger = Ledger()
    ledger.fold(buys((1, 100), (2, 150), (2, 150), (3, 180), (4, 90), (5, 200)))
    assert ledger.shortened == 3, "not the first, and not what falls or decides"


@given(hostile)
def test_a_record_makes_two_lines_of_a_side_at_most(journey: list[Delivery]) -> None:
    ledger, lines = Ledger(), Counter[Side]()
    for n, delivery in enumerate(journey, 1):
        lines.update(entry.side for entry in ledger.take(delivery).entries)
        # One of its own, and one when what it contradicts is folded again.
        assert max(lines.values(), default=0) <= 2 * n


@given(hostile, st.lists(st.integers(-(10**9), 10**12), min_size=40, max_size=40))
def test_the_values_of_the_lines_add_up_at_any_time(journey: list[Delivery], values: list[int]) -> None:
    ledger = Ledger()
    volume, value = Counter[Side](), Counter[Side]()
    steps = [ledger.take(delivery, bought_value=Vnd(worth)) for delivery, worth in zip(journey, values, strict=False)]
    for step in [*steps, ledger.settle()]:
        for entry in step.entries:
            volume[entry.side] += entry.volume
            value[entry.side] += entry.value
    buy, sell = ledger.totals.buy, ledger.totals.sell
    assert (volume[Side.BUY], volume[Side.SELL]) == (buy.volume, sell.volume)
    assert (value[Side.BUY], value[Side.SELL]) == (buy.total_value, sell.total_value)


@given(hostile, st.data())
def test_state_that_is_stored_anywhere_gives_the_same(journey: list[Delivery], data: st.DataObject) -> None:
    through, stored = Ledger(), Ledger()
    stops = data.draw(st.sets(st.integers(0, max(len(journey) - 1, 0))))
    for n, delivery in enumerate(journey):
        if n in stops:
            stored.store()
        assert through.take(delivery) == stored.take(delivery)
    assert through.settle() == stored.settle()
    assert through.totals == stored.totals


@given(st.data())
def test_any_prefix_again_changes_nothing(data: st.DataObject) -> None:
    [told] = data.draw(true_days())
    journey = data.draw(journeys(told))
    ledger = Ledger()
    ledger.fold(journey)
    before = TOTALS.decode(TOTALS.encode(ledger.totals))
    prefix = journey[: data.draw(st.integers(0, len(journey)))]
    # At the market time that has been reached by now: it does not run backwards.
    now_s = max((delivery.second for delivery in journey), default=0)
    for delivery in prefix:
        assert ledger.take(delivery, now_s=now_s).entries == ()
    before.stale = ledger.totals.stale
    assert ledger.totals == before


@given(hostile)
def test_a_day_comes_back_from_its_bytes(journey: list[Delivery]) -> None:
    ledger = Ledger()
    ledger.fold(journey)
    assert TOTALS.decode(TOTALS.encode(ledger.totals)) == ledger.totals


@given(hostile)
def test_an_entry_comes_back_from_its_json(journey: list[Delivery]) -> None:
    for entry in Ledger().fold(journey):
        assert msgspec.json.decode(msgspec.json.encode(entry), type=LedgerEntry) == entry
