"""What a frame means is the same in every shard: time, day, losses, and records that are of no use."""

from collections.abc import Callable
from typing import Any, NamedTuple, get_args

import pytest

from pipelines.catalogue import CATALOGUE
from pipelines.core import foreign_shard, frames, index_shard, price_shard
from pipelines.core.feeds import Feeds
from pipelines.core.frames import Folded
from pipelines.core.shard import ALIKE, ALL_KINDS, Kinds
from pipelines.core.suspects import Thresholds
from schemas.calendar import at
from schemas.message import twin
from schemas.position import Position
from schemas.records import FrameRecord
from schemas.structs import (
    BarRecord,
    ClockTick,
    DeadLetter,
    ForeignRecord,
    Frame,
    IndexRecord,
    LossMarker,
    ReferenceRecord,
    TradeRecord,
)
from schemas.topics import RECORD_TOPICS, SSI_DLQ, SSI_FOREIGN, SSI_INDICES, SSI_TICKS, Topic
from schemas.units import Exchange, SessionPhase, Symbol, TradingDay, UnixUs

YESTERDAY, DAY, TOMORROW = TradingDay(20261119), TradingDay(20261120), TradingDay(20261123)
OPEN_MS = at(DAY, 9, 15)
IMPOSSIBLE_TIMES = (0, -1, 1 << 53, 1 << 70)
IMPOSSIBLE_DAYS = (0, -5, 20261399, 19990230, 99_999_999, 10**30)


def a_trade(**changes: Any) -> TradeRecord:
    values: dict[str, Any] = {
        "symbol": Symbol("VNM"), "trading_day": DAY, "ts_ms": OPEN_MS, "exchange": Exchange.HOSE, "price": 60_000, "volume": 100,
        "total_volume": 100, "total_value": 6_000_000, "reference": 60_000, "ceiling": 64_200, "floor": 55_800, "high": 60_000,
        "low": 60_000, "expected": 0, "side": None, "session": "LO", "status": "N",
    }  # fmt: skip
    return TradeRecord(**(values | changes))


def a_foreign_record(**changes: Any) -> ForeignRecord:
    values: dict[str, Any] = {
        "symbol": Symbol("VNM"), "trading_day": DAY, "ts_ms": OPEN_MS, "exchange": Exchange.HOSE, "total_room": 9,
        "current_room": 5, "bought": 100, "sold": 0, "bought_value": 6_000_000, "sold_value": 0,
    }  # fmt: skip
    return ForeignRecord(**(values | changes))


def an_index(**changes: Any) -> IndexRecord:
    values: dict[str, Any] = {
        "symbol": Symbol("VN30"), "trading_day": DAY, "ts_ms": OPEN_MS, "exchange": Exchange.HOSE, "value": 200_000,
        "prior_value": 199_000, "volume": 1, "traded_value": 0, "put_through_volume": 0, "put_through_value": 0, "advances": 0,
        "no_changes": 0, "declines": 0, "ceilings": 0, "floors": 0, "session": "LO",
    }  # fmt: skip
    return IndexRecord(**(values | changes))


def a_tick(**changes: Any) -> ClockTick:
    values: dict[str, Any] = {"trading_day": DAY, "ts_ms": OPEN_MS, "phase": SessionPhase.CONTINUOUS, "health": "up"}
    return ClockTick(**(values | changes))


def a_loss(**changes: Any) -> LossMarker:
    return LossMarker(**({"trading_day": DAY, "ts_ms": OPEN_MS, "records": 3} | changes))


def a_reference(**changes: Any) -> ReferenceRecord:
    values: dict[str, Any] = {
        "symbol": Symbol("VNM"), "trading_day": DAY, "exchange": Exchange.HOSE, "name": None, "groups": [], "sector": None,
        "lot": None, "underlying": None, "last_trading_day": None,
    }  # fmt: skip
    return ReferenceRecord(**(values | changes))


class Kind(NamedTuple):
    """One of the three topics of records, with what is of use and what is of none on it."""

    topic: Topic[Frame]
    fold: Callable[..., Folded]
    useful: Callable[..., Any]
    stray: Callable[..., Any]
    figure: str
    """A field of the useful record that has a greatest value."""


KINDS = (
    Kind(SSI_TICKS, price_shard.fold_frame, a_trade, an_index, "total_volume"),
    Kind(SSI_FOREIGN, foreign_shard.fold_frame, a_foreign_record, a_trade, "sold"),
    Kind(SSI_INDICES, index_shard.fold_frame, an_index, a_foreign_record, "put_through_value"),
)


