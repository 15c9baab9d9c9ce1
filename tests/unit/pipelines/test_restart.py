"""What is replaced in Quix so that a pipeline is back sooner: a release of Quix that lacks it must fail here, not lose time."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicPartition
from quixstreams.internal_consumer import InternalConsumer
from quixstreams.internal_producer import InternalProducer
from quixstreams.state.manager import StateStoreManager
from quixstreams.state.metadata import CHANGELOG_CF_MESSAGE_HEADER
from quixstreams.state.recovery import RecoveryManager

from pipelines.restart import LOOK_S, LateProducer, PromptConsumer, PromptRecovery, connect, recover_promptly, watermarks_known

CHANGELOG = "changelog__prices"
NOBODY = "127.0.0.1:1"


class Message:
    """A change of state on the changelog."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return CHANGELOG

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def headers(self) -> list[tuple[str, bytes]]:
        return [(CHANGELOG_CF_MESSAGE_HEADER, b"default")]

    def key(self) -> bytes:
        return b"key"

    def value(self) -> bytes:
        return b"value"


class Consumer:
    """Gives the messages of a changelog that ends with the mark of a transaction, which it passes a moment after the last one."""

    def __init__(self, messages: int, *, silent: int = 0) -> None:
        self.left = list(range(messages))
        self.silent = silent
        """So many looks find no position."""
        self.position_ = -1001
        self.end = messages + 1
        self.polls: list[float | None] = []
        self.empty_polls = 0

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(CHANGELOG, 0)]

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        return 0, self.end

    def poll(self, timeout: float | None = None) -> Message | None:
        self.polls.append(timeout)
        if self.left:
            offset = self.left.pop(0)
            self.position_ = offset + 1
            return Message(offset)
        self.empty_polls += 1
        if self.empty_polls > max(self.silent, 1):
            self.position_ = self.end
        return None

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(CHANGELOG, 0, self.position_)]

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


class Store:
    """The state of a partition."""

    def __init__(self) -> None:
        self.recovered: list[int] = []

    def get_changelog_offset(self) -> int | None:
        return self.recovered[-1] if self.recovered else None

    def has_incomplete_ttl_migration(self) -> bool:
        return False

    def complete_recovery(self) -> None:
        return None

    def recover_from_changelog_message(self, cf_name: str, key: bytes, value: bytes, offset: int, ttl_stamped: bool) -> None:
        self.recovered.append(offset)


def recovering(consumer: Consumer, store: Store) -> Any:
    """The recovery of ``store``, as an application gets it."""
    topics = SimpleNamespace(changelog_topics={"ticks": {"default": SimpleNamespace(name=CHANGELOG)}}, non_changelog_topics={})
    quix: Any = RecoveryManager(consumer=consumer, topic_manager=topics)  # type: ignore[arg-type]
    manager = StateStoreManager(recovery_manager=quix)
    recover_promptly(manager)
    found: Any = manager._recovery_manager
    found.assign_partition("ticks", 0, {}, {"default": store})
    return found


def test_state_is_taken_for_recovered_at_the_first_look_that_finds_the_changelog_read() -> None:
    consumer, store = Consumer(3), Store()
    recovery = recovering(consumer, store)
    recovery.do_recovery()
    assert type(recovery) is PromptRecovery
    assert store.recovered == [0, 1, 2]
    assert not recovery.has_assignments
    # Three messages, a look before the mark has been passed, and one after it; each waits for a moment only.
    assert consumer.polls == [LOOK_S] * 5


def test_a_position_that_is_late_is_waited_for_as_long_as_quix_would() -> None:
    looks = int(RecoveryManager.MAX_INVALID_OFFSET_ATTEMPTS / LOOK_S)
    late = Consumer(0, silent=looks)
    recovering(late, Store()).do_recovery()
    assert late.empty_polls == looks + 1
    with pytest.raises(RuntimeError, match="Recovery stuck"):
        recovering(Consumer(0, silent=looks + 1), Store()).do_recovery()


class Client:
    """Notes what a producer is asked to do."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __len__(self) -> int:
        return 0

    def __getattr__(self, name: str) -> Any:
        return lambda: self.done.append(name)


def test_a_producer_asks_for_its_id_with_its_first_transaction_and_once() -> None:
    client = Client()
    producer = LateProducer(client)
    assert client.done == []
    for _ in range(2):
        producer.begin_transaction()
        producer.commit_transaction()
    once = ["begin_transaction", "commit_transaction"]
    assert client.done == ["init_transactions", *once, *once]
    assert len(producer) == 0
    assert bool(producer)


def test_an_application_that_finds_no_broker_says_so_and_keeps_the_producer_that_it_was_given() -> None:
    consumer = InternalConsumer(NOBODY, "a group", "earliest")
    producer = InternalProducer(NOBODY, extra_config={"transactional.id": "x"}, transactional=True)
    with pytest.raises(KafkaException):
        connect(consumer, producer, timeout_s=0.2)
    assert producer.instantiated
    assert isinstance(producer._producer._producer, LateProducer)


class Watermarks(InternalConsumer):
    """A consumer that knows the ends of its partitions, and notes who asked for them."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, float | None]] = []

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float | None = None, cached: bool = False
    ) -> tuple[int, int]:
        self.asked.append((partition.partition, timeout))
        return 0, partition.partition * 10


def test_the_ends_of_partitions_are_asked_for_before_they_are_assigned_and_once() -> None:
    consumer = Watermarks()
    seen_by_recovery = PromptConsumer(consumer)
    places = [TopicPartition("ticks", number) for number in range(3)]
    with watermarks_known(consumer, places, timeout_s=7.0):
        assert consumer.asked == [(0, 7.0), (1, 7.0), (2, 7.0)]
        assert [consumer.get_watermark_offsets(place, timeout=30) for place in places] == [(0, 0), (0, 10), (0, 20)]
        assert seen_by_recovery.get_watermark_offsets(places[2], timeout=10) == (0, 20)
        assert consumer.get_watermark_offsets(TopicPartition("others", 5), timeout=30) == (0, 50)
    assert consumer.asked[3:] == [(5, 30)]
    assert consumer.get_watermark_offsets(places[1]) == (0, 10)
    assert consumer.asked[4:] == [(1, None)]
