"""Stores in a database what it lacks of what Kafka or another archive has, and makes the sink's commits true of it.

A database that was restored, made anew or moved to another server lacks what the commits in Kafka say is stored. Everything is
counted before it is inserted, so this may be run again, and on a database that lacks little.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.clickhouse.core import rows
from connectors.clickhouse.core.errors import SinkStillRuns
from connectors.clickhouse.core.intent import Batch, Commit, Scope, intent_of, scope_of
from connectors.clickhouse.core.rows import Block, Decoded
from connectors.clickhouse.core.statements import quote_name
from connectors.clickhouse.core.tables import DLQ, DLQ_NAMES, SOURCES, STORED
from connectors.clickhouse.layout import describe, id_of
from connectors.clickhouse.settings import SinkSettings
from connectors.clickhouse.topic_ids import topic_ids
from connectors.clickhouse.writer import Writer
from schemas.position import Partition, Position

log = logging.getLogger(__name__)

Say = Callable[[str], None]
"""Takes a sentence on what was done."""

_KAFKA_SECONDS = 30.0
_TRIES = 60
"""So often, a second apart, Kafka is asked to take a commit: a sink that has just ended is a member of its group for a while."""


class _Stored(NamedTuple):
    """What came of a partition."""

    rows: int
    """How many rows were lacking and are stored now."""
    gone: int
    """How many of its offsets Kafka does not have any more."""


@dataclass(frozen=True)
class _Source:
    """A table of the other archive."""

    name: str
    view: str
    """Where people find its rows: a table of an earlier release may be a view with the same name now."""
    names: tuple[str, ...]
    day: str
    """The expression for a row's day; the view is called ``s`` in it."""


def from_topics(settings: SinkSettings, writer: Writer, say: Say) -> None:
    """Store what Kafka has below the sink's commits and the database has not; then make the commits true of the database.

    Args:
        settings: Where from.
        writer: Of the database. It is opened.
        say: Told what was done, topic by topic.

    Raises:
        SinkStillRuns: Somebody else may commit for the sink's group.
        KafkaException: Kafka does not answer.
        ArchiveError: Some of it may be stored; run it again.
    """
    writer.open()
    names = [topic.named(settings.topic_prefix) for topic in SOURCES]
    ids = topic_ids(AdminClient(settings.kafka), names)
    consumer = Consumer(
        {
            **settings.kafka,
            "group.id": settings.group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
        }
    )
    with closing(consumer):
        cluster = consumer.list_topics(timeout=_KAFKA_SECONDS).topics
        for name in names:
            known = consumer.committed([TopicPartition(name, number) for number in cluster[name].partitions], _KAFKA_SECONDS)
            known = [commit for commit in known if commit.offset >= 0 and scope_of(commit.metadata).topic in (None, ids[name])]
            _keep_others_out(consumer, known)
            stored = [_store(settings, writer, consumer, commit, ids[name]) for commit in known]
            lost = sum(its.gone for its in stored)
            gone = f"; {lost} offsets before are not in Kafka any more" if lost else ""
            say(f"{name}: {sum(its.rows for its in stored)} rows were lacking and are stored now{gone}")


def from_archive(other: Client, writer: Writer, batch_rows: int, say: Say) -> None:
    """Store what another archive has and the database has not.

    Args:
        other: A client that may read the other archive; names without a database are of that one.
        writer: Of the database. It is opened.
        batch_rows: Of one insert.
        say: Told what was done, table by table.

    Raises:
        ArchiveError: Some of it may be stored; run it again.
    """
    writer.open()
    database = str(other.database)
    id_, there = id_of(other, database), describe(other, database)
    for source in _sources():
        names = tuple(name for name in source.names if name in there.get(source.view, {}))
        stored = 0
        for day, partition in _parts(other, source) if names else ():
            for n, block in enumerate(_blocks(other, source, names, writer.types[source.name], day, partition, batch_rows)):
                stored += writer.settle(block, f"copy-{id_}-{source.name}-{day}-{partition}-{n}-{block.rows}")
        say(f"{source.view}: {stored} rows were lacking and are stored now")


