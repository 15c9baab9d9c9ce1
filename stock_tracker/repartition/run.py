"""Makes the topics of another layout beside those that there are, and takes over what is not of a day.

Nothing that is there is changed. The old topics keep their messages as long as ever, so that earlier days can be computed again,
and the way back is the old prefix.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, Message, TopicPartition

from connectors.fixtures.core.layout import FixtureMessage
from connectors.fixtures.core.parts import frame_of
from schemas.errors import InvalidMessage, KafkaUnavailable
from schemas.shards import shard_of
from schemas.structs import ClockTick, Frame
from schemas.topics import RECORD_TOPICS, SSI_REFERENCE, SSI_STATUS, SSI_TICKS, STATE_TOPICS, Topic
from schemas.units import TradingDay, UnixMs
from stock_tracker.errors import RepartitionRefused
from stock_tracker.kafka import metadata, topics
from stock_tracker.kafka.deployment_file import TopicsFile
from stock_tracker.recordings.record import read_messages
from stock_tracker.recordings.replay import TopicWriter
from stock_tracker.repartition.core.obstacles import PresentLayout, WantedLayout, obstacles
from stock_tracker.stack.drain import Backlog, ConsumerGroup, consumer_groups

CARRIED: Final[tuple[Topic[Any], ...]] = (SSI_REFERENCE, *STATE_TOPICS)
"""What the new topics begin with: reference data, and the rows of the board, which a new day's replace."""
LOOK_S: Final = 3.0
"""How long it is looked whether anything writes: a connector tells of itself once a second."""
NEWEST: Final = 200
"""So many messages at the end of a partition are searched for its newest clock tick."""
_ANSWER_S: Final = 20.0


@dataclass(frozen=True)
class RepartitionPlan:
    """What is to be done, and what is in the way of it."""

    now: PresentLayout
    wanted: WantedLayout
    obstacles: Sequence[str]
    """Empty when it may be done."""


def plan(
    kafka: Mapping[str, str], prefix: str, into: str, shards: int, *, day_is_over: bool, tell: Callable[[str], None]
) -> RepartitionPlan:
    """Look how a deployment is, and what is in the way of another number of partitions; changes nothing.

    Args:
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of the topics that there are.
        into: What shall stand before the names of the new ones.
        shards: Partitions of the sharded ones among them.
        day_is_over: Whether an operator says that the trading day on the topics will not go on.
        tell: Is told what takes a while.

    Raises:
        KafkaUnavailable: No broker answers.
        TopicsMissing: The topics that there should be have not been made.
    """
    found = topics.describe(kafka, prefix)
    if SSI_TICKS.named(prefix) not in found:
        topics.wait_for(kafka, prefix, 0)
    beside = topics.describe(kafka, into)
    there = beside.get(SSI_TICKS.named(into))
    try:
        with closing(_consumer(kafka)) as consumer:
            before = _ends(consumer, kafka, prefix, (*RECORD_TOPICS, SSI_STATUS))
            tell(f"Looking for {LOOK_S:.0f} s whether anything is written")
            time.sleep(LOOK_S)
            after = _ends(consumer, kafka, prefix, (*RECORD_TOPICS, SSI_STATUS))
            day, market_ms = _newest_tick(consumer, after, prefix)
            used = there is not None and any(_ends(consumer, kafka, into, RECORD_TOPICS).values())
    except KafkaException as error:
        raise KafkaUnavailable(kafka["bootstrap.servers"], error.args[0].str()) from error
    groups = consumer_groups(prefix)
    with closing(Backlog(kafka)) as backlog:
        unread = [group.name for group in groups if backlog.has_unread(group)]
    now = PresentLayout(
        shards=found[SSI_TICKS.named(prefix)].partitions,
        day=day,
        market_ms=market_ms,
        members=_at_work(kafka, prefix, groups),
        unread=unread,
        written=sorted({topic for (topic, _), end in after.items() if end > before[topic, _]}),
    )
    wanted = WantedLayout(prefix=into, shards=shards, found=None if there is None else there.partitions, used=used)
    return RepartitionPlan(now, wanted, obstacles(now, prefix, wanted, day_is_over=day_is_over))


