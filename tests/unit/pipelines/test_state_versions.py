"""State that another release wrote: of earlier days it is no reason to stop, of today it is, and force overrules that."""

import importlib
import json
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, ClassVar

import msgspec
import pytest

import pipelines.core
from pipelines.core.codec import Codec, Stored
from pipelines.core.errors import StateNewer, StateOutdated
from pipelines.core.feeds import Feeds
from pipelines.core.price_shard import ShardDay
from pipelines.core.symbol_day import SymbolDay
from schemas.structs import CandlesFrame, IndexShare, PartialBreadth, PartialFlow, QuotesFrame, TradesFrame
from schemas.topics import (
    MARKET_CANDLES,
    MARKET_DAILY,
    MARKET_QUOTES,
    MARKET_TRADES,
    PARTIAL_BREADTH,
    PARTIAL_FLOW,
    PIPELINES_TERMS,
    RECORD_TOPICS,
    SSI_FOREIGN,
    SSI_INDICES,
    SSI_TICKS,
    Topic,
    encode,
)
from schemas.units import TradingDay
from tests.builders import (
    a_candle_event,
    a_foreign,
    a_frame,
    a_loss,
    a_profile,
    a_quote_event,
    a_reference,
    a_tick,
    a_trade,
    a_trade_event,
    an_index,
    changed,
)
from tests.last_release import RELEASES, Folds, Said, State, minute_of, state_of

FRIDAY, MONDAY = TradingDay(20261120), TradingDay(20261123)
WEEKEND_MS = 3 * 24 * 3_600_000
NEWER = 127

WITHOUT_A_DAY = {
    "Roster": "it belongs to a ShardDay",
    "ForeignShard": "it belongs to a Feeds",
    "Underlyings": "it belongs to a Feeds",
    "FlowTold": "it belongs to a FlowProgress",
}
"""The kinds that do not say of which day they are, and what says it for them."""


def kinds() -> list[type[Stored]]:
    for module in pkgutil.iter_modules(pipelines.core.__path__):
        importlib.import_module(f"pipelines.core.{module.name}")
    return [kind for kind in Stored.__subclasses__() if kind.__module__.startswith("pipelines.core.")]


KINDS = sorted(kinds(), key=lambda kind: kind.__name__)
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)

WHERE: dict[str, Callable[[str, bytes], bool]] = {
    "SymbolDay": lambda shard, key: key.startswith(b"p:"),
    "ShardDay": lambda shard, key: key == b"prices",
    "Roster": lambda shard, key: key == b"prices-roster",
    "Feeds": lambda shard, key: key == b"feeds",
    "ForeignShard": lambda shard, key: key == b"foreign",
    "ForeignTotals": lambda shard, key: key.startswith(b"f:"),
    "ForeignDue": lambda shard, key: key.startswith(b"foreign-due:"),
    "ForeignRoster": lambda shard, key: key == b"foreign-roster",
    "ForeignRankings": lambda shard, key: key == b"foreign-rankings",
    "Index": lambda shard, key: key.startswith(b"i:"),
    "Curve": lambda shard, key: key.startswith(b"c:"),
    "Underlyings": lambda shard, key: key == b"underlyings",
    "FlowProgress": lambda shard, key: key == b"progress",
    "ShardFlow": lambda shard, key: key.startswith((b"shard:", b"waiting:")),
    "FlowTold": lambda shard, key: key == b"told",
    "TapeWatch": lambda shard, key: shard.startswith("market.trades") and key.isupper(),
    "LedgerWatch": lambda shard, key: shard.startswith("market.foreign") and key.isupper(),
    "BasisWatch": lambda shard, key: shard.startswith("market.basis") and key.isupper(),
    "Losses": lambda shard, key: key == b"losses",
    "HeldTerms": lambda shard, key: key == b"terms",
    "UsualVolumes": lambda shard, key: key.startswith(b"usual:"),
    "CandleBook": lambda shard, key: key == b"candles",
    "MinuteCandle": lambda shard, key: key.startswith(b"m:"),
    "MinuteSymbols": lambda shard, key: key.startswith(b"minute:"),
    "BookWatch": lambda shard, key: shard.startswith("market.quotes") and key.isupper(),
    "AtLimits": lambda shard, key: key == b"at-limits",
    "CandleWatch": lambda shard, key: shard.startswith("market.candles") and key.isupper(),
    "MemberCounts": lambda shard, key: key == b"members",
    "Shares": lambda shard, key: key == b"breadth",
}
"""Where the values of a kind are in the state."""
LATER = (
    "ForeignDue",
    "ForeignRoster",
    "ForeignRankings",
    "CandleBook",
    "UsualVolumes",
    "MinuteCandle",
    "MinuteSymbols",
    "BookWatch",
    "AtLimits",
    "CandleWatch",
    "MemberCounts",
    "Shares",
)
"""The kinds that the last release did not have yet."""


