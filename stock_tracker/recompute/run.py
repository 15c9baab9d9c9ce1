"""Computes a trading day again: from its records, or from what the hub said, through the real pipelines and the real sink.

All of it happens beside what stands: on topics and in a database whose names have the day in them.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path

from connectors.clickhouse import sink
from connectors.clickhouse.client import connect
from connectors.clickhouse.core.statements import quote_name
from connectors.clickhouse.core.tables import SOURCES
from connectors.clickhouse.settings import SinkSettings
from connectors.fixtures.core.layout import FixtureMessage
from connectors.fixtures.core.parts import between, frame_of
from connectors.fixtures.files import open_fixture
from connectors.ssi.core.redecode import Redecoder, WireMessage
from pipelines.catalogue import CATALOGUE, NAMES
from schemas.calendar import at
from schemas.deployment import dead_letter_limit
from schemas.shards import shard_keys
from schemas.topics import RECORD_TOPICS, SSI_REFERENCE, SSI_TICKS, SSI_WIRE
from schemas.units import TradingDay, UnixMs
from stock_tracker.errors import NothingOfTheDay
from stock_tracker.golden.apps import Apps, wait_until_folded
from stock_tracker.golden.shards import shards_of
from stock_tracker.kafka import metadata, topics
from stock_tracker.recompute.core.rewire import rewired
from stock_tracker.recordings.record import read_messages
from stock_tracker.recordings.replay import TopicWriter, inputs
from stock_tracker.stack.drain import Backlog, ConsumerGroup

_LOOK_S = 0.2
_DELETE_S = 30.0


class RecomputeSource(StrEnum):
    """What a day is computed from."""

    RECORDS = "records"
    """The record topics, which Kafka keeps for seven days: for a mended pipeline."""
    WIRE = "wire"
    """What the hub said, which Kafka keeps for three days: for a mended decoder."""


def side_prefix(prefix: str, day: TradingDay) -> str:
    """What stands before the names of the topics on which ``day`` is computed again."""
    return f"{prefix}recomputed.{day}."


def side_database(database: str, day: TradingDay) -> str:
    """The database into which ``day`` is computed again."""
    return f"{database}_recomputed_{day}"


def recompute(settings: SinkSettings, day: TradingDay, source: RecomputeSource | Path, tell: Callable[[str], None]) -> None:
    """Compute ``day`` again beside what stands; what an earlier attempt has left there is deleted first.

    Args:
        settings: Of the deployment's sink: Kafka, topics, ClickHouse.
        day: The trading day.
        source: Where its records come from; a path is that of a recording.
        tell: Is told how far it is.

    Raises:
        NothingOfTheDay: There are no records of the day.
        StockTrackerError, KafkaUnavailable, ArchiveError: It could not be done; what stands is as it was.
    """
    kafka, prefix = settings.kafka, side_prefix(settings.topic_prefix, day)
    home = settings.home / "recomputed" / str(day)
    shards, messages = _messages(kafka, settings.topic_prefix, day, source, tell)
    forget(settings, day)
    topics.apply(kafka, prefix, shards, _replication(kafka, settings.topic_prefix))
    tell(f"Writing {len(messages):,} messages")
    writer = TopicWriter(kafka, prefix)
    for message in messages:
        writer.send(message)
    writer.close()
    tell("Folding them")
    with Apps(kafka, prefix, [NAMES], home) as apps:
        wait_until_folded(kafka, prefix, CATALOGUE, apps.check)
    tell("Storing what came of it")
    _store(settings.model_copy(update={"topic_prefix": prefix, "database": side_database(settings.database, day), "home": home}))


def forget(settings: SinkSettings, day: TradingDay) -> None:
    """Delete the topics, the database and the state beside what stands, if they are there."""
    prefix = side_prefix(settings.topic_prefix, day)
    existing = [name for name in metadata.ask(settings.kafka).topics if name.startswith(prefix) or f"__{prefix}" in name]
    if existing:
        # Answers come as long as there is the client.
        admin = metadata.admin(settings.kafka)
        for answer in admin.delete_topics(existing, operation_timeout=_DELETE_S).values():
            answer.result()
    with closing(connect(settings.clickhouse_url, settings.user, settings.read_password(), "default")) as client:
        client.command(f"DROP DATABASE IF EXISTS {quote_name(side_database(settings.database, day))}")
    shutil.rmtree(settings.home / "recomputed" / str(day), ignore_errors=True)


def _messages(
    kafka: Mapping[str, str], prefix: str, day: TradingDay, source: RecomputeSource | Path, tell: Callable[[str], None]
) -> tuple[int, list[FixtureMessage]]:
    """How many shards there are, and what the pipelines are to read."""
    begins_ms, ends_ms = at(day, 0), UnixMs(at(day, 0) + 86_400_000)
    if isinstance(source, Path):
        with open_fixture(source) as (header, read):
            messages = list(inputs(read))
        shards = shards_of(str(source), header, messages)
    else:
        partitions, messages = read_messages(kafka, prefix, [*RECORD_TOPICS, SSI_REFERENCE], tell)
        shards = partitions[SSI_TICKS.name]
    of_day = list(between(messages, begins_ms, ends_ms))
    if not any(message.topic == SSI_TICKS.name for message in of_day):
        raise NothingOfTheDay(day)
    if source is not RecomputeSource.WIRE:
        return shards, of_day
    redecoder = Redecoder(os.environ.get("SSI_CHANNELS") or "ALL")
    for message in messages:
        if message.topic == SSI_REFERENCE.name and message.value:
            record = SSI_REFERENCE.decode(message.value).record
            redecoder.symbols.list_instruments([(record.symbol, record.exchange)])
    _, on_wire = read_messages(kafka, prefix, [SSI_WIRE], tell)
    keys = shard_keys(shards)
    return shards, list(rewired(of_day, _of_day(on_wire, of_day), redecoder, shards, keys.__getitem__))


def _of_day(wire: Iterable[FixtureMessage], frames: Iterable[FixtureMessage]) -> Iterator[WireMessage]:
    """The hub's messages of the connections of ``frames``, in the order in which they came."""
    epochs = {(frame.feed, frame.epoch) for message in frames if (frame := frame_of(message)) is not None}
    for message in wire:
        found = WireMessage.of({name: text or b"" for name, text in message.headers}, message.value or b"")
        if (found.feed, found.epoch) in epochs:
            yield found


def _store(settings: SinkSettings) -> None:
    """Run a sink until all that is on the topics is in the tables."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            sink.run(settings, dead_letter_limit(os.environ), stop, lambda _: None)
        except BaseException as error:  # whatever it was, the caller is told
            failed.append(error)

    with closing(connect(settings.clickhouse_url, settings.user, settings.read_password(), "default")) as client:
        client.command(f"CREATE DATABASE IF NOT EXISTS {quote_name(settings.database)}")
    group = ConsumerGroup(settings.group, tuple(topic.named(settings.topic_prefix) for topic in SOURCES))
    thread = threading.Thread(target=run, name="sink", daemon=True)
    with closing(Backlog(settings.kafka)) as backlog:
        thread.start()
        try:
            while not failed and backlog.has_unread(group):
                stop.wait(_LOOK_S)
        finally:
            stop.set()
            thread.join()
    for error in failed:
        raise error


def _replication(kafka: Mapping[str, str], prefix: str) -> int:
    """How many copies the topics that stand have."""
    found = metadata.ask(kafka).topics.get(SSI_TICKS.named(prefix))
    return len(found.partitions[0].replicas) if found is not None and found.partitions else 1
