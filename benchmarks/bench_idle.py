"""What everything behind the connector costs while nothing happens, process by process.

    python benchmarks/bench_idle.py                        this commit
    python benchmarks/bench_idle.py --against DIR          and another's files, in turn: round by round

Once all processes are ready they are left alone for a while (*silent*), and then told the time once a market second in each
partition, as at lunch or at night (*ticking*). Cores are CPU seconds a second: 0.01 is a hundredth of one core. Wakes are how
often a thread of the process stopped waiting, each second: Java's and librdkafka's own threads are among them.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, get_args

from confluent_kafka import Producer

from benchmarks.chain import HERE, LOOK_S, PATIENCE_S, Chain, Layout, running
from schemas.calendar import at
from schemas.shards import shard_keys
from schemas.topics import RECORD_TOPICS, encode
from schemas.units import UnixMs
from tests.builders import DAY, a_frame, a_tick

SETTLE_S = 5.0
MODES = ("silent", "ticking")


class Idle(NamedTuple):
    """A process during a stretch."""

    cores: float
    wakes: float
    """Each second."""


def measure(directory: Path, seconds: float, shards: int, layout: Layout) -> dict[str, dict[str, Idle]]:
    with running(directory, shards=shards, layout=layout) as chain:
        # Joining groups and the first look at everything are not idling.
        time.sleep(SETTLE_S)
        silent = _during(chain, lambda: time.sleep(seconds))
        ticking = _during(chain, lambda: _tick(chain, seconds, shards))
        began = time.monotonic()
        while chain.ask("SELECT count() FROM flow") == [["0"]]:
            assert time.monotonic() - began < PATIENCE_S, "the pipelines hear the time"
            time.sleep(LOOK_S)
    return {"silent": silent, "ticking": ticking}


def _during(chain: Chain, act: Callable[[], None]) -> dict[str, Idle]:
    before, began = chain.usage(), time.monotonic()
    act()
    after, took = chain.usage(), time.monotonic() - began
    return {
        name: Idle((now.cpu_s - before[name].cpu_s) / took, max(now.switches - before[name].switches, 0) / took)
        for name, now in after.items()
    }


def _tick(chain: Chain, seconds: float, shards: int) -> None:
    producer = Producer({**chain.kafka, "partitioner": "murmur2", "linger.ms": 5})
    began = time.monotonic()
    for second in range(int(seconds)):
        value = encode(a_frame(a_tick(UnixMs(at(DAY, 9, 30) + second * 1_000)), seq=second))
        for topic in RECORD_TOPICS:
            for key in shard_keys(shards):
                producer.produce(topic.name, key=key, value=value)
        producer.flush()
        time.sleep(max(began + second + 1 - time.monotonic(), 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="DIR", help="a clone at another commit")
    parser.add_argument("--layout", nargs="*", choices=get_args(Layout), default=["apart"], help="of the pipelines, in turn")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each stretch")
    parser.add_argument("--shards", type=int, default=3)
    arguments = parser.parse_args()
    sides: list[tuple[Path, Layout]] = [(HERE, layout) for layout in arguments.layout]
    if arguments.against:
        sides.append((Path(arguments.against).resolve(), "apart"))
    rounds: list[list[dict[str, dict[str, Idle]]]] = [[] for _ in sides]
    for _ in range(arguments.rounds):
        for (side, layout), measured in zip(sides, rounds, strict=True):
            measured.append(measure(side, arguments.seconds, arguments.shards, layout))
    for mode in MODES:
        figures: dict[str, object] = {"mode": mode}
        totals = []
        for (side, layout), measured in zip(sides, rounds, strict=True):
            cores = {name: round(statistics.median(each[mode][name].cores for each in measured), 3) for name in measured[0][mode]}
            wakes = {name: round(statistics.median(each[mode][name].wakes for each in measured)) for name in measured[0][mode]}
            totals.append(statistics.median(sum(idle.cores for idle in each[mode].values()) for each in measured))
            figures[f"{side.name} ({layout})"] = {"cores": round(totals[-1], 3), "by_process": cores, "wakes_a_second": wakes}
        if len(totals) > 1:
            figures["ratio"] = round(totals[0] / totals[-1], 2)
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
