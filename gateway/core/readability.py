"""When a reader of topics must not go on, because it can make nothing of most of them (pure).

A gateway commits nothing, so it loses nothing by reading on: what it cannot read is counted, and the rest is shown. But a board
that lacks most of its rows is worse than none, since another instance may be well.
"""

from collections.abc import Hashable

from schemas.dead_letters import HOLD_S, DeadLetterLimit, Hold, Limit
from schemas.errors import TooManyDeadLetters


class Readability:
    """How much of what one reader reads it can use. Time is an argument, in seconds of any clock."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self.begin()

    def begin(self) -> None:
        """Forget everything: the topics are read from their beginning."""
        self._there: dict[Hashable, bool] | None = {}
        """While what was there is read: whether the latest word on each thing could be read."""
        self._coming, self._hold = DeadLetterLimit(self._limit), Hold()
        """After that: the last messages."""
        self._reason = ""

    def read(self, what: Hashable, unreadable: str = "") -> None:
        """Take note of a message.

        Args:
            what: What it is about: a later message about the same replaces it.
            unreadable: Why it could not be read, and where it is; empty when it could.
        """
        self._reason = unreadable or self._reason
        if self._there is not None:
            self._there[what] = not unreadable
        else:
            self._coming.read(readable=not unreadable)

    def caught_up(self) -> None:
        """Judge, as a whole, what was there when reading began; from now on the last messages are judged.

        Not message by message: a compacted topic keeps rows for good, and the oldest, which perhaps no release can read any
        more, stand side by side at its beginning.

        Raises:
            TooManyDeadLetters: Most of it cannot be read.
        """
        there, self._there = self._there or {}, None
        whole = DeadLetterLimit(self._limit)
        whole.read(readable=True, records=len(there), rejected=len(there) - sum(there.values()))
        # Nothing comes that could make it better, so there is nothing to wait for.
        verdict = whole.judge(held_s=HOLD_S)
        if verdict.do == "stop":
            raise self._error(verdict.bad, verdict.read)

    def check(self, now_s: float) -> None:
        """Judge the last messages, once what was there has been read; call it every now and then, messages or not.

        Raises:
            TooManyDeadLetters: Most of them cannot be read.
        """
        verdict = self._coming.judge(self._hold.lasted_s(now_s))
        if verdict.do == "stop":
            raise self._error(verdict.bad, verdict.read)
        self._hold.note(now_s, held=verdict.do == "hold")

    def _error(self, bad: int, read: int) -> TooManyDeadLetters:
        return TooManyDeadLetters("the gateway", bad, read, "messages", self._reason, commits=False)
