"""Histories that really happened, delivered badly: what was delivered is booked once, what was not is a gap.

A history is a list of matches of one symbol with growing totals; some of its volume is never sent to anybody (put-through).
Each feed delivers some of the records, some twice, some later than its neighbours, over several connections.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from pipelines.core import frames
from pipelines.core.price_shard import fold_frame
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import TradeEvent, TradeRecord
from schemas.topics import MARKET_TRADES, SSI_TICKS
from tests.builders import DAY, a_frame, a_tick, a_trade, offers

OPEN = at(DAY, 9, 15)
TICK = a_tick("08:55")


@dataclass(frozen=True)
class Delivery:
    feed: str
    epoch: int
    record: TradeRecord


@dataclass(frozen=True)
class History:
    deliveries: tuple[Delivery, ...]

    @property
    def delivered(self) -> dict[tuple[int, int], TradeRecord]:
        """What came, by identity."""
        return {(d.record.total_volume, d.record.volume): d.record for d in self.deliveries}

    @property
    def withheld(self) -> set[int]:
        """Each share, numbered by its total, that no delivered record told of, up to the last that one did."""
        told = {share for total, volume in self.delivered for share in range(total - volume + 1, total + 1)}
        return set(range(1, max(told, default=0) + 1)) - told


@st.composite
def matches(draw: st.DrawFn) -> list[TradeRecord]:
    """What really happened."""
    records: list[TradeRecord] = []
    total, value, ts_ms = 0, 0, int(OPEN)
    for hidden, volume, step_s, price in draw(
        st.lists(
            st.tuples(st.sampled_from((0, 0, 0, 2)), st.integers(1, 4), st.integers(0, 2), st.sampled_from((100, 110, 120))),
            min_size=1,
            max_size=14,
        )
    ):
        total += hidden + volume
        value += hidden * 100 + volume * price
        ts_ms += step_s * 1000
        records.append(
            a_trade(
                ts=ts_ms,
                price=price,
                volume=volume,
                total=total,
                total_value=value,
                reference=110,
                ceiling=120,
                floor=100,
                high=120,
                low=100,
            )
        )
    return records


@st.composite
def feeds_of(draw: st.DrawFn, name: str, records: list[TradeRecord]) -> list[Delivery]:
    """What one feed makes of it: drops, repeats, records out of order by up to four places, new connections."""
    placed: list[tuple[int, TradeRecord]] = []
    for place, record in enumerate(records):
        placed += [(place + late, record) for late in draw(st.lists(st.integers(0, 4), max_size=2))]
    placed.sort(key=lambda item: item[0])
    epoch = 1
    deliveries: list[Delivery] = []
    for _, record in placed:
        epoch += draw(st.sampled_from((0, 0, 0, 1)))
        deliveries.append(Delivery(name, epoch, record))
    return deliveries


@st.composite
def histories(draw: st.DrawFn) -> History:
    records = draw(matches())
    lanes = [draw(feeds_of("a", records)), draw(feeds_of("b", records)) if draw(st.booleans()) else []]
    merged: list[Delivery] = []
    while any(lanes):
        lane = draw(st.sampled_from([lane for lane in lanes if lane]))
        merged.append(lane.pop(0))
    return History(tuple(merged))


PLACE = frames.Shard.of("prices", 0, 1)


class Shard:
    """Frames into the real topology function, over a dict."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.seqs: dict[tuple[str, int], int] = {}
        self.offset = 0
        self.events: list[TradeEvent] = []

    def frame(self, feed: str, epoch: int, records: list[Any]) -> None:
        seq = self.seqs.get((feed, epoch), -1) + 1
        self.seqs[feed, epoch] = seq
        frame = a_frame(*records, feed=feed, epoch=epoch, seq=seq)
        folded = fold_frame(frame, Position("ssi.ticks", 0, self.offset), PLACE, self.state, offers=offers(SSI_TICKS))
        self.offset += 1
        for output in folded.outputs:
            if output.topic is MARKET_TRADES:
                self.events += MARKET_TRADES.decode(output.value).events

    def deliver(self, deliveries: tuple[Delivery, ...], cuts: list[bool]) -> None:
        """``cuts[n]``: whether a new frame begins at delivery ``n``; a new connection always begins one."""
        run: list[Delivery] = []
        for place, delivery in enumerate(deliveries):
            if run and ((delivery.feed, delivery.epoch) != (run[0].feed, run[0].epoch) or cuts[place % len(cuts)]):
                self.frame(run[0].feed, run[0].epoch, [d.record for d in run])
                run = []
            run.append(delivery)
        if run:
            self.frame(run[0].feed, run[0].epoch, [d.record for d in run])


def tape_of(history: History, cuts: list[bool]) -> Shard:
    shard = Shard()
    shard.frame("a", 1, [TICK])
    shard.frame("b", 1, [TICK])
    shard.deliver(history.deliveries, cuts)
    return shard


cuts = st.lists(st.booleans(), min_size=1, max_size=8)


