"""The truth tells every record that was put on every connection, in little memory."""

from array import array
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.simulator.core.blocks import DayBlock
from connectors.ssi.simulator.core.errors import UnreadableTruth
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.places import B_PLACE, X_PLACE
from connectors.ssi.simulator.core.records import Foreign, Trade
from connectors.ssi.simulator.core.released import Released
from connectors.ssi.simulator.core.truth import ClockReading, Deliveries, Facts, Runs, SentTruth, Truth
from schemas.calendar import at
from schemas.units import TradingDay
from tests.proof import usually

DAY = TradingDay(20261123)


def released_to(blocks: list[DayBlock], count: int) -> Released:
    """The first ``count`` records of the day have been due."""
    released = Released(at(DAY, 0))
    dues = [due for block in blocks for due in block.dues]
    keys = array("I", [key for block in blocks for key in block.keys])
    released.take(dues[:count], keys[:count])
    return released


def truth_of(deliveries: Deliveries, blocks: list[DayBlock]) -> Truth:
    clock = ClockReading(
        market_ms=at(DAY, 10), speed=1.0, state="held", trading_day=DAY, start_ms=at(DAY, 9), end_ms=at(DAY, 15), seed=7
    )
    facts: list[Facts] = [(block.fact_places, block.facts.split(b"\n") if block.facts else []) for block in blocks]
    return Truth.load(b"".join(deliveries.lines(facts, clock, [], malformed=0)))


def sent_in(line: SentTruth) -> list[int]:
    return [place for first, count in line.runs for place in range(first, first + count)]


@given(st.lists(st.integers(0, 40)))
def test_runs_are_what_was_added_in_its_order(numbers: list[int]) -> None:
    runs = Runs()
    for number in numbers:
        runs.add(number)
    assert [n for first, count in runs for n in range(first, first + count)] == numbers
    assert runs.count == len(numbers)


def test_every_record_of_a_day_on_a_connection_is_one_run() -> None:
    runs = Runs()
    for number in range(10_000):
        runs.add(number)
    assert list(runs) == [(0, 10_000)]


@pytest.mark.parametrize("part", [0.3, 1.0])
def test_the_truth_tells_each_print_deal_and_foreign_record_that_was_due(
    small: MarketDay, blocks: list[DayBlock], part: float
) -> None:
    count = int(len(small.records) * part)
    truth = truth_of(Deliveries(released_to(blocks, count)), blocks)
    due = [record for record in small.records[:count] if record.due_ms >= at(DAY, 0)]
    prints = [r for r in due if isinstance(r, Trade) and r.is_print]
    assert [
        (p.symbol, p.ts_ms, p.due_ms, p.price, p.last_vol, p.total_vol, p.total_val, p.side, p.session) for p in truth.prints
    ] == [
        (t.listing.symbol, t.ts_ms, t.due_ms, t.price, t.volume, t.total_volume, t.total_value, t.side, t.session) for t in prints
    ]
    deals = [r for r in due if isinstance(r, Trade) and r.is_deal]
    assert [(d.symbol, d.due_ms, d.price, d.last_vol, d.total_vol, d.total_val) for d in truth.deals] == [
        (t.listing.symbol, t.due_ms, t.price, t.volume, t.total_volume, t.total_value) for t in deals
    ]
    foreign = [r for r in due if isinstance(r, Foreign)]
    assert [(f.symbol, f.due_ms, f.bought, f.sold, f.bought_value, f.sold_value, f.room) for f in truth.foreign] == [
        (r.listing.symbol, r.due_ms, r.bought, r.sold, r.bought_value, r.sold_value, r.room) for r in foreign
    ]
    assert len(truth.withheld) == len(prints)
    assert truth.sent == []


@pytest.mark.parametrize("seed", range(usually(4, proving=200)))
def test_the_truth_names_the_connections_of_each_record_whatever_their_order(
    small: MarketDay, blocks: list[DayBlock], seed: int
) -> None:
    """Also if records are repeated, come late, or come in a snapshot."""
    rng, count = Random(seed), 2_500
    deliveries = Deliveries(released_to(blocks, count))
    put: dict[int, list[int]] = {1: [], 2: [], 7: []}
    for _ in range(60):
        connection = rng.choice(list(put))
        first = rng.randrange(count - 100)
        for place in range(first, first + rng.randrange(1, 100)):
            if rng.random() < 0.9:
                deliveries.put(place, connection)
                put[connection].append(place)
    truth = truth_of(deliveries, blocks)
    assert {line.connection: sent_in(line) for line in truth.sent} == {c: places for c, places in put.items() if places}
    told: dict[tuple[str, int, int], tuple[int, ...]] = {(p.symbol, p.due_ms, p.total_vol): p.connections for p in truth.prints}
    foreign: dict[tuple[str, int], tuple[int, ...]] = {(f.symbol, f.due_ms): f.connections for f in truth.foreign}
    places_on = {connection: set(places) for connection, places in put.items()}
    for place, record in enumerate(small.records[:count]):
        connections = tuple(connection for connection, places in places_on.items() if place in places)
        if isinstance(record, Trade) and record.is_print and record.due_ms >= at(DAY, 0):
            assert told[record.listing.symbol, record.due_ms, record.total_volume] == connections
        elif isinstance(record, Foreign) and record.due_ms >= at(DAY, 0):
            assert foreign[record.listing.symbol, record.due_ms] == connections


def test_what_was_sent_is_counted_by_channel_and_by_day(small: MarketDay, blocks: list[DayBlock]) -> None:
    released = released_to(blocks, 2_000)
    deliveries = Deliveries(released)
    for place in range(2_000):
        deliveries.put(place, 1)
    deliveries.put(1_999 + X_PLACE, 1)
    deliveries.put(5 + B_PLACE, 1)
    header = truth_of(deliveries, blocks).header
    sent = small.records[:2_000]
    for name in ("X-TRADE", "X-QUOTE", "R", "MI", "F", "OL"):
        assert header.sent[name] == sum(record.channel == name for record in sent)
    assert (header.sent["X"], header.sent["B"]) == (1, 1)
    assert header.sent == deliveries.sent_on(1)
    before = sum(record.due_ms < at(DAY, 0) for record in sent)
    assert header.sent_previous_day == before + 1, "the B at 5 follows a record of the day before"
    assert header.sent_without_match == sum(isinstance(r, Trade) and not r.volume and r.due_ms >= at(DAY, 0) for r in sent)
    streams = {line.stream: line.records for line in truth_of(deliveries, blocks).sent}
    assert streams == {"records": 2_000, "X": 1, "B": 1}


def test_a_truth_that_was_cut_short_is_refused(blocks: list[DayBlock]) -> None:
    deliveries = Deliveries(released_to(blocks, 2_000))
    deliveries.put(3, 1)
    clock = ClockReading(
        market_ms=at(DAY, 10), speed=1.0, state="held", trading_day=DAY, start_ms=at(DAY, 9), end_ms=at(DAY, 15), seed=7
    )
    facts: list[Facts] = [(block.fact_places, block.facts.split(b"\n") if block.facts else []) for block in blocks]
    lines = list(deliveries.lines(facts, clock, [], malformed=0))
    assert msgspec.json.decode(lines[-1])["kind"] == "sent"
    for missing in (1, len(lines) // 2, len(lines) - 1):
        with pytest.raises(UnreadableTruth, match="cut short"):
            Truth.load(b"".join(lines[:missing] + lines[missing + 1 :]))
