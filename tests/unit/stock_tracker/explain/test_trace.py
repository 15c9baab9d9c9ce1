"""What a trace says of each record: what it booked, and which rule decided. Each rule has a history that meets it."""

from functools import partial

import pytest

from pipelines.core import foreign_shard, price_shard
from pipelines.core.frames import Shard
from schemas.position import Position
from schemas.records import FrameRecord
from schemas.structs import ForeignRecord, Frame, TradeRecord
from schemas.topics import SSI_FOREIGN, SSI_TICKS, Topic, encode
from schemas.units import Symbol
from stock_tracker.explain.core.books import LedgerBook, TapeBook
from stock_tracker.explain.core.step import TraceStep
from stock_tracker.explain.core.trace import Trace
from tests.builders import PRICE, a_foreign, a_frame, a_loss, a_quote, a_tick, a_trade, an_odd_lot, offers

VNM = Symbol("VNM")


class Log:
    """A partition, and the trace of VNM over it."""

    def __init__(self, topic: Topic[Frame] = SSI_TICKS) -> None:
        module = foreign_shard if topic is SSI_FOREIGN else price_shard
        fold = partial(module.fold_frame, offers=offers(topic))
        book = LedgerBook() if topic is SSI_FOREIGN else TapeBook()
        self.trace = Trace(VNM, topic, fold, Shard.of("any", 0, 1), book)
        self.epoch = 1
        self._seq = self._offset = 0
        self.add(a_tick("08:55"))

    def add(self, *records: FrameRecord, seq: int | None = None, feed: str = "a", epoch: int | None = None) -> None:
        """Append a frame with ``records``."""
        frame = a_frame(*records, feed=feed, epoch=epoch or self.epoch, seq=self._seq if seq is None else seq)
        self.trace.take(Position(self.trace.topic.name, 0, self._offset), encode(frame))
        self._seq, self._offset = frame.seq + 1, self._offset + 1

    def reconnect(self) -> None:
        self.epoch, self._seq = self.epoch + 1, 0

    @property
    def records(self) -> list[TraceStep]:
        """What came of the trades, or of the foreign records."""
        return [step for step in self.trace.steps if isinstance(step.record, TradeRecord | ForeignRecord)]


def rules(step: TraceStep) -> set[str]:
    return set(step.rules)


def kinds(step: TraceStep) -> list[str]:
    return [line.event.kind for line in step.lines]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def ledger() -> Log:
    return Log(SSI_FOREIGN)


def test_each_record_of_a_frame_gets_what_it_booked(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=100), a_trade("FPT", "10:00:01"), a_trade(ts="10:00:02", total=150, volume=50))
    first, second = log.records
    assert [str(step.place) for step in (first, second)] == ["ssi.ticks[0]@1#0", "ssi.ticks[0]@1#2"]
    assert [(line.event.start, line.event.total_volume) for line in (*first.lines, *second.lines)] == [(0, 100), (100, 150)]
    assert rules(first) == rules(second) == {"print"}
    assert (second.before["top"], second.after["top"]) == (100, 150)
    assert second.rows["state.prices"].total_volume == 150
    assert log.trace.symbols == {"VNM", "FPT"}


def test_a_repeat(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=100), a_trade(ts="10:00:01", total=100))
    assert rules(log.records[1]) == {"repeat"}
    assert log.records[1].lines == []


def test_a_gap_and_the_late_print_that_fills_a_part_of_it(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=100))
    log.add(a_trade(ts="10:00:04", total=400))
    log.add(a_trade(ts="10:00:03", total=250))
    _, shows, fills = log.records
    assert kinds(shows) == ["gap", "print"]
    assert rules(shows) == {"gap_unseen", "print"}
    assert kinds(fills) == ["print", "fill"]
    assert rules(fills) == {"late", "fill"}


def test_a_clipped_print(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=100), a_trade(ts="10:00:02", total=200, volume=150))
    assert rules(log.records[1]) == {"print", "clipped"}


