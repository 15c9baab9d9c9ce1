"""Errors of the pipelines. Each says what to do next.

PipelineError
├── UnknownPipeline: asked to run something that is not one of ours
├── KafkaUnavailable: no broker answered
├── MissingTopics: a topic that a pipeline reads or writes is not there
├── UnevenTopics: topics that must have one partition number a shard do not
├── UnusableRules: the alert rules cannot be read
├── InstanceReplaced: another process took this one's place
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


class KafkaUnavailable(PipelineError):
    """No broker of ``bootstrap`` answered."""

    def __init__(self, bootstrap: str, reason: str) -> None:
        super().__init__(bootstrap, reason)
        self.bootstrap = bootstrap
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"no Kafka broker answers at {self.bootstrap} ({self.reason}): "
            "start one with `stock-tracker kafka start`, or set KAFKA_BOOTSTRAP to one that runs"
        )


class MissingTopics(PipelineError):
    """``names`` are not on the broker. Pipelines never make them: their settings decide what is kept, and how it is split."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(names)
        self.names = tuple(names)

    def __str__(self) -> str:
        return f"Kafka has no topic {', '.join(self.names)}: run `stock-tracker topics apply`"


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


class InstanceReplaced(PipelineError):
    """Kafka fenced pipeline ``name`` off: a newer process runs as the same ``instance``, and has its shards."""

    def __init__(self, name: str, instance: str) -> None:
        super().__init__(name, instance)
        self.name = name
        self.instance = instance

    def __str__(self) -> str:
        return (
            f"another process runs {self.name} as instance {self.instance!r} and has taken its shards over: "
            "stop one of the two, or give each its own PIPELINE_INSTANCE"
        )


class StopTimedOut(PipelineError):
    """``names`` still ran when the time to stop was over; Kafka takes back what they had not committed."""

    def __init__(self, names: Iterable[str], seconds: float) -> None:
        super().__init__(names, seconds)
        self.names = tuple(names)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"{', '.join(self.names)} did not stop within {self.seconds:.0f} s: start again, it goes on from its last commit"
