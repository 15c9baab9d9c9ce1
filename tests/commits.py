"""How far a consumer group has come on a topic."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

TIMEOUT_S = 10.0


class Commits:
    """The commits of one group; use it as a context manager.

    It asks as a consumer that never subscribes, and so is no member of the group. An administrator would do, but for librdkafka:
    that crashes the process when a broker fails under an administrator's request.
    """

    def __init__(self, kafka: Mapping[str, str], group: str, topic: str) -> None:
        self._topic = topic
        self._known = 0
        self._consumer = Consumer({**kafka, "group.id": group, "enable.auto.commit": False})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._consumer.close()

    def count(self) -> int:
        """How many messages of the topic the group has committed, all partitions together; what it last was, while nobody says.

        A broker that has just started, or is busy, may not answer at once: ask again.
        """
        try:
            partitions = self._consumer.list_topics(self._topic, timeout=TIMEOUT_S).topics[self._topic].partitions
            places = self._consumer.committed([TopicPartition(self._topic, n) for n in partitions], timeout=TIMEOUT_S)
        except KafkaException:
            return self._known
        self._known = max(self._known, sum(max(place.offset, 0) for place in places))
        return self._known