def state() -> State:
    """The state of the last release on Friday morning, with the terms and the kinds of value that this one keeps beside it."""
    return {shard: dict(cells) for shard, cells in friday_morning().items()}


@cache
def friday_morning() -> State:
    """What :func:`state` copies."""
    cells = state_of(RELEASES[-1])
    after = Folds(state_of(RELEASES[-1]))
    fold_all(after, on_friday(with_profile=True))
    for shard, found in after.state.items():
        cells.setdefault(shard, {})[b"terms"] = found[b"terms"]
    for name in LATER:
        for shard, key in [(shard, key) for shard, found in after.state.items() for key in found if WHERE[name](shard, key)]:
            cells[shard][key] = after.state[shard][key]
    return cells


def cells_of(kind: type[Stored], state: State) -> Iterator[tuple[str, bytes]]:
    return ((shard, key) for shard, cells in state.items() for key in cells if WHERE[kind.__name__](shard, key))


def rewritten(state: State, kind: type[Stored], version: int = NEWER) -> State:
    """``state`` with the values of ``kind`` in a layout that nobody knows: only the day is where it always was."""
    found = list(cells_of(kind, state))
    assert found
    for shard, key in found:
        fields = msgspec.msgpack.decode(state[shard][key][1:])
        unknown = [field if place == kind.DAY_AT else "?" for place, field in enumerate(fields)]
        state[shard][key] = bytes((version,)) + msgspec.msgpack.encode([*unknown, {"of": "the future"}])
    return state


def without(state: State, kind: type[Stored]) -> State:
    for shard, key in list(cells_of(kind, state)):
        del state[shard][key]
    return state


def moved(value: Any) -> Any:
    """A message of Friday as one of Monday."""
    if isinstance(value, dict):
        days = {"day", "trading_day"} & value.keys()
        times = {"ts_ms", "since_ms", "minute_ms"} & value.keys()
        return (
            {name: moved(field) for name, field in value.items()}
            | dict.fromkeys(days, MONDAY)
            | {name: value[name] + WEEKEND_MS for name in times if value[name]}
        )
    return [moved(each) for each in value] if isinstance(value, list) else value


@cache
def on_friday(*, with_profile: bool = False) -> list[Said]:
    """The minute, and what it does not have: a new symbol, a candle, a loss on the tape, a locked book, a share of breadth."""
    vnm: tuple[Any, ...] = (a_trade("VNM", "09:41:00"), *([a_profile("VNM", "09:41:00", volumes=[100])] if with_profile else []))
    new_symbol = encode(a_frame(a_tick("09:41:00"), *vnm, a_tick("09:42:15"), epoch=1_795_141_540_000, seq=10_000))
    loss = encode(TradesFrame(events=[a_trade_event("VNM", "09:41:00", kind="gap", cause="lost", epoch=1)]))
    locked = encode(QuotesFrame(events=[a_quote_event("VNM", "09:41:00", bid=64_200, ask=0, ask_volume=0, limit="ceiling")]))
    candle = encode(CandlesFrame(events=[a_candle_event("VNM", "09:41")]))
    share = IndexShare(symbol="VN30", counts=[0, 0, 0, 0, 0, 1])
    members = encode(PartialBreadth(shard=0, shards=3, day=FRIDAY, ts_ms=a_tick("09:41:00").ts_ms, indices=[share]))
    return [
        *minute_of(RELEASES[-1]),
        *(Said(SSI_TICKS, shard, 10_000, "", new_symbol) for shard in range(3)),
        *(Said(MARKET_TRADES, shard, 10_000, "", loss) for shard in range(3)),
        *(Said(MARKET_QUOTES, shard, 10_000, "", locked) for shard in range(3)),
        *(Said(MARKET_CANDLES, shard, 10_000, "", candle) for shard in range(3)),
        Said(PARTIAL_BREADTH, 0, 10_000, "", members),
    ]


