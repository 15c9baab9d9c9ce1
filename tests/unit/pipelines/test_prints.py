"""The tape, record by record. Totals are drawn as a line; ``x`` is a print, ``.`` a gap."""

from collections import Counter

import pytest

from pipelines.core.feeds import Feeds
from pipelines.core.lines import Gap, Label
from pipelines.core.prints import MAX_GAPS, TapeRecorder
from pipelines.core.suspects import MAX_HELD, Thresholds
from pipelines.core.tape import DealCounter, Tape
from schemas.calendar import at
from schemas.structs import TradeEvent
from schemas.units import Side, UnixMs
from tests.builders import DAY, PRICE, a_tick, a_trade

LABEL = Label(Side.BUY, "feed", "continuous")


def clock(hour: int, minute: int, second: int = 0) -> UnixMs:
    return at(DAY, hour, minute, second)


class Reel:
    """One tape with a feed that has run since before the open; ``take`` returns what a record brought."""

    def __init__(self) -> None:
        self.tape = Tape()
        self.put_through = DealCounter()
        self.counts: Counter[str] = Counter()
        self.feeds = Feeds()
        self.delivery = self.feeds.arrive("a", 1, 0)
        self.feeds.meet(DAY, clock(8, 55))
        self.tick(clock(8, 55))

    def tick(self, ts_ms: UnixMs) -> None:
        self.delivery.tick(a_tick(ts_ms))

    def reconnect(self) -> None:
        self.delivery = self.feeds.arrive("a", self.delivery.epoch + 1, 0)

    def take(self, second: int, total: int, volume: int, *, price: int = PRICE, value: int | None = None) -> list[TradeEvent]:
        """A record of 10:00 and ``second`` seconds."""
        at_second = UnixMs(clock(10, 0) + second * 1000)
        total_value = total * PRICE if value is None else value
        record = a_trade(ts=at_second, total=total, volume=volume, price=price, total_value=total_value)
        events: list[TradeEvent] = []
        self.recorder(events).take(self.tape, record, LABEL, self.delivery.epoch)
        return events

    def recorder(self, events: list[TradeEvent]) -> TapeRecorder:
        return TapeRecorder(self.feeds, Thresholds, lambda: self.put_through, lambda: "unknown", events, self.counts)

    def close(self) -> list[TradeEvent]:
        events: list[TradeEvent] = []
        self.recorder(events).close(self.tape)
        return events


@pytest.fixture
def reel() -> Reel:
    return Reel()


def lines(events: list[TradeEvent]) -> list[tuple[str, int, int, int]]:
    """Kind, start, total and volume of each event."""
    return [(event.kind, event.start, event.total_volume, event.volume) for event in events]


def test_a_print_books_its_interval(reel: Reel) -> None:
    #  0 xxxxx 100 xxxxx 150
    assert lines(reel.take(1, 100, 100)) == [("print", 0, 100, 100)]
    assert lines(reel.take(1, 150, 50)) == [("print", 100, 150, 50)]
    assert reel.tape.total == 150


def test_a_repeat_books_nothing_and_is_counted(reel: Reel) -> None:
    reel.take(1, 100, 100)
    assert reel.take(1, 100, 100) == []
    assert reel.take(2, 100, 100) == []
    assert reel.tape.repeats == reel.counts["repeat"] == 2


def test_what_a_record_leaves_over_is_a_gap_before_its_print(reel: Reel) -> None:
    #  0 xxxxx 100 ..... 250 xxxxx 300
    reel.take(1, 100, 100)
    gap, booked = reel.take(5, 300, 50, value=100 * PRICE + 150 * 59_000 + 50 * PRICE)
    assert lines([gap, booked]) == [("gap", 100, 250, 150), ("print", 250, 300, 50)]
    assert gap.value == 150 * 59_000
    assert (gap.since_ms, gap.ts_ms) == (clock(10, 0, 1), clock(10, 0, 5))
    assert (gap.cause, gap.epoch) == ("unseen", 1)
    assert reel.tape.missed == 150


