"""Whole shards, slice by slice: what differs is found in whichever slice it is, and nothing where all is right."""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from connectors.clickhouse.core.instruments import InstrumentOfDay
from connectors.clickhouse.core.tables import STORED, TABLES, Table
from connectors.ssi.simulator.core.truth import PrintTruth, TruthHeader, encode_line
from schemas.position import Position
from schemas.structs import ReferenceMessage
from schemas.topics import (
    EVENT_TOPICS,
    MARKET_TRADES,
    PIPELINES_TERMS,
    RECORD_TOPICS,
    SSI_REFERENCE,
    SSI_TICKS,
    STATE_PRICES,
    STATE_TOPICS,
    Topic,
)
from schemas.units import Exchange, Shares, Symbol, UnixMs
from stock_tracker.verify import slices
from stock_tracker.verify.core import derived
from stock_tracker.verify.core.against_truth import TruthComparison
from stock_tracker.verify.core.archive import Row
from stock_tracker.verify.core.boards import latest
from stock_tracker.verify.core.derived import Derived
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.core.numbers import things_in
from stock_tracker.verify.core.records import LostWithConnection
from stock_tracker.verify.rows import Belongs, event_row, expected
from stock_tracker.verify.shards import ByShard
from stock_tracker.verify.truth import TruthFile
from tests.builders import DAY, PRICE, TEN, a_frame, a_reference, a_tick, a_trade, moment
from tests.mutation.simulated_day import Outputs, Records, folded

SYMBOLS = ("ACB", "FPT", "HPG", "MBB", "SSI", "VNM")
TEN_MS = moment(TEN, DAY)


class MemoryLogs:
    """The topics of a deployment with one shard."""

    shards = 1

    def __init__(self, frames: Records, published: Outputs) -> None:
        self.messages: dict[str, list[tuple[Position, Any]]] = defaultdict(list, published)
        for at, frame in frames:
            self.messages[at.topic].append((at, frame))

    def read_shard(self, number: int) -> Iterator[tuple[Position, Any]]:
        for topic in (*RECORD_TOPICS, *EVENT_TOPICS):
            if topic.sharded:
                yield from self.messages[topic.name]

    def read_whole(self, topic: Topic[Any]) -> Iterator[tuple[Position, Any]]:
        yield from self.messages[topic.name]


class MemoryTables:
    """The tables of an archive, as the sink fills them."""

    def __init__(self, published: Outputs) -> None:
        self.stored = {
            table.view: expected(table, ((at, event_row(event)) for at, event in things_in(published[topic])))
            for topic, table in TABLES.items()
        }
        for topic, table in STORED.items():
            if topic not in TABLES:
                said = ((at, table.events_of(message)) for at, message in published[topic])
                self.stored[table.view] = [(EventPosition(at, 0), event_row(event)) for at, (event,) in said]
        self.made: dict[str, list[Row]] = {
            table.view: [
                dict(zip(table.key, key, strict=True)) | dict(row)
                for key, (_, row) in derived.rows_of(table, things_in(published[table.topic.name])).items()
            ]
            for table in derived.DERIVED
        }

    def rows(self, table: Table, partition: int, belongs: Belongs | None = None) -> Iterable[tuple[EventPosition, Row]]:
        stored = sorted(self.stored[table.view], key=lambda placed: placed[0])
        return [(at, row) for at, row in stored if belongs is None or belongs(str(row["symbol"]))]

    def derived_rows(self, table: Derived, belongs: Belongs) -> Iterable[Row]:
        return [row for row in self.made[table.view] if belongs(str(row["symbol"]))]

    def dead_letters(self) -> Iterable[tuple[EventPosition, Row]]:
        return ()