@cache
def on_monday() -> list[Said]:
    return [said._replace(value=json.dumps(moved(json.loads(said.value))).encode()) for said in on_friday()]


def of_shards_with(kind: type[Stored], messages: list[Said]) -> list[Said]:
    """Those of ``messages`` that a shard folds which keeps values of ``kind``: no other can tell whether these can be read."""
    shards = {shard for shard, _ in cells_of(kind, friday_morning())}
    return [said for said in messages if f"{said.topic.name}/{said.partition}" in shards]


def fold_all(folds: Folds, messages: list[Said]) -> tuple[list[Any], Counter[str]]:
    outputs: list[Any] = []
    counts: Counter[str] = Counter()
    for said in messages:
        folded = folds.fold(said)
        outputs += folded.outputs
        counts += folded.counts
    return outputs, counts


@cache
def state_of_today() -> State:
    """What this release keeps once it has gone on from the state of the last one."""
    folds = Folds(state())
    fold_all(folds, on_friday())
    return folds.state


def written_today(kind: type[Stored]) -> Iterator[bytes]:
    return (state_of_today()[shard][key] for shard, key in cells_of(kind, state_of_today()))


@EACH
def test_a_kind_says_of_which_day_it_is_or_belongs_to_one_that_does(kind: type[Stored]) -> None:
    if kind.DAY_AT is None:
        assert kind.__name__ in WITHOUT_A_DAY
    else:
        assert kind.__struct_fields__[kind.DAY_AT] == "day"


def test_the_kinds_that_the_last_release_did_not_have_are_known() -> None:
    cells = state_of(RELEASES[-1])
    assert {kind.__name__ for kind in KINDS if not list(cells_of(kind, cells))} == set(LATER)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.__name__ not in LATER], ids=lambda kind: kind.__name__)
def test_the_last_release_had_the_day_where_this_one_has_it(kind: type[Stored]) -> None:
    state = state_of(RELEASES[-1])
    found = list(cells_of(kind, state))
    assert found
    for shard, key in found:
        fields = msgspec.msgpack.decode(state[shard][key][1:])
        assert kind.DAY_AT is None or fields[kind.DAY_AT] == FRIDAY


def test_every_value_of_the_last_release_is_of_a_kind_that_is_known() -> None:
    state = state_of(RELEASES[-1])
    known = [cell for kind in KINDS for cell in cells_of(kind, state)]
    assert known
    assert sorted(known) == sorted((shard, key) for shard, cells in state.items() for key in cells)


@EACH
def test_a_raised_version_refuses_what_the_last_release_wrote_and_names_its_day(kind: type[Stored]) -> None:
    class Raised(kind):  # type: ignore[valid-type, misc]
        VERSION: ClassVar[int] = kind.VERSION + 1

    cells = state()
    shard, key = next(cells_of(kind, cells))
    with pytest.raises(StateOutdated) as caught:
        Codec(Raised).decode(cells[shard][key])
    assert caught.value.day == (None if kind.DAY_AT is None else FRIDAY)
    written = next(value for value in written_today(kind) if value[0] == kind.VERSION)
    upgraded = Codec(Raised, upgrades={kind.VERSION: lambda fields: fields}).decode(written)
    assert msgspec.structs.astuple(upgraded) == msgspec.structs.astuple(Codec(kind).decode(written))


