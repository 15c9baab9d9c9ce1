"""How far each shard of a topic has been folded, told about once a second of the connector's clock.

This is what says how old data is. It follows from when the connector received the records, so a pipeline that lags shows, and a
market in which nothing happens does not: each second brings a clock tick.

Topics between two pipelines, or between two stages of one, have no clock ticks, and where nothing happens no messages. So the
first stage says of each of them when its last message came, and the second how far it has come; both by the time at which Kafka
took the message that was folded. Whoever reads both knows what is owed.

Kafka takes what a stage makes later than what it is made of, by as much as that stage lags. So while a first stage catches up, a
second that stands still may seem level, until the first has come to the time at which the second stopped; what they make is then
shown as old as the first stage is.
"""

from collections.abc import Iterable
from typing import Final

from pipelines.core.frames import Output
from schemas.position import Position
from schemas.structs import Frame, ShardProgress
from schemas.topics import STATE_PROGRESS, encode

EVERY_US: Final = 1_000_000
BACKWARDS_US: Final = 60_000_000
"""A connector whose clock is set back by more than this is believed; less is the skew between two connectors' clocks."""


class Progress:
    """What has been told of the shards of one topic. It is lost with the process, which then tells once more."""

    def __init__(self, topic: str, read_on: Iterable[str] = ()) -> None:
        """Begin.

        Args:
            topic: The topic that is folded, without a prefix.
            read_on: The names of topics that pipelines read beside the record topics.
        """
        self._topic = topic
        self._read_on = frozenset(read_on)
        self._told_us: dict[int, int] = {}
        """The time told last, by partition."""
        self._brought_ms: dict[int, dict[str, int]] = {}
        """The time of the last message that brought something to a topic that is read on, by partition and topic."""

    def reach(self, message: object, position: Position, taken_ms: int, outputs: Iterable[Output] = ()) -> Output | None:
        """Take note that a message has been folded.

        Args:
            message: None where it could not be read.
            position: Where it was found.
            taken_ms: When Kafka was given it, or the record that it is made of.
            outputs: What came of it.

        Returns:
            The row to publish, if one is due.
        """
        if message is None:
            return None
        reached_us = message.recv_us if isinstance(message, Frame) else taken_ms * 1_000
        brought_ms = self._brought_ms.setdefault(position.partition, {})
        for output in outputs:
            if output.topic.name in self._read_on:
                brought_ms[output.topic.name] = taken_ms
        told_us = self._told_us.get(position.partition)
        if told_us is not None and told_us - BACKWARDS_US <= reached_us < told_us + EVERY_US:
            return None
        self._told_us[position.partition] = reached_us
        row = ShardProgress(
            topic=self._topic,
            partition=position.partition,
            offset=position.offset,
            recv_us=reached_us,
            brought_ms=dict(brought_ms),
        )
        return Output(STATE_PROGRESS, f"{self._topic}/{position.partition}", encode(row))
