"""A counter that should only grow fell, or rose beyond belief: what did the feed mean?

Such a record is held back as a *suspect*. Only a record of the same symbol with a strictly newer time decides; a repeat of
the suspect from another feed, the lunch break or the closing bell do not. What comes while a suspect waits, and cannot be told
apart from it, waits behind it and is folded after the verdict.

**A fall.** If the counter is back where it was, the suspect was a glitch. If it is still lower, the suspect's own fall says what
happened, because the decider may already have grown again: a small fall means that the feed corrected itself, a large one that
it counts from 0 again. Between them nobody can tell, so it is booked as a correction and flagged.

**A rise.** Volume that nobody was told of is nothing strange: a connection was away. A rise is only doubted when it is so large
that the way back would be taken for a restart, and when the value that came with it is none that the prices of the day can make.
If the counter stays up there, the rise was real; if not, the suspect was a glitch.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_HELD: Final = 64
"""How many records of a symbol wait for a verdict, the suspect included. One more forces the verdict, as if it were newer."""

_WIDEST_PERCENT: Final = 40
"""No exchange lets a price go further from its reference within a day: ±40 % is UPCOM's limit on a stock's first day."""


class SuspectVerdict(StrEnum):
    """What a fall or a rise of a counter was."""

    GLITCH = "glitch"
    """The suspect was wrong: drop it, count it."""
    CORRECTION = "correction"
    """The feed took volume back: the counter continues from the suspect's value."""
    AMBIGUOUS = "ambiguous"
    """Booked like a correction, flagged as one to be looked at."""
    RESET = "reset"
    """The feed's counter restarted: what was counted stays, and the suspect's counter comes on top."""
    CONFIRMED = "confirmed"
    """The counter had risen indeed: the suspect is booked."""
    UNRESOLVED = "unresolved"
    """The day ended before a newer record came, and much was in doubt: nothing is booked."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How far a counter may fall, in percent of the highest that was accepted."""

    correction_percent: int = 10
    """A fall of at most this is a correction."""
    reset_percent: int = 50
    """A counter below this part has restarted."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most that one share, or contract, can be worth today, in VND. None where nobody knows."""

    least: int | None
    most: int | None

    @staticmethod
    def around(price: int) -> "Bounds":
        """Bounds for a day of which only one price is known: it may be at one limit, and the rest of the day at the other."""
        if price <= 0:
            return Bounds(None, None)
        low, high = 100 - _WIDEST_PERCENT, 100 + _WIDEST_PERCENT
        return Bounds(price * low // high, -(-price * high // low))

    def allow(self, volume: int, value: int) -> bool:
        """Whether ``volume`` shares can be worth ``value`` VND together."""
        if self.least is None or self.most is None:
            return True
        return volume * self.least <= value <= volume * self.most


def judge(highest: int, fallen: int, decider: int, thresholds: Thresholds) -> SuspectVerdict:
    """Decide about a suspect whose counter fell from ``highest`` to ``fallen``.

    Args:
        highest: The highest counter accepted so far.
        fallen: The suspect's counter, lower than that.
        decider: The counter of a record with a strictly newer time than the suspect's.
        thresholds: What is a small fall, and what a large one.
    """
    if decider >= highest:
        return SuspectVerdict.GLITCH
    if _is_small(highest, fallen, thresholds):
        return SuspectVerdict.CORRECTION
    return SuspectVerdict.RESET if is_restart(highest, fallen, thresholds) else SuspectVerdict.AMBIGUOUS


def judge_at_close(highest: int, fallen: int, thresholds: Thresholds) -> SuspectVerdict:
    """Decide about a fall that no newer record of its day decided: CORRECTION or UNRESOLVED."""
    return SuspectVerdict.CORRECTION if _is_small(highest, fallen, thresholds) else SuspectVerdict.UNRESOLVED


def judge_rise(risen: int, decider: int) -> SuspectVerdict:
    """Decide about a suspect whose counter rose to ``risen``: CONFIRMED or GLITCH.

    No such rise is believed at the close of the day: without a newer record it is UNRESOLVED.
    """
    return SuspectVerdict.CONFIRMED if decider >= risen else SuspectVerdict.GLITCH


def is_doubtful(highest: int, risen: int, value: int, bounds: Bounds, thresholds: Thresholds) -> bool:
    """Whether volume that no record told of is to be doubted until a newer record confirms it.

    Args:
        highest: The highest counter accepted so far; 0 before the first.
        risen: Where the volume that no record told of ends, above ``highest``.
        value: How much the counter's value grew by with that volume, in VND.
        bounds: What a share can be worth today.
        thresholds: Say how large a fall from ``risen`` back to ``highest`` would have to be for a restart.
    """
    return is_restart(risen, highest, thresholds) and not bounds.allow(risen - highest, value)


def is_restart(highest: int, fallen: int, thresholds: Thresholds) -> bool:
    """Whether a fall from ``highest`` to ``fallen`` is so large that the counter must have begun at 0 again."""
    return fallen * 100 < highest * thresholds.reset_percent


def _is_small(highest: int, fallen: int, thresholds: Thresholds) -> bool:
    return (highest - fallen) * 100 <= highest * thresholds.correction_percent
