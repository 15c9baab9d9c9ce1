"""When a pipeline commits: seldom while messages are queued, and not while most of what it read last could not be used.

Quix commits a checkpoint (outputs, state and offsets, one Kafka transaction) every quarter of a second. Here it first asks
whether that may be. While messages come faster than they are folded, a second's worth of them is one transaction: a symbol is
stored once in it, however often it moved. Where too many of the messages could not be used, the transaction stays open for a few
seconds, in case what comes next is better; after that the pipeline stops, the transaction is aborted, and the offsets stay where
they were.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Final, Self

from quixstreams.processing import ProcessingContext

from pipelines.core.frames import Folded
from pipelines.write_behind import WriteBehind
from schemas.dead_letters import DeadLetterLimit, Hold, Limit, Verdict
from schemas.errors import TooManyDeadLetters
from schemas.structs import ClockTick
from schemas.topics import SSI_DLQ

log = logging.getLogger(__name__)

BUSY_COMMIT_S: Final = 1.0
"""How long a transaction lasts while messages are queued. Who reads what is committed (archive, alerts) waits as long then; it is
a tenth of the time after which the broker would abort it."""


class DeadLetterWatch:
    """What a pipeline could not use of what it read last, topic by topic.

    Topics are judged apart: between the two stages of the foreign flow the second would hide how little the first can read.
    """

    def __init__(self, pipeline: str, limit: Limit) -> None:
        self._pipeline = pipeline
        self._limit = limit
        self._limits: dict[str, DeadLetterLimit] = {}
        self._last: dict[str, bytes] = {}
        self._too_many: TooManyDeadLetters | None = None
        self._hold = Hold()
        """Of the one commit of all topics."""

    def read(self, topic: str, message: object | None, folded: Folded) -> None:
        """Take note of a message.

        Args:
            topic: That it was read from.
            message: None when it could not be decoded.
            folded: What came of it, dead letters included.
        """
        limit = self._limits.get(topic)
        if limit is None:
            limit = self._limits[topic] = DeadLetterLimit(self._limit)
        letters = [output.value for output in folded.outputs if output.topic is SSI_DLQ]
        rejected = folded.counts["rejected"]
        records = _said(message) + (_ticks_among(message, letters) if rejected else 0)
        limit.read(readable=message is not None, records=records, rejected=rejected)
        if letters:
            self._last[topic] = letters[-1]
        if self._too_many is None and (verdict := limit.full()) is not None:
            # Hundreds of messages come between two commits: good ones at their end do not make a bad window before them good.
            self._too_many = self._error(topic, verdict)

    def forget(self) -> None:
        """Begin anew: what was read since the last commit is given up, and whoever gets it next reads it again."""
        self._limits.clear()
        self._hold = Hold()

    def must_wait(self, now_s: float) -> bool:
        """Whether what was read since the last commit may not be committed yet; ask before each commit.

        Raises:
            TooManyDeadLetters: It must not be committed at all.
        """
        if self._too_many is not None:
            raise self._too_many
        waits = False
        held_s = self._hold.lasted_s(now_s)
        for topic, limit in self._limits.items():
            verdict = limit.judge(held_s)
            if verdict.do == "stop":
                raise self._error(topic, verdict)
            waits = waits or verdict.do == "hold"
        self._hold.note(now_s, held=waits)
        return waits

    def _error(self, topic: str, verdict: Verdict) -> TooManyDeadLetters:
        letter = SSI_DLQ.decode(self._last[topic])
        where = f"{letter.topic}[{letter.partition}]@{letter.offset}"
        record = "" if letter.idx is None else f", record {letter.idx}"
        reason = f"{letter.detail} ({letter.reason}, at {where}{record})"
        return TooManyDeadLetters(f"pipeline {self._pipeline}", verdict.bad, verdict.read, verdict.unit, reason, commits=True)


def _said(message: object) -> int:
    """How many of a message's records say something of the market. Clock ticks come without end: they would hide the bad ones."""
    records = getattr(message, "records", None)
    if records is None:
        return len(getattr(message, "events", ()))
    return len(records) - list(map(type, records)).count(ClockTick)


def _ticks_among(message: object, letters: list[bytes]) -> int:
    """How many of a message's rejected records are clock ticks: a bad one says something, namely that it is bad."""
    records = getattr(message, "records", ())
    found = (SSI_DLQ.decode(letter).idx for letter in letters)
    return sum(idx is not None and isinstance(records[idx], ClockTick) for idx in found)


class WatchedContext(ProcessingContext):
    """Quix's keeper of the checkpoint, except that a commit waits, or does not happen, where the dead letters are too many.

    The overridden method is Quix's own: a test notices when an upgrade drops it.
    """

    dead_letters: DeadLetterWatch
    behind: WriteBehind
    """Flushed before each commit, and dropped where there is none."""
    look: Callable[[], None]
    """Is called whenever it is time to commit, before anything else."""
    clock: Callable[[], float]
    """Seconds, since whenever."""
    begun_s: float
    """When the last commit was made, or there was nothing to commit: the open transaction is no older."""

    @classmethod
    def around(
        cls,
        context: ProcessingContext,
        dead_letters: DeadLetterWatch,
        behind: WriteBehind,
        look: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """A context like ``context``, which must not have begun yet."""
        made = cls(**{field.name: getattr(context, field.name) for field in fields(context) if field.init})
        made.dead_letters = dead_letters
        made.behind = behind
        made.look = look
        made.clock = clock
        made.begun_s = clock()
        return made

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be committed or published."""
        return self.checkpoint.empty() and not self.behind.has_waiting

    def commit_checkpoint(self, force: bool = False, revoking: bool = False) -> None:
        """Commit if it is time, or ``force``; ``revoking`` when partitions are about to be taken away.

        Quix calls it after every message, and when none came.

        Raises:
            TooManyDeadLetters: What is in the checkpoint must not be committed.
        """
        self.behind.look()
        if force or (self.checkpoint.expired() and not self._is_early()):
            self._commit_checkpoint(force=force, revoking=revoking)
        self.behind.free()

    def _is_early(self) -> bool:
        """Whether messages are queued, and more of them are to go into this transaction."""
        return self.behind.is_busy and self.clock() - self.begun_s < BUSY_COMMIT_S

    def _commit_checkpoint(self, *, force: bool, revoking: bool) -> None:
        if not revoking:
            self.look()
        if not self.checkpoint.empty() and self.dead_letters.must_wait(self.clock()):
            if force:
                # Nobody will read on from here, so nothing better can come: whoever reads these messages next decides.
                log.warning("too many of the last messages could not be used to commit them: they will be read again")
                self.give_up(revoking=revoking)
            return
        self.behind.flush()
        super().commit_checkpoint(force=force, revoking=revoking)
        self.begun_s = self.clock()

    def give_up(self, *, revoking: bool = False) -> None:
        """Abort what has been folded since the last commit: whoever has its partitions reads it again."""
        self.behind.drop()
        if not self.checkpoint.empty():
            self.dead_letters.forget()
            self.checkpoint.close(revoking=revoking)
            self.init_checkpoint()  # type: ignore[no-untyped-call] # it is Quix's
