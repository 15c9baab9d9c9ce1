"""Errors of the pipelines, beside those that every service can meet (:mod:`schemas.errors`). Each says what to do next.

PipelineError
├── UnknownPipeline: asked to run something that is not one of ours
├── UnevenTopics: topics that are split by shard have different partition counts
├── UnusableRules: the alert rules cannot be read
└── StopTimedOut: a pipeline did not stop in time
"""

from collections.abc import Iterable, Mapping


class PipelineError(Exception):
    """Base of the errors of this package."""


class UnknownPipeline(PipelineError):
    """``name`` is not a pipeline."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(name, known)
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        return f"there is no pipeline {self.name!r}: choose from {', '.join(self.known)}"


class UnevenTopics(PipelineError):
    """Topics of one pipeline have different partition counts, so a shard would not stay on its partition number."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        super().__init__(partitions)
        self.partitions = dict(partitions)

    def __str__(self) -> str:
        counts = ", ".join(f"{name} has {count}" for name, count in self.partitions.items())
        return f"topics that share shards differ in partitions ({counts}): make them anew with one count, between trading days"


class UnusableRules(PipelineError):
    """The rule file ``source`` is not there, or something in it is wrong; alerts do not start with half of their rules."""

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        super().__init__(source, problems)
        self.source = source
        self.problems = tuple(problems)

    def __str__(self) -> str:
        listed = "\n".join(f"  {problem}" for problem in self.problems)
        return f"the alert rules in {self.source} cannot be used; mend them, or unset PIPELINE_ALERT_RULES:\n{listed}"


class StopTimedOut(PipelineError):
    """``names`` still ran when the time to stop was over; Kafka takes back what they had not committed."""

    def __init__(self, names: Iterable[str], seconds: float) -> None:
        super().__init__(names, seconds)
        self.names = tuple(names)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"{', '.join(self.names)} did not stop within {self.seconds:.0f} s: start again, it goes on from its last commit"
