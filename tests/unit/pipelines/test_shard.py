"""What a frame means is the same in every shard: time, day, losses, and records that are of no use."""

from collections.abc import Callable
from typing import Any, NamedTuple, get_args

import pytest

from pipelines.catalogue import CATALOGUE
from pipelines.core import foreign_shard, frames, index_shard, price_shard
from pipelines.core.feeds import Feeds
from pipelines.core.frames import Folded
from pipelines.core.shard import ALIKE, Kinds
from schemas.calendar import at
from schemas.kinds import FRAME_KINDS
from schemas.message import twin
from schemas.position import Position
from schemas.records import FrameRecord
from schemas.structs import BarRecord, ClockTick, DeadLetter, ForeignRecord, Frame, TradeRecord
from schemas.topics import RECORD_TOPICS, SSI_DLQ, SSI_FOREIGN, SSI_INDICES, SSI_TICKS, Topic
from schemas.units import Exchange, SessionPhase, TradingDay
from tests import builders
from tests.builders import DAY, a_frame, a_loss, a_reference, a_state, a_trade, an_index, changed, offers

YESTERDAY, TOMORROW, AFTER = TradingDay(20261119), TradingDay(20261123), TradingDay(20261125)
TEN_MS = at(DAY, 10)
LATER_MS = TEN_MS + 1000
IMPOSSIBLE_TIMES = (0, -1, 1 << 53, 1 << 70)
IMPOSSIBLE_DAYS = (0, -5, 20261399, 19990230, 99_999_999, 10**30)


def a_tick(ts: int = TEN_MS, trading_day: int = DAY) -> ClockTick:
    return builders.a_tick(ts, trading_day=trading_day, phase=SessionPhase.CONTINUOUS)


def a_foreign(**changes: Any) -> ForeignRecord:
    return builders.a_foreign(**{"bought": 100} | changes)


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
    Kind(SSI_FOREIGN, foreign_shard.fold_frame, a_foreign, a_trade, "sold"),
    Kind(SSI_INDICES, index_shard.fold_frame, an_index, a_foreign, "put_through_value"),
)