@EACH
def test_on_the_next_trading_day_values_that_cannot_be_read_are_as_if_they_were_not_there(kind: type[Stored]) -> None:
    monday = of_shards_with(kind, on_monday())
    outputs, counts = fold_all(Folds(rewritten(state(), kind)), monday)
    assert outputs == fold_all(Folds(without(state(), kind)), monday)[0]
    assert counts["unreadable_earlier"] > 0
    assert counts["unreadable_today"] == counts["rejected"] == 0


@EACH
def test_values_of_today_that_a_newer_release_wrote_stop_the_pipeline(kind: type[Stored]) -> None:
    with pytest.raises(StateNewer, match=f"a newer release wrote this state: {kind.__name__} has version {NEWER}"):
        fold_all(Folds(rewritten(state(), kind)), of_shards_with(kind, on_friday()))


RECORDS = pytest.mark.parametrize("topic", [SSI_TICKS, SSI_FOREIGN, SSI_INDICES], ids=lambda topic: topic.name)


def state_of_the_future() -> State:
    """The state of Friday, all of it in layouts that nobody knows."""
    cells = state()
    for kind in KINDS:
        rewritten(cells, kind)
    return cells


@RECORDS
def test_time_that_passes_after_the_close_of_a_day_that_another_release_folded_changes_nothing(topic: Topic[Any]) -> None:
    folds = Folds(state_of_the_future())
    for offset, frame in enumerate([a_frame(a_tick("16:00:00")), a_frame(a_tick("23:59:59"), a_loss("23:59:59"), a_reference())]):
        folded = folds.fold(Said(topic, 0, offset, "", encode(frame)))
        assert (folded.outputs, folded.counts) == ([], {"after_close": 1})
    assert folds.state == state_of_the_future()


@RECORDS
@pytest.mark.parametrize(
    "frame",
    [
        a_frame(a_tick("15:59:59")),
        a_frame(a_tick("16:00:00"), a_trade(ts="14:45:00")),
        a_frame(a_reference()),
        a_frame(changed(a_tick("16:00:00"), trading_day=99_999_999)),
    ],
    ids=["before the close", "a late record", "no time", "no date"],
)
def test_anything_else_of_that_day_stops_the_pipeline(topic: Topic[Any], frame: Any) -> None:
    folds = Folds(state_of_the_future())
    with pytest.raises(StateNewer):
        folds.fold(Said(topic, 0, 0, "", encode(frame)))
    assert folds.state == state_of_the_future()


@EACH
@pytest.mark.parametrize(
    "stray",
    [
        a_reference("SSI", trading_day=MONDAY),
        a_trade(ts=0, trading_day=MONDAY),
        a_foreign(bought=-1, trading_day=MONDAY),
        an_index(value=1 << 60, trading_day=MONDAY),
    ],
    ids=["reference data", "a trade without a time", "a negative counter", "an impossible index"],
)
def test_a_record_of_the_next_day_that_does_not_begin_it_puts_no_value_of_today_aside(kind: type[Stored], stray: Any) -> None:
    folds = Folds(rewritten(state(), kind))
    messages = [
        said._replace(value=encode(changed(frame, records=[stray, *frame.records])))
        for said in of_shards_with(kind, on_friday())
        if said.topic in RECORD_TOPICS
        for frame in [said.topic.decode(said.value)]
    ]
    if next(cells_of(kind, folds.state))[0].startswith("ssi."):
        with pytest.raises(StateNewer):
            fold_all(folds, messages)


@pytest.mark.parametrize("market_time", ["15:59:59", "16:00:00"])
def test_reference_records_have_their_time_from_the_shard(market_time: str) -> None:
    cells = rewritten(state(), ShardDay)
    codec = Codec(Feeds)
    feeds = codec.decode(cells["ssi.ticks/0"][b"feeds"])
    feeds.now_ms = a_tick(market_time).ts_ms
    cells["ssi.ticks/0"][b"feeds"] = codec.encode(feeds)
    said = Said(SSI_TICKS, 0, 1, "", encode(a_frame(a_reference())))
    if market_time < "16":
        with pytest.raises(StateNewer):
            Folds(cells).fold(said)
    else:
        assert Folds(cells).fold(said).counts == {"after_close": 1}


