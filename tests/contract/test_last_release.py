"""What an earlier release left behind in the middle of a trading day is folded on as if it had never stopped."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.instruments import contract_of
from schemas.shards import shard_of
from schemas.topics import PARTIAL_FLOW, SSI_DLQ, STATE_FLOW, STATE_FOREIGN, STATE_TOPICS, Topic, encode
from schemas.units import Exchange
from schemas.upgrades import UPGRADES
from tests.last_release import RELEASES, SHARDS, Folds, minute_of, state_of

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
Lanes = defaultdict[tuple[str, int, bool, str], list[list[Any]]]
"""Key and message of each output, as JSON has them."""


def lane(topic: Topic[Any], partition: int, key: str, message: Any) -> tuple[str, int, bool, str]:
    """Where the order means something.

    Stocks and futures share topics, and chance interleaves their pipelines. On a topic of latest values each key is for itself.
    """
    first = message.events[0] if hasattr(message, "events") else message
    is_future = contract_of(getattr(first, "symbol", "")) is not None
    return topic.name, partition, is_future, key if topic in STATE_TOPICS else ""


def written(topic: Topic[Any], value: bytes) -> dict[str, Any]:
    """The fields that the release itself wrote, in the layout of today: without the defaults of fields that came later."""
    older: dict[str, Any] = msgspec.json.decode(value)
    for version in range(older["schema"], topic.version):
        older = UPGRADES[topic.name][version](older)
    return {**older, "schema": topic.version}


def without_what_came_later(made: Any, before: Any) -> Any:
    """``made`` with no more fields than ``before``, however deep."""
    if isinstance(made, dict) and isinstance(before, dict):
        return {name: without_what_came_later(value, before[name]) for name, value in made.items() if name in before}
    if isinstance(made, list) and isinstance(before, list) and len(made) == len(before):
        return [without_what_came_later(*pair) for pair in zip(made, before, strict=True)]
    return made


def without_new_movers(topic: Topic[Any], message: dict[str, Any]) -> dict[str, Any]:
    """``message`` as it was when the market and the exchanges alone had movers: VN30 and the sectors have them since 0.3.0."""
    known = {"market", *Exchange}
    if topic is PARTIAL_FLOW:
        return {**message, "movers": [movers for movers in message["movers"] if movers["scope"] in known]}
    if topic is STATE_FLOW and message["scope"] not in known:
        return {**message, "buyers": [], "sellers": []}
    return message


AGES = ("src", "stale", "buy_speed_1m", "sell_speed_1m", "buy_speed_5m", "sell_speed_5m", "acceleration")


def without_ageing(rows: list[list[Any]]) -> list[list[Any]]:
    """The last row of the foreign board, without its speeds: since 0.3.0 it is told less often that time has passed."""
    [*_, (key, row)] = rows
    return [[key, {name: value for name, value in row.items() if name not in AGES}]]


def is_known_to(release: str, topic: Topic[Any]) -> bool:
    """Whether the release had the topic: of each that it had, some messages are kept."""
    return (EXAMPLES / topic.name / "previous" / f"{release}.jsonl").exists()


@pytest.mark.parametrize("release", RELEASES)
def test_a_minute_folded_onto_the_state_of_the_release_says_what_the_release_said(release: str) -> None:
    folds = Folds(state_of(release))
    made: Lanes = defaultdict(list)
    published: Lanes = defaultdict(list)
    for said in minute_of(release):
        message = said.topic.decode(said.value)
        # The connector's own dead letters are not the pipelines' doing.
        if not said.topic.name.startswith("ssi.") or (said.topic is SSI_DLQ and message.source != "ssi"):
            published[lane(said.topic, said.partition, said.key, message)].append([said.key, written(said.topic, said.value)])
        for output in folds.fold(said).outputs:
            if not is_known_to(release, output.topic):
                continue
            partition = shard_of(output.key, output.topic.partitions(SHARDS))
            message = output.topic.decode(output.value)
            row = msgspec.json.decode(encode(message))
            made[lane(output.topic, partition, output.key, message)].append([output.key, without_new_movers(output.topic, row)])
    for lanes in (made, published):
        for where, rows in lanes.items():
            if where[0] == STATE_FOREIGN.name:
                lanes[where] = without_ageing(rows)
    assert {where: without_what_came_later(messages, published[where]) for where, messages in made.items()} == published
    assert len(published) >= 20