class Shard:
    """A shard on one of the topics, with the frames of one connection."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.state: dict[bytes, bytes] = {}
        self.offset = 0

    def fold(self, *records: Any) -> Folded:
        frame = a_frame(*records, seq=self.offset)
        position = Position(self.kind.topic.name, 0, self.offset)
        self.offset += 1
        return self.kind.fold(
            frame, position, frames.Shard.of("test", 0, 1), self.state, offers=offers(self.kind.topic, sectors={})
        )

    @property
    def feeds(self) -> Feeds:
        return Feeds.load(a_state(self.state))


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
    shard.fold(a_loss(trading_day=TOMORROW, ts="09:00"))
    assert shard.feeds.day == DAY
    later = shard.fold(a_tick(ts=LATER_MS), shard.kind.useful(ts=LATER_MS))
    assert later.counts["previous_day"] == 0


@pytest.mark.parametrize(
    "said",
    [{"ts": ts} for ts in IMPOSSIBLE_TIMES] + [{"trading_day": day} for day in IMPOSSIBLE_DAYS] + [{"records": -1}],
    ids=str,
)
def test_nothing_that_a_loss_marker_says_hides_the_loss(shard: Shard, said: dict[str, Any]) -> None:
    mark = shard.feeds.mark
    folded = shard.fold(a_loss(**{"ts": TEN_MS} | said), a_tick(LATER_MS))
    assert letters(folded) == []
    assert not shard.feeds.covered(mark)
    assert shard.feeds.day == DAY


# --- time


def test_clock_ticks_and_records_move_the_day_forward_and_never_back(shard: Shard) -> None:
    useful = shard.kind.useful
    shard.fold(a_tick(at(YESTERDAY, 15), YESTERDAY), useful(trading_day=YESTERDAY, ts="15:00"))
    assert shard.feeds.day == DAY
    shard.fold(useful(trading_day=TOMORROW, ts="09:00"))
    assert (shard.feeds.day, shard.feeds.joined_ms, shard.feeds.now_ms) == (TOMORROW, at(TOMORROW, 9), TEN_MS)
    shard.fold(a_tick(at(AFTER, 9), AFTER))
    assert (shard.feeds.day, shard.feeds.now_ms) == (AFTER, at(AFTER, 9))


def test_a_reference_record_has_no_time_and_moves_no_day(shard: Shard) -> None:
    shard.fold(a_reference(trading_day=TOMORROW))
    assert shard.feeds.day == DAY


@pytest.mark.parametrize("ts_ms", IMPOSSIBLE_TIMES)
@pytest.mark.parametrize("day", [DAY, TOMORROW])
def test_an_impossible_time_is_rejected_alone(shard: Shard, ts_ms: int, day: TradingDay) -> None:
    useful, before = shard.kind.useful, shard.feeds
    good = useful(ts=LATER_MS)
    folded = shard.fold(a_tick(ts_ms, day), useful(ts=ts_ms, trading_day=day), good)
    assert [(letter.reason, letter.idx) for letter in letters(folded)] == [("out_of_range", 0), ("out_of_range", 1)]
    assert all(str(ts_ms) in letter.detail for letter in letters(folded))
    assert (shard.feeds.day, shard.feeds.now_ms) == (before.day, before.now_ms)
    assert [feed.tick_ms for feed in shard.feeds.feeds] == [feed.tick_ms for feed in before.feeds]


@pytest.mark.parametrize("day", IMPOSSIBLE_DAYS)
def test_an_impossible_date_is_rejected_alone(shard: Shard, day: int) -> None:
    useful = shard.kind.useful
    folded = shard.fold(a_tick(LATER_MS, day), useful(trading_day=day, ts=LATER_MS), useful(ts=LATER_MS))
    assert [(letter.reason, letter.idx) for letter in letters(folded)] == [("bad_day", 0), ("bad_day", 1)]
    assert all(str(day) in letter.detail for letter in letters(folded))
    assert (shard.feeds.day, shard.feeds.now_ms) == (DAY, TEN_MS)
    assert folded.counts["previous_day"] == 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.topic.name)
@pytest.mark.parametrize("day", IMPOSSIBLE_DAYS)
def test_an_impossible_date_is_rejected_by_a_shard_that_has_heard_nothing_yet(kind: Kind, day: int) -> None:
    shard = Shard(kind)
    folded = shard.fold(a_tick(TEN_MS, day), kind.useful(trading_day=day, ts=TEN_MS), a_reference(trading_day=day))
    assert [(letter.reason, letter.idx) for letter in letters(folded)] == [("bad_day", 0), ("bad_day", 1), ("bad_day", 2)]
    assert (shard.feeds.day, shard.feeds.now_ms) == (0, 0)
    assert shard.fold(a_tick(TEN_MS), kind.useful()).counts["rejected"] == 0


@pytest.mark.parametrize("day", [20261124, 20261125, 20270104, 20991231])
def test_a_date_further_on_than_the_clock_allows_is_rejected_alone(shard: Shard, day: int) -> None:
    # Tuesday the 24th is a holiday; the trading day after Friday is Monday.
    useful, before = shard.kind.useful, shard.feeds
    folded = shard.fold(useful(trading_day=day, ts="09:00"), a_reference(trading_day=day), useful(ts=LATER_MS))
    assert [(letter.reason, letter.idx) for letter in letters(folded)] == [("future_day", 0), ("future_day", 1)]
    assert all(str(day) in letter.detail for letter in letters(folded))
    assert (shard.feeds.day, shard.feeds.joined_ms) == (DAY, before.joined_ms)
    assert folded.counts["previous_day"] == 0


def test_once_the_clock_has_come_to_a_day_its_records_are_taken(shard: Shard) -> None:
    useful = shard.kind.useful
    folded = shard.fold(a_tick(at(AFTER, 9), AFTER), useful(trading_day=AFTER, ts="09:00"), a_reference(trading_day=AFTER))
    assert letters(folded) == []
    assert shard.feeds.day == AFTER


@pytest.mark.parametrize("day", [20261125, 20991231])
def test_a_loss_is_taken_note_of_whatever_day_it_says(shard: Shard, day: int) -> None:
    mark = shard.feeds.mark
    assert letters(shard.fold(a_loss(trading_day=day, ts="09:00"), a_tick(LATER_MS))) == []
    assert not shard.feeds.covered(mark)
    assert shard.feeds.day == DAY


# --- records of no use


def test_a_rejected_record_has_changed_nothing(shard: Shard) -> None:
    folded = shard.fold(changed(shard.kind.useful(trading_day=TOMORROW, ts="09:00"), **{shard.kind.figure: 1 << 60}))
    (letter,) = letters(folded)
    assert letter.reason == "out_of_range"
    assert f"{shard.kind.figure} is {1 << 60}" in letter.detail
    assert shard.feeds.day == DAY


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2]], ids=lambda kind: kind.topic.name)
@pytest.mark.parametrize("book", [{"bids": [60_000]}, {"asks": [60_000]}, {"bids": [60_000, 100, 59_900]}])
def test_a_book_with_a_price_that_has_no_volume_is_rejected_alone(kind: Kind, book: dict[str, list[int]]) -> None:
    shard = Shard(kind)
    folded = shard.fold(changed(builders.a_quote(), **book), changed(builders.a_snapshot(), **book), kind.useful())
    assert [(letter.reason, letter.idx) for letter in letters(folded)] == [("odd_book", 0), ("odd_book", 1)]


def test_a_kind_that_does_not_belong_on_a_topic_is_rejected_and_counted(shard: Shard) -> None:
    folded = shard.fold(shard.kind.stray(trading_day=TOMORROW, ts="09:00"))
    (letter,) = letters(folded)
    assert letter.reason == "unexpected_kind"
    assert shard.kind.topic.name in letter.detail
    assert folded.counts["rejected"] == 1
    assert shard.feeds.day == DAY


VALUES: dict[str, Any] = {
    "symbol": "VNM", "trading_day": DAY, "ts_ms": TEN_MS, "exchange": Exchange.HOSE, "phase": SessionPhase.ATO, "health": "up",
    "bids": [], "asks": [], "groups": [], "side": None, "session": None, "status": None, "name": None, "sector": None,
    "underlying": None, "last_trading_day": None, "volumes": [1],
}  # fmt: skip


def a_record_of(kind: type[Any]) -> Any:
    """Some record of a kind; its figures are 1."""
    return kind(**{name: VALUES.get(name, 1) for name in kind.__struct_fields__})


UNUSED: dict[str, dict[str, set[str]]] = {
    "ssi.ticks": {"ignored": {"bar", "reference"}, "rejected": {"foreign", "index"}},
    "ssi.foreign": {
        "ignored": set(),
        "rejected": {"trade", "quote", "snapshot", "bar", "odd_lot", "status", "index", "profile"},
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


OTHERS = FRAME_KINDS - ALIKE - {BarRecord, TradeRecord}


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
