"""A shard that is cut into slices on disk says of each symbol what it says in one piece."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.simulator.core.truth import PrintTruth, encode_line
from schemas.position import Position
from schemas.structs import Frame
from schemas.topics import MARKET_BASIS, MARKET_TRADES, SSI_FOREIGN, SSI_TICKS
from schemas.units import Symbol, UnixMs
from stock_tracker.verify.core.reference.day import ToldDay, gather
from stock_tracker.verify.slices import MOST_SLICES, RECORDS_IN_A_SLICE, ShardSlices, SliceLogs, slices_for
from stock_tracker.verify.spill import SpilledLines
from tests.builders import DAY, TEN, a_basis_event, a_foreign, a_frame, a_quote, a_tick, a_trade, a_trade_event, moment

Frames = list[tuple[Position, Frame]]
SYMBOLS = ("VNM", "FPT", "ACB", "SSI", "HPG")
TEN_MS = moment(TEN, DAY)


def sliced(frames: Frames, count: int) -> list[SliceLogs]:
    """The slices of a shard with these frames."""
    with ShardSlices(count) as slices:
        for at, frame in frames:
            slices.take_frame(at, frame)
        return [slices.read(number) for number in range(count)]


def told_of(logs: SliceLogs) -> ToldDay:
    return gather((at, frame) for at, frame, _ in logs.records)


@st.composite
def shards(draw: st.DrawFn) -> Frames:
    """Frames of two topics, by two feeds that repeat each other's seconds, fall behind, and stop."""
    frames: Frames = []
    offsets = {SSI_TICKS.name: 0, SSI_FOREIGN.name: 0}
    total = 0
    for _ in range(draw(st.integers(1, 25))):
        topic = draw(st.sampled_from(sorted(offsets)))
        records: list[Any] = []
        for _ in range(draw(st.integers(0, 4))):
            ts_ms = TEN_MS + 1000 * draw(st.integers(0, 12))
            if draw(st.booleans()):
                records.append(a_tick(ts_ms))
                continue
            symbol, total = draw(st.sampled_from(SYMBOLS)), total + 100
            made = a_trade(symbol, ts_ms, total=total) if topic == SSI_TICKS.name else a_foreign(symbol, ts_ms, bought=total)
            records.append(made)
        frames.append((Position(topic, 0, offsets[topic]), a_frame(*records, feed=draw(st.sampled_from("ab")))))
        offsets[topic] += 1
    return frames


@given(shards(), st.integers(1, 4))
def test_of_each_symbol_a_slice_says_what_the_whole_shard_says(frames: Frames, count: int) -> None:
    whole = gather(frames)
    slices = list(map(told_of, sliced(frames, count)))
    for told in slices:
        assert (told.day, told.until_ms, told.feeds) == (whole.day, whole.until_ms, whole.feeds)
        assert told.foreign_seconds.reached_ms == whole.foreign_seconds.reached_ms
    for symbol in SYMBOLS:
        [told] = [told for told in slices if told.trades[symbol] or told.foreign[symbol]] or [slices[0]]
        assert told.trades[symbol] == whole.trades[symbol]
        assert told.foreign[symbol] == whole.foreign[symbol]
        assert told.seconds[symbol] == whole.seconds[symbol]
    together = [told.foreign_seconds for told in slices]
    assert {key: second for each in together for key, second in each.seconds.items()} == whole.foreign_seconds.seconds
    assert {key for each in together for key in each.waiting} == whole.foreign_seconds.waiting


def test_records_and_events_keep_their_places_and_a_future_is_with_its_index() -> None:
    frames = [(Position(SSI_TICKS.name, 2, 40), a_frame(*[a_trade(symbol) for symbol in SYMBOLS], a_tick(TEN_MS)))]
    with ShardSlices(3) as slices:
        for at, frame in frames:
            slices.take_frame(at, frame)
        trades = [a_trade_event(symbol) for symbol in SYMBOLS]
        slices.take_events(Position(MARKET_TRADES.name, 2, 7), MARKET_TRADES.message(events=trades))  # type: ignore[misc]
        basis = MARKET_BASIS.message(events=[a_basis_event()])  # type: ignore[misc]
        slices.take_events(Position(MARKET_BASIS.name, 2, 8), basis)
        assert slices.number_of("41I1GC000") == slices.number_of("VN30")
        read = [slices.read(number) for number in range(3)]
    records = {
        (record.symbol, idx)
        for logs in read
        for at, frame, idxs in logs.records
        for idx, record in zip(idxs, frame.records, strict=True)
        if hasattr(record, "symbol")
    }
    assert records == set(zip(SYMBOLS, range(len(SYMBOLS)), strict=True))
    events = {(event.symbol, *at.message, at.idx) for logs in read for at, event in logs.events[MARKET_TRADES.name]}
    assert events == {(symbol, MARKET_TRADES.name, 2, 7, idx) for idx, symbol in enumerate(SYMBOLS)}
    assert sum(logs.said for logs in read) == len(SYMBOLS)
    assert len([logs for logs in read if logs.events[MARKET_BASIS.name]]) == 1


def test_of_books_only_the_newest_of_a_feed_is_whole() -> None:
    bids, asks = [68_400, 100, 68_300, 200], [68_500, 100, 68_600, 200]
    told = [(2, "a"), (1, "a"), (3, "b"), (2, "b"), (3, "a"), (3, "a")]
    frames: Frames = [
        (Position(SSI_TICKS.name, 0, n), a_frame(a_quote("VNM", TEN_MS + 1000 * s, bids=bids, asks=asks), feed=feed, seq=n))
        for n, (s, feed) in enumerate(told)
    ]
    [logs] = sliced(frames, 1)
    whole = [at.offset for at, frame, _ in logs.records for record in frame.records if getattr(record, "bids", []) == bids]
    assert whole == [2, 5]
    assert all(record.asks[:2] == asks[:2] for _, frame, _ in logs.records for record in frame.records if hasattr(record, "asks"))


def test_facts_of_the_truth_go_to_the_slice_of_their_symbol() -> None:
    fact = PrintTruth(
        symbol=Symbol("VNM"), ts_ms=UnixMs(TEN_MS), due_ms=UnixMs(TEN_MS), price=68_500, last_vol=100, total_vol=100,
        total_val=6_850_000, side=None, session="LO", connections=(1,),
    )  # fmt: skip
    with ShardSlices(4) as slices:
        slices.take_fact(encode_line(fact).rstrip(), fact)
        told = [slices.read(number).facts for number in range(4)]
        assert told[slices.number_of("VNM")] == [fact]
        assert sum(map(len, told)) == 1


@pytest.mark.parametrize(
    ("records", "slices"), [(0, 1), (1, 1), (RECORDS_IN_A_SLICE + 1, 2), (10**9, MOST_SLICES)]
)  # fmt: skip
def test_a_shard_has_as_many_slices_as_its_records_need(records: int, slices: int) -> None:
    assert slices_for(records) == slices


def test_what_is_laid_aside_is_gone_afterwards() -> None:
    with SpilledLines(2) as lines:
        lines.write(1, b"one")
        lines.write(1, b"")
        lines.write(1, b"two")
        folder = lines.folder
        assert list(lines.read(1)) == [b"one", b"", b"two"]
        assert list(lines.read(0)) == []
        assert folder.exists()
    assert not folder.exists()
