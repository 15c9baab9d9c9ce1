"""What release 0.1.0 left behind in the middle of a trading day is folded on as if it had never stopped."""

from collections import defaultdict
from typing import Any

from schemas.instruments import contract_of
from schemas.shards import shard_of
from schemas.topics import SSI_DLQ, Topic
from tests.last_release import SHARDS, Folds, minute_of_the_release, state_of_the_release

Lanes = defaultdict[tuple[str, int, bool], list[tuple[str, Any]]]


def lane(topic: Topic[Any], partition: int, message: Any) -> tuple[str, int, bool]:
    """Where one pipeline alone decides the order: stocks and futures share topics, and chance interleaves their pipelines."""
    first = message.events[0] if hasattr(message, "events") else message
    return topic.name, partition, contract_of(getattr(first, "symbol", "")) is not None


def test_a_minute_folded_onto_the_state_of_the_release_says_what_the_release_said() -> None:
    folds = Folds(state_of_the_release())
    made: Lanes = defaultdict(list)
    published: Lanes = defaultdict(list)
    for said in minute_of_the_release():
        message = said.topic.decode(said.value)
        # The connector's own dead letters are not the pipelines' doing.
        if not said.topic.name.startswith("ssi.") or (said.topic is SSI_DLQ and message.source != "ssi"):
            published[lane(said.topic, said.partition, message)].append((said.key, message))
        for output in folds.fold(said).outputs:
            partition = shard_of(output.key, output.topic.partitions(SHARDS))
            message = output.topic.decode(output.value)
            made[lane(output.topic, partition, message)].append((output.key, message))
    assert made == published
    assert len(published) >= 20
