"""Errors of the folds.

FoldError
├── RecordRejected: a record that no fold can use; it goes to the dead-letter topic alone
├── StateOutdated: stored state of another version
├── StateDamaged: a stored value that others refer to is not there
└── InvalidRules: a file of alert rules that cannot be used
"""


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


class StateOutdated(FoldError):
    """Stored state was written by another version of the code."""

    def __init__(self, kind: str, found: int, expected: int) -> None:
        super().__init__(kind, found, expected)
        self.kind = kind
        self.found = found
        self.expected = expected

    def __str__(self) -> str:
        return (
            f"stored {self.kind} has version {self.found}, this code reads {self.expected}: "
            "let the version that wrote it finish the trading day, or replay the record topics under a new TOPIC_PREFIX"
        )


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