def test_a_match_whose_total_was_told_before_it_closes_its_gap_once(reel: Reel) -> None:
    # 0 ....... 100   a record without a match tells the total
    #   xxxxxxx       the match itself comes seconds later
    (gap,) = reel.take(0, 100, 0)
    assert gap.kind == "gap"
    booked, fill = reel.take(5, 100, 100)
    assert (booked.kind, booked.start, booked.volume, fill.kind, fill.volume) == ("print", 0, 100, "fill", 100)
    assert (reel.tape.missed, reel.tape.count.gaps) == (0, [])
    assert reel.take(5, 100, 100) == []


def test_a_late_print_closes_its_gap_at_its_own_time(reel: Reel) -> None:
    #  0 xxxxx 100 .......... 300 xxxxx 400
    #                  xxxxx
    reel.take(1, 100, 100)
    reel.take(4, 400, 100)
    booked, fill = reel.take(3, 250, 100)
    assert lines([booked, fill]) == [("print", 150, 250, 100), ("fill", 150, 250, 100)]
    assert booked.late
    assert booked.ts_ms == clock(10, 0, 3)
    assert fill.cause == "unseen"
    assert reel.tape.count.gaps == [Gap(100, 150, "unseen"), Gap(250, 300, "unseen")]
    assert reel.tape.missed == 100
    assert reel.tape.count.top_ms == clock(10, 0, 4)
    assert reel.take(3, 250, 100) == []


def test_a_print_that_overlaps_earlier_ones_books_the_rest_and_says_so(reel: Reel) -> None:
    #  0 xxxxx 100 ..... 150 xxxxx 200
    #       xxxxxxxxxxxxxxxxxxxxxxxxxxxxx 220
    reel.take(1, 100, 100)
    reel.take(2, 200, 50)
    booked, fill = reel.take(3, 220, 180)
    assert lines([booked, fill]) == [("print", 100, 220, 70), ("fill", 100, 150, 50)]
    assert (booked.last_volume, booked.clipped, booked.late) == (180, True, False)
    assert reel.tape.count.gaps == []
    assert reel.tape.printed == reel.tape.total == 220


def test_a_print_larger_than_its_total_is_cut_to_fit(reel: Reel) -> None:
    (booked,) = reel.take(1, 100, 300)
    assert lines([booked]) == [("print", 0, 100, 100)]
    assert booked.clipped
    assert reel.counts["clipped"] == 1


def test_growth_without_a_match_is_a_gap(reel: Reel) -> None:
    reel.take(1, 100, 100)
    assert lines(reel.take(2, 180, 0)) == [("gap", 100, 180, 80)]
    assert lines(reel.take(3, 200, 20, price=0)) == [("gap", 180, 200, 20)]


class TestCause:
    def test_joined_after_the_open(self) -> None:
        reel = Reel()
        reel.feeds = Feeds()
        reel.delivery = reel.feeds.arrive("a", 1, 0)
        reel.feeds.meet(DAY, clock(9, 59))
        reel.tick(clock(9, 59))
        gap, _ = reel.take(1, 5_000, 100)
        assert (gap.cause, gap.since_ms) == ("before_start", clock(9, 0))

    def test_connected_all_day_and_never_sent(self, reel: Reel) -> None:
        gap, _ = reel.take(1, 5_000, 100)
        assert (gap.cause, gap.since_ms) == ("unseen", clock(9, 0))

    def test_broken_since_the_record_before(self, reel: Reel) -> None:
        reel.take(1, 100, 100)
        reel.reconnect()
        gap, _ = reel.take(30, 400, 100)
        assert (gap.cause, gap.epoch) == ("lost", 2)
        gap, _ = reel.take(31, 900, 100)
        assert gap.cause == "unseen"

    def test_broken_between_the_open_and_the_first_record(self, reel: Reel) -> None:
        reel.reconnect()
        reel.tick(clock(9, 30))
        gap, _ = reel.take(1, 5_000, 100)
        assert gap.cause == "lost"

    def test_a_repeat_after_the_break_says_nothing_about_it(self, reel: Reel) -> None:
        #  a cached record of before the break comes first; what was traded meanwhile shows at the next one
        reel.take(1, 100, 100)
        reel.reconnect()
        assert reel.take(1, 100, 100) == []
        gap, _ = reel.take(30, 400, 100)
        assert gap.cause == "lost"

    def test_a_record_with_the_same_total_at_a_newer_time_says_that_nothing_was_lost(self, reel: Reel) -> None:
        reel.take(1, 100, 100)
        reel.reconnect()
        assert reel.take(20, 100, 100) == []
        gap, _ = reel.take(30, 400, 100)
        assert gap.cause == "unseen"


