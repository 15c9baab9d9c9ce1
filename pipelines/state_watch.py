"""How large a pipeline's state is, how long it took to get it back after a start, and what is still to fold: for its metrics.

Stores are looked at in the thread of their application, between two messages, while nothing opens or closes them.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from quixstreams.state.manager import StateStoreManager
from quixstreams.state.rocksdb import RocksDBStorePartition

from pipelines import metrics

LOOK_S = 5.0
"""Time between two looks. Each counts one store, which takes a few milliseconds for a thousand symbols."""


class Store(Protocol):
    """The state of one partition of a topic, as its changelog has it."""

    def iter_items(self, lower_bound: bytes) -> Iterable[tuple[bytes, bytes]]:
        """Its keys from ``lower_bound`` on, with their values."""


Stores = Mapping[tuple[str, int], Store]
"""By topic, as it is called in Kafka, and partition."""


class _Size(NamedTuple):
    """How much was in a store when it was last counted."""

    counted_s: float
    keys: int
    size: int
    """Bytes of keys and values."""


class StateWatch:
    """Keeps the metrics of a pipeline's state.

    Args:
        pipeline: Whose.
        prefix: What stands before the names of its topics.
        stores: Says which stores the process has now.
        clock: Seconds, since whenever.
        lags: Says how many offsets are still to be folded of each topic that the process has partitions of.
    """

    def __init__(
        self,
        pipeline: str,
        prefix: str,
        stores: Callable[[], Stores],
        clock: Callable[[], float] = time.monotonic,
        lags: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._pipeline = pipeline
        self._prefix = prefix
        self._stores = stores
        self._clock = clock
        self._lags = lags
        self._lagging: set[str] = set()
        self._due_s = clock()
        self._recovering_since_s: float | None = None
        self._sizes: dict[tuple[str, int], _Size] = {}
        self._topics: set[str] = set()
        metrics.RECOVERY.labels(pipeline).set(0)

    def recovery_begins(self) -> None:
        """Take note that state has to be recovered before anything is folded. Partitions that come meanwhile prolong it."""
        if self._recovering_since_s is None:
            self._recovering_since_s = self._clock()

    def look(self) -> None:
        """Look whether anything is to be told; call it several times a second, never during a recovery."""
        now_s = self._clock()
        if self._recovering_since_s is not None:
            metrics.RECOVERY.labels(self._pipeline).set(now_s - self._recovering_since_s)
            self._recovering_since_s = None
        if now_s < self._due_s:
            return
        self._due_s = now_s + LOOK_S
        stores = self._stores()
        self._sizes = {place: size for place, size in self._sizes.items() if place in stores}
        new = [place for place in stores if place not in self._sizes]
        if stores:
            place = min(new) if new else min(self._sizes, key=lambda place: self._sizes[place].counted_s)
            items = [len(key) + len(value) for key, value in stores[place].iter_items(b"")]
            self._sizes[place] = _Size(now_s, len(items), sum(items))
        self._tell()
        lags = self._lags()
        # A topic whose partitions another process has taken over has no lag here any more.
        self._lagging |= lags.keys()
        for topic in self._lagging:
            metrics.LAG.labels(self._pipeline, topic.removeprefix(self._prefix)).set(lags.get(topic, 0))

    def _tell(self) -> None:
        self._topics |= {topic for topic, _ in self._sizes}
        for topic in self._topics:
            sizes = [size for (name, _), size in self._sizes.items() if name == topic]
            labels = self._pipeline, topic.removeprefix(self._prefix)
            metrics.STATE_KEYS.labels(*labels).set(sum(size.keys for size in sizes))
            metrics.STATE_BYTES.labels(*labels).set(sum(size.size for size in sizes))


def stores_of(manager: StateStoreManager) -> dict[tuple[str, int], Store]:
    """The stores that ``manager`` has open, those apart that belong to no topic."""
    return {
        (topic, number): partition
        for topic, named in manager.stores.items()
        if topic is not None
        for store in named.values()
        for number, partition in store.partitions.items()
        if isinstance(partition, RocksDBStorePartition)
    }
