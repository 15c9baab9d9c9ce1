"""One shard after the other: its records, what the pipelines published of them, and what the archive has of that.

What is in memory at a time is what one shard holds, so more shards need no more memory.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.tables import DLQ, TABLES, Table
from schemas.instruments import routing_key
from schemas.position import Partition, Position
from schemas.shards import shard_of
from schemas.structs import Frame
from schemas.topics import (
    EVENT_TOPICS,
    MARKET_ALERTS,
    MARKET_FLOW,
    PIPELINES_TERMS,
    RECORD_TOPICS,
    SSI_DLQ,
    SSI_TICKS,
    STATE_FLOW,
    STATE_TOPICS,
    Topic,
)
from schemas.units import Symbol
from stock_tracker.verify.core import derived, numbers
from stock_tracker.verify.core.archive import Row, compare_rows, repeated_alerts
from stock_tracker.verify.core.boards import latest
from stock_tracker.verify.core.derived import MADE_OF
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.numbers import NotJudged
from stock_tracker.verify.core.reference.flows import FlowSums
from stock_tracker.verify.gateway import RecentEvents
from stock_tracker.verify.rows import compare_table, event_row, letter_row, read_dead_letters, read_derived
from stock_tracker.verify.topics import count_partitions, read_partitions, read_states, read_topic

Messages = list[tuple[Position, Any]]
"""Messages of a topic in order, with their places; topics are named without prefix."""
LatestStates = dict[str, dict[str, tuple[EventPosition, Any]]]
"""By topic of ``state.*`` and key, the row that a reader ends on."""


@dataclass
class ShardLogs:
    """What a shard's partitions hold."""

    number: int
    records: list[tuple[Position, Frame]] = field(default_factory=list)
    """The frames of all topics of records."""
    events: dict[str, Messages] = field(default_factory=dict)
    """The frames of each sharded topic of events."""


def count_shards(kafka: Mapping[str, str], prefix: str) -> int:
    """How many shards a deployment has.

    Raises:
        KafkaUnavailable: The broker does not answer.
        TopicsMissing: It has no topics.
    """
    return count_partitions(kafka, SSI_TICKS.named(prefix))


def read_shard(kafka: Mapping[str, str], prefix: str, number: int) -> ShardLogs:
    """Read the records and the events of a shard; they are all in memory then.

    The events of a shard are on the partition of its number, as its records are: pipelines write with the shard's key.

    Raises:
        KafkaUnavailable: The broker stopped answering.
        InvalidMessage: A message is not one of its topic's.
    """
    logs = ShardLogs(number, events={topic.name: [] for topic in EVENT_TOPICS if topic.sharded})
    topics: dict[str, Topic[Any]] = {topic.named(prefix): topic for topic in (*RECORD_TOPICS, *EVENT_TOPICS) if topic.sharded}
    for name, raw in read_partitions(kafka, [Partition(name, number) for name in topics]):
        topic = topics[name]
        kept = logs.events.get(topic.name, logs.records)
        kept.append((Position(topic.name, raw.partition, raw.offset), topic.decode(raw.value)))
    return logs


def read_latest(kafka: Mapping[str, str], prefix: str) -> LatestStates:
    """Read the row of every key of every ``state.*`` topic that a reader such as the gateway ends on.

    Raises:
        KafkaUnavailable: The broker stopped answering.
        InvalidMessage: A message is not one of its topic's.
    """
    return {topic.name: latest(read_states(kafka, prefix, topic)) for topic in STATE_TOPICS}


def rows_of(states: LatestStates, number: int, shards: int) -> Iterator[tuple[str, Messages]]:
    """Yield each sharded topic of ``state.*`` with the rows whose symbols the shard has.

    A row lies where its own key is placed, which for a future is not where its shard's records are.
    """
    for topic in STATE_TOPICS:
        if topic.sharded:
            rows = states[topic.name].items()
            yield (
                topic.name,
                [(at.message, row) for key, (at, row) in rows if shard_of(routing_key(Symbol(key)), shards) == number],
            )


