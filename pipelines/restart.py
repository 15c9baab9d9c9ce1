"""How an application starts again without the pauses that Quix Streams and librdkafka make.

A pipeline that was killed folds nothing until its new process is connected, has its transactional id and its partitions, and has
its state back. Each takes milliseconds on a quiet machine, but these pauses would come on top:

- librdkafka looks for the coordinator of transactions, and for that of its group, as soon as it is asked to. If it has no
  connection by then it looks again half a second later.
- A new process may have to ask twice for its transactional id, because Kafka first aborts the transaction that the killed one
  left open; librdkafka waits half a second in between. Meanwhile the group can give it its partitions.
- Quix asks for the ends of its partitions one after the other while it reads them. Kafka answers the requests of a connection in
  their order, and one to read holds up the next for half a second where nothing comes: five seconds for the alerts, which have
  thirty partitions, on a quiet market.
- Quix takes a changelog for read when Kafka has had nothing more to give for a whole second.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self

from confluent_kafka import Producer, TopicPartition
from quixstreams.internal_consumer import InternalConsumer
from quixstreams.internal_producer import InternalProducer
from quixstreams.state.manager import StateStoreManager
from quixstreams.state.recovery import RecoveryManager

LOOK_S: Final = 0.05
"""How long Kafka may have nothing to give before it is asked how far the changelogs have been read."""


class PromptRecovery(RecoveryManager):
    """Quix's recovery of state from changelogs, except that it ends as soon as they have been read.

    What it overrides is Quix's own, not public: a test notices when an upgrade drops it.
    """

    MAX_INVALID_OFFSET_ATTEMPTS = int(RecoveryManager.MAX_INVALID_OFFSET_ATTEMPTS / LOOK_S)
    """Looks that may find no position before it gives up: as long as Quix's looks, a second apart, would take."""

    @classmethod
    def around(cls, recovery: RecoveryManager) -> Self:
        """A recovery like ``recovery``, which must not have been used yet."""
        return cls(
            consumer=PromptConsumer(recovery._consumer),  # type: ignore[arg-type] # it does what Quix's consumer does
            topic_manager=recovery._topic_manager,
            broker_availability_timeout=recovery._broker_availability_timeout,
        )

    def _get_position_with_cache(self, rp: Any) -> Any:
        # The consumer knows its position without asking Kafka. An answer of a second ago would only be wrong.
        self._position_cache.clear()
        return super()._get_position_with_cache(rp)


def recover_promptly(manager: StateStoreManager) -> None:
    """Let ``manager`` recover by :class:`PromptRecovery`. Call it before there is a dataframe, which registers a changelog."""
    if manager._recovery_manager is not None:
        manager._recovery_manager = PromptRecovery.around(manager._recovery_manager)


def connect(consumer: InternalConsumer, producer: InternalProducer, timeout_s: float) -> None:
    """Connect the clients of an application before they look for their coordinators; call it before it subscribes.

    Args:
        consumer: Of the application, not connected yet.
        producer: Likewise. It has its transactional id only once it begins its first transaction.
        timeout_s: For how long a broker is waited for.

    Raises:
        KafkaException: No broker answered in time.
    """
    client: Any = LateProducer(Producer(producer._producer._producer_config))
    # Quix makes its client when it is used first, and takes one that is there.
    producer._producer._inner_producer = client
    client.list_topics(timeout=timeout_s)
    consumer.list_topics(timeout=timeout_s)


@contextmanager
def watermarks_known(consumer: InternalConsumer, partitions: Sequence[TopicPartition], timeout_s: float) -> Iterator[None]:
    """Ask for the beginnings and the ends of ``partitions`` now, and let the block find them answered.

    Call it before they are assigned: as long as none is read, each answer takes a millisecond.

    Args:
        consumer: Of the application.
        partitions: Those that it is about to be assigned.
        timeout_s: Of one request, in seconds.

    Raises:
        KafkaException: Kafka did not answer in time.
    """
    ask = consumer.get_watermark_offsets
    known = {(place.topic, place.partition): ask(place, timeout=timeout_s) for place in partitions}

    def answer(partition: TopicPartition, timeout: float | None = None, cached: bool = False) -> tuple[int, int]:
        return known.get((partition.topic, partition.partition)) or ask(partition, timeout=timeout, cached=cached)

    vars(consumer)["get_watermark_offsets"] = answer
    try:
        yield
    finally:
        del vars(consumer)["get_watermark_offsets"]


class LateProducer:
    """A transactional producer that asks for its id when its first transaction begins."""

    def __init__(self, client: Any) -> None:
        """Nothing is asked yet.

        Args:
            client: librdkafka's producer, with a transactional id.
        """
        self._client = client
        self._has_id = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def __len__(self) -> int:
        return len(self._client)

    def __bool__(self) -> bool:
        # Quix asks whether there is a producer, not whether something is left in its queue.
        return True

    def begin_transaction(self) -> None:
        """Begin a transaction; before the first one, wait until the id is ours and what its last owner left open is aborted."""
        if not self._has_id:
            self._client.init_transactions()
            self._has_id = True
        self._client.begin_transaction()


class PromptConsumer:
    """A consumer that waits for a message for :data:`LOOK_S` and no longer."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def poll(self, timeout: float | None = None) -> Any:
        """The next message; None when none came, however much longer the caller would have waited."""
        return self._consumer.poll(LOOK_S)