@pytest.mark.parametrize("cause", ["connection", "lost_frames", "lost_records", "up"])
def test_a_lost_gap_has_the_break_that_lost_it(log: Log, cause: str) -> None:
    log.add(a_trade(ts="10:00:01", total=100))
    if cause == "connection":
        log.reconnect()
        log.add(a_tick("10:00:02"))
    elif cause == "lost_frames":
        log.add(a_tick("10:00:02"), seq=7)
    elif cause == "lost_records":
        log.add(a_tick("10:00:02"), a_loss("10:00:02", records=3))
    else:
        log.add(a_tick("10:00:02", health="down"))
        log.add(a_tick("10:00:03"))
    log.add(a_trade(ts="10:00:04", total=400))
    (shows,) = [step for step in log.records if "gap_lost" in step.rules]
    first, *_, last = log.trace.breaks
    assert (first.cause, last.cause) == ("first", cause)
    assert int(log.records[0].after["mark"] or 0) < last.mark <= shows.mark
    assert ("down" in [each.cause for each in log.trace.breaks]) == (cause == "up")
    assert last.place.message.offset == (3 if cause == "up" else 2)


def test_a_glitch_names_the_record_that_decided(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=1_000, volume=1_000))
    log.add(a_trade(ts="10:00:02", total=300))
    log.add(a_trade(ts="10:00:03", total=1_100))
    _, glitch, decider = log.records
    assert rules(glitch) == {"suspect", "glitch"}
    assert [decision.other for decision in glitch.decisions if decision.rule == "glitch"] == [decider.place]
    assert glitch.lines == []
    assert rules(decider) == {"print", "decides_glitch"}
    assert [decision.other for decision in decider.decisions if decision.rule == "decides_glitch"] == [glitch.place]


def test_a_correction_belongs_to_the_record_that_fell(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=1_000, volume=1_000))
    log.add(a_trade(ts="10:00:02", total=960, volume=10))
    log.add(a_trade(ts="10:00:03", total=970, volume=10))
    _, fell, decider = log.records
    assert kinds(fell) == ["correction", "print"]
    assert rules(fell) == {"suspect", "correction", "print", "decided"}
    assert [line.told for line in fell.lines] == [decider.number] * 2
    assert kinds(decider) == ["print"]


def test_an_ambiguous_fall_is_flagged(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=1_000, volume=1_000))
    log.add(a_trade(ts="10:00:02", total=700, volume=10))
    log.add(a_trade(ts="10:00:03", total=710, volume=10))
    assert {"correction", "ambiguous"} <= rules(log.records[1])


def test_a_reset_and_what_waited_behind_it(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=1_000, volume=1_000))
    log.add(a_trade(ts="10:00:02", total=100), a_trade(ts="10:00:02", total=150, volume=50))
    log.add(a_trade(ts="10:00:03", total=200, volume=50))
    _, fell, behind, decider = log.records
    assert kinds(fell) == ["reset", "print"]
    assert rules(behind) == {"held", "print", "decided"}
    assert {"decides_reset", "decides_confirmed", "print"} == rules(decider)
    assert decider.after["generation"] == 1
    assert decider.after["total"] == 1_200


def test_a_rise_beyond_belief_that_was_none(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=1_000, volume=1_000))
    log.add(a_trade(ts="10:00:02", total=90_000, total_value=1_000 * PRICE))
    log.add(a_trade(ts="10:00:03", total=1_100))
    assert rules(log.records[1]) == {"suspect", "glitch"}


def test_a_fall_that_nothing_decided_before_the_close(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=1_000, volume=1_000))
    log.add(a_trade(ts="10:00:02", total=300))
    log.add(a_tick("16:00"))
    fell = log.records[1]
    assert rules(fell) == {"suspect", "unresolved"}


def test_a_deal_an_odd_lot_and_a_match_without_a_total_are_lines_of_their_own(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=100), a_trade(ts="10:00:02", total=500, session="PT"))
    log.add(an_odd_lot(ts="10:00:03", total=107), a_trade(ts="10:00:04", total=0))
    deal, odd, unanchored = log.trace.steps[-3:]
    assert (rules(deal), rules(odd), rules(unanchored)) == ({"put_through"}, {"odd_lot"}, {"unanchored"})


