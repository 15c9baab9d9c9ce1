"""What release 0.1.0 left behind in the middle of a trading day is folded on as if it had never stopped.

``tests/fixtures/0.1.0`` holds its state at 09:40:00 of a simulated day and all messages of the minute after: what it read, and
what it made of that. Two suspects were undecided in that moment, one on a tape and one in the ledger.
"""

import base64
import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipelines.catalogue import CATALOGUE
from pipelines.core.frames import Shard
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.instruments import contract_of
from schemas.position import Position
from schemas.shards import shard_of
from schemas.topics import SSI_DLQ, TOPICS, Topic

RELEASE = Path(__file__).parents[1] / "fixtures" / "0.1.0"
SHARDS = 3


class Said(NamedTuple):
    """A message of the minute."""

    topic: Topic[Any]
    partition: int
    offset: int
    key: str
    value: bytes


def state_of_the_release() -> dict[str, dict[bytes, bytes]]:
    """The cells of each shard, by source topic and shard number."""
    with gzip.open(RELEASE / "state.json.gz", "rt") as file:
        shards = json.load(file)
    return {
        shard: {key.encode("latin-1"): base64.b64decode(value) for key, value in cells.items()} for shard, cells in shards.items()
    }


def minute_of_the_release() -> list[Said]:
    """All messages of the minute, in the order in which they were written."""
    topics = {topic.name: topic for topic in TOPICS}
    with gzip.open(RELEASE / "minute.jsonl.gz", "rt") as file:
        lines = list(map(json.loads, file))
    return [Said(topics[m["topic"]], m["partition"], m["offset"], m["key"], m["value"].encode()) for m in lines]


Lanes = defaultdict[tuple[str, int, bool], list[tuple[str, Any]]]


def lane(topic: Topic[Any], partition: int, message: Any) -> tuple[str, int, bool]:
    """Where one pipeline alone decides the order: stocks and futures share topics, and chance interleaves their pipelines."""
    first = message.events[0] if hasattr(message, "events") else message
    return topic.name, partition, contract_of(getattr(first, "symbol", "")) is not None


@pytest.fixture
def settings(tmp_path: Path) -> PipelineSettings:
    return PipelineSettings(kafka={"bootstrap.servers": "127.0.0.1:1"}, home=tmp_path)


def test_a_minute_folded_onto_the_state_of_the_release_says_what_the_release_said(settings: PipelineSettings) -> None:
    parameters = Parameters(settings)
    folds = {
        source.name: (pipeline.name, fold)
        for pipeline in CATALOGUE
        for source, fold in zip(pipeline.sources, pipeline.make_folds(parameters), strict=True)
    }
    state: defaultdict[str, dict[bytes, bytes]] = defaultdict(dict, state_of_the_release())
    made: Lanes = defaultdict(list)
    published: Lanes = defaultdict(list)
    for said in minute_of_the_release():
        message = said.topic.decode(said.value)
        # The connector's own dead letters are not the pipelines' doing.
        if not said.topic.name.startswith("ssi.") or (said.topic is SSI_DLQ and message.source != "ssi"):
            published[lane(said.topic, said.partition, message)].append((said.key, message))
        if said.topic.name not in folds:
            continue
        pipeline, fold = folds[said.topic.name]
        shard = Shard.of(pipeline, said.partition, said.topic.partitions(SHARDS))
        position = Position(said.topic.name, said.partition, said.offset)
        folded = fold(message, position, shard, state[f"{said.topic.name}/{said.partition}"])
        for output in folded.outputs:
            partition = shard_of(output.key, output.topic.partitions(SHARDS))
            message = output.topic.decode(output.value)
            made[lane(output.topic, partition, message)].append((output.key, message))
    assert made == published
    assert len(published) >= 20
