"""What the pipelines read, partition by partition, and what belongs together because it is written to the same partitions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.catalogue import Pipeline, Topology
from schemas.position import Partition
from schemas.topics import STATE_TOPICS

_STATES = frozenset(topic.name for topic in STATE_TOPICS)


@dataclass(frozen=True)
class RefoldSource:
    """A partition that a pipeline reads, and where events that come of it may be."""

    pipeline: Pipeline
    topology: Topology[Any]
    place: Partition
    sinks: tuple[Partition, ...]


def sources_of(pipelines: Iterable[Pipeline], partitions: Mapping[str, int]) -> Iterator[RefoldSource]:
    """Every partition that one of ``pipelines`` reads.

    Args:
        pipelines: Of the catalogue.
        partitions: How many each topic has, by its name without prefix.
    """
    for pipeline in pipelines:
        for topology in pipeline.topologies:
            for number in range(partitions[topology.source.name]):
                # A shard writes its events under its own key, so to the partition of its own number where there are as many.
                sinks = tuple(
                    Partition(sink.name, number if sink.sharded else 0) for sink in topology.sinks if sink.name not in _STATES
                )
                yield RefoldSource(pipeline, topology, Partition(topology.source.name, number), sinks)


def together(sources: Iterable[RefoldSource]) -> list[list[RefoldSource]]:
    """Groups of sources that share no partition with those of another group; in order."""
    groups: list[list[RefoldSource]] = []
    for source in sources:
        joined = [source]
        apart = []
        for group in groups:
            if any(sink in other.sinks for other in group for sink in source.sinks):
                joined = [*group, *joined]
            else:
                apart.append(group)
        groups = [*apart, joined]
    return groups
