"""Records at rates of choice."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import pytest
from msgspec.structs import replace

from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import MarketDay, MarketSize
from connectors.ssi.simulator.core.records import Foreign, SimulatedRecord, Trade
from schemas.calendar import at
from schemas.units import TradingDay
from stock_tracker.bench.core.paced_day import CounterFell, FeedRate, PacedDay, first_records, paced_day

DAY = TradingDay(20261123)
OPEN_MS = at(DAY, 9, 15)


def a_day(*stretches: FeedRate) -> PacedDay:
    return paced_day(DAY, 7, Random, MarketSize.of(0.05, 40, "index"), stretches)


def test_each_second_has_the_records_that_were_asked_for() -> None:
    paced = a_day(FeedRate(3, 20), FeedRate(2, 100), FeedRate(3, 0), FeedRate(1, 10))
    records = first_records(paced, 1_000)
    assert len(records) == paced.records_due == 270
    seconds = Counter((record.due_ms - OPEN_MS) // 1_000 for record in records)
    assert [seconds[second] for second in range(9)] == [20, 20, 20, 100, 100, 0, 0, 0, 10]
    assert all(record.ts_ms == record.due_ms // 1_000 * 1_000 for record in records)
    assert [record.due_ms for record in records] == sorted(record.due_ms for record in records)
    # What is due at the open itself would be in SSI's cache already, and never sent.
    assert records[0].due_ms > OPEN_MS


def test_counters_only_rise_and_totals_go_on() -> None:
    """Foreign flow as the ledger gets it: not one difference is negative."""
    foreign: dict[str, list[Foreign]] = {}
    trades: dict[str, list[Trade]] = {}
    for record in first_records(a_day(FeedRate(20, 200)), 4_000):
        if isinstance(record, Foreign):
            foreign.setdefault(record.listing.symbol, []).append(record)
        elif isinstance(record, Trade):
            trades.setdefault(record.listing.symbol, []).append(record)
    assert len(foreign) > 20
    for told in foreign.values():
        assert all(a.bought <= b.bought and a.sold <= b.sold for a, b in pairwise(told))
    for printed in trades.values():
        assert all(a.total_volume + b.volume == b.total_volume for a, b in pairwise(printed) if b.is_print)


def test_it_is_the_same_day_each_time() -> None:
    once, again = ([wire.encode(record) for record in first_records(a_day(FeedRate(2, 50)), 100)] for _ in range(2))
    assert once == again


def test_a_counter_that_falls_is_found() -> None:
    paced = a_day(FeedRate(20, 200))
    records = [record for period in paced.source.periods() for record in period]
    last = max(place for place, record in enumerate(records) if isinstance(record, Foreign) and record.due_ms < at(DAY, 11))
    records[last] = replace(records[last], bought=0)

    @dataclass(frozen=True)
    class Altered(MarketDay):
        def periods(self) -> Iterator[list[SimulatedRecord]]:
            yield records

    source = paced.source
    altered = Altered(source.day, source.seed, source.universe, source.stories, source.size, source.seeded)
    whole = dataclasses.replace(paced, source=altered, stretches=(FeedRate(100, 1_000),))
    with pytest.raises(CounterFell, match="0 after"):
        for _ in whole.periods():
            pass