def test_only_the_newest_gaps_stay_open(reel: Reel) -> None:
    total = 0
    for n in range(MAX_GAPS + 1):
        total += 20
        reel.take(n, total, 10)
    assert len(reel.tape.count.gaps) == MAX_GAPS
    assert reel.tape.missed == 10 * (MAX_GAPS + 1)
    assert reel.take(0, 10, 10) == []  # came for the gap that has become final
    assert lines(reel.take(1, 30, 10)) == [("print", 20, 30, 10), ("fill", 20, 30, 10)]


class TestFallingTotal:
    """Totals: 1000 at second 1, then lower at second 2. What second 3 says decides."""

    @pytest.fixture
    def reel(self) -> Reel:
        reel = Reel()
        reel.take(1, 1_000, 1_000)
        return reel

    def test_it_is_held_until_a_newer_record_decides(self, reel: Reel) -> None:
        assert reel.take(2, 950, 50) == []
        assert reel.take(2, 950, 50) == []  # the same from another feed
        assert reel.take(2, 940, 50) == []  # not newer
        assert reel.tape.count.top == 1_000
        assert reel.counts["suspect"] == 1

    def test_at_an_equal_time_it_is_a_repeat(self, reel: Reel) -> None:
        assert reel.take(1, 950, 50) == []
        assert reel.tape.waiting == []

    def test_back_at_the_mark_it_was_a_glitch(self, reel: Reel) -> None:
        reel.take(2, 10, 10)
        assert lines(reel.take(3, 1_020, 20)) == [("print", 1_000, 1_020, 20)]
        assert reel.counts["glitch"] == 1

    def test_a_small_fall_is_a_correction(self, reel: Reel) -> None:
        reel.take(2, 950, 50, value=950 * PRICE - 5)
        correction, held, booked = reel.take(3, 980, 30)
        # Before its own match of 50 the counter stood at 900.
        assert lines([correction, held, booked]) == [
            ("correction", 1_000, 900, -100),
            ("print", 900, 950, 50),
            ("print", 950, 980, 30),
        ]
        assert correction.value == -100 * PRICE - 5
        assert correction.ts_ms == held.ts_ms == clock(10, 0, 2)
        assert (correction.ambiguous, held.late) == (False, False)
        assert reel.tape.total == 980

    def test_a_fall_without_a_match_is_a_correction_to_its_total(self, reel: Reel) -> None:
        reel.take(2, 950, 0)
        assert lines(reel.take(3, 980, 30)) == [("correction", 1_000, 950, -50), ("print", 950, 980, 30)]

    def test_a_middling_fall_is_a_correction_counted_as_ambiguous(self, reel: Reel) -> None:
        reel.take(2, 700, 50)
        correction, booked = reel.take(3, 700, 50)
        assert lines([correction, booked]) == [("correction", 1_000, 650, -350), ("print", 650, 700, 50)]
        assert correction.ambiguous
        assert reel.counts["ambiguous"] == 1

    def test_a_large_fall_is_a_reset_and_the_suspects_print_counts(self, reel: Reel) -> None:
        #  generation 0:  0 xxxxxxxxxx 1000
        #  generation 1:  0 ..... 20 xxxxx 50 xxxxx 90
        reel.take(2, 50, 30)
        events = reel.take(3, 90, 40)
        assert lines(events) == [("reset", 1_000, 0, 0), ("gap", 0, 20, 20), ("print", 20, 50, 30), ("print", 50, 90, 40)]
        assert [event.generation for event in events] == [1, 1, 1, 1]
        assert [event.ts_ms - clock(10, 0) for event in events] == [2_000, 2_000, 2_000, 3_000]
        assert reel.tape.total == 1_090
        assert reel.tape.total_value == 1_090 * PRICE

    def test_a_glitch_that_another_feed_repeats_later_is_no_late_print(self) -> None:
        reel = Reel()
        reel.take(0, 100, 100)
        reel.take(1, 1_000, 100)
        assert reel.tape.count.gaps == [Gap(100, 900, "unseen")]
        assert reel.take(2, 200, 50) == []
        assert lines(reel.take(3, 1_100, 100)) == [("print", 1_000, 1_100, 100)]
        assert reel.take(2, 200, 50) == []
        assert reel.tape.count.gaps == [Gap(100, 900, "unseen")]
        # A match that lies in the gap all the same is booked.
        assert lines(reel.take(1, 300, 100)) == [("print", 200, 300, 100), ("fill", 200, 300, 100)]

    def test_zeros_say_nothing_and_a_restart_after_them_is_seen_all_the_same(self, reel: Reel) -> None:
        assert reel.take(2, 0, 0) == reel.take(3, 0, 0) == []
        assert (reel.tape.count.top, reel.tape.waiting, reel.counts["empty"]) == (1_000, [], 2)
        assert reel.take(4, 100, 100) == []
        assert reel.take(5, 0, 0) == []
        assert lines(reel.take(6, 130, 30)) == [("reset", 1_000, 0, 0), ("print", 0, 100, 100), ("print", 100, 130, 30)]

    def test_a_zero_that_comes_while_a_suspect_waits_does_not_decide(self, reel: Reel) -> None:
        reel.take(2, 950, 50)
        assert reel.take(3, 0, 0) == []
        assert lines(reel.take(4, 1_010, 10)) == [("print", 1_000, 1_010, 10)]

    def test_zeros_between_two_matches_change_nothing(self, reel: Reel) -> None:
        reel.take(2, 0, 0)
        reel.take(3, 0, 0)
        assert lines(reel.take(4, 1_050, 50)) == [("print", 1_000, 1_050, 50)]

    def test_a_restart_is_no_late_print_though_a_gap_lies_where_it_points(self) -> None:
        #  joined at 999,900 of 1,000,000; then the feed counts from 0 again
        reel = Reel()
        reel.take(0, 1_000_000, 100)
        assert reel.take(60, 1_000, 1_000) == []
        assert lines(reel.take(61, 2_000, 1_000)) == [
            ("reset", 1_000_000, 0, 0),
            ("print", 0, 1_000, 1_000),
            ("print", 1_000, 2_000, 1_000),
        ]
        assert reel.counts["late"] == 0

    def test_the_decider_may_be_the_next_suspect(self, reel: Reel) -> None:
        reel.take(2, 950, 0)
        assert lines(reel.take(3, 920, 0)) == [("correction", 1_000, 950, -50)]
        assert lines(reel.take(4, 930, 10)) == [("correction", 950, 920, -30), ("print", 920, 930, 10)]

    def test_a_gap_above_the_corrected_top_is_closed_for_good(self, reel: Reel) -> None:
        reel.take(2, 1_100, 50)
        reel.take(3, 1_020, 0)
        assert lines(reel.take(4, 1_020, 0)) == [("correction", 1_100, 1_020, -80)]
        assert reel.tape.count.gaps == [Gap(1_000, 1_020, "unseen")]

    def test_records_of_before_the_correction_or_reset_say_nothing_any_more(self, reel: Reel) -> None:
        reel.take(2, 50, 30)
        reel.take(3, 90, 40)
        assert reel.take(1, 1_000, 1_000) == []
        assert reel.take(2, 50, 30) == []
        assert reel.tape.count.top == 90

    def test_at_the_close_a_small_fall_is_a_correction(self, reel: Reel) -> None:
        reel.take(2, 950, 50)
        assert lines(reel.close()) == [("correction", 1_000, 900, -100), ("print", 900, 950, 50)]
        assert reel.close() == []

    def test_at_the_close_a_large_fall_books_nothing(self, reel: Reel) -> None:
        reel.take(2, 50, 50)
        assert reel.close() == []
        assert reel.counts["unresolved"] == 1
        assert reel.tape.total == 1_000


