"""Errors of the folds.

FoldError
├── RecordRejected: a record that no fold can use; it goes to the dead-letter topic alone
├── StateUnreadable: today's state in a layout that this release does not know; starting again does not help
│   ├── StateOutdated: an earlier release wrote it
│   ├── StateNewer: a newer release wrote it
│   └── StateGarbled: it is not what its version says
├── TermsUnusable: what the day began with cannot be used by this release; starting again does not help
├── TermsUnknown: nothing tells what was in force where messages are to be folded again
├── StateDamaged: a stored value that others refer to is not there
└── InvalidRules: a file of alert rules that cannot be used
"""

from typing import Final

from schemas.errors import Halt


class FoldError(Exception):
    """Base of the errors of this package."""


class RecordRejected(FoldError):
    """A record that decodes, yet cannot be true; raised before the fold has changed anything."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        """A short word to count by."""
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class StateUnreadable(FoldError, Halt):
    """A stored value is in a layout that this release does not know. Base of the three below."""

    def __init__(self, kind: str, found: int, expected: int, day: int | None) -> None:
        super().__init__(kind, found, expected, day)
        self.kind = kind
        self.found = found
        self.expected = expected
        self.day = day
        """The trading day that the value is of; None when it does not say."""


class StateOutdated(StateUnreadable):
    """An earlier release began the day, and no upgrade leads from its layout to this one's."""

    def __str__(self) -> str:
        return (
            f"an earlier release wrote this state: {self.kind} has version {self.found}, this release reads {self.expected}. "
            f"Let the release that wrote it finish the trading day, and start this one after 16:00; {_FORCE}"
        )


class StateNewer(StateUnreadable):
    """A newer release has folded part of the day already."""

    def __str__(self) -> str:
        return (
            f"a newer release wrote this state: {self.kind} has version {self.found}, this release reads {self.expected}. "
            f"Run the newer one until the trading day is over, and start this one after 16:00; {_FORCE}"
        )


class StateGarbled(StateUnreadable):
    """The value is damaged, or its release changed the layout without another version."""

    def __init__(self, kind: str, found: int, expected: int, day: int | None, detail: str) -> None:
        super().__init__(kind, found, expected, day)
        self.args = (kind, found, expected, day, detail)
        self.detail = detail

    def __str__(self) -> str:
        return (
            f"a value in the state is damaged: {self.kind} is not what version {self.found} says ({self.detail}). Stop the "
            "pipeline, delete its directory below STOCK_TRACKER_HOME/state and start it again, and it rebuilds the state from "
            f"its changelog; if that does not help, run the release that wrote it; {_FORCE}"
        )


_FORCE: Final = (
    "or set PIPELINE_FORCE_TERMS=1, and it goes on at once: what that state knew of today is then unknown, and what was booked "
    "today before may be booked again"
)


class TermsUnusable(FoldError, Halt):
    """The terms that today's shard folds with are none that this release can use: it does not know one of the rules, say."""

    def __init__(self, topic: str, problems: tuple[str, ...]) -> None:
        super().__init__(topic, problems)
        self.topic = topic
        self.problems = problems

    def __str__(self) -> str:
        return (
            f"this release cannot use the terms that are in force on {self.topic} today: {'; '.join(self.problems)}. Let the "
            "release that began the trading day finish it, or set PIPELINE_FORCE_TERMS=1, and today's terms end here"
        )


class TermsUnknown(FoldError):
    """The terms that were in force on a shard are not among those that were recorded."""

    def __init__(self, topic: str, partition: int) -> None:
        super().__init__(topic, partition)
        self.topic = topic
        self.partition = partition

    def __str__(self) -> str:
        return f"what {self.topic}[{self.partition}] was folded with is not recorded: hand in its messages of pipelines.terms"


class StateDamaged(FoldError):
    """A stored value that others refer to is not there."""

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return (
            f"the state has lost {self.key.decode(errors='backslashreplace')}: stop the pipeline, delete its directory below "
            "STOCK_TRACKER_HOME/state and start it again, and it rebuilds the state from its changelog"
        )


class InvalidRules(FoldError):
    """A file of alert rules that cannot be used; nothing of it is.

    Each of ``problems`` names a rule, a key and what to write instead.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)
