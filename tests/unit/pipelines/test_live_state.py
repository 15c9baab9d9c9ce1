"""Values that stay decoded from message to message, and rows that wait: the library's days, folded both ways, say the same."""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from connectors.fixtures.core.parts import moved
from connectors.fixtures.files import open_fixture
from pipelines.catalogue import CATALOGUE, Topology
from pipelines.core.codec import LiveState
from pipelines.core.frames import Fold, Output, Shard, WaitingRow
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.calendar import next_trading_day
from schemas.position import Position
from tests.proof import usually

DAYS = sorted(path for path in (Path(__file__).parents[2] / "fixtures/days").glob("*.jsonl.zst") if path.name.count(".") == 2)
TOPOLOGIES = [topology for pipeline in CATALOGUE for topology in pipeline.topologies if pipeline.name != "alerts"]
TURNING = ("foreign-resets", "futures-expiry", "half-open")
"""The days after which another one like it begins."""
KILLS = usually(1, proving=20)


class Said(NamedTuple):
    """What a topology said of a day."""

    events: list[Output]
    """All outputs but rows."""
    rows: list[Output]
    given_up: list[Output]
    """Rows that a kill took back: who does not wait for commits has read them."""


def is_row(output: Output) -> bool:
    return output.topic.name.startswith("state.")


class Reader:
    """Folds the messages of one topic, partition by partition, as a service does between its commits."""

    def __init__(self, fold: Fold[Any], topology: Topology[Any], shards: int) -> None:
        self.fold = fold
        self.source = topology.source
        self.places = [Shard.of("test", number, shards) for number in range(shards)]
        self.said = Said([], [], [])

    def message(self, n: int, message: tuple[int, Any], state: Any) -> dict[tuple[str, str], WaitingRow]:
        number, value = message
        folded = self.fold(value, Position(self.source.name, number, n), self.places[number], state)
        for output in folded.outputs:
            (self.said.rows if is_row(output) else self.said.events).append(output)
        return folded.rows


def whole(reader: Reader, messages: list[tuple[int, Any]]) -> Said:
    """Every message by itself."""
    states: dict[int, dict[bytes, bytes]] = defaultdict(dict)
    for n, message in enumerate(messages):
        assert reader.message(n, message, states[message[0]]) == {}
    return reader.said


def kept(reader: Reader, messages: list[tuple[int, Any]], draw: random.Random, most: int) -> Said:
    """With values and rows that wait for a commit, at any time, and kills that give up what was not committed."""
    stored: dict[int, dict[bytes, bytes]] = defaultdict(dict)
    lives: dict[int, LiveState] = {}
    rows: dict[tuple[str, str], WaitingRow] = {}
    committed, n, kills = 0, 0, KILLS
    events, shown, given_up = reader.said
    safe = (0, 0)
    while n < len(messages):
        message = messages[n]
        live = lives.setdefault(message[0], LiveState(stored[message[0]], most))
        rows |= reader.message(n, message, live)
        n += 1
        if draw.random() < 0.02:
            # Rows may leave before the commit.
            shown += [row.output() for row in rows.values()]
            rows.clear()
        if draw.random() < 0.01 or n == len(messages):
            shown += [row.output() for row in rows.values()]
            rows.clear()
            for live in lives.values():
                live.store()
            committed, safe = n, (len(events), len(shown))
        elif kills and draw.random() < 0.002:
            kills -= 1
            lives.clear()
            rows.clear()
            given_up += shown[safe[1] :]
            del events[safe[0] :], shown[safe[1] :]
            n = committed
    return reader.said


def value_of(output: Output) -> Any:
    return msgspec.json.decode(output.value)


def by_src(rows: list[Output]) -> dict[tuple[str, str, int, int], bytes]:
    said: dict[tuple[str, str, int, int], bytes] = {}
    for output in rows:
        row = value_of(output)
        said[output.topic.name, output.key, row["day"], row["src"]] = output.value
    return said


def last(rows: list[Output]) -> dict[tuple[str, str], bytes]:
    return {(output.topic.name, output.key): output.value for output in rows}


def read(day: Path, topology: Topology[Any], *, turns: bool) -> tuple[list[tuple[int, Any]], int]:
    """The messages of a topology's source on a day, if it turns on the next day too, and of how many shards they are."""
    source = topology.source
    with open_fixture(day) as (header, lines):
        told = [line for line in lines if line.topic == source.name]
        if turns:
            today = header.trading_day
            assert today is not None
            told += [moved(line, today, next_trading_day(today)) for line in told]
        return [(line.partition, source.decode(line.value or b"")) for line in told], header.partitions[source.name]


@pytest.fixture(scope="module")
def folds() -> dict[str, Fold[Any]]:
    parameters = Parameters(PipelineSettings(kafka={}))
    return {topology.source.name: topology.make_fold(parameters) for topology in TOPOLOGIES}


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name.partition(".")[0])
def test_what_waits_for_a_commit_says_in_the_end_what_every_message_says_by_itself(
    day: Path, folds: dict[str, Fold[Any]]
) -> None:
    draw = random.Random(day.name)
    partials: dict[str, list[tuple[int, Any]]] = {"partial.breadth": [], "partial.flow": []}
    for topology in TOPOLOGIES:
        source = topology.source
        messages, shards = (
            (partials[source.name], 1) if source.name in partials else read(day, topology, turns=day.name.startswith(TURNING))
        )
        expected = whole(Reader(folds[source.name], topology, shards), messages)
        for most in (20_000, 3):
            said = kept(Reader(folds[source.name], topology, shards), messages, draw, most)
            assert said.events == expected.events
            assert last(said.rows) == last(expected.rows)
            known = by_src(expected.rows)
            assert all(known[where] == row for where, row in by_src(said.rows + said.given_up).items())
        for output in expected.events:
            if output.topic.name in partials:
                partials[output.topic.name].append((0, output.topic.decode(output.value)))
    assert partials["partial.flow"]