class Day:
    """A day on which each symbol is traded twice: as it should be, to be damaged."""

    def __init__(self) -> None:
        self.frames: Records = []
        self.facts: list[PrintTruth] = []
        for offset, symbol in enumerate([*SYMBOLS, *SYMBOLS]):
            ts_ms, total = UnixMs(TEN_MS + 1000 * offset), 100 if offset < len(SYMBOLS) else 200
            told = a_trade(symbol, ts_ms, total=total)
            self.frames.append((Position(SSI_TICKS.name, 0, offset), a_frame(told, a_tick(ts_ms), seq=offset)))
            fact = PrintTruth(
                symbol=Symbol(symbol), ts_ms=ts_ms, due_ms=ts_ms, price=PRICE, last_vol=100, total_vol=total,
                total_val=total * PRICE, side=None, session="LO", connections=(1,),
            )  # fmt: skip
            self.facts.append(fact)
        self.published: Outputs = defaultdict(list, folded(self.frames))
        self.tables = MemoryTables(self.published)

    def compared(self, records: int = 12) -> tuple[ByShard, list[str]]:
        """The comparison, and the differences in few words."""
        header = TruthHeader(
            trading_day=DAY, seed=7, state="finished", market_ms=UnixMs(TEN_MS), stories=[], prints=len(self.facts), deals=0,
            foreign=0, generated={}, sent={}, sent_previous_day=0, sent_without_match=0, malformed=0,
        )  # fmt: skip
        states = {
            topic.name: latest((EventPosition(at, 0), row) for at, row in self.published[topic.name]) for topic in STATE_TOPICS
        }
        with tempfile.TemporaryFile() as file:
            file.write(b"".join([encode_line(header), *map(encode_line, self.facts)]))
            against = TruthComparison(DAY, LostWithConnection())
            logs = MemoryLogs(self.frames, self.published)
            checked = ByShard(logs, self.tables, states, TruthFile(file), against, {0: records})
            found = list(checked.compare(lambda line: None))
        return checked, [f"{difference.kind} {difference.symbol}" for difference in found]


@pytest.fixture(params=[1, 5])
def day(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Day:
    """A day whose shard is one slice, or several."""
    monkeypatch.setattr(slices, "RECORDS_IN_A_SLICE", -(-12 // request.param))
    return Day()


def test_a_day_that_is_right_brings_no_difference_and_all_of_it_is_compared(day: Day) -> None:
    checked, found = day.compared()
    assert found == []
    assert (checked.compared["frames"], checked.compared["records"]) == (12, 12)
    assert checked.against.tape.booked == checked.archive_rows["trades"] == 12
    assert checked.compared["states"] == len(SYMBOLS)


def test_what_is_lost_from_a_topic_is_missed_by_truth_and_reference_and_too_much_in_the_archive(day: Day) -> None:
    at, _ = day.published[MARKET_TRADES.name].pop(3)
    _, found = day.compared()
    symbol = SYMBOLS[at.offset]
    assert {f"missing_print {symbol}", f"unknown_row {symbol}"} <= set(found)
    assert {line.partition(" ")[2] for line in found} == {symbol}


def test_a_row_of_a_symbol_that_the_shard_does_not_have_is_found(day: Day) -> None:
    trades = day.tables.stored["trades"]
    at, row = trades[0]
    trades.append((at._replace(idx=7), {**row, "symbol": "XYZ"}))
    assert day.compared()[1] == ["unknown_row XYZ"]


def test_wrong_lost_and_doubled_rows_are_found(day: Day) -> None:
    trades = day.tables.stored["trades"]
    trades[2] = trades[2][0], {**trades[2][1], "price": 1}
    trades.append(trades[4])
    del trades[8]
    assert sorted(day.compared()[1]) == ["doubled_row ", f"missing_row {SYMBOLS[2]}", f"wrong_row {SYMBOLS[2]}"]


def test_terms_and_instruments_that_the_archive_lacks_or_has_twice_are_found(day: Day) -> None:
    said = [
        InstrumentOfDay(Symbol(name), Exchange.HOSE, DAY, None, [], None, Shares(100), None, None, None, None, None)
        for name in SYMBOLS[:3]
    ]
    placed = [(EventPosition(Position(SSI_REFERENCE.name, 0, n), 0), event_row(one)) for n, one in enumerate(said)]
    messages = [(at.message, ReferenceMessage(record=a_reference(one.symbol))) for (at, _), one in zip(placed, said, strict=True)]
    day.published[SSI_REFERENCE.name] += messages
    # The topic has only the last word on a symbol: rows of earlier days are right.
    placed.append((EventPosition(Position(SSI_REFERENCE.name, 0, 9), 0), {**placed[0][1], "day": DAY - 1}))
    day.tables.stored["reference"] = placed
    assert day.compared()[1] == []
    day.tables.stored["reference"] = [placed[0], placed[0], (placed[1][0], {**placed[1][1], "lot": 10})]
    day.tables.stored["terms"].clear()
    assert sorted(day.compared()[1]) == [
        "doubled_row ", *("missing_row " for _ in day.published[PIPELINES_TERMS.name]), f"missing_row {SYMBOLS[2]}",
        f"wrong_row {SYMBOLS[1]}",
    ]  # fmt: skip


def test_a_wrong_row_of_state_and_a_print_that_nobody_sent_are_found(day: Day) -> None:
    del day.facts[5]
    rows = day.published[STATE_PRICES.name]
    rows[:] = [(at, row) for at, row in rows if row.symbol != SYMBOLS[0]]
    _, found = day.compared()
    assert {f"unknown_print {SYMBOLS[5]}", f"missing_state {SYMBOLS[0]}"} <= set(found)
