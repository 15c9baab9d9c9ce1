"""When a consumer must not go on: most of what it reads cannot be used.

A message that cannot be used becomes a dead letter and the rest goes on. That is right for a few, and wrong for all: after a bad
deployment a whole day would be put aside, its offsets committed. So a consumer keeps the share of what it could not use among the
last messages and records that it read. It holds its commit back while that share is too large, and stops when it stays so. Only
where they are few does it commit them after all, once nothing better has come: whoever is started again begins with a new share,
and must not put a topic aside a few messages at a time.
"""

from collections import deque
from typing import Final, Literal, NamedTuple

HOLD_S: Final = 5.0
"""How long a commit is held back at most, for all topics in it together. Kafka aborts a transaction that lasts ten seconds."""
FEW: Final = 10
"""Fewer bad ones than this prove nothing, whatever their share: a topic may have had a single message all night. They are
committed, but only after :data:`HOLD_S`: what comes meanwhile, or lies there after a restart, is judged with them."""


class Limit(NamedTuple):
    """How much may be bad."""

    messages: int = 200
    """How many of the last messages are looked at."""
    records: int = 1_000
    """How many of the last records in those messages are looked at."""
    percent: int = 50
    """Stop when more than this of either is bad; 100 never stops."""


class Verdict(NamedTuple):
    """What a consumer has to do."""

    do: Literal["commit", "hold", "stop"]
    bad: int
    read: int
    unit: Literal["messages", "records"]


class Hold:
    """For how long a commit has been held back. Time is an argument, in seconds of a clock that only goes forward."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def lasted_s(self, now_s: float) -> float:
        """For how many seconds; 0 when nothing is held back."""
        return 0.0 if self._since_s is None else now_s - self._since_s

    def note(self, now_s: float, *, held: bool) -> None:
        """Take note of whether the commit is held back now."""
        if not held:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s


class DeadLetterLimit:
    """The share of bad messages and records that one consumer has read last."""

    def __init__(self, limit: Limit) -> None:
        self._percent = limit.percent
        self._messages = _Share(limit.messages)
        self._records = _Share(limit.records)

    def read(self, *, readable: bool, records: int = 0, rejected: int = 0) -> None:
        """Take note of a message.

        Args:
            readable: Whether it could be decoded.
            records: How many records or events it held.
            rejected: How many of these could not be used.
        """
        self._messages.add(1, 0 if readable else 1)
        self._records.add(records, rejected)

    def full(self) -> Verdict | None:
        """That a whole window has been read and too much of it is bad; None when that is not so.

        Ask after each message where many come between two commits: what comes later would push a bad window out.
        """
        if self._messages.bad < FEW and self._records.bad < FEW:
            return None
        for unit, share in self._shares():
            if share.bad >= FEW and share.is_full and self._over(share):
                return Verdict("stop", share.bad, share.read, unit)
        return None

    def judge(self, held_s: float) -> Verdict:
        """Whether what was read since the last commit may be committed; ask before each commit.

        Args:
            held_s: For how long this commit has been held back, in seconds (:class:`Hold`); 0 for one that is asked about first.
        """
        over = [(unit, share) for unit, share in self._shares() if self._over(share)]
        many = [(unit, share) for unit, share in over if share.bad >= FEW]
        if many:
            # A full window decides, though the other one is over too and has room left.
            unit, share = next(((unit, share) for unit, share in many if share.is_full), many[0])
            return Verdict("stop" if share.is_full or held_s >= HOLD_S else "hold", share.bad, share.read, unit)
        unit, share = over[0] if over else ("messages", self._messages)
        return Verdict("hold" if over and held_s < HOLD_S else "commit", share.bad, share.read, unit)

    def _shares(self) -> tuple[tuple[Literal["messages", "records"], "_Share"], ...]:
        return ("messages", self._messages), ("records", self._records)

    def _over(self, share: "_Share") -> bool:
        return share.bad * 100 > share.read * self._percent


class _Share:
    """How many were bad of the last ``size``, to whole messages: at least that many once so many have come."""

    __slots__ = ("_last", "_size", "bad", "read")

    def __init__(self, size: int) -> None:
        self._size = size
        self._last: deque[tuple[int, int]] = deque()
        """Of each message, how many were read and how many of these were bad."""
        self.bad = 0
        self.read = 0

    @property
    def is_full(self) -> bool:
        return self.read >= self._size

    def add(self, read: int, bad: int) -> None:
        if not read:
            return
        self._last.append((read, bad))
        self.read += read
        self.bad += bad
        while self.read - self._last[0][0] >= self._size:
            gone, bad_gone = self._last.popleft()
            self.read -= gone
            self.bad -= bad_gone
