"""A short day as the pipelines deliver it: every topic in memory, and which messages one transaction has written."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.fixtures.core.layout import FixtureMessage
from pipelines.catalogue import CATALOGUE, Pipeline
from schemas.position import Partition, Position
from schemas.shards import shard_keys
from schemas.structs import Frame
from schemas.topics import RECORD_TOPICS, Topic, encode
from schemas.units import UnixMs
from stock_tracker.golden.brokerless import brokerless
from stock_tracker.verify.deployed import Marks
from tests.builders import a_frame
from tests.mutation.simulated_day import Records

SHARDS = 2
HEADERS = (("trace", b"1"),)
"""Of every frame. Quix Streams hands them on to what is made of it."""

Log = list[FixtureMessage]


@dataclass
class Delivered:
    """The logs of a deployment, as :class:`stock_tracker.verify.delivery.Deployment` wants them."""

    logs: dict[Partition, Log] = field(default_factory=lambda: defaultdict(list))
    transactions: dict[int, list[tuple[Partition, bytes | None]]] = field(default_factory=lambda: defaultdict(list))
    """The places and values of what was written because of each frame."""
    lows: dict[Partition, int] = field(default_factory=dict)
    """Up to where Kafka has deleted partitions."""
    commits: list[dict[Partition, int]] = field(default_factory=list)
    """What the pipelines have committed, where that is not all: one for each time that they are asked, the last one for good."""
    prefix: str = ""
    _asked: int = 0

    def copy(self) -> "Delivered":
        """Another with the same messages, to be changed."""
        logs: dict[Partition, Log] = defaultdict(list, {place: list(log) for place, log in self.logs.items()})
        return Delivered(logs, self.transactions, dict(self.lows), list(self.commits))

    def log(self, topic: Topic[Any], number: int = 0) -> Log:
        """One partition, to be changed. Offsets are those of the places in it, whatever its messages say."""
        return self.logs[Partition(topic.name, number)]

    def partitions(self, topics: Sequence[Topic[Any]]) -> dict[str, int]:
        return {topic.name: topic.partitions(SHARDS) for topic in topics}

    def marks(self, place: Partition) -> Marks:
        return Marks(self.lows.get(place, 0), len(self.logs[place]))

    def committed(self, pipeline: Pipeline, places: Sequence[Partition]) -> dict[Partition, int]:
        number, self._asked = self._asked // len(CATALOGUE), self._asked + 1
        told = self.commits[min(number, len(self.commits) - 1)] if self.commits else {}
        return {place: told.get(place, len(self.logs[place])) for place in places}

    def read(self, ends: Mapping[Partition, int]) -> "Logs":
        return Logs({place: self.logs[place][:end] for place, end in ends.items()})


@dataclass
class Logs:
    """Some partitions, being read."""

    logs: dict[Partition, Log]

    def read(self, place: Partition) -> Iterator[FixtureMessage]:
        for offset, message in enumerate(self.logs[place]):
            yield replace(message, topic=place.topic, partition=place.number, offset=offset)

    def close(self) -> None:
        """Nothing is open."""


def coarser(frames: Records, times: int) -> Records:
    """The same records in fewer frames: so many of a partition are one."""
    by_place: dict[Partition, list[Frame]] = defaultdict(list)
    for position, frame in frames:
        by_place[Partition(position.topic, position.partition)].append(frame)
    told = []
    for number, (place, own) in enumerate(by_place.items()):
        for seq in range(-(-len(own) // times)):
            together = own[seq * times : (seq + 1) * times]
            records = [record for frame in together for record in frame.records]
            told.append(((seq, number), (Position(*place, seq), a_frame(*records, seq=seq))))
    return [each for _, each in sorted(told, key=lambda placed: placed[0])]


def delivered(frames: Records) -> Delivered:
    """What the real topologies publish because of frames: each is a transaction with all that comes of it."""
    day, records = Delivered(), {topic.name for topic in RECORD_TOPICS}
    with brokerless(CATALOGUE, SHARDS) as run:
        for number, (position, frame) in enumerate(frames):
            key = shard_keys(SHARDS)[position.partition].encode()
            for message in run.write(position.topic, position.partition, key, encode(frame), UnixMs(number)):
                place = Partition(message.topic, message.partition)
                day.logs[place].append(replace(message, ts_ms=UnixMs(number), headers=HEADERS))
                if message.topic not in records:
                    day.transactions[number].append((place, message.value))
    return day