@given(histories(), cuts)
def test_what_was_delivered_is_booked_once_and_what_was_not_is_a_gap(history: History, cuts: list[bool]) -> None:
    events = tape_of(history, cuts).events
    booked = [event for event in events if event.kind == "print"]

    assert len(booked) == len(history.delivered)
    for event in booked:
        assert event.last_volume is not None
        record = history.delivered[event.total_volume, event.last_volume]
        assert (event.price, event.ts_ms, event.volume) == (record.price, record.ts_ms, record.volume)
        assert event.start == record.total_volume - record.volume
        assert not event.clipped

    open_shares: set[int] = set()
    for event in events:
        shares = set(range(event.start + 1, event.total_volume + 1))
        assert len(shares) == event.volume
        if event.kind == "gap":
            assert not open_shares & shares
            open_shares |= shares
        elif event.kind == "fill":
            assert shares <= open_shares
            open_shares -= shares
    assert open_shares == history.withheld
    assert {event.kind for event in events} <= {"print", "gap", "fill"}


@given(histories(), cuts, st.integers(0, 40))
def test_any_prefix_sent_again_changes_nothing(history: History, cuts: list[bool], length: int) -> None:
    shard = tape_of(history, cuts)
    before = len(shard.events)
    shard.deliver(history.deliveries[:length], cuts)
    assert shard.events[before:] == []


@given(histories(), cuts, cuts)
def test_any_cut_into_frames_gives_the_same_events(history: History, some: list[bool], others: list[bool]) -> None:
    assert tape_of(history, some).events == tape_of(history, others).events


@given(histories(), cuts)
def test_the_same_frames_give_the_same_bytes(history: History, cuts: list[bool]) -> None:
    one, other = tape_of(history, cuts), tape_of(history, cuts)
    assert one.state == other.state
    assert msgspec.json.encode(one.events) == msgspec.json.encode(other.events)


@st.composite
def troubled(draw: st.DrawFn) -> History:
    """A history whose feed corrects itself or restarts its count, on one connection, in order; some records come twice."""
    deliveries: list[Delivery] = []
    total, ts_ms = 0, int(OPEN)
    for move, volume in draw(
        st.lists(st.tuples(st.sampled_from(("grow", "grow", "fall", "restart")), st.integers(1, 9)), max_size=14)
    ):
        ts_ms += 1000
        total = total + volume if move == "grow" else max(total - volume, 0) if move == "fall" else 0
        record = a_trade(ts=ts_ms, price=100, volume=volume if move == "grow" else 0, total=total, reference=100)
        deliveries += [Delivery("a", 1, record)] * draw(st.integers(1, 2))
    return History(tuple(deliveries))


@given(troubled(), cuts)
def test_the_lines_of_a_day_add_up_however_the_feed_counts(history: History, cuts: list[bool]) -> None:
    events = tape_of(history, cuts).events
    counted: dict[int, int] = {}
    says: dict[int, int] = {}
    for event in events:
        if event.kind != "fill":
            # A line and the fills that follow it together leave the count where the feed's total is.
            assert counted == says
        if event.kind != "fill" and not event.late:
            says[event.generation] = event.total_volume
        sign = -1 if event.kind == "fill" else 1
        counted[event.generation] = counted.get(event.generation, 0) + sign * event.volume
    assert counted == says


@given(troubled(), cuts, st.integers(0, 20))
def test_a_prefix_sent_again_changes_nothing_however_the_feed_counts(history: History, cuts: list[bool], length: int) -> None:
    shard = tape_of(history, cuts)
    before = len(shard.events)
    shard.deliver(history.deliveries[:length], cuts)
    assert shard.events[before:] == []


@given(troubled(), cuts, cuts)
def test_any_cut_gives_the_same_events_however_the_feed_counts(history: History, some: list[bool], others: list[bool]) -> None:
    assert tape_of(history, some).events == tape_of(history, others).events


OLD, NEW = 0, 1
"""The generations of a day whose counter restarts once."""


@st.composite
def restarted(draw: st.DrawFn) -> History:
    """Matches before and after one restart, told by two feeds: each leaves out some, and one may lag."""
    truth: list[TradeRecord] = []
    total, ts_ms = 1_000, int(OPEN)
    before, after = draw(st.integers(1, 7)), draw(st.integers(2, 7))
    for place in range(before + after):
        if place == before:
            total, ts_ms = 0, ts_ms + 1_000
        volume = draw(st.integers(1, 9))
        total, ts_ms = total + volume, ts_ms + 1_000 * draw(st.integers(0, 1))
        truth.append(a_trade(ts=ts_ms, price=100, volume=volume, total=total, reference=100))
    lanes = [[Delivery(feed, 1, record) for record in truth if draw(st.integers(0, 3))] for feed in "ab"]
    merged: list[Delivery] = []
    while any(lanes):
        merged.append(draw(st.sampled_from([lane for lane in lanes if lane])).pop(0))
    return History(tuple(merged))


def is_decided(history: History) -> bool:
    """Whether a newer record of the new count comes after the first of it, and something of the old count before."""
    totals = [delivery.record.total_volume for delivery in history.deliveries]
    first = next((place for place, total in enumerate(totals) if total < 1_000), len(totals))
    later = [delivery.record for delivery in history.deliveries[first + 1 :]]
    return first > 0 and any(r.total_volume < 1_000 and r.ts_ms > history.deliveries[first].record.ts_ms for r in later)


@given(restarted(), cuts)
def test_two_feeds_give_the_union_of_both_counts_around_a_restart(history: History, cuts: list[bool]) -> None:
    assume(is_decided(history))
    events = tape_of(history, cuts).events
    booked = Counter((event.generation, event.total_volume, event.volume) for event in events if event.kind == "print")
    told = {(OLD if total > 1_000 else NEW, total, volume) for total, volume in history.delivered}
    assert booked == Counter(told)
    assert {event.kind for event in events} <= {"print", "gap", "fill", "reset"}