class Shard:
    """A shard on one of the topics, with the frames of one connection."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.state: dict[bytes, bytes] = {}
        self.offset = 0

    def fold(self, *records: Any) -> Folded:
        frame = Frame(feed="a", epoch=1, seq=self.offset, recv_us=UnixUs(0), records=list(records))
        position = Position(self.kind.topic.name, 0, self.offset)
        self.offset += 1
        return self.kind.fold(frame, position, frames.Shard.of("test", 0, 1), self.state, thresholds=Thresholds())

    @property
    def feeds(self) -> Feeds:
        return Feeds.load(self.state)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.topic.name)
def shard(request: pytest.FixtureRequest) -> Shard:
    """A shard that has heard a record of today."""
    shard = Shard(request.param)
    shard.fold(a_tick(), request.param.useful())
    return shard


def letters(folded: Folded) -> list[DeadLetter]:
    return [SSI_DLQ.decode(output.value) for output in folded.outputs if output.topic is SSI_DLQ]


# --- losses: the connector's own word


def test_a_loss_marker_of_the_next_day_leaves_the_day_where_it_is(shard: Shard) -> None:
    shard.fold(a_loss(trading_day=TOMORROW, ts_ms=at(TOMORROW, 9)))
    assert shard.feeds.day == DAY
    later = shard.fold(a_tick(ts_ms=OPEN_MS + 1000), shard.kind.useful(ts_ms=OPEN_MS + 1000))
    assert later.counts["previous_day"] == 0


@pytest.mark.parametrize(
    "said",
    [{"ts_ms": ts_ms} for ts_ms in IMPOSSIBLE_TIMES] + [{"trading_day": day} for day in IMPOSSIBLE_DAYS] + [{"records": -1}],
    ids=str,
)
def test_nothing_that_a_loss_marker_says_hides_the_loss(shard: Shard, said: dict[str, int]) -> None:
    mark = shard.feeds.mark
    folded = shard.fold(a_loss(**said), a_tick(ts_ms=OPEN_MS + 1000))
    assert letters(folded) == []
    assert not shard.feeds.covered(mark)
    assert shard.feeds.day == DAY


# --- time


def test_clock_ticks_and_records_move_the_day_forward_and_never_back(shard: Shard) -> None:
    useful = shard.kind.useful
    shard.fold(a_tick(trading_day=YESTERDAY, ts_ms=at(YESTERDAY, 15)), useful(trading_day=YESTERDAY, ts_ms=at(YESTERDAY, 15)))
    assert shard.feeds.day == DAY
    shard.fold(useful(trading_day=TOMORROW, ts_ms=at(TOMORROW, 9)))
    assert (shard.feeds.day, shard.feeds.joined_ms, shard.feeds.now_ms) == (TOMORROW, at(TOMORROW, 9), OPEN_MS)
    after = TradingDay(20261125)
    shard.fold(a_tick(trading_day=after, ts_ms=at(after, 9)))
    assert (shard.feeds.day, shard.feeds.now_ms) == (after, at(after, 9))


def test_a_reference_record_has_no_time_and_moves_no_day(shard: Shard) -> None:
    shard.fold(a_reference(trading_day=TOMORROW))
    assert shard.feeds.day == DAY


@pytest.mark.parametrize("ts_ms", IMPOSSIBLE_TIMES)
@pytest.mark.parametrize("day", [DAY, TOMORROW])
def test_an_impossible_time_is_rejected_alone(shard: Shard, ts_ms: int, day: TradingDay) -> None:
    useful, before = shard.kind.useful, shard.feeds
    good = useful(ts_ms=OPEN_MS + 1000)
    folded = shard.fold(a_tick(ts_ms=ts_ms, trading_day=day), useful(ts_ms=ts_ms, trading_day=day), good)
    assert [(letter.reason, letter.idx) for letter in letters(folded)] == [("out_of_range", 0), ("out_of_range", 1)]
    assert all(str(ts_ms) in letter.detail for letter in letters(folded))
    assert (shard.feeds.day, shard.feeds.now_ms, shard.feeds.feeds) == (before.day, before.now_ms, [*with_seq(before, 1)])


def with_seq(feeds: Feeds, seq: int) -> list[Any]:
    for feed in feeds.feeds:
        feed.seq = seq
    return feeds.feeds


@pytest.mark.parametrize("day", IMPOSSIBLE_DAYS)
def test_an_impossible_date_is_rejected_alone(shard: Shard, day: int) -> None:
    useful, ts_ms = shard.kind.useful, OPEN_MS + 1000
    folded = shard.fold(a_tick(trading_day=day, ts_ms=ts_ms), useful(trading_day=day, ts_ms=ts_ms), useful(ts_ms=ts_ms))
    assert [(letter.reason, letter.idx) for letter in letters(folded)] == [("bad_day", 0), ("bad_day", 1)]
    assert all(str(day) in letter.detail for letter in letters(folded))
    assert (shard.feeds.day, shard.feeds.now_ms) == (DAY, OPEN_MS)
    assert folded.counts["previous_day"] == 0


# --- records of no use


def test_a_rejected_record_has_changed_nothing(shard: Shard) -> None:
    folded = shard.fold(shard.kind.useful(trading_day=TOMORROW, ts_ms=at(TOMORROW, 9), **{shard.kind.figure: 1 << 60}))
    (letter,) = letters(folded)
    assert letter.reason == "out_of_range"
    assert f"{shard.kind.figure} is {1 << 60}" in letter.detail
    assert shard.feeds.day == DAY


def test_a_kind_that_does_not_belong_on_a_topic_is_rejected_and_counted(shard: Shard) -> None:
    folded = shard.fold(shard.kind.stray(trading_day=TOMORROW, ts_ms=at(TOMORROW, 9)))
    (letter,) = letters(folded)
    assert letter.reason == "unexpected_kind"
    assert shard.kind.topic.name in letter.detail
    assert folded.counts["rejected"] == 1
    assert shard.feeds.day == DAY


VALUES: dict[str, Any] = {
    "symbol": "VNM", "trading_day": DAY, "ts_ms": OPEN_MS, "exchange": Exchange.HOSE, "phase": SessionPhase.ATO, "health": "up",
    "bids": [], "asks": [], "groups": [], "side": None, "session": None, "status": None, "name": None, "sector": None,
    "underlying": None, "last_trading_day": None,
}  # fmt: skip


def a_record_of(kind: type[Any]) -> Any:
    """Some record of a kind; its figures are 1."""
    return kind(**{name: VALUES.get(name, 1) for name in kind.__struct_fields__})


UNUSED: dict[str, dict[str, set[str]]] = {
    "ssi.ticks": {"ignored": {"bar", "reference"}, "rejected": {"foreign", "index"}},
    "ssi.foreign": {
        "ignored": set(),
        "rejected": {"trade", "quote", "snapshot", "bar", "odd_lot", "status", "index"},
    },
    "ssi.indices": {"ignored": {"bar"}, "rejected": {"foreign"}},
}


def test_no_kind_of_record_vanishes_uncounted(shard: Shard) -> None:
    found: dict[str, set[str]] = {"ignored": set(), "rejected": set()}
    for model in get_args(FrameRecord):
        counts = shard.fold(a_record_of(twin(model))).counts
        for outcome, kinds in found.items():
            if counts[outcome]:
                kinds.add(model.model_fields["kind"].default)
    assert found == UNUSED[shard.kind.topic.name]


def test_every_topic_of_records_is_folded_by_a_pipeline() -> None:
    read = {topology.source for pipeline in CATALOGUE for topology in pipeline.topologies}
    assert {kind.topic for kind in KINDS} == set(RECORD_TOPICS) == read & set(RECORD_TOPICS)


class Nothing:
    """A fold that does nothing."""

    def turn(self) -> None: ...
    def advance(self) -> None: ...
    def finish(self) -> None: ...


OTHERS = ALL_KINDS - ALIKE - {BarRecord, TradeRecord}


@pytest.mark.parametrize(
    ("ignored", "unexpected", "named"),
    [
        ({BarRecord}, OTHERS, "TradeRecord"),
        (set(), OTHERS, "BarRecord, TradeRecord"),
        ({BarRecord, TradeRecord}, OTHERS | {TradeRecord}, "TradeRecord"),
        ({BarRecord, TradeRecord, ClockTick}, OTHERS, "ClockTick"),
        ({BarRecord, TradeRecord, DeadLetter}, OTHERS, "DeadLetter"),
    ],
)
def test_a_fold_that_does_not_say_what_it_does_with_a_kind_does_not_load(
    ignored: set[type], unexpected: set[type], named: str
) -> None:
    with pytest.raises(ValueError, match=f"Nothing has to say once what it does with {named}$"):
        Kinds(Nothing, used={}, ignored=ignored, unexpected=unexpected)
    Kinds(Nothing, used={}, ignored={BarRecord, TradeRecord}, unexpected=OTHERS)
