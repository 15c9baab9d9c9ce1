"""Topics for tests, made ahead of them."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor

from schemas.deployment import kafka_config
from stock_tracker.kafka import metadata
from stock_tracker.kafka import topics as stock_topics
from tests.patience import PATIENCE_S, until

SHARDS = 3


class TopicSets:
    """All our topics under prefixes of their own, made ahead: a broker tells of new topics a second before they can be read."""

    def __init__(self, bootstrap: str) -> None:
        self._config = {**kafka_config(os.environ), "bootstrap.servers": bootstrap}
        self._admin = metadata.admin(self._config)
        self._chores = ThreadPoolExecutor(1)
        self._next = self._chores.submit(self._make)

    def take(self) -> str:
        """The prefix of a set that nobody has used."""
        prefix, self._next = self._next.result(), self._chores.submit(self._make)
        return prefix

    def give_back(self, prefix: str) -> None:
        """Delete all that bears ``prefix``."""
        self._chores.submit(self._delete, prefix).result()

    def close(self) -> None:
        self.give_back(self._next.result())
        self._chores.shutdown()

    def _make(self) -> str:
        prefix = f"t{uuid.uuid4().hex[:10]}."
        made = stock_topics.apply(self._config, prefix, SHARDS, replication=1).created
        until(lambda: set(made) <= set(metadata.ask(self._config).topics), "the broker's word of new topics")
        return prefix

    def _delete(self, prefix: str) -> None:
        # Quix puts its own words before a topic's name: changelog__<group>--<topic>--….
        names = [name for name in metadata.ask(self._config).topics if prefix in name]
        for answer in self._admin.delete_topics(names, operation_timeout=PATIENCE_S).values():
            answer.result()