def carry_out(
    kafka: Mapping[str, str], prefix: str, made: RepartitionPlan, file: TopicsFile, tell: Callable[[str], None]
) -> dict[str, int]:
    """Make the new topics and give them what is carried over. Killed in between, it can be run again.

    Args:
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of the topics that there are.
        made: By :func:`plan`, a moment ago.
        file: Copies and settings of the new topics; its number of partitions does not count.
        tell: Is told how far it is.

    Returns:
        How many keys each topic began with, by its new name.

    Raises:
        RepartitionRefused: Something is in the way.
        KafkaUnavailable: Kafka stopped answering.
        TopicsRefused: It refuses to make the topics.
    """
    if made.obstacles:
        raise RepartitionRefused(made.obstacles)
    into = made.wanted.prefix
    wanted = file.model_copy(update={"shards": made.wanted.shards})
    topics.carry_out(kafka, into, wanted, topics.plan(kafka, into, wanted))
    topics.wait_for(kafka, into, _ANSWER_S)
    _, messages = read_messages(kafka, prefix, CARRIED, tell)
    latest = {(message.topic, message.key): message for message in messages if message.key is not None}
    carried: dict[str, int] = dict.fromkeys((topic.named(into) for topic in CARRIED), 0)
    writer = TopicWriter(kafka, into)
    sharded = {topic.name: topic.sharded for topic in CARRIED}
    for (name, key), message in latest.items():
        if message.value is not None and key is not None:
            partition = shard_of(key.decode(), made.wanted.shards) if sharded[name] else 0
            writer.send(replace(message, partition=partition))
            carried[f"{into}{name}"] += 1
    writer.close()
    return carried


def _consumer(kafka: Mapping[str, str]) -> Consumer:
    settings = {"group.id": "stock-tracker-repartition", "enable.auto.commit": False, "enable.partition.eof": True}
    return Consumer({**kafka, **settings, "isolation.level": "read_committed"})


def _ends(consumer: Consumer, kafka: Mapping[str, str], prefix: str, asked: Sequence[Topic[Any]]) -> dict[tuple[str, int], int]:
    """The offset at the end of each partition."""
    existing = metadata.ask(kafka).topics
    places = [
        TopicPartition(name, n) for topic in asked if (name := topic.named(prefix)) in existing for n in existing[name].partitions
    ]
    return {(place.topic, place.partition): consumer.get_watermark_offsets(place, timeout=_ANSWER_S)[1] for place in places}


def _newest_tick(consumer: Consumer, ends: Mapping[tuple[str, int], int], prefix: str) -> tuple[TradingDay | None, UnixMs | None]:
    """Trading day and market time of the newest clock tick; None for both where there is none."""
    places = {place: end for place, end in ends.items() if place[0] != SSI_STATUS.named(prefix) and end > 0}
    if not places:
        return None, None
    starts = []
    for (topic, number), end in places.items():
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_ANSWER_S)
        starts.append(TopicPartition(topic, number, max(low, end - NEWEST)))
    consumer.assign(starts)
    newest: tuple[TradingDay | None, UnixMs | None] = (None, None)
    open_places = set(places)
    while open_places:
        message = consumer.poll(_ANSWER_S)
        error = None if message is None else message.error()
        if message is None or (error is not None and error.code() != KafkaError._PARTITION_EOF):
            said = "it did not hand out the ends of its topics" if error is None else error.str()
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, said))
        if error is not None:
            open_places.discard((message.topic(), message.partition()))
            continue
        frame = _frame(message, prefix)
        for record in frame.records if frame is not None else ():
            if isinstance(record, ClockTick) and (newest[1] is None or record.ts_ms > newest[1]):
                newest = record.trading_day, record.ts_ms
    return newest


def _frame(message: Message, prefix: str) -> Frame | None:
    """The frame in a message; None where it is none that can be read."""
    found = FixtureMessage(message.topic().removeprefix(prefix), message.partition(), 0, UnixMs(0), None, message.value())
    with contextlib.suppress(InvalidMessage):
        return frame_of(found)
    return None


def _at_work(kafka: Mapping[str, str], prefix: str, groups: Sequence[ConsumerGroup]) -> list[str]:
    """Our groups that have members; forwarders of alerts among them."""
    # The client must be kept in a variable: the answers come only as long as it exists.
    admin = metadata.admin(kafka)
    try:
        listed = admin.list_consumer_groups(request_timeout=_ANSWER_S).result().valid
    except KafkaException as error:
        raise KafkaUnavailable(kafka["bootstrap.servers"], error.args[0].str()) from error
    ours = {group.name for group in groups}
    return sorted(
        one.group_id
        for one in listed
        if (one.group_id in ours or one.group_id.startswith(f"{prefix}forward.")) and one.state != ConsumerGroupState.EMPTY
    )
