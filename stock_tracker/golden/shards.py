"""How many shards a fixture was recorded with."""

from collections.abc import Iterable
from typing import Final

from connectors.fixtures.core.layout import FixtureMessage, Header
from schemas.shards import shard_keys
from schemas.topics import RECORD_TOPICS
from stock_tracker.errors import UnusableFixture

MOST_SHARDS: Final = 64


def shards_of(source: str, header: Header, messages: Iterable[FixtureMessage]) -> int:
    """How many shards a fixture was recorded with: as it says, else the fewest that its keys are of.

    Raises:
        UnusableFixture: They are of no number of shards.
    """
    sharded = {topic.name for topic in RECORD_TOPICS}
    if told := [count for topic, count in header.partitions.items() if topic in sharded]:
        return told[0]
    keys = {(m.partition, m.key.decode(errors="replace")) for m in messages if m.topic in sharded and m.key is not None}
    for shards in range(1 + max((partition for partition, _ in keys), default=0), MOST_SHARDS + 1):
        if all(shard_keys(shards)[partition] == key for partition, key in keys):
            return shards
    raise UnusableFixture(source, "the keys of its frames are of no number of shards")
