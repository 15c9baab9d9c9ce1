"""Days on which everything goes wrong at once, told by two feeds: however they are cut into frames, they give the same day.

A day is a list of steps of one symbol: matches, put-through deals on either kind of counter, falls, restarts, wrong totals,
zeros, halts, and an exchange that changes. Each feed tells most of them, some twice, some late, over several connections.
Between frames a fold has nothing but the bytes of its state, so each cut is also a place where state is stored and loaded.
"""

from collections import Counter
from typing import Any, Literal, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.frames import Shard
from pipelines.core.price_shard import fold_frame
from pipelines.core.symbol_day import SYMBOL_DAY
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import PriceRow, StatusRecord, TradeEvent, TradeRecord
from schemas.topics import MARKET_DAILY, MARKET_TRADES, SSI_TICKS, STATE_PRICES
from schemas.units import Exchange
from tests.builders import DAY, a_frame, a_status, a_tick, a_trade, offers

OPEN = at(DAY, 9, 15)
SHARD = Shard.of("prices", 0, 1)
STEPS = (*["match"] * 4, "hidden", "deal", "fall", "dip", "restart", "wrong_low", "wrong_high", "zeros", "halt")


class Told(NamedTuple):
    """A record as one feed delivers it."""

    feed: str
    epoch: int
    record: TradeRecord | StatusRecord


Wire = Literal["own", "shared"]


@st.composite
def days(draw: st.DrawFn, wire: Wire | None = None) -> list[TradeRecord | StatusRecord]:
    """What the exchange's own feed says, in order."""
    wire = wire or draw(st.sampled_from(("own", "shared")))
    records: list[TradeRecord | StatusRecord] = []
    total, value, deals, ts_ms = 0, 0, 0, int(OPEN)
    exchange = draw(st.sampled_from((Exchange.HOSE, Exchange.HNX)))
    for step, volume, seconds in draw(
        st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 9), st.integers(0, 2)), min_size=1, max_size=16)
    ):
        ts_ms += seconds * 1000
        shown, worth, size, session = 0, None, volume, "LO"
        if step == "match":
            total, value = total + volume, value + volume * 100
        elif step == "hidden":
            total, value = total + 3 * volume + volume, value + 4 * volume * 100
        elif step == "deal":
            deals += volume
            session = "PT"
            if wire == "shared":
                total, value = total + volume, value + volume * 105
            else:
                shown, worth = deals, deals * 105
        elif step == "fall":
            total, value = total - total // 20, value - value // 20
        elif step == "dip":
            total, value = total - total // 3, value - value // 3
        elif step == "restart":
            total, value = volume, volume * 100
        elif step == "wrong_low":
            shown = max(total - 1 - volume, 1)
        elif step == "wrong_high":
            shown, worth = 10 * total + 1_000, value
        elif step == "zeros":
            shown, size = 0, 0
        elif step == "halt":
            records.append(a_status(ts=ts_ms, exchange=exchange, session="HALT", status="H"))
            exchange = Exchange.HNX
            continue
        says = 0 if step == "zeros" else shown or total
        records.append(
            a_trade(
                ts=ts_ms, exchange=exchange, price=100, volume=size if says else 0, total=says,
                total_value=value if worth is None else worth,
                reference=100, ceiling=110, floor=90, high=110, low=90, session=session,
            )
        )  # fmt: skip
    return records


@st.composite
def lanes(draw: st.DrawFn, feed: str, records: list[TradeRecord | StatusRecord]) -> list[Told]:
    """What one feed makes of it: it leaves out some, tells some twice, some up to three places late, over several connections."""
    placed: list[tuple[int, TradeRecord | StatusRecord]] = []
    for place, record in enumerate(records):
        placed += [(place + late, record) for late in draw(st.lists(st.sampled_from((0, 0, 0, 1, 3)), min_size=0, max_size=2))]
    placed.sort(key=lambda each: each[0])
    epoch, told = 1, []
    for _, record in placed:
        epoch += draw(st.sampled_from((0, 0, 0, 1)))
        told.append(Told(feed, epoch, record))
    return told


@st.composite
def told_days(draw: st.DrawFn) -> list[Told]:
    records = draw(days())
    both = [draw(lanes("a", records)), draw(lanes("b", records)) if draw(st.booleans()) else []]
    merged: list[Told] = []
    while any(both):
        lane = draw(st.sampled_from([lane for lane in both if lane]))
        merged.append(lane.pop(0))
    return merged


