"""When the sink must not go on, because most of what it read last of a topic could not be used. Pure.

The limit itself is in :mod:`schemas.dead_letters`. A range is looked at *before* it is declared in Kafka, message by message: a
stretch of bad messages in the middle of a large range counts like one at its end. A range that an earlier owner declared is
looked at before it is inserted again: that owner may have been another release, which could read what this one cannot.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from connectors.clickhouse.core.intent import Batch
from connectors.clickhouse.core.rows import Decoded, Reject
from schemas.dead_letters import DeadLetterLimit, Hold, Limit, Verdict
from schemas.errors import TooManyDeadLetters
from schemas.position import Partition

CONSUMER: Final = "the archive"
"""What the sink is called in errors."""


class RangeWatch:
    """What the sink could not use of what it read last, topic by topic.

    Topics are judged apart: what can be read of a busy topic would hide that nothing of a quiet one can.
    """

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._topics: dict[str, _Topic] = {}
        self._seen: dict[Partition, int] = {}
        """The offset of each partition below which every message has been looked at."""

    def forget(self) -> None:
        """Begin anew: the partitions have been given out again, and what was not inserted yet is read again."""
        self._topics.clear()
        self._seen.clear()

    def look(self, batch: Batch[Decoded], rejects: Sequence[Reject]) -> None:
        """Take note of a range that is about to be declared or inserted. What was looked at before does not count again.

        Args:
            batch: The range; it may have grown since it was looked at last.
            rejects: What of it could not be used.

        Raises:
            TooManyDeadLetters: None of the range must be declared or inserted.
        """
        topic = self._topics.setdefault(batch.partition.topic, _Topic(self._limit))
        seen = self._seen.get(batch.partition, 0)
        wrong = Counter(reject.position.offset for reject in rejects)
        last = {reject.position.offset: reject for reject in rejects}
        for message in batch.messages:
            offset = message.position.offset
            if offset >= seen:
                topic.read(message, wrong[offset], last.get(offset))
                # A window that still fills may become better with what comes next.
                if (verdict := topic.limit.full()) is not None:
                    raise topic.too_many(verdict)
        self._seen[batch.partition] = max(seen, batch.next)

    def must_wait(self, topic: str, now_s: float) -> bool:
        """Whether nothing of ``topic`` may be declared or inserted yet; ask once all its ranges have been looked at.

        Args:
            topic: As its ranges name it, prefix included.
            now_s: The time in seconds, of a clock that only goes forward.

        Raises:
            TooManyDeadLetters: Nothing better has come for too long.
        """
        read = self._topics[topic]
        verdict = read.limit.judge(read.hold.lasted_s(now_s))
        if verdict.do == "stop":
            raise read.too_many(verdict)
        read.hold.note(now_s, held=verdict.do == "hold")
        return verdict.do == "hold"


class _Topic:
    """What was read of one topic."""

    def __init__(self, limit: Limit) -> None:
        self.limit = DeadLetterLimit(limit)
        self.hold = Hold()
        self._last: Reject | None = None

    def read(self, message: Decoded, rejected: int, last: Reject | None) -> None:
        """Take note of a message of which ``rejected`` things could not be used, ``last`` among them."""
        readable = message.reject is None
        self.limit.read(readable=readable, records=len(message.events), rejected=rejected if readable else 0)
        self._last = last or self._last

    def too_many(self, verdict: Verdict) -> TooManyDeadLetters:
        return TooManyDeadLetters(CONSUMER, verdict.bad, verdict.read, verdict.unit, str(self._last), commits=True)
