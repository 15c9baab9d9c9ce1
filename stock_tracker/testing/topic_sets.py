"""Topics for tests, made ahead of them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from schemas.deployment import LOCAL_SHARDS
from stock_tracker.kafka import metadata
from stock_tracker.kafka import topics as stock_topics
from stock_tracker.kafka.own_topics import delete, new_prefix
from stock_tracker.testing.patience import until


class TopicSets:
    """All our topics under prefixes of their own, made ahead: a broker tells of new topics a second before they can be read."""

    def __init__(self, kafka: Mapping[str, str], shards: int = LOCAL_SHARDS) -> None:
        self._kafka = dict(kafka)
        self._shards = shards
        self._chores = ThreadPoolExecutor(1)
        self._next = self._chores.submit(self._make)

    def take(self) -> str:
        """The prefix of a set that nobody has used."""
        prefix, self._next = self._next.result(), self._chores.submit(self._make)
        return prefix

    def give_back(self, prefix: str) -> None:
        """Delete all that bears ``prefix``."""
        self._chores.submit(delete, self._kafka, prefix).result()

    def close(self) -> None:
        """Delete the set that was made ahead."""
        self.give_back(self._next.result())
        self._chores.shutdown()

    def _make(self) -> str:
        prefix = new_prefix()
        made = stock_topics.apply(self._kafka, prefix, self._shards, replication=1).created
        until(lambda: set(made) <= set(metadata.ask(self._kafka).topics), "the broker's word of new topics")
        return prefix