class TestTail:
    """Totals: 5000 at second 1; 10 at second 5 and 20 at second 6 restart the count. What else a lagging feed tells of before."""

    @pytest.fixture
    def reel(self) -> Reel:
        reel = Reel()
        reel.take(1, 5_000, 5_000)
        reel.take(5, 10, 10)
        assert lines(reel.take(6, 20, 10))[0] == ("reset", 5_000, 0, 0)
        return reel

    def test_a_match_of_the_old_count_is_booked_there(self, reel: Reel) -> None:
        gap, booked = reel.take(3, 6_000, 900)
        assert lines([gap, booked]) == [("gap", 5_000, 5_100, 100), ("print", 5_100, 6_000, 900)]
        assert (gap.generation, booked.generation, booked.late) == (0, 0, True)
        assert reel.tape.total == 6_020
        assert lines(reel.take(2, 5_100, 100)) == [("print", 5_000, 5_100, 100), ("fill", 5_000, 5_100, 100)]

    def test_a_match_of_the_new_count_is_booked_there(self) -> None:
        reel = Reel()
        reel.take(1, 5_000, 5_000)
        reel.take(5, 10, 5)
        reel.take(6, 20, 10)
        (booked, fill) = reel.take(4, 5, 5)
        assert lines([booked, fill]) == [("print", 0, 5, 5), ("fill", 0, 5, 5)]
        assert booked.generation == 1

    def test_a_total_that_is_too_high_is_a_glitch(self, reel: Reel) -> None:
        assert reel.take(3, 9_999_999, 100, value=5_100 * PRICE) == []
        assert reel.take(3, 9_999_999, 100, value=5_100 * PRICE) == []
        assert (reel.counts["glitch"], reel.counts["repeat"], reel.tape.total) == (1, 1, 5_020)

    def test_a_total_that_fits_neither_count_is_a_glitch(self, reel: Reel) -> None:
        assert reel.take(3, 2_000, 100) == []
        assert (reel.counts["glitch"], reel.tape.total) == (1, 5_020)

    def test_only_the_last_settlement_is_remembered(self, reel: Reel) -> None:
        reel.take(7, 8, 8)
        assert lines(reel.take(8, 9, 1))[0] == ("reset", 20, 0, 0)
        assert reel.take(3, 6_000, 1_000) == []
        assert reel.tape.total == 5_029


