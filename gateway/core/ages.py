"""How old the data is: shard by shard, by when the connector received what was folded last (pure).

Rows that keep coming say nothing of that: a pipeline that is minutes behind writes as many as one that is not. Nor does a lull:
the connector's clock ticks reach every shard each second, whether anything is traded or not. What counts is what the pipelines
say of themselves on ``state.progress``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.core.channels import CHANNELS
from schemas.structs import ShardProgress

STALE_MS: Final = 5_000
"""How old the newest record of a shard may be while the market trades."""
AGED_CHANNELS: Final = tuple(name for name, channel in CHANNELS.items() if channel.folded_from)
"""The channels whose rows are folded from records."""


@dataclass(slots=True)
class ShardAges:
    """When the newest record or clock tick that was folded was received, by record topic and partition."""

    _shards: int = 0
    _received_ms: dict[tuple[str, int], int] = field(default_factory=dict)
    """By the connector's clock."""

    def begin(self, shards: int) -> None:
        """Forget everything; each record topic has ``shards`` partitions."""
        self._shards = shards
        self._received_ms.clear()

    def reach(self, row: ShardProgress) -> None:
        """Take what a pipeline says of a shard. It may be less than before: then it folds again what it had lost."""
        self._received_ms[row.topic, row.partition] = row.recv_us // 1_000

    def ages_ms(self, now_ms: int) -> Mapping[str, int | None]:
        """The age of each channel's data: that of its oldest shard; None where a shard has said nothing yet.

        Negative where the connector's clock is ahead of the gateway's, ``now_ms``: :meth:`Connectors.skews_ms` says by how much.
        """
        return {channel: self._age_ms(channel, now_ms) for channel in AGED_CHANNELS}

    def _age_ms(self, channel: str, now_ms: int) -> int | None:
        places = [(topic.name, number) for topic in CHANNELS[channel].folded_from for number in range(self._shards)]
        if not places or any(place not in self._received_ms for place in places):
            return None
        return now_ms - min(self._received_ms[place] for place in places)
