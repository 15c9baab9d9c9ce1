"""How far each shard of a record topic has been folded, told about once a second of the connector's clock.

This is what says how old data is. It follows from when the connector received the records, so a pipeline that lags shows, and a
market in which nothing happens does not: each second brings a clock tick.
"""

from typing import Final

from pipelines.core.frames import Output
from schemas.position import Position
from schemas.structs import Frame, ShardProgress
from schemas.topics import STATE_PROGRESS, encode

EVERY_US: Final = 1_000_000
BACKWARDS_US: Final = 60_000_000
"""A connector whose clock is set back by more than this is believed; less is the skew between two connectors' clocks."""


class Progress:
    """What has been told of the shards of one record topic. It is lost with the process, which then tells once more."""

    def __init__(self, topic: str) -> None:
        """``topic`` is the record topic, without a prefix."""
        self._topic = topic
        self._told_us: dict[int, int] = {}
        """The receive time told last, by partition."""

    def reach(self, message: object, position: Position) -> Output | None:
        """Take note that ``message``, found at ``position``, has been folded; the row to publish, if one is due."""
        if not isinstance(message, Frame):
            return None
        told_us = self._told_us.get(position.partition)
        if told_us is not None and told_us - BACKWARDS_US <= message.recv_us < told_us + EVERY_US:
            return None
        self._told_us[position.partition] = message.recv_us
        row = ShardProgress(topic=self._topic, partition=position.partition, offset=position.offset, recv_us=message.recv_us)
        return Output(STATE_PROGRESS, f"{self._topic}/{position.partition}", encode(row))