class ByShard:
    """Compares the numbers and the archive, shard by shard."""

    def __init__(self, kafka: Mapping[str, str], prefix: str, archive: Client, states: LatestStates) -> None:
        """Prepare.

        Args:
            kafka: librdkafka's connection settings.
            prefix: What stands before the names of the topics.
            archive: A connection to the database with the tables.
            states: The rows of ``state.*``.
        """
        self.archive_rows = {table.view: 0 for table in TABLES.values()}
        """How many rows the archive has, by table."""
        self.compared = Counter[str]()
        """How much was compared: frames of records, events, rows of ``state.*``, rows of tables that are made of others."""
        self.alerts = 0
        """Events on ``market.alerts``."""
        self.recent = RecentEvents()
        """What the gateway can show of events."""
        self.not_judged: list[NotJudged] = []
        """Numbers that could not be checked."""
        self._kafka = kafka
        self._prefix = prefix
        self._archive = archive
        self._states = states
        self._sums = FlowSums()

    def compare(self, tell: Callable[[str], None]) -> Iterator[Difference]:
        """Compare all shards, then what is not split by shard.

        Raises:
            KafkaUnavailable: Kafka stopped answering.
            InvalidMessage: A topic holds something that is not its own.
        """
        kafka, prefix, shards = self._kafka, self._prefix, count_shards(self._kafka, self._prefix)
        terms = _read_messages(kafka, prefix, PIPELINES_TERMS)
        alerts: list[tuple[EventPosition, dict[str, Any]]] = []
        for number in range(shards):
            tell(f"Checking the numbers of shard {number + 1} of {shards}")
            logs = read_shard(kafka, prefix, number)
            rows = dict(rows_of(self._states, number, shards))
            outputs = {**logs.events, **rows, PIPELINES_TERMS.name: terms}
            self.compared["frames"] += len(logs.records)
            self.compared["states"] += sum(map(len, rows.values()))
            for found in numbers.check_shard(logs.records, outputs, self.not_judged, self._sums):
                yield found if found.position else replace(found, partition=number)
            tell(f"Comparing the archive with the topics, shard {number + 1} of {shards}")
            for name, messages in logs.events.items():
                self.recent.take(Partition(name, number), _events_of(messages))
                yield from self._compare_table(TABLES[name], number, messages)
                for table in MADE_OF.get(name, ()):
                    made = list(read_derived(self._archive, table, number, shards))
                    self.compared["derived_rows"] += len(made)
                    yield from derived.compare(table, _events_of(messages), made)
            alerts += ((at, event_row(event)) for at, event in _events_of(logs.events[MARKET_ALERTS.name]))
        self.alerts = len(alerts)
        yield from repeated_alerts(alerts)
        tell("Checking the flow of the whole market")
        flow = _read_messages(kafka, prefix, MARKET_FLOW)
        rows_of_flow = [(at.message, row) for at, row in self._states[STATE_FLOW.name].values()]
        yield from numbers.check_flow(self._sums, {MARKET_FLOW.name: flow, STATE_FLOW.name: rows_of_flow}, self.not_judged)
        yield from self._compare_table(TABLES[MARKET_FLOW.name], 0, flow)
        tell("Comparing the archive with the dead letters")
        yield from self._compare_dead_letters()

    def _compare_table(self, table: Table, partition: int, messages: Messages) -> list[Difference]:
        count, differences = compare_table(self._archive, table, partition, messages)
        self.compared["events"] += sum(len(frame.events) for _, frame in messages)
        self.archive_rows[table.view] += count
        return differences

    def _compare_dead_letters(self) -> Iterator[Difference]:
        letters = _read_messages(self._kafka, self._prefix, SSI_DLQ)
        rows: dict[EventPosition, Row] = {}
        doubled: list[EventPosition] = []
        for at, row in read_dead_letters(self._archive):
            if at.message.topic != SSI_DLQ.name:
                yield Difference("refused_by_archive", "", f"{row['reason']}: {row['detail']}", at)
                continue
            if at in rows:
                doubled.append(at)
            rows[at] = row
        self.archive_rows[DLQ] = len(rows) + len(doubled)
        yield from compare_rows(DLQ, ((EventPosition(at, 0), letter_row(letter)) for at, letter in letters), rows, doubled)


def _read_messages(kafka: Mapping[str, str], prefix: str, topic: Topic[Any]) -> Messages:
    """A topic that is not split by shard, read committed."""
    return [
        (Position(topic.name, raw.partition, raw.offset), topic.decode(raw.value))
        for raw in read_topic(kafka, topic.named(prefix))
    ]


def _events_of(messages: Messages) -> Iterator[tuple[EventPosition, Any]]:
    for at, frame in messages:
        for idx, event in enumerate(frame.events):
            yield EventPosition(at, idx), event
