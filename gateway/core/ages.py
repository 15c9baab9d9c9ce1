"""How old the data is: shard by shard, by when the connector received what was folded last (pure).

Rows that keep coming say nothing of that: a pipeline that is minutes behind writes as many as one that is not. Nor does a lull:
the connector's clock ticks reach every shard each second, whether anything is traded or not. What counts is what the pipelines
say of themselves on ``state.progress``.

What a second pipeline or stage makes is as old as what the first has folded, and older where the second owes something: a message
that the first says it wrote, and that the second has not come to. Where it owes nothing, nothing happened.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.core.channels import CHANNELS
from schemas.structs import ShardProgress
from schemas.topics import TOPICS

STALE_MS: Final = 5_000
"""How old the newest record of a shard may be while the market trades."""
AGED_CHANNELS: Final = tuple(name for name, channel in CHANNELS.items() if channel.folded_from)
"""The channels whose rows, or events, are made of records."""
SLACK_MS: Final = 1_000
"""A second stage tells how far it has come once a second: the last messages before a lull may be folded and not told."""
REMEMBERED: Final = 600
"""Of how many times that something was brought each is known, while nothing of it has been folded; then those between."""
_SHARDED: Final = frozenset(topic.name for topic in TOPICS if topic.sharded)


class _Shard(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


@dataclass(slots=True)
class _Owed:
    """What one shard brought to a topic that is read on, and its reader has not come to."""

    brought_ms: deque[int] = field(default_factory=deque)
    """When the connector had given Kafka what it was made of; the oldest first."""
    was_level: bool = False
    """Whether there was nothing at some time that we know of. Before that nobody knows since when there is something."""

    def bring(self, ms: int, folded_ms: int | None) -> None:
        """Something was brought; its reader has come as far as ``folded_ms``."""
        if self.brought_ms and ms <= self.brought_ms[-1]:
            return
        self.brought_ms.append(ms)
        if len(self.brought_ms) > REMEMBERED:
            del self.brought_ms[-2]
        self.fold(folded_ms)

    def fold(self, folded_ms: int | None) -> None:
        """Its reader has come as far as ``folded_ms``."""
        while folded_ms is not None and self.brought_ms and self.brought_ms[0] <= folded_ms + SLACK_MS:
            self.brought_ms.popleft()
            self.was_level = True

    def since_ms(self, folded_ms: int | None) -> int | None:
        """Since when something is owed; None where nothing is."""
        if not self.brought_ms:
            return None
        return self.brought_ms[0] if self.was_level or folded_ms is None else min(self.brought_ms[0], folded_ms)


@dataclass(slots=True)
class ShardAges:
    """When the newest record or clock tick that was folded was received, and what later stages owe."""

    _shards: int = 0
    _received_ms: dict[_Shard, int] = field(default_factory=dict)
    """By the connector's clock; of later stages when Kafka had taken the message that was folded."""
    _owed: dict[_Shard, dict[_Shard, _Owed]] = field(default_factory=dict)
    """By who has to fold it, and by who brought it."""

    def begin(self, shards: int) -> None:
        """Forget everything; each record topic has ``shards`` partitions."""
        self._shards = shards
        self._received_ms.clear()
        self._owed.clear()

    def reach(self, row: ShardProgress) -> None:
        """Take what a pipeline says of a shard. It may be less than before: then it folds again what it had lost."""
        shard = _Shard(row.topic, row.partition)
        self._received_ms[shard] = row.recv_us // 1_000
        for owed in self._owed.get(shard, {}).values():
            owed.fold(self._received_ms[shard])
        for topic, ms in row.brought_ms.items():
            # A topic that is sharded has what comes of a shard in the partition of the same number.
            reader = _Shard(topic, row.partition if topic in _SHARDED else 0)
            owed = self._owed.setdefault(reader, {}).setdefault(shard, _Owed())
            owed.bring(ms, self._received_ms.get(reader))

    def ages_ms(self, now_ms: int) -> Mapping[str, int | None]:
        """The age of each channel's data: that of its oldest shard; None where a shard of records has said nothing yet.

        Negative where the connector's clock is ahead of the gateway's, ``now_ms``: :meth:`Connectors.skews_ms` says by how much.
        """
        return {channel: self._age_ms(channel, now_ms) for channel in AGED_CHANNELS}

    def _age_ms(self, channel: str, now_ms: int) -> int | None:
        shards = [_Shard(topic.name, number) for topic in CHANNELS[channel].folded_from for number in range(self._shards)]
        if not shards or any(shard not in self._received_ms for shard in shards):
            return None
        oldest_ms = min(self._received_ms[shard] for shard in shards)
        on_the_way = {topic.name for topic in CHANNELS[channel].by_way_of}
        for reader, brought in self._owed.items():
            if reader.topic in on_the_way:
                since = (owed.since_ms(self._received_ms.get(reader)) for owed in brought.values())
                oldest_ms = min([oldest_ms, *(ms for ms in since if ms is not None)])
        return now_ms - oldest_ms