class TestFullList:
    """More records wait than there is room for: the next one forces a verdict, and nothing that was delivered is lost."""

    def test_a_fall_that_so_many_records_tell_is_judged_by_its_size(self) -> None:
        reel = Reel()
        reel.take(1, 100_000, 100_000)
        for n in range(1, MAX_HELD + 1):
            assert reel.take(2, n * 10, 10) == []
        events = reel.take(2, MAX_HELD * 10 + 10, 10)
        assert lines(events)[0] == ("reset", 100_000, 0, 0)
        assert lines(events)[1:] == [("print", n * 10 - 10, n * 10, 10) for n in range(1, MAX_HELD + 2)]
        assert not any(event.late for event in events)
        assert (reel.counts["held"], reel.counts["forced"], reel.counts["reset"]) == (MAX_HELD - 1, 1, 1)
        # What comes of the same second afterwards belongs to the new count too.
        assert lines(reel.take(2, MAX_HELD * 10 + 20, 10)) == [("print", MAX_HELD * 10 + 10, MAX_HELD * 10 + 20, 10)]

    def test_a_small_fall_is_a_correction(self) -> None:
        reel = Reel()
        reel.take(1, 100_000, 100_000)
        for n in range(MAX_HELD):
            reel.take(2, 95_000 + n * 10, 10)
        events = reel.take(2, 95_000 + MAX_HELD * 10, 10)
        assert lines(events)[:2] == [("correction", 100_000, 94_990, -5_010), ("print", 94_990, 95_000, 10)]
        assert reel.tape.total == 95_000 + MAX_HELD * 10

    def test_a_rise_that_so_many_records_tell_is_believed(self) -> None:
        reel = Reel()
        reel.take(1, 1_000, 1_000)
        for n in range(MAX_HELD):
            assert reel.take(2, 50_000 + n * 10, 10, value=60_000_000) == []
        events = reel.take(2, 50_000 + MAX_HELD * 10, 10, value=60_000_000)
        assert lines(events)[:2] == [("gap", 1_000, 49_990, 48_990), ("print", 49_990, 50_000, 10)]
        assert [event.kind for event in events[1:]] == ["print"] * (MAX_HELD + 1)
        assert (reel.counts["forced"], reel.counts["confirmed"]) == (1, 1)


def test_a_print_at_a_limit_says_which(reel: Reel) -> None:
    assert [reel.take(n, n * 10, 10, price=price)[0].limit for n, price in enumerate((64_200, 55_800, 60_000), 1)] == [
        "ceiling",
        "floor",
        None,
    ]
