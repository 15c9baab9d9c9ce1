"""One shard after the other, and of each one slice of its symbols after the other.

Of each: what was told, what the pipelines published of that, what the archive has, and what the simulator knows.

What is in memory at a time is what one slice holds, so neither more shards nor longer days need more memory.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from connectors.clickhouse.core.tables import DLQ, STORED, TABLES, Table
from schemas.instruments import routing_key
from schemas.position import Partition, Position
from schemas.shards import shard_of
from schemas.topics import (
    EVENT_TOPICS,
    MARKET_ALERTS,
    MARKET_FLOW,
    PIPELINES_TERMS,
    RECORD_TOPICS,
    SSI_DLQ,
    SSI_TICKS,
    STATE_BREADTH,
    STATE_FLOW,
    STATE_TOPICS,
    Topic,
)
from schemas.units import Symbol
from stock_tracker.verify.core import derived, numbers
from stock_tracker.verify.core.against_truth import TruthComparison
from stock_tracker.verify.core.archive import RepeatedAlerts, Row, compare_rows
from stock_tracker.verify.core.boards import latest
from stock_tracker.verify.core.derived import MADE_OF, Derived
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.numbers import AcrossSymbols, NotJudged, PlacedThings, things_in
from stock_tracker.verify.gateway import RecentEvents
from stock_tracker.verify.rows import Belongs, compare_compacted, compare_table, letter_row
from stock_tracker.verify.slices import ShardSlices, slices_for
from stock_tracker.verify.spill import SpilledLines
from stock_tracker.verify.topics import count_partitions, read_partitions, read_states, read_topic
from stock_tracker.verify.truth import TruthFile, read_fact

LatestStates = dict[str, dict[str, tuple[EventPosition, Any]]]
"""By topic of ``state.*`` and key, the row that a reader ends on."""
_RECORDS = frozenset(topic.name for topic in RECORD_TOPICS)


class ShardLogs(Protocol):
    """The topics of a deployment; named without prefix."""

    @property
    def shards(self) -> int:
        """How many shards it has."""

    def read_shard(self, number: int) -> Iterator[tuple[Position, Any]]:
        """Yield the frames of records and of events of a shard, read committed, those of each partition in order."""

    def read_whole(self, topic: Topic[Any]) -> Iterator[tuple[Position, Any]]:
        """Yield the messages of a topic that is not split by shard, read committed."""


class Tables(Protocol):
    """The tables of an archive; :class:`stock_tracker.verify.rows.ArchiveTables` is some."""

    def rows(self, table: Table, partition: int, belongs: Belongs | None = None) -> Iterable[tuple[EventPosition, Row]]:
        """The rows that come of a partition, by their positions: those of the symbols that ``belongs`` says, or all."""

    def derived_rows(self, table: Derived, belongs: Belongs) -> Iterable[Row]:
        """The rows of the symbols that ``belongs`` says."""

    def dead_letters(self) -> Iterable[tuple[EventPosition, Row]]:
        """The rows of the dead letters, with the position that the archive read each from."""


class KafkaLogs:
    """The topics of a deployment on Kafka.

    Raises:
        KafkaUnavailable: The broker does not answer, or, while something is read, stopped answering.
        TopicsMissing: It has no topics.
    """

    def __init__(self, kafka: Mapping[str, str], prefix: str) -> None:
        self._kafka = kafka
        self._prefix = prefix
        self.shards = count_partitions(kafka, SSI_TICKS.named(prefix))

    def read_shard(self, number: int) -> Iterator[tuple[Position, Any]]:
        """Yield the frames of records and of events of a shard.

        The events of a shard are on the partition of its number, as its records are: pipelines write with the shard's key.

        Raises:
            InvalidMessage: A message is not one of its topic's.
        """
        topics = {topic.named(self._prefix): topic for topic in (*RECORD_TOPICS, *EVENT_TOPICS) if topic.sharded}
        for name, raw in read_partitions(self._kafka, [Partition(name, number) for name in topics]):
            topic: Topic[Any] = topics[name]
            yield Position(topic.name, raw.partition, raw.offset), topic.decode(raw.value)

    def read_whole(self, topic: Topic[Any]) -> Iterator[tuple[Position, Any]]:
        """Yield the messages of a topic that is not split by shard, read committed.

        Raises:
            InvalidMessage: A message is not one of its topic's.
        """
        for raw in read_topic(self._kafka, topic.named(self._prefix)):
            yield Position(topic.name, raw.partition, raw.offset), topic.decode(raw.value)


def read_latest(kafka: Mapping[str, str], prefix: str) -> LatestStates:
    """Read the row of every key of every ``state.*`` topic that a reader such as the gateway ends on.

    Raises:
        KafkaUnavailable: The broker stopped answering.
        InvalidMessage: A message is not one of its topic's.
    """
    return {topic.name: latest(read_states(kafka, prefix, topic)) for topic in STATE_TOPICS}


@dataclass
class ByShard:
    """Compares shard by shard with the truth, with the reference, and with the archive."""

    logs: ShardLogs
    tables: Tables
    states: LatestStates
    """The rows of ``state.*``."""
    truth: TruthFile
    against: TruthComparison
    records: Mapping[int, int]
    """How many records of SSI each shard has, by its number."""
    archive_rows: dict[str, int] = field(default_factory=lambda: {table.view: 0 for table in STORED.values()})
    """How many rows the archive has, by table."""
    compared: Counter[str] = field(default_factory=Counter)
    """How much was compared: frames and records, events, rows of ``state.*``, rows of tables that are made of others."""
    recent: RecentEvents = field(default_factory=RecentEvents)
    """What the gateway can show of events."""
    not_judged: list[NotJudged] = field(default_factory=list)
    """Numbers that could not be checked."""
    _across: AcrossSymbols = field(default_factory=AcrossSymbols)
    _alerts: RepeatedAlerts = field(default_factory=RepeatedAlerts)

    @property
    def alerts(self) -> int:
        """Events on ``market.alerts``."""
        return self._alerts.count

    def compare(self, tell: Callable[[str], None]) -> Iterator[Difference]:
        """Compare all shards, then what is not split by shard.

        Raises:
            KafkaUnavailable: Kafka stopped answering.
            InvalidMessage: A topic holds something that is not its own.
            UnreadableTruth: The simulator's account of its day is not whole.
        """
        terms = things_in(self.logs.read_whole(PIPELINES_TERMS))
        shards = self.logs.shards
        with SpilledLines(shards) as facts:
            for text, fact in self.truth.facts():
                facts.write(shard_of(routing_key(fact.symbol), shards), text)
            for number in range(shards):
                yield from self._compare_shard(number, facts.read(number), terms, tell)
        tell("Checking the flow and the breadth of the whole market")
        flow = things_in(self.logs.read_whole(MARKET_FLOW))
        rows = {topic.name: list(self.states[topic.name].values()) for topic in (STATE_FLOW, STATE_BREADTH)}
        yield from numbers.check_across(self._across, {MARKET_FLOW.name: flow, **rows}, self.not_judged)
        yield from self._compare_table(TABLES[MARKET_FLOW.name], 0, flow, None)
        tell("Comparing the archive with the reference data, the terms and the dead letters")
        for table in (table for topic, table in STORED.items() if topic not in TABLES):
            count, differences = compare_compacted(table, self.logs.read_whole(table.topic), self.tables.rows(table, 0))
            self.archive_rows[table.view] += count
            yield from differences
        yield from self._compare_dead_letters()

    def _compare_shard(
        self, shard: int, facts: Iterable[bytes], terms: PlacedThings, tell: Callable[[str], None]
    ) -> Iterator[Difference]:
        shards = self.logs.shards
        tell(f"Reading shard {shard + 1} of {shards}")
        with ExitStack() as stack:
            slices = stack.enter_context(ShardSlices(slices_for(self.records.get(shard, 0))))
            for at, message in self.logs.read_shard(shard):
                if at.topic in _RECORDS:
                    self.compared["frames"] += 1
                    slices.take_frame(at, message)
                else:
                    events = things_in([(at, message)])
                    self.recent.take(Partition(at.topic, at.partition), events)
                    if at.topic == MARKET_ALERTS.name:
                        yield from self._alerts.see(events)
                    slices.take_events(at, message)
            for text in facts:
                slices.take_fact(text, read_fact(text))
            for number in range(slices.count):
                part = f", part {number + 1} of {slices.count}" if slices.count > 1 else ""
                tell(f"Comparing shard {shard + 1} of {shards}{part}")
                yield from self._compare_slice(shard, slices, number, terms)

    def _compare_slice(self, shard: int, slices: ShardSlices, number: int, terms: PlacedThings) -> Iterator[Difference]:
        shards = self.logs.shards

        def belongs(symbol: str) -> bool:
            return shard_of(routing_key(Symbol(symbol)), shards) == shard and slices.number_of(symbol) == number

        logs = slices.read(number)
        rows = {
            topic.name: {key: placed for key, placed in self.states[topic.name].items() if belongs(key)}
            for topic in STATE_TOPICS
            if topic.sharded
        }
        self.compared["records"] += logs.said
        self.compared["states"] += sum(map(len, rows.values()))
        yield from self.against.compare(logs.facts, logs.records, logs.events, rows)
        told = [(at, frame) for at, frame, _ in logs.records]
        published = {
            **logs.events,
            **{topic: list(placed.values()) for topic, placed in rows.items()},
            PIPELINES_TERMS.name: terms,
        }
        for found in numbers.check_symbols(told, published, self.not_judged, self._across):
            yield found if found.position else replace(found, partition=shard)
        # What was told is not needed any more, and takes more memory than all else.
        events = logs.events
        del logs, told, published
        yield from self._compare_archive(shard, slices, number, events, belongs)

    def _compare_archive(
        self, shard: int, slices: ShardSlices, number: int, logs: Mapping[str, PlacedThings], belongs: Belongs
    ) -> Iterator[Difference]:
        # A row of a symbol that is not the shard's is compared too, with the others that come of the partition.
        its = None if slices.count == 1 else lambda symbol: slices.number_of(symbol) == number
        for topic, events in logs.items():
            yield from self._compare_table(TABLES[topic], shard, events, its)
            for table in MADE_OF.get(topic, ()):
                made = list(self.tables.derived_rows(table, belongs))
                self.compared["derived_rows"] += len(made)
                yield from derived.compare(table, events, made)

    def _compare_table(self, table: Table, partition: int, events: PlacedThings, its: Belongs | None) -> list[Difference]:
        count, differences = compare_table(table, events, self.tables.rows(table, partition, its))
        self.compared["events"] += len(events)
        self.archive_rows[table.view] += count
        return differences

    def _compare_dead_letters(self) -> Iterator[Difference]:
        rows: dict[EventPosition, Row] = {}
        doubled: list[EventPosition] = []
        for at, row in self.tables.dead_letters():
            if at.message.topic != SSI_DLQ.name:
                yield Difference("refused_by_archive", "", f"{row['reason']}: {row['detail']}", at)
                continue
            if at in rows:
                doubled.append(at)
            rows[at] = row
        self.archive_rows[DLQ] = len(rows) + len(doubled)
        letters = ((EventPosition(at, 0), letter_row(letter)) for at, letter in self.logs.read_whole(SSI_DLQ))
        yield from compare_rows(DLQ, letters, rows, doubled)
