"""A counter that should only grow fell: what did the feed mean?

The record is held back as a *suspect*. Only a record of the same symbol with a strictly newer time decides; a repeat of
the suspect from another feed, the lunch break or the closing bell do not. If the counter is back where it was, the suspect
was a glitch. If it is still lower, the suspect's own fall says what happened, because the decider may already have grown
again: a small fall means that the feed corrected itself, a large one that it counts from 0 again. Between them nobody can tell,
so it is booked as a correction and flagged.
"""

from dataclasses import dataclass
from enum import StrEnum


class SuspectVerdict(StrEnum):
    """What a fall of a counter was."""

    GLITCH = "glitch"
    """The suspect was wrong: drop it, count it."""
    CORRECTION = "correction"
    """The feed took volume back: the counter continues from the suspect's value."""
    AMBIGUOUS = "ambiguous"
    """Booked like a correction, flagged as one to be looked at."""
    RESET = "reset"
    """The feed's counter restarted: what was counted stays, and the suspect's counter comes on top."""
    UNRESOLVED = "unresolved"
    """The day ended before a newer record came, and much was missing: nothing is booked."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How far a counter may fall, in percent of the highest that was accepted."""

    correction_percent: int = 10
    """A fall of at most this is a correction."""
    reset_percent: int = 50
    """A counter below this part has restarted."""


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
    if fallen * 100 < highest * thresholds.reset_percent:
        return SuspectVerdict.RESET
    return SuspectVerdict.AMBIGUOUS


def judge_at_close(highest: int, fallen: int, thresholds: Thresholds) -> SuspectVerdict:
    """Decide about a suspect that no newer record of its day decided: CORRECTION or UNRESOLVED."""
    return SuspectVerdict.CORRECTION if _is_small(highest, fallen, thresholds) else SuspectVerdict.UNRESOLVED


def _is_small(highest: int, fallen: int, thresholds: Thresholds) -> bool:
    return (highest - fallen) * 100 <= highest * thresholds.correction_percent
