"""What a release wrote: the state that it left in the middle of a trading day, and the messages of the minute after.

``tests/fixtures/<release>`` holds its state at 09:40:00 of a simulated day and all messages of the minute after: what it read,
and what it made of that. Two suspects were undecided in that moment, one on a tape and one in the ledger.
"""

import base64
import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.catalogue import CATALOGUE
from pipelines.core.frames import Fold, Folded, Shard
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.position import Position
from schemas.topics import TOPICS, Topic

FIXTURES = Path(__file__).parent / "fixtures"
SHARDS = 3


def number_of(release: str) -> tuple[int, ...]:
    """``0.10.1`` as numbers, to compare it with other releases."""
    return tuple(map(int, release.split(".")))


RELEASES = sorted((folder.name for folder in FIXTURES.iterdir() if (folder / "state.json.gz").exists()), key=number_of)
"""The releases whose state is kept, oldest first."""


class Said(NamedTuple):
    """A message of the minute."""

    topic: Topic[Any]
    partition: int
    offset: int
    key: str
    value: bytes


State = dict[str, dict[bytes, bytes]]
"""The cells of each shard, by source topic and number: ``ssi.ticks/2``."""


def state_of(release: str) -> State:
    with gzip.open(FIXTURES / release / "state.json.gz", "rt") as file:
        shards = json.load(file)
    return {
        shard: {key.encode("latin-1"): base64.b64decode(value) for key, value in cells.items()} for shard, cells in shards.items()
    }


def minute_of(release: str) -> list[Said]:
    """All messages of the minute, in the order in which they were written."""
    topics = {topic.name: topic for topic in TOPICS}
    with gzip.open(FIXTURES / release / "minute.jsonl.gz", "rt") as file:
        lines = list(map(json.loads, file))
    return [Said(topics[m["topic"]], m["partition"], m["offset"], m["key"], m["value"].encode()) for m in lines]


class Folds:
    """The folds of all pipelines, over a state that they change."""

    def __init__(self, state: State, **settings: Any) -> None:
        self.state = state
        parameters = Parameters(PipelineSettings(kafka={}, **settings))
        self._folds: dict[str, tuple[str, Fold[Any]]] = {
            source.name: (pipeline.name, fold)
            for pipeline in CATALOGUE
            for source, fold in zip(pipeline.sources, pipeline.make_folds(parameters), strict=True)
        }

    def fold(self, said: Said) -> Folded:
        """Fold a message; what no pipeline reads comes to nothing."""
        if said.topic.name not in self._folds:
            return Folded()
        pipeline, fold = self._folds[said.topic.name]
        shard = Shard.of(pipeline, said.partition, said.topic.partitions(SHARDS))
        position = Position(said.topic.name, said.partition, said.offset)
        cells = self.state.setdefault(f"{said.topic.name}/{said.partition}", {})
        return fold(said.topic.decode(said.value), position, shard, cells)
