"""Outputs of the pipelines in one order, whichever way they were made. Pure.

An event topic that one topology writes is compared message by message. Where several topologies write the same topic, only the
order of each is fixed, and Kafka mixes them as it likes: there messages are put in the order of what they are about first. That
two symbols changed places on such a topic is not seen. Of a compacted topic the last row of each key counts.

The shards of the foreign flow, and of the breadth, meet on one partition, in whatever order Kafka takes them. So their partial
sums are put in the order of the shards, and the rows of flow and breadth are compared without the offset that they were folded
from.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from connectors.fixtures.core.layout import FixtureMessage
from pipelines.catalogue import CATALOGUE
from schemas.topics import (
    EVENT_TOPICS,
    PARTIAL_BREADTH,
    PARTIAL_FLOW,
    SSI_DLQ,
    STATE_BREADTH,
    STATE_FLOW,
    STATE_TOPICS,
    Topic,
    encode,
)
from schemas.units import UnixMs

OUTPUTS: Final[tuple[Topic[Any], ...]] = (*EVENT_TOPICS, PARTIAL_FLOW, PARTIAL_BREADTH, *STATE_TOPICS, SSI_DLQ)
"""What is compared. What the pipelines fold with, ``pipelines.terms``, names the release, so it is left out."""
_COMPACTED: Final = frozenset(topic.name for topic in STATE_TOPICS)
_PARTIAL: Final = frozenset((PARTIAL_FLOW.name, PARTIAL_BREADTH.name))
_PLACES: Final = {topic.name: number for number, topic in enumerate(OUTPUTS)}
_WRITERS: Final = Counter(sink.name for pipeline in CATALOGUE for topology in pipeline.topologies for sink in topology.sinks)
_MIXED: Final = frozenset(name for name, writers in _WRITERS.items() if writers > 1) | {SSI_DLQ.name, *_PARTIAL}
"""Topics on which several writers share a partition: topologies, or the shards of one."""


def in_order(messages: Iterable[FixtureMessage]) -> list[FixtureMessage]:
    """The outputs among ``messages``, in one order and numbered anew in each partition, without Kafka's own time.

    Args:
        messages: As they were written; those of a partition in its order.
    """
    partitions: dict[tuple[int, int], list[FixtureMessage]] = defaultdict(list)
    for message in messages:
        if message.topic in _PLACES:
            partitions[_PLACES[message.topic], message.partition].append(message)
    return [
        replace(_without_chance(message), offset=number, ts_ms=UnixMs(0), headers=())
        for place in sorted(partitions)
        for number, message in enumerate(_ordered(partitions[place]))
    ]


def _ordered(messages: list[FixtureMessage]) -> list[FixtureMessage]:
    topic = messages[0].topic
    if topic in _COMPACTED:
        last = {message.key or b"": message for message in messages}
        return [last[key] for key in sorted(last)]
    return sorted(messages, key=_about) if topic in _MIXED else messages


def _about(message: FixtureMessage) -> tuple[str, ...]:
    """What a message is about first. No two topologies write of the same, so that theirs are told apart."""
    content: Mapping[str, Any] = msgspec.json.decode(message.value or b"{}")
    if message.topic == SSI_DLQ.name:
        return (str(content["source"]), str(content["topic"]), f"{content['partition']:06}")
    if message.topic in _PARTIAL:
        return (f"{content['shard']:06}",)
    first = content["events"][0]
    return (str(first.get("rule", "")), str(first.get("symbol", "")))


def _without_chance(message: FixtureMessage) -> FixtureMessage:
    if message.topic not in (STATE_FLOW.name, STATE_BREADTH.name) or message.value is None:
        return message
    return replace(message, value=encode({**msgspec.json.decode(message.value), "src": 0}))
