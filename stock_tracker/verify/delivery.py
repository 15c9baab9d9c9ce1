"""The delivery of a deployment: its source topics folded again in this process, beside what its pipelines have published.

It proves exactly-once, determinism and topology. A fold that is wrong agrees with itself, so it proves no number.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, Final, NamedTuple, Protocol

from pipelines.catalogue import CATALOGUE, Pipeline
from pipelines.core.frames import Fold, Shard
from pipelines.core.rules import AnyRule
from pipelines.core.sectors import Sectors
from pipelines.core.suspects import Thresholds
from pipelines.core.terms import Offers
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.position import Partition
from schemas.structs import TermsAdopted
from schemas.terms import DealCounting
from schemas.topics import PIPELINES_TERMS, SSI_DLQ, STATE_TOPICS, Topic
from stock_tracker.verify.core.dead_letters import DeadLetters
from stock_tracker.verify.core.delivery import EventLog, LastRows
from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.core.refold import Expected, Refold, TermsThatHeld, history_of, why_not
from stock_tracker.verify.core.side_by_side import OutputLane, side_by_side
from stock_tracker.verify.deployed import KafkaDeployment, Marks, TopicReading
from stock_tracker.verify.sources import RefoldSource, sources_of, together

_COMPACTED: Final = (*STATE_TOPICS, PIPELINES_TERMS)


class UnjudgedDelivery(NamedTuple):
    """Partitions whose delivery nobody can judge."""

    places: tuple[Partition, ...]
    """Sources that cannot be folded again, of which nothing that comes was compared; or partitions of what was published."""
    reason: str

    def __str__(self) -> str:
        return f"not judged: {', '.join(map(str, self.places))}: {self.reason}"


@dataclass
class DeliveryReport:
    """What was compared, and how it came out."""

    folded: int = 0
    """Messages of the source topics that were folded again."""
    compared: Counter[str] = field(default_factory=Counter)
    """By topic: messages, of a compacted topic last rows, that are what the folds make."""
    beyond: int = 0
    """Messages and rows of what was committed only while the comparison was going on."""
    not_judged: list[UnjudgedDelivery] = field(default_factory=list)
    difference_count: int = 0
    differences: list[Difference] = field(default_factory=list)
    """The first thousand of each partition, in order of topic, partition and offset."""


def compare_delivery(kafka: Mapping[str, str], prefix: str, tell: Callable[[str], None]) -> DeliveryReport:
    """Fold what the pipelines have committed of their sources again, and compare it with what is on their topics.

    How far that is, and where the topics end, is fixed at the beginning: the pipelines may go on meanwhile.

    Args:
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of topics and consumer groups.
        tell: Takes a line about what is going on.

    Raises:
        FoldError: The terms of a shard are nothing that this release can use.
        InvalidMessage: Something on ``pipelines.terms`` or ``ssi.dlq`` is not its own.
        KafkaUnavailable: Kafka does not answer, or stopped answering.
        NewerMessage: A newer release wrote one of the topics.
        TopicsMissing: Some of the topics are not there.
    """
    with closing(KafkaDeployment(kafka, prefix)) as deployment:
        return compare_deployment(deployment, tell)


def compare_deployment(deployment: "Deployment", tell: Callable[[str], None]) -> DeliveryReport:
    """The same for a deployment that is reached in another way; see :func:`compare_delivery`."""
    return _Comparison(deployment, tell).run()


class Deployment(Protocol):
    """Topics and consumer groups, as a cluster tells of them."""

    @property
    def prefix(self) -> str:
        """What stands before the names of its topics and groups."""

    def partitions(self, topics: Sequence[Topic[Any]]) -> dict[str, int]:
        """How many each topic has, by its name without prefix."""

    def marks(self, place: Partition) -> Marks:
        """Where a partition begins and ends; what is in an open transaction lies before its end."""

    def committed(self, pipeline: Pipeline, places: Sequence[Partition]) -> dict[Partition, int]:
        """How far a pipeline has committed partitions; negative for one of which it has committed nothing."""

    def read(self, ends: Mapping[Partition, int]) -> TopicReading:
        """Partitions, each to an end."""


class _RecordedParameters(Parameters):
    """The parameters that a pipeline folded with, whatever the settings of this process say."""

    def __init__(self, pipeline: str, history: Sequence[TermsAdopted]) -> None:
        super().__init__(PipelineSettings.model_construct(kafka={}))
        self._pipeline = pipeline
        self._history = history

    def offers(
        self,
        source: Topic[Any],
        *,
        thresholds: Thresholds | None = None,
        sectors: Sectors | None = None,
        rules: Sequence[AnyRule] | None = None,
        put_through_counter: DealCounting | None = None,
    ) -> Offers:
        """The terms that held for the fold over ``source``."""
        otherwise = super().offers(
            source, thresholds=thresholds, sectors=sectors, rules=rules, put_through_counter=put_through_counter
        )
        return TermsThatHeld(self._pipeline, source.name, self._history, otherwise)


class _Comparison:
    """One comparison."""

    def __init__(self, deployment: Deployment, tell: Callable[[str], None]) -> None:
        self._deployment = deployment
        self._tell = tell
        topics = {topic.name: topic for pipeline in CATALOGUE for topic in (*pipeline.sources, *pipeline.sinks)}
        topics |= {topic.name: topic for topic in (PIPELINES_TERMS, SSI_DLQ)}
        self._partitions = deployment.partitions(list(topics.values()))
        self._sources = list(sources_of(CATALOGUE, self._partitions))
        # The commits are asked for first: all that comes of them is below the ends then.
        self._ends = self._committed()
        places = [Partition(name, number) for name, count in self._partitions.items() for number in range(count)]
        self._marks = {place: deployment.marks(place) for place in places}
        self._history = history_of(PIPELINES_TERMS.decode(m.value or b"") for m in self._whole(PIPELINES_TERMS))
        self._folds: dict[Partition, Fold[Any]] = {}
        for pipeline in CATALOGUE:
            folds = pipeline.make_folds(_RecordedParameters(pipeline.name, self._history))
            for topology, fold in zip(pipeline.topologies, folds, strict=True):
                for number in range(self._partitions[topology.source.name]):
                    self._folds[Partition(topology.source.name, number)] = fold
        self._last_rows = {topic.name: LastRows(topic.name) for topic in _COMPACTED}
        self._report = DeliveryReport()

    def run(self) -> DeliveryReport:
        """Compare everything."""
        judged = self._judged()
        groups = together(judged)
        readers: dict[Partition, list[str]] = defaultdict(list)
        for source in judged:
            readers[source.place].append(source.pipeline.name)
        letters = DeadLetters(self._deployment.prefix, readers)
        for group in groups:
            self._compare_events(group, letters)
        self._compare_last_rows(judged)
        self._compare_dead_letters(letters)
        self._report.differences.sort(key=lambda difference: difference.position or ())
        return self._report

    def _judged(self) -> list[RefoldSource]:
        """The sources that can be folded again, each with the partitions of what it publishes that can be compared.

        A partition can be compared only if all that write it can be folded again: of what the others have written there
        nobody knows what it should be.
        """
        lost = {source: reason for source in self._sources if (reason := self._why_not(source))}
        left = [source for source in self._sources if source not in lost]
        self._report.not_judged += [UnjudgedDelivery((source.place,), reason) for source, reason in lost.items()]
        incomparable: set[Partition] = set()
        for source in lost:
            incomparable |= set(source.sinks)
            shared = sorted({sink for other in left for sink in other.sinks if sink in source.sinks})
            if shared:
                reason = f"{source.place} is written there too, and cannot be folded again"
                self._report.not_judged.append(UnjudgedDelivery(tuple(shared), reason))
        sources = {source.place for source in lost}
        for sink in sorted({sink for source in left for sink in source.sinks} - incomparable):
            if (low := self._marks[sink].low) > 0:
                incomparable.add(sink)
                # Of one that is a source too it has been said already.
                if sink not in sources:
                    self._report.not_judged.append(UnjudgedDelivery((sink,), f"Kafka has deleted {sink} up to offset {low}"))
        return [replace(source, sinks=tuple(sink for sink in source.sinks if sink not in incomparable)) for source in left]

    def _committed(self) -> dict[Partition, int]:
        """How far the pipelines have committed their sources."""
        by_pipeline: dict[str, list[RefoldSource]] = defaultdict(list)
        for source in self._sources:
            by_pipeline[source.pipeline.name].append(source)
        ends: dict[Partition, int] = {}
        for sources in by_pipeline.values():
            ends |= self._deployment.committed(sources[0].pipeline, [source.place for source in sources])
        return ends

    def _open(self, sources: Sequence[RefoldSource]) -> set[Partition]:
        """Those of which more has been committed since the comparison began."""
        now = self._committed()
        return {source.place for source in sources if now[source.place] != self._ends[source.place]}

    def _why_not(self, source: RefoldSource) -> str:
        """Why what comes of a source cannot be judged, in words; empty when it can."""
        place, end = source.place, self._ends[source.place]
        low, high = self._marks[place]
        if low > 0:
            return f"Kafka has deleted {place} up to offset {low}, and the state of its shard came of that too"
        if end < 0 < high:
            return f"the pipeline {source.pipeline.name} has committed nothing of {place}"
        if end > high:
            return f"{place} ends at {high}, and {source.pipeline.name} has committed {end}: the topic was made anew"
        return why_not(self._history, source.pipeline.name, place, end, version("stock-tracker"))

    def _compare_events(self, group: Sequence[RefoldSource], letters: DeadLetters) -> None:
        self._tell(f"Folding {', '.join(str(source.place) for source in group)} again")
        sinks = dict.fromkeys(sink for source in group for sink in source.sinks)
        logs = [
            EventLog(
                sink,
                (source.place for source in group if sink in source.sinks),
                self._marks[sink].high,
                lambda: self._open(group),
            )
            for sink in sinks
        ]
        ends = {sink: self._marks[sink].high for sink in sinks} | {s.place: max(self._ends[s.place], 0) for s in group}

        def take(expected: Expected) -> None:
            if expected.place.topic == SSI_DLQ.name:
                letters.expect(expected)
            elif expected.place.topic in self._last_rows:
                self._last_rows[expected.place.topic].expect(expected)
            # Else it belongs to a partition that cannot be compared.

        with closing(self._deployment.read(ends)) as partitions:
            lanes = [OutputLane(each.place, each.sinks, self._refold(each), partitions.read(each.place)) for each in group]
            found = {sink: partitions.read(sink) for sink in sinks}
            self._report.folded += side_by_side(lanes, logs, found, take)
        for log in logs:
            log.finish()
            self._report.compared[log.place.topic] += log.messages
            self._report.beyond += log.beyond
            self._report.difference_count += log.difference_count
            self._report.differences += log.differences

    def _refold(self, source: RefoldSource) -> Refold[Any]:
        topic, number = source.topology.source, source.place.number
        shard = Shard.of(source.pipeline.name, number, self._partitions[topic.name])
        return Refold(topic, self._folds[source.place], shard, self._partitions, self._deployment.prefix)

    def _compare_last_rows(self, judged: Sequence[RefoldSource]) -> None:
        known = {source.place for source in judged}
        for topic in _COMPACTED:
            self._tell(f"Comparing the last rows of {topic.name}")
            rows = self._last_rows[topic.name]
            for message in self._whole(topic):
                rows.find(message)
            # What was adopted before a pipeline was begun anew stays on pipelines.terms.
            all_known = topic is not PIPELINES_TERMS and not any(
                topic in source.topology.sinks for source in self._sources if source.place not in known
            )
            writers = [source for source in judged if topic is PIPELINES_TERMS or topic in source.topology.sinks]
            self._add(rows.finish(self._ends, self._open(writers), all_known=all_known))
            self._report.compared[topic.name] += rows.rows
            self._report.beyond += rows.beyond

    def _compare_dead_letters(self, letters: DeadLetters) -> None:
        if any(self._marks[Partition(SSI_DLQ.name, n)].low > 0 for n in range(self._partitions[SSI_DLQ.name])):
            self._report.not_judged.append(UnjudgedDelivery((), f"Kafka has deleted a part of {SSI_DLQ.name}"))
            return
        for message in self._whole(SSI_DLQ):
            letters.find(message)
        self._add(list(letters.finish(self._ends, self._open(self._sources))))
        self._report.compared[SSI_DLQ.name] += letters.letters
        self._report.beyond += letters.beyond

    def _add(self, differences: Sequence[Difference]) -> None:
        self._report.difference_count += len(differences)
        self._report.differences += differences

    def _whole(self, topic: Topic[Any]) -> Iterator[Any]:
        """All messages of a topic, partition by partition, to its end as it is now: compaction takes away older ends."""
        places = [Partition(topic.name, number) for number in range(self._partitions[topic.name])]
        ends = {place: self._deployment.marks(place).high for place in places}
        with closing(self._deployment.read(ends)) as partitions:
            for place in ends:
                yield from partitions.read(place)
