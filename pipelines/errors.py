"""Errors of the pipelines, beside those that every service can meet (:mod:`schemas.errors`). Each says what to do next.

PipelineError
├── UnknownPipeline: asked to run something that is not one of ours
├── UnevenTopics: topics that are split by shard have different partition counts
├── UnusableRules: the alert rules cannot be read
├── KafkaKeptLess: Kafka has deleted what a pipeline had still to read (a Halt)
└── StopTimedOut: a pipeline did not stop in time
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from schemas.calendar import ICT
from schemas.errors import Halt
from schemas.units import UnixMs


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


class Loss(NamedTuple):
    """Messages of one partition that Kafka has deleted before a pipeline read them."""

    topic: str
    partition: int
    """Which shard's symbols they were of, where the topic is split by shard."""
    partitions: int
    """How many partitions the topic has."""
    committed: int
    """The offset of the first lost one: where the pipeline had still to go on."""
    kept: int
    """The offset of the first one that is kept."""
    state_ms: UnixMs | None
    """When the pipeline last wrote its state of this partition; None when that is not known."""
    kept_ms: UnixMs | None
    """When the first one that is kept was appended; None when none is there."""

    def __str__(self) -> str:
        whose = f", the symbols of shard {self.partition} of {self.partitions}" if self.partitions > 1 else ""
        return (
            f"{self.topic}[{self.partition}]{whose}: offsets {self.committed} to {self.kept - 1}. Its state was last written at "
            f"{_time(self.state_ms)}; what is kept begins at {_time(self.kept_ms)}"
        )


class KafkaKeptLess(PipelineError, Halt):
    """Kafka has deleted what pipeline ``name`` had still to read, so that its state cannot go on as if nothing had happened."""

    def __init__(self, name: str, losses: Iterable[Loss]) -> None:
        super().__init__(name, losses)
        self.name = name
        self.losses = tuple(losses)

    def __str__(self) -> str:
        listed = "\n".join(f"  {loss}" for loss in self.losses)
        known = [ms for loss in self.losses for ms in (loss.state_ms, loss.kept_ms) if ms is not None]
        since = f"{_time(min(known))[:10]}T08:00" if known else "…"
        until = _time(max(known)) if known else "…"
        return (
            f"Kafka has deleted what {self.name} had still to read, so it has stopped before it leaves that out in silence:\n"
            f"{listed}\n"
            "There are two ways on. To have the day whole, compute it anew beside it: play a recording onto other topics "
            f"(stock-tracker replay FILE), or, while Kafka keeps ssi.wire of then, stock-tracker ssi redecode --from {since} "
            f"--to {until}; and run the pipelines on those topics, which TOPIC_PREFIX names. To go on without it, start once "
            "with PIPELINE_SKIP_LOST=1: the volume that was lost is booked as gaps by what follows, quotes and index values of "
            "that time are missing, and no alert comes of them"
        )


def _time(ms: UnixMs | None) -> str:
    """A time in Vietnam, as commands take it."""
    return "an unknown time" if ms is None else f"{datetime.fromtimestamp(ms / 1000, ICT):%Y-%m-%dT%H:%M:%S}"


class StopTimedOut(PipelineError):
    """``names`` still ran when the time to stop was over; Kafka takes back what they had not committed."""

    def __init__(self, names: Iterable[str], seconds: float) -> None:
        super().__init__(names, seconds)
        self.names = tuple(names)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"{', '.join(self.names)} did not stop within {self.seconds:.0f} s: start again, it goes on from its last commit"
