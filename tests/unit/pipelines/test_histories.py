"""Thousands of days that really happened, against an oracle that read the same design and shares no code with the folds.

The generator (:mod:`tests.oracle.histories`) knows what happened, the oracle reads a whole day at once, a fold reads it record
by record. The three are compared by what the day comes to: prints, shares that nobody told of, lines and totals.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any, NamedTuple

import pytest

from pipelines.core import foreign_shard, price_shard
from pipelines.core.frames import Folded, Shard
from schemas.position import Position
from schemas.structs import ClockTick, ForeignRow, LedgerEntry, PriceRow, TradeEvent
from schemas.terms import DealCounting
from schemas.topics import MARKET_FOREIGN, MARKET_TRADES, SSI_FOREIGN, SSI_TICKS, STATE_FOREIGN, STATE_PRICES, Topic
from schemas.units import Exchange, Side
from stock_tracker.verify.core.reference.counter import Told
from stock_tracker.verify.core.reference.ledger import account_of
from stock_tracker.verify.core.reference.tape import ExpectedTape, Print, TapeRecord, tape_of
from tests.builders import a_foreign, a_frame, a_tick, a_trade, changed, moment, offers
from tests.oracle.histories import (
    CEILING,
    FLOOR,
    PRICE,
    TROUBLES,
    Count,
    Counted,
    Heard,
    History,
    Match,
    a_flow,
    a_tape,
    is_tellable,
)
from tests.proof import usually

HISTORIES = usually(500, proving=20_000)
NOT_YET: frozenset[str] = frozenset()
"""Traits of histories that the folds do not master yet. Name some to leave them out: the tests say which days differ, by seed."""
SLICES = 10
COUNTINGS: tuple[DealCounting, ...] = ("own", "shared")
YESTERDAY = 20261119
MIDNIGHT = moment("00:00")

Outputs = dict[Topic[Any], list[bytes]]
"""All messages that came of a day, by topic. Few of them are ever looked at."""


class Pipeline(NamedTuple):
    """What folds a history, and how a record of it looks on its topic."""

    fold: Callable[..., Folded]
    place: Shard
    source: Topic[Any]
    record: Callable[[Any], Any]
    cached: Callable[..., Any]
    """A record of the day before."""


def _fold(
    pipeline: Pipeline,
    history: History[Any],
    cuts: int = 0,
    counting: DealCounting = "unknown",
    counts: Counter[str] | None = None,
) -> Outputs:
    """Fold a day in frames that are cut by chance, each on the state that the one before has stored.

    Args:
        pipeline: What folds it.
        history: The day.
        cuts: The seed of the cuts.
        counting: What is known beforehand of put-through deals.
        counts: Gets what is counted.
    """
    under = offers(pipeline.source, put_through_counter=counting)
    outputs: Outputs = defaultdict(list)
    state: dict[bytes, bytes] = {}
    seqs: Counter[tuple[str, int]] = Counter()
    for offset, (heard, records) in enumerate(_frames(pipeline, history, Random(cuts))):
        connection = heard.feed, heard.epoch
        seqs[connection] += heard.loses
        frame = a_frame(*records, feed=heard.feed, epoch=heard.epoch, seq=seqs[connection])
        seqs[connection] += 1
        position = Position(pipeline.source.name, 0, offset)
        folded = pipeline.fold(frame, position, pipeline.place, state, offers=under)
        if counts is not None:
            counts += folded.counts
        for output in folded.outputs:
            outputs[output.topic].append(output.value)
    return outputs


def _frames(pipeline: Pipeline, history: History[Any], cuts: Random) -> Iterator[tuple[Heard[Any], list[Any]]]:
    """The frames of a day, from before the open until after the close, each with what came first in it."""
    for feed in sorted({heard.feed for heard in history.heard}):
        records = [a_tick("08:55")]
        if history.moved_from is not None:
            records.append(pipeline.cached(ts="14:45", trading_day=YESTERDAY, exchange=Exchange(history.moved_from)))
        yield Heard(0, feed, 1, None), records
    frame: list[Heard[Any]] = []
    for heard in history.heard:
        is_same = frame and (heard.feed, heard.epoch) == (frame[0].feed, frame[0].epoch)
        if frame and (not is_same or heard.loses or cuts.random() < 0.3):
            yield frame[0], [_record(pipeline, one) for one in frame]
            frame = []
        frame.append(heard)
    yield frame[0], [_record(pipeline, one) for one in frame]
    yield replace(frame[0], loses=False), [a_tick("16:00:05")]


def _record(pipeline: Pipeline, heard: Heard[Any]) -> Any:
    if heard.said is None:
        return _tick(MIDNIGHT + heard.at_ms // 1000 * 1000, is_up=heard.is_up)
    return pipeline.record(heard.said)


@cache
def _tick(ts_ms: int, *, is_up: bool) -> ClockTick:
    """The clock ticks of all histories are of the same few minutes."""
    return a_tick(ts_ms, health="up" if is_up else "down")


def _events(outputs: Outputs, topic: Topic[Any]) -> list[Any]:
    return [event for value in outputs[topic] for event in topic.decode(value).events]


def _last_row(outputs: Outputs, topic: Topic[Any]) -> Any:
    """None when there is none."""
    return topic.decode(outputs[topic][-1]) if outputs[topic] else None


in_slices = pytest.mark.parametrize("seeds", [range(n, HISTORIES, SLICES) for n in range(SLICES)], ids=range(SLICES))


# -- the tape


def _matched(match: Match) -> Any:
    is_deal = match.kind == "put_through"
    return a_trade(
        ts=MIDNIGHT + match.second * 1000, exchange=Exchange(match.exchange), price=match.price, volume=match.volume,
        total=match.total, total_value=match.value, reference=PRICE, ceiling=CEILING, floor=FLOOR, high=CEILING, low=FLOOR,
        session="PT" if is_deal else "LO",
    )  # fmt: skip


TAPE = Pipeline(price_shard.fold_frame, Shard.of("prices", 0, 1), SSI_TICKS, _matched, a_trade)


def _expected_tape(history: History[Match]) -> ExpectedTape:
    records = [
        TapeRecord(match.second, match.total, match.volume, match.price, match.value, match.kind == "put_through")
        for match in history.told
    ]
    return tape_of(records, FLOOR, CEILING)


def _tape_differences(history: History[Match], expected: ExpectedTape, counting: DealCounting = "unknown") -> list[str]:
    """What the fold makes of a day that the oracle does not; ``counting`` is what is known beforehand of put-through deals."""
    counts: Counter[str] = Counter()
    outputs = _fold(TAPE, history, counting=counting, counts=counts)
    events: list[TradeEvent] = _events(outputs, MARKET_TRADES)
    prints = [event for event in events if event.kind == "print" and event.anchored]
    booked = Counter(
        Print(event.generation, (event.ts_ms - MIDNIGHT) // 1000, event.total_volume, event.last_volume or 0, event.price or 0)
        for event in prints
        if event.phase != "put_through"
    )
    wrong: list[str] = []
    wrong += [f"{known} is booked {times} times" for known, times in booked.items() if times > 1]
    wrong += [f"{known} is not booked" for known in sorted(expected.prints - set(booked))]
    wrong += [f"{known} is booked" for known in sorted(set(booked) - expected.prints - expected.possible)]
    deals = Counter((event.total_volume, event.last_volume or 0) for event in prints if event.phase == "put_through")
    if set(deals.values()) - {1} or not expected.deals - expected.like_a_match <= set(deals) <= expected.deals:
        wrong.append(f"put-through deals are {sorted(deals.elements())} for {sorted(expected.deals)}")
    learnt = {f"put_through_{word}" for word in ("own", "shared") if f"put_through_{word}" not in history.traits}
    wrong += [f"{word} is proven" for word in learnt if counts[word]]
    row: PriceRow | None = _last_row(outputs, STATE_PRICES)
    if row is None:
        return [*wrong, "there is no row"]
    if row.total_volume != sum(expected.reading.tops):
        wrong.append(f"the total is {row.total_volume} for {expected.reading.tops}")
    if expected.can_tell_gaps and not wrong:
        missing, least = row.missed_volume, sum(end - start for holes in expected.untold.values() for start, end in holes)
        dealt = sum(volume for _, volume in expected.deals) if "put_through_shared" in history.traits else 0
        if not least - dealt <= missing <= least:
            wrong.append(f"{missing} shares are missing for {least}, of which {dealt} were put through")
    newest = max(match.second for match in history.told)
    named = {match.exchange for match in history.told if match.second == newest}
    if row.exchange not in named:
        wrong.append(f"the exchange is {row.exchange} for {named}")
    return wrong


@in_slices
def test_the_tape_is_what_the_whole_day_says(seeds: Sequence[int]) -> None:
    differences = {}
    for seed in seeds:
        history = a_tape(seed, without=NOT_YET)
        if not history.told:
            continue
        expected = _expected_tape(history)
        if not expected.reading.unclear and (wrong := _tape_differences(history, expected)):
            differences[seed] = (sorted(history.traits), wrong)
    assert not differences


@in_slices
def test_knowing_how_deals_are_counted_loses_nothing(seeds: Sequence[int]) -> None:
    differences = {}
    for seed in seeds[:: usually(4, proving=1)]:
        history = a_tape(seed)
        counting = next((each for each in COUNTINGS if f"put_through_{each}" in history.traits), None)
        if counting is None or not history.told:
            continue
        expected = _expected_tape(history)
        if not expected.reading.unclear and (wrong := _tape_differences(history, expected, counting)):
            differences[seed] = (counting, sorted(history.traits), wrong)
    assert not differences


@in_slices
def test_the_oracle_reads_off_the_tape_what_happened(seeds: Sequence[int]) -> None:
    tellable = 0
    for seed in seeds:
        history = a_tape(seed)
        delivered = [(arrived, match) for arrived, match in history.delivered if match.kind != "put_through" and match.total]
        counted = [_of_tape(arrived, match) for arrived, match in delivered]
        tape = _expected_tape(history)
        if not is_tellable(counted) or tape.reading.unclear:
            continue
        tellable += 1
        true = [match for _, match in delivered if match.is_true]
        assert tape.prints | tape.possible == {
            Print(match.generation, match.second, match.total, match.volume, match.price) for match in true if match.volume
        }, seed
        assert tape.reading.tops == _tops(counted), seed
    assert tellable > len(seeds) // 2


def _of_tape(arrived: int, match: Match) -> Counted:
    return Counted(match.second, match.total, match.generation, match.stretch, match.is_true, arrived)


def _tops(counted: Iterable[Counted]) -> list[int]:
    """The total that each generation truly came to, as far as it was delivered."""
    tops: dict[int, tuple[int, int]] = {0: (0, 0)}
    for one in (one for one in counted if one.is_true):
        tops[one.generation] = max(tops.get(one.generation, (0, 0)), (one.stretch, one.total))
    return [tops[generation][1] for generation in sorted(tops)]


# -- the ledger


def _counted(count: Count) -> Any:
    (bought, sold), (bought_value, sold_value) = count.counters, count.values
    return a_foreign(
        ts=MIDNIGHT + count.second * 1000, exchange=Exchange(count.exchange), bought=bought, sold=sold,
        bought_value=bought_value, sold_value=sold_value,
    )  # fmt: skip


LEDGER = Pipeline(foreign_shard.fold_frame, Shard.of("foreign", 0, 1), SSI_FOREIGN, _counted, a_foreign)


def _ledger_differences(history: History[Count]) -> list[str]:
    outputs = _fold(LEDGER, history)
    entries: list[LedgerEntry] = _events(outputs, MARKET_FOREIGN)
    row: ForeignRow | None = _last_row(outputs, STATE_FOREIGN)
    wrong: list[str] = []
    for number, side in enumerate((Side.BUY, Side.SELL)):
        account = account_of(
            [Told(count.second, count.counters[number], count.values[number]) for count in history.told], FLOOR, CEILING
        )
        # Where a day can be read in more than one way the ledger may know more than the oracle: it knows who told what, and when.
        counted = [_of_flow(arrived, count, number) for arrived, count in history.delivered]
        if account.reading.unclear or not is_tellable(counted):
            continue
        lines = [entry for entry in entries if entry.side is side]
        volumes, reached = Counter[int](), Counter[int]()
        for line in lines:
            if line.counter_from != reached[line.generation] or line.counter - line.counter_from != line.volume:
                wrong.append(f"{side}: the chain of generation {line.generation} breaks at {line.counter_from}")
            reached[line.generation] = line.counter
            volumes[line.generation] += line.volume
        booked = [volumes[generation] for generation in range(max(volumes, default=0) + 1)]
        if booked != account.volumes:
            wrong.append(f"{side}: {booked} shares for {account.volumes}")
        value = sum(line.value for line in lines)
        if value != sum(account.values) and booked == account.volumes:
            wrong.append(f"{side}: {value} VND for {account.values}")
        if row is not None:
            said = (row.bought, row.bought_value) if side is Side.BUY else (row.sold, row.sold_value)
            if said != (sum(booked), value):
                wrong.append(f"{side}: the row says {said} for lines of {sum(booked)} shares and {value} VND")
    newest = max(count.second for count in history.told)
    named = {count.exchange for count in history.told if count.second == newest}
    if row is None:
        wrong.append("there is no row")
    elif row.exchange not in named:
        wrong.append(f"the exchange is {row.exchange} for {named}")
    return wrong


@in_slices
def test_the_ledger_is_what_the_whole_day_says(seeds: Sequence[int]) -> None:
    differences = {}
    for seed in seeds:
        history = a_flow(seed)
        if history.told and (wrong := _ledger_differences(history)):
            differences[seed] = (sorted(history.traits), wrong)
    assert not differences


@in_slices
def test_the_oracle_reads_off_the_ledger_what_happened(seeds: Sequence[int]) -> None:
    tellable = 0
    for seed in seeds:
        history = a_flow(seed)
        for number in range(2):
            counted = [_of_flow(arrived, count, number) for arrived, count in history.delivered]
            told = [Told(count.second, count.counters[number], count.values[number]) for count in history.told]
            account = account_of(told, FLOOR, CEILING)
            if not is_tellable(counted) or account.reading.unclear:
                continue
            tellable += 1
            assert account.volumes == _tops(counted), seed
    assert tellable > len(seeds)


def _of_flow(arrived: int, count: Count, number: int) -> Counted:
    return Counted(
        count.second, count.counters[number], count.generations[number], count.stretches[number], not count.false[number], arrived
    )


# -- what is known beforehand


def _is_of_a_deal(event: TradeEvent) -> bool:
    return event.kind == "fill" and event.phase == "put_through"


@pytest.mark.parametrize("counting", COUNTINGS)
def test_knowing_how_deals_are_counted_changes_nothing_but_what_they_explain(counting: DealCounting) -> None:
    """Where the total never falls: else what deals have explained decides which records of a new count pass for late ones."""
    gained = 0
    for seed in range(0, HISTORIES, usually(16, proving=4)):
        tape = a_tape(seed, without=TROUBLES)
        if f"put_through_{counting}" not in tape.traits or not tape.told:
            continue
        unknown = _events(_fold(TAPE, tape), MARKET_TRADES)
        known = _events(_fold(TAPE, tape, counting=counting), MARKET_TRADES)
        assert [e for e in known if not _is_of_a_deal(e)] == [e for e in unknown if not _is_of_a_deal(e)], seed
        volumes = [sum(event.volume for event in events if _is_of_a_deal(event)) for events in (unknown, known)]
        assert volumes[0] <= volumes[1], seed
        gained += volumes[1] - volumes[0]
    assert (gained > 0) == (counting == "shared")


# -- however it is cut


@in_slices
def test_frames_cut_elsewhere_give_the_same_events_and_the_same_last_rows(seeds: Sequence[int]) -> None:
    for seed in seeds[:: usually(16, proving=8)]:
        tape, flow = a_tape(seed, without=NOT_YET), a_flow(seed)
        for pipeline, history, events, rows in (
            (TAPE, tape, MARKET_TRADES, STATE_PRICES),
            (LEDGER, flow, MARKET_FOREIGN, STATE_FOREIGN),
        ):
            if not history.told:
                continue
            one, other = _fold(pipeline, history, cuts=1), _fold(pipeline, history, cuts=2)
            assert _events(one, events) == _events(other, events), seed
            assert changed(_last_row(one, rows), src=0) == changed(_last_row(other, rows), src=0), seed