class Day:
    """A shard that is told a day."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.seqs: Counter[tuple[str, int]] = Counter()
        self.offset = 0
        self.counts: Counter[str] = Counter()
        self.events: list[TradeEvent] = []
        self.rows: list[PriceRow] = []
        self.daily: list[Any] = []
        for feed in ("a", "b"):
            self.frame(feed, 1, [a_tick("08:55")])

    def frame(self, feed: str, epoch: int, records: list[Any]) -> None:
        frame = a_frame(*records, feed=feed, epoch=epoch, seq=self.seqs[feed, epoch])
        self.seqs[feed, epoch] += 1
        self.offset += 1
        folded = fold_frame(frame, Position("ssi.ticks", 0, self.offset), SHARD, self.state, offers=offers(SSI_TICKS))
        self.counts += folded.counts
        for output in folded.outputs:
            message = output.topic.decode(output.value)
            if output.topic is MARKET_TRADES:
                self.events += message.events
            elif output.topic is STATE_PRICES:
                self.rows.append(message)
            elif output.topic is MARKET_DAILY:
                self.daily += message.events

    def tell(self, told: list[Told], cuts: list[bool]) -> "Day":
        """``cuts[n]``: whether a new frame begins at record ``n``; a new connection always begins one."""
        run: list[Told] = []
        for place, each in enumerate(told):
            if run and ((each.feed, each.epoch) != (run[0].feed, run[0].epoch) or cuts[place % len(cuts)]):
                self.frame(run[0].feed, run[0].epoch, [one.record for one in run])
                run = []
            run.append(each)
        if run:
            self.frame(run[0].feed, run[0].epoch, [one.record for one in run])
        return self

    def close(self) -> "Day":
        self.frame("a", 99, [a_tick("16:00")])
        return self

    @property
    def last_row(self) -> bytes:
        """The last row, without its place in Kafka."""
        return msgspec.json.encode(msgspec.structs.replace(self.rows[-1], src=0)) if self.rows else b""  # type: ignore[type-var]


cuts = st.lists(st.booleans(), min_size=1, max_size=8)


@given(told_days(), cuts, cuts)
def test_any_cut_into_frames_gives_the_same_day(told: list[Told], some: list[bool], others: list[bool]) -> None:
    one, other = Day().tell(told, some).close(), Day().tell(told, others).close()
    assert one.events == other.events
    assert one.last_row == other.last_row
    assert one.daily == other.daily
    assert one.counts == other.counts


@given(told_days(), cuts)
def test_every_record_is_booked_or_counted(told: list[Told], cuts: list[bool]) -> None:
    day = Day().tell(told, cuts)
    booked = day.counts["print"] + day.counts["put_through"] + day.counts["unanchored"]
    passed_over = day.counts["repeat"] + day.counts["empty"] + day.counts["not_leading"]
    glitches = day.counts["glitch"]
    cell = day.state.get(b"p:VNM")
    waiting = len(SYMBOL_DAY.decode(cell).tape.waiting) if cell else 0
    of_other_feeds = sum(isinstance(each.record, StatusRecord) and each.feed != "a" for each in told)
    assert sum(event.kind == "print" for event in day.events) == booked
    matches = sum(isinstance(each.record, TradeRecord) and each.record.volume > 0 for each in told)
    zeros = sum(isinstance(each.record, TradeRecord) and each.record.volume == 0 for each in told)
    assert matches <= booked + passed_over - of_other_feeds + glitches + waiting <= matches + zeros


@given(told_days(), cuts)
def test_the_lines_of_each_generation_add_up_to_its_total(told: list[Told], cuts: list[bool]) -> None:
    day = Day().tell(told, cuts).close()
    sums: Counter[int] = Counter()
    explained: set[tuple[int | None, int, int]] = set()
    missed = 0
    for event in day.events:
        if event.kind == "status" or (event.phase == "put_through" and event.kind == "print"):
            continue
        interval = event.generation, event.start, event.total_volume
        if event.kind == "fill":
            missed -= event.volume
            if event.phase == "put_through":
                explained.add(interval)
                continue
        missed += event.volume * (event.kind == "gap")
        if event.kind == "gap" and interval in explained:
            # What a deal explained until a match disputed it was in a gap before, and was counted then.
            explained.remove(interval)
            continue
        sums[event.generation] += event.volume * (-1 if event.kind == "fill" else 1)
    if day.rows:
        assert sum(sums.values()) == day.rows[-1].total_volume
        assert missed == day.rows[-1].missed_volume
    assert all(total >= 0 for total in sums.values())


@given(told_days(), cuts, st.integers(0, 40))
def test_a_day_that_is_told_again_changes_nothing(told: list[Told], cuts: list[bool], length: int) -> None:
    day = Day().tell(told, cuts)
    before, total = list(day.events), day.rows[-1].total_volume if day.rows else 0
    # The newest connections tell it, so that nothing else is new.
    newest = {each.feed: each.epoch for each in told}
    day.tell([each._replace(epoch=newest[each.feed]) for each in told[:length]], cuts)
    assert [event for event in day.events[len(before) :] if event.kind != "status"] == []
    assert (day.rows[-1].total_volume if day.rows else 0) == total


def test_what_is_told_again_in_the_second_of_a_correction_is_not_booked_again() -> None:
    limits: dict[str, Any] = {"reference": 100, "ceiling": 110, "floor": 90}
    told = [
        Told("a", 1, a_trade(ts=OPEN + 1000 * second, price=100, volume=1, total=total, total_value=value, **limits))
        for second, total, value in ((0, 20, 2_000), (1, 19, 1_900), (1, 29, 2_900), (2, 28, 2_755))
    ]
    day = Day().tell(told, [False])
    assert day.counts["ambiguous"] + day.counts["correction"] == 1
    booked = list(day.events)
    day.tell(told[:3], [False])
    assert day.events == booked
