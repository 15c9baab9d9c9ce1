"""What Kafka says of topics: whether they are there, and whether they are still the same.

A topic that is deleted and made anew keeps its name and gets another id. Its offsets begin at 0 again, so whoever followed the
one before has to begin again too.
"""

import hashlib
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from gateway.core.errors import KafkaRefused, NotPermitted
from schemas.errors import KafkaUnavailable, TopicsMissing
from schemas.kafka_errors import is_away
from schemas.position import Partition

ANSWER_S: Final = 5.0
"""How long Kafka may take to answer, in seconds."""
AGAIN_S: Final = 1.0
"""How soon to try again, in seconds, after Kafka did not answer: a board should be back soon after its broker is."""

_FORBIDDEN = frozenset({KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED})


class TopicId(NamedTuple):
    """A topic as it was made: its id, and how many partitions it has."""

    id: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The topics of one reader, by the name that they have in Kafka."""

    topics: dict[str, TopicId]

    @property
    def partitions(self) -> list[Partition]:
        """All logs of these topics."""
        return [Partition(name, number) for name, topic in self.topics.items() for number in range(topic.partitions)]

    @property
    def stream(self) -> str:
        """What tells these logs from those of any other topics, eight hexadecimal digits: cursors name it."""
        text = " ".join(f"{name}={topic.id}/{topic.partitions}" for name, topic in sorted(self.topics.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:8]


class Cluster:
    """One reader's view of Kafka: settings for its clients, what they complain of, and the layout of its topics."""

    def __init__(self, kafka: dict[str, str], client_id: str, names: Iterable[str], stop: threading.Event) -> None:
        """Prepare; nothing is asked yet.

        Args:
            kafka: librdkafka's connection settings.
            client_id: What Kafka's own logs and metrics call the clients.
            names: The topics, as Kafka calls them.
            stop: Once it is set, nobody waits for an answer any more.
        """
        self._names = list(names)
        self._bootstrap = kafka["bootstrap.servers"]
        self._stop = stop
        self._complaint = ""
        self.is_doubtful = False
        """Whether a client has complained since this was last set to False: worth a look at whether Kafka still answers."""
        self.settings: dict[str, Any] = {
            **kafka,
            "client.id": client_id,
            # librdkafka would write a line for every attempt to connect; the reader says once that Kafka does not answer.
            "log_level": 2,
            "error_cb": self._complain,
            "reconnect.backoff.max.ms": int(AGAIN_S * 1_000),
        }
        """librdkafka's settings for every Kafka client of this reader."""
        self._admin = AdminClient(self.settings)

    def hear(self, error: KafkaError) -> None:
        """Take an error that a consumer was given in place of a message.

        Raises:
            NotPermitted: The consumer may not read. It gets over everything else by itself.
        """
        if error.code() in _FORBIDDEN:
            raise NotPermitted(error.str(), self._names)
        self._complain(error)

    def _complain(self, error: KafkaError) -> None:
        self._complaint = error.str()
        self.is_doubtful = True

    def trouble(self, error: KafkaError) -> KafkaUnavailable | NotPermitted | KafkaRefused:
        """What ``error`` means for whoever operates the gateway."""
        if error.code() in _FORBIDDEN:
            return NotPermitted(error.str(), self._names)
        if is_away(error.code()):
            return self._unavailable(error.str())
        return KafkaRefused(error.str())

    def layout(self) -> Layout:
        """Ask what the topics look like now.

        Raises:
            KafkaUnavailable: No broker answers.
            NotPermitted: Kafka does not let the gateway see the topics.
            TopicsMissing: Some are not there.
        """
        topics, missing = {}, []
        try:
            self._wait_for_a_broker()
            futures = self._admin.describe_topics(TopicCollection(self._names), request_timeout=ANSWER_S)
            for name, future in futures.items():
                try:
                    description = future.result(timeout=ANSWER_S + 1)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise
                    missing.append(name)
                else:
                    topics[name] = TopicId(str(description.topic_id), len(description.partitions))
        except TimeoutError as error:
            raise self._unavailable(str(error)) from error
        except KafkaException as error:
            if error.args[0].code() in _FORBIDDEN:
                raise self.trouble(error.args[0]) from error
            raise self._unavailable(error.args[0].str()) from error
        if missing:
            raise TopicsMissing(self._bootstrap, sorted(missing))
        self._complaint = ""
        return Layout(topics)

    def _unavailable(self, reason: str) -> KafkaUnavailable:
        # What a client complained of says more than that the time is over, but it is told only to whoever polls.
        self._admin.poll(0)
        return KafkaUnavailable(self._bootstrap, self._complaint or reason)

    def _wait_for_a_broker(self) -> None:
        """Wait until a broker answers, or the reader has to stop.

        librdkafka keeps two cores busy while an administrator's request has no broker to go to, so none is made before.

        Raises:
            KafkaException: None answered in time.
        """
        deadline = time.monotonic() + ANSWER_S
        while True:
            try:
                self._admin.list_topics(timeout=AGAIN_S)
            except KafkaException:
                if self._stop.is_set() or time.monotonic() >= deadline:
                    raise
            else:
                return