def test_a_forced_start_does_without_todays_values_and_each_shard_says_so_once() -> None:
    folds = Folds(state_of_the_future(), force_terms=True)
    told: Counter[tuple[str, int, str]] = Counter()
    counts: Counter[str] = Counter()
    for said in on_friday():
        folded = folds.fold(said)
        counts += folded.counts
        if folded.adopted is not None:
            adopted = PIPELINES_TERMS.decode(folded.adopted.value)
            told[adopted.topic, adopted.partition, adopted.reason] += 1
    assert counts["unreadable_today"] > len(told) > 0
    assert set(told.values()) == {1}
    assert {reason for _, _, reason in told} == {"forced"}
    assert {(topic, partition) for topic, partition, _ in told} >= {
        (topic, n) for topic in ("ssi.ticks", "ssi.foreign") for n in range(3)
    }


@pytest.mark.parametrize("kind", [Feeds, ShardDay], ids=lambda kind: kind.__name__)
def test_a_day_that_was_forced_on_is_summarised_once_it_is_over_and_not_before(kind: type[Stored]) -> None:
    symbol = next(key[2:].decode() for shard, key in cells_of(SymbolDay, state()) if shard == "ssi.ticks/0")
    folds = Folds(rewritten(state(), kind), force_terms=True)
    frames = [
        a_frame(a_tick("09:41"), a_trade(symbol, "09:41", total=10_000_000), epoch=1_795_141_540_000, seq=10_000),
        a_frame(a_tick("09:46"), a_trade(symbol, "09:46", total=10_000_100), epoch=1_795_141_540_000, seq=10_001),
        a_frame(a_tick("16:00"), epoch=1_795_141_540_000, seq=10_002),
    ]
    told = []
    for offset, frame in enumerate(frames):
        outputs = folds.fold(Said(SSI_TICKS, 0, 10_000 + offset, "", encode(frame))).outputs
        daily = [MARKET_DAILY.decode(output.value) for output in outputs if output.topic is MARKET_DAILY]
        told.append([(day.total_volume, day.final) for frame in daily for day in frame.events if day.symbol == symbol])
    assert (10_000_100, True) in told[2]
    assert all(not final for before in told[:2] for _, final in before)


@RECORDS
def test_the_first_frame_of_the_next_day_begins_it_though_it_ends_the_day_before(topic: Topic[Any]) -> None:
    folds = Folds(state_of_the_future())
    frame = a_frame(a_tick("23:59:59"), a_reference(trading_day=MONDAY), a_tick("00:00:00", trading_day=MONDAY))
    folded = folds.fold(Said(topic, 0, 0, "", encode(frame)))
    assert folded.counts["unreadable_earlier"] > 0
    assert folds.fold(Said(topic, 0, 1, "", encode(a_frame(a_tick("00:00:01", trading_day=MONDAY))))).counts == {}


@pytest.mark.parametrize(
    ("ts", "moved", "stops"), [("16:00:00", False, False), ("15:59:59", False, True), ("16:00:00", True, True)]
)
def test_the_flow_goes_on_after_the_close_as_long_as_nothing_moves(ts: str, moved: bool, stops: bool) -> None:
    folds = Folds(state_of_the_future())
    partial = PartialFlow(shard=0, shards=3, day=FRIDAY, ts_ms=a_tick(ts).ts_ms, changed=moved, sums=[], movers=[])
    said = Said(PARTIAL_FLOW, 0, 0, "", encode(partial))
    if stops:
        with pytest.raises(StateNewer):
            folds.fold(said)
    else:
        assert folds.fold(said).counts == {"after_close": 1}
    assert folds.state == state_of_the_future()
