"""CPU of the verification beside that of the folds: a simulated day, folded in this process and then checked.

    python benchmarks/bench_verify.py                   100,000 records of a whole market
    python benchmarks/bench_verify.py --records 250000

The folds are pure Python here, frame bytes in and message bytes out: pipelines on Kafka need more, for Quix, state and
transactions. The check is what ``stock-tracker verify`` does with each shard: frame and message bytes in, numbers against the
reference, rows with events, the tables of minutes and days made anew. Kafka, the engine and the gateway are left out on both
sides. Compare figures of one run only.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any

from connectors.clickhouse.core.tables import TABLES
from connectors.ssi.core.decode import decode
from connectors.ssi.core.frames import FRAME_RECORDS, partitions_of
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import generate
from schemas.position import Partition, Position
from schemas.topics import MARKET_FLOW, RECORD_TOPICS, STATE_FLOW, STATE_TOPICS, TOPICS, encode
from stock_tracker.verify.core import derived, numbers
from stock_tracker.verify.core.archive import compare_rows
from stock_tracker.verify.core.boards import latest
from stock_tracker.verify.core.derived import MADE_OF
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.core.reference.flows import FlowSums
from stock_tracker.verify.rows import event_row, expected
from stock_tracker.verify.shards import rows_of
from tests.builders import DAY, a_frame, a_tick
from tests.mutation.simulated_day import Outputs, folded

SHARDS = 3
_TOPICS = {topic.name: topic for topic in TOPICS}

Stored = list[tuple[Position, bytes]]


def a_day(records: int, seed: int = 7) -> Stored:
    """The frames of the first so many records of a simulated day, a second or less each, with the ticks of the clock."""
    frames: Stored = []
    offsets: dict[Partition, int] = defaultdict(int)
    places = [Partition(topic.name, number) for topic in RECORD_TOPICS for number in range(SHARDS)]
    waiting: dict[Partition, list[Any]] = {place: [] for place in places}

    def cut(place: Partition) -> None:
        if waiting[place]:
            frame = a_frame(*waiting[place], seq=offsets[place])
            frames.append((Position(*place, offsets[place]), encode(frame)))
            offsets[place] += 1
            waiting[place] = []

    second = 0
    for number, simulated in enumerate(generate(seed, DAY, Random).records):
        if number >= records:
            break
        if simulated.due_ms // 1000 > second:
            second = simulated.due_ms // 1000
            for place in places:
                waiting[place].append(a_tick(second * 1000))
                cut(place)
        record: Any = decode(wire.broadcast(simulated.channel, wire.content(simulated)))
        for place in partitions_of(record, SHARDS):
            waiting[place].append(record)
            if len(waiting[place]) >= FRAME_RECORDS:
                cut(place)
    for place in places:
        waiting[place].append(a_tick(second * 1000 + 1000))
        cut(place)
    return frames


def fold(frames: Stored) -> dict[str, Stored]:
    """What all pipelines publish."""
    outputs = folded([(at, _TOPICS[at.topic].decode(value)) for at, value in frames], SHARDS)
    return {topic: [(at, encode(message)) for at, message in messages] for topic, messages in outputs.items()}


def check(frames: Stored, published: dict[str, Stored]) -> int:
    """Check all shards, one after the other; how many differences there are."""
    sums = FlowSums()
    left_out: list[numbers.NotJudged] = []
    found = 0
    states = {
        topic.name: latest((EventPosition(at, 0), row) for at, row in _decoded(published[topic.name])) for topic in STATE_TOPICS
    }
    for number in range(SHARDS):
        outputs: Outputs = {
            topic: _decoded([(at, value) for at, value in messages if at.partition == number])
            for topic, messages in published.items()
            if topic in TABLES and topic != MARKET_FLOW.name
        }
        terms = {"pipelines.terms": _decoded(published["pipelines.terms"])}
        told = _decoded([(at, value) for at, value in frames if at.partition == number])
        rows = dict(rows_of(states, number, SHARDS))
        found += sum(1 for _ in numbers.check_shard(told, {**outputs, **rows, **terms}, left_out, sums))
        found += sum(_check_tables(topic, messages) for topic, messages in outputs.items())
    flow = _decoded(published[MARKET_FLOW.name])
    rows_of_flow = [(at.message, row) for at, row in states[STATE_FLOW.name].values()]
    outputs = {MARKET_FLOW.name: flow, STATE_FLOW.name: rows_of_flow}
    found += sum(1 for _ in numbers.check_flow(sums, outputs, left_out))
    return found + _check_tables(MARKET_FLOW.name, flow)


def _check_tables(topic: str, messages: Sequence[tuple[Position, Any]]) -> int:
    """Compare rows as the engine would hand them out, of the topic's table and of those that are made of it."""
    table = TABLES[topic]
    events = [(EventPosition(at, idx), event) for at, frame in messages for idx, event in enumerate(frame.events)]
    stored = dict(expected(table, [(at, event_row(event)) for at, event in events]))
    said = expected(table, [(at, event_row(event)) for at, event in events])
    found = sum(1 for _ in compare_rows(table.view, said, stored, []))
    for each in MADE_OF.get(topic, ()):
        made = derived.rows_of(each, events)
        rows = [dict(zip(each.key, key, strict=True)) | dict(row) for key, (_, row) in made.items()]
        found += sum(1 for _ in derived.compare(each, events, rows))
    return found


def _decoded(stored: Sequence[tuple[Position, bytes]]) -> list[tuple[Position, Any]]:
    return [(at, _TOPICS[at.topic].decode(value)) for at, value in stored]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    arguments = parser.parse_args()
    frames = a_day(arguments.records)
    began = time.process_time()
    published = fold(frames)
    folds_s = time.process_time() - began
    began = time.process_time()
    found = check(frames, published)
    check_s = time.process_time() - began
    print(
        json.dumps(
            {
                "records": arguments.records,
                "differences": found,
                "folds_cpu_s": round(folds_s, 2),
                "verify_cpu_s": round(check_s, 2),
                "verify_records_per_s": round(arguments.records / check_s),
                "verify_over_folds": round(check_s / folds_s, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