def _store(settings: SinkSettings, writer: Writer, consumer: Consumer, known: TopicPartition, topic_id: str) -> _Stored:
    """Store what a partition has below its commit, and make that true of the writer's database."""
    partition = Partition(known.topic, known.partition)
    intent = intent_of(known.offset, known.metadata)
    end = known.offset if intent is None else intent[1]
    first, _ = consumer.get_watermark_offsets(TopicPartition(*partition), _KAFKA_SECONDS)
    stored = 0
    for batch in _read(settings, consumer, partition, first, end):
        stored += writer.insert(writer.make(batch), topic_id)
    commit = Commit(partition, end, None)
    metadata = commit.metadata(Scope(writer.database_id, topic_id))
    consumer.commit(offsets=[TopicPartition(*partition, end, metadata=metadata)], asynchronous=False)
    return _Stored(stored, min(first, end))


def _read(settings: SinkSettings, consumer: Consumer, partition: Partition, first: int, end: int) -> Iterator[Batch[Decoded]]:
    """The messages of a partition from ``first`` to before ``end``, in batches."""
    if first >= end:
        return
    consumer.assign([TopicPartition(*partition, first)])
    waiting: list[Decoded] = []
    position = first
    while position < end:
        message = consumer.poll(_KAFKA_SECONDS)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"Kafka does not hand out {partition}"))
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        offset = int(message.offset() or 0)
        if error is None and offset < end:
            place = Position(partition.topic.removeprefix(settings.topic_prefix), partition.number, offset)
            waiting.append(rows.decode(place, message.timestamp()[1], message.value()))
        position = end if error is not None else offset + 1
        if waiting and (position >= end or sum(decoded.rows for decoded in waiting) >= settings.batch_rows):
            yield Batch(partition, first, min(position, end), tuple(waiting), replayed=True)
            waiting, first = [], position
    consumer.unassign()


def _keep_others_out(consumer: Consumer, known: Sequence[TopicPartition]) -> None:
    """Make sure that the sink's group has no member: then it takes commits of somebody who is none.

    Raises:
        SinkStillRuns: It has one.
    """
    if not known:
        return
    refusal: KafkaException | None = None
    for _ in range(_TRIES):
        try:
            # What is there already: so this changes nothing.
            consumer.commit(offsets=list(known), asynchronous=False)
        except KafkaException as error:
            refusal = error
            time.sleep(1.0)
        else:
            return
    raise SinkStillRuns(refusal.args[0].str() if refusal else "") from refusal


def _sources() -> Iterator[_Source]:
    for table in STORED.values():
        yield _Source(table.name, table.view, table.names, "s.day")
    yield _Source(DLQ, DLQ, DLQ_NAMES, "toDate(s.ts)")


def _parts(other: Client, source: _Source) -> list[tuple[int, int]]:
    """The days, since 1970, and partitions of which a table has rows."""
    found = other.query(
        f"SELECT DISTINCT toInt32({source.day}) AS d, s.partition AS p FROM {quote_name(source.view)} AS s ORDER BY d, p"  # noqa: S608
    ).result_rows
    return [(int(day), int(partition)) for day, partition in found]


def _blocks(
    other: Client, source: _Source, names: tuple[str, ...], types: dict[str, str], day: int, partition: int, batch_rows: int
) -> Iterator[Block]:
    """The rows of a day and partition, in blocks with the numbers that ClickHouse stores."""
    columns = ", ".join(_stored_as(name, types[name]) for name in names)
    ask = (
        f"SELECT {columns} FROM {quote_name(source.view)} AS s"  # noqa: S608
        f" WHERE toInt32({source.day}) = {day} AND s.partition = {partition} ORDER BY s.offset, s.idx"
    )
    month = int(other.query(f"SELECT toYYYYMM(toDate({day}))").result_rows[0][0])
    held: list[list[Any]] = [[] for _ in names]
    with other.query_column_block_stream(ask) as blocks:
        for found in blocks:
            for column, values in zip(held, found, strict=True):
                column.extend(values)
            while len(held[0]) >= batch_rows:
                yield Block(source.name, month, names, tuple(column[:batch_rows] for column in held))
                held = [column[batch_rows:] for column in held]
    if held[0]:
        yield Block(source.name, month, names, tuple(held))


def _stored_as(name: str, type_: str) -> str:
    column = f"s.{quote_name(name)}"
    if "DateTime64" in type_:
        return f"toUnixTimestamp64Milli({column})"
    return f"toUInt16({column})" if type_ in ("Date", "Nullable(Date)") else column