def test_what_is_of_another_day_or_of_the_feed_that_does_not_lead(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=100), a_trade(ts="14:00", trading_day=20261119))
    assert rules(log.records[1]) == {"previous_day"}
    log.add(a_quote(ts="10:00:02"), feed="b", epoch=2, seq=0)
    assert rules(log.trace.steps[-1]) == {"not_leading"}


def test_an_older_book_and_a_record_without_a_match(log: Log) -> None:
    log.add(a_quote(ts="10:00:02"), a_quote(ts="10:00:01", bids=(1, 2)), a_trade(ts="10:00:02", volume=0, price=0))
    quote, older, empty = log.trace.steps
    assert (rules(quote), rules(older), rules(empty)) == ({"quote"}, {"stale_quote"}, {"nothing"})


def test_a_dead_letter_says_why(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=1 << 60))
    (step,) = log.records
    assert rules(step) == {"rejected"}
    assert "out_of_range" in step.decisions[0].text


def test_a_candle_is_told_by_time_alone(log: Log) -> None:
    log.add(a_trade(ts="10:00:01", total=100))
    log.add(a_tick("10:01:15"))
    told = log.trace.steps[-1]
    assert rules(told) == {"clock", "candle"}
    assert [line.event.minute_ms for line in told.lines if line.topic == "market.candles"] == [log.records[0].ts_ms - 1_000]


def test_bytes_that_are_no_frame_are_passed_over(log: Log) -> None:
    log.trace.take(Position("ssi.ticks", 0, 99), b"{")
    log.add(a_trade(ts="10:00:01", total=100))
    assert len(log.records) == 1


def test_ledger_entries_and_repeats(ledger: Log) -> None:
    ledger.add(a_foreign(ts="09:01", bought=100))
    ledger.add(a_foreign(ts="09:02", bought=150, sold=10), a_foreign(ts="09:02", bought=150, sold=10))
    first, second, again = ledger.records
    assert rules(first) == {"catch_up"}
    assert {"delta"} <= rules(second)
    assert rules(again) == {"stale"}
    assert second.after["bought"] == 150


def test_a_foreign_reset_a_correction_and_a_glitch(ledger: Log) -> None:
    ledger.add(a_foreign(ts="09:01", bought=1_000, sold=1_000))
    ledger.add(a_foreign(ts="09:02", bought=100, sold=960))
    ledger.add(a_foreign(ts="09:03", bought=150, sold=970))
    _, fell, decider = ledger.records
    assert kinds(fell) == ["reset", "correction"]
    assert {"suspect", "reset", "correction"} <= rules(fell)
    assert kinds(decider) == ["delta", "delta"]

    ledger.add(a_foreign(ts="09:04", bought=20, sold=970))
    ledger.add(a_foreign(ts="09:05", bought=160, sold=980))
    glitch, decider = ledger.records[-2:]
    assert {"suspect", "glitch"} <= rules(glitch)
    assert "decides_glitch" in rules(decider)


def test_a_trace_does_not_depend_on_how_records_were_cut_into_frames() -> None:
    records: list[FrameRecord] = [
        a_trade(ts="10:00:01", total=1_000, volume=1_000), a_trade("FPT", "10:00:01"), a_trade(ts="10:00:02", total=300),
        a_tick("10:00:02"), a_trade(ts="10:00:03", total=1_100), a_trade(ts="10:00:09", total=1_300),
        a_trade(ts="10:00:05", total=1_150, volume=50), a_tick("10:01:20"),
    ]  # fmt: skip
    whole, alone = Log(), Log()
    whole.add(*records)
    for record in records:
        alone.add(record)
    assert [(step.record, step.rules, [line.event for line in step.lines]) for step in whole.trace.steps] == [
        (step.record, step.rules, [line.event for line in step.lines]) for step in alone.trace.steps
    ]
