"""Plays a recording again: onto topics of a prefix of its own, or to standard output."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaException, Producer

from connectors.fixtures.core.layout import FixtureMessage
from pipelines.catalogue import BESIDE, CATALOGUE
from schemas.errors import KafkaUnavailable
from stock_tracker.recordings.core.pace import Pace, eta_s

_FLUSH_S: Final = 30.0
_MADE: Final = frozenset(topic.name for pipeline in CATALOGUE for topic in (*pipeline.sinks, *BESIDE))
"""What the pipelines write: whoever reads a replay makes it anew."""
Send = Callable[[FixtureMessage], None]


@dataclass(frozen=True)
class Replayed:
    """What a replay came to."""

    messages: int
    seconds: float
    late_p99_ms: float | None
    """None at full speed."""

    def sentence(self) -> str:
        """Say it."""
        late = "" if self.late_p99_ms is None else f", lateness p99 {self.late_p99_ms:.1f} ms"
        return f"{self.messages} messages in {self.seconds:.1f} s{late}"


def inputs(messages: Iterable[FixtureMessage]) -> Iterator[FixtureMessage]:
    """The messages that no pipeline wrote."""
    return (message for message in messages if message.topic not in _MADE)


def play(
    messages: Iterable[FixtureMessage], total: int, speed: float | None, send: Send, tell: Callable[[str], None]
) -> Replayed:
    """Send each message when it is due.

    Args:
        messages: In the order in which they were appended.
        total: How many they are, for the estimate of the rest.
        speed: Recorded seconds a second; None for as fast as it goes.
        send: What takes them.
        tell: What takes a line of progress.
    """
    pace, begun, count = Pace(speed), time.monotonic(), 0
    for message in messages:
        due_s = pace.due_s(message.ts_ms)
        if (ahead_s := begun + due_s - time.monotonic()) > 0:
            time.sleep(ahead_s)
        send(message)
        passed_s = time.monotonic() - begun
        pace.sent(due_s, passed_s)
        count += 1
        left_s = eta_s(count, total, passed_s)
        tell(f"{count} of {total} messages" if left_s is None else f"{count} of {total} messages, {left_s:.0f} s left")
    return Replayed(count, time.monotonic() - begun, pace.late_p99_ms)


class TopicWriter:
    """Writes messages to the same partitions of the topics of a prefix, in their order."""

    def __init__(self, kafka: Mapping[str, str], prefix: str) -> None:
        self._bootstrap = kafka["bootstrap.servers"]
        self._prefix = prefix
        self._failed: list[str] = []
        self._producer = Producer({**kafka, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5})

    def send(self, message: FixtureMessage) -> None:
        """Hand a message over; waits while there are too many under way.

        Raises:
            KafkaUnavailable: One before it was not taken.
        """
        while True:
            try:
                self._producer.produce(
                    f"{self._prefix}{message.topic}",
                    value=message.value,
                    key=message.key,
                    partition=message.partition,
                    headers=list(message.headers),
                    on_delivery=lambda error, _: self._failed.append(error.str()) if error else None,
                )
                break
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from error
        self._producer.poll(0)
        self._check()

    def close(self) -> None:
        """Wait for Kafka to have all of it.

        Raises:
            KafkaUnavailable: It did not take everything.
        """
        if left := self._producer.flush(_FLUSH_S):
            self._failed.append(f"{left} messages were not taken in {_FLUSH_S:.0f} s")
        self._check()

    def _check(self) -> None:
        if self._failed:
            raise KafkaUnavailable(self._bootstrap, self._failed[0])
