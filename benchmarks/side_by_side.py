"""The whole system, socket and connector and browser's gateway included, beside the bare handlers of the project's predecessor.

    python benchmarks/side_by_side.py                    print it
    python benchmarks/side_by_side.py results.json       and add it to the results of `stock-tracker bench profile`

One stack runs: simulator, connector, broker, four pipelines, sink, archive, gateway, one client. In each round the market goes on
for so many records, as fast as the connector reads, until every consumer group has read everything; then it stands, and the
predecessor's own profiler runs its loop of messages (``benchmarks/peers/predecessor.py``, frozen). So both have the same machine
in the same minute. The simulator is the load generator: its CPU is told apart. At the end the archive has to have the volume of
every symbol, as the simulator's truth tells it.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers.calibrate import OF_BARE, ORIGINAL
from benchmarks.peers.predecessor import measure_loop
from connectors.ssi.simulator.core.truth import ConnectionStatus
from stock_tracker.bench.core.paced_day import FeedRate
from stock_tracker.bench.core.results import BenchFigure, BenchResults, Measured
from stock_tracker.bench.machine import Stopwatch, folder_of_run, loop_us
from stock_tracker.bench.profiling import load_results, save_results
from stock_tracker.bench.stacks import MeasuredStack, measured_stack
from stock_tracker.stack.drain import Backlog, consumer_groups, first_with_unread, last_status, not_received, worked_through

RECORDS = 30_000
ROUNDS = 3
MESSAGES = 10_000
"""Of the predecessor's profiler, as many as it makes by itself."""
RATE = 2_000.0
"""Records a market second: what the records' own times say, not how fast they are sent."""
AS_SHIPPED = ORIGINAL["as shipped"] / ORIGINAL[OF_BARE]
"""What the original's profiler needs for a message over what its bare loop needs. cProfile and the log are most of it, and cost
something else with each release of Python; so the bare loop is measured, and this taken from the original."""
LOOK_S = 0.05
GENERATOR = "simulator"


class Round(NamedTuple):
    """Both sides, once."""

    records: int
    seconds: float
    cpu_us: dict[str, float]
    """Microseconds of CPU a record, by process."""
    bare_us: float
    """Of CPU a message, of the predecessor's loop without profiler and log."""
    bare_s: float
    """What that took, by the clock on the wall."""
    loop_us: float

    @property
    def profiled_us(self) -> float:
        """The same with both, as it is shipped."""
        return self.bare_us * AS_SHIPPED

    @property
    def profiled_rate(self) -> float:
        """Messages a second of that, by the clock on the wall."""
        return MESSAGES / (self.bare_s * AS_SHIPPED)

    @property
    def system_us(self) -> float:
        """Of all processes but the load generator."""
        return sum(us for name, us in self.cpu_us.items() if name != GENERATOR)


async def measure(home: Path, tell: Callable[[str], None], records: int, rounds: int) -> list[Round]:
    paced = [FeedRate((rounds + 2) * records / RATE, RATE)]
    tell("starting a stack")
    async with measured_stack(home, tell, paced=paced, fast=True) as stack:
        await stack.simulator.hold()
        # What came until it was held has warmed everything up.
        await worked_through(stack.simulator, stack.up.stack.kafka, stack.up.stack.prefix)
        taken = []
        for number in range(rounds):
            tell(f"round {number + 1} of {rounds}")
            taken.append(await one_round(stack, records))
        stack.check()
        await check_volumes(stack)
    return taken


async def check_volumes(stack: MeasuredStack) -> None:
    """See that the archive has the volume of every symbol."""
    wanted: dict[str, int] = {}
    for match in (await stack.simulator.truth()).prints:
        if match.connections:
            wanted[match.symbol] = max(match.total_vol, wanted.get(match.symbol, 0))
    url = stack.up.stack.environment["CLICKHOUSE_URL"]
    asked = {"query": "SELECT symbol, max(total_volume) FROM trades WHERE kind = 'print' GROUP BY symbol", "database": "market"}
    async with stack.up.session.get(url, params=asked) as answer:
        lines = (await answer.text()).splitlines()
    found = {symbol: int(total) for symbol, _, total in (line.partition("\t") for line in lines)}
    different = sorted(symbol for symbol in wanted.keys() | found.keys() if wanted.get(symbol) != found.get(symbol))
    if different or not wanted:
        raise AssertionError(f"{len(different)} of {len(wanted)} symbols have another volume: {different[:5]}")


async def one_round(stack: MeasuredStack, records: int) -> Round:
    kafka, prefix, simulator = stack.up.stack.kafka, stack.up.stack.prefix, stack.simulator
    loop = loop_us()
    sent = (await simulator.status()).records
    before, began = stack.usage(), time.monotonic()
    await simulator.resume()
    while (await simulator.status()).records < sent + records:  # noqa: ASYNC110 - another process counts them
        await asyncio.sleep(LOOK_S)
    await simulator.hold()
    status = await simulator.status()
    with closing(Backlog(kafka)) as backlog:
        while await asyncio.to_thread(is_left, backlog, kafka, prefix, status.connections):  # noqa: ASYNC110 - so do these
            await asyncio.sleep(LOOK_S)
    seconds = time.monotonic() - began
    # It may have looked so between two of them: this looks until nothing changes any more.
    await worked_through(simulator, kafka, prefix)
    after, done = stack.usage(), status.records - sent
    if status.connections[-1].id != 1:
        raise AssertionError("the connector lost its connection: what was sent is not what was received")
    cpu_us = {name: (usage.cpu_s - before[name].cpu_s) / done * 1e6 for name, usage in after.items()}
    begun = time.monotonic()
    bare_us = await asyncio.to_thread(measure_loop, None, MESSAGES, as_profiled=False)
    return Round(done, seconds, cpu_us, bare_us, time.monotonic() - begun, min(loop, loop_us()))


def is_left(backlog: Backlog, kafka: dict[str, str], prefix: str, connections: list[ConnectionStatus]) -> bool:
    """Whether anything that was sent has not been worked through."""
    if not_received(connections, last_status(kafka, prefix)):
        return True
    return first_with_unread(backlog, consumer_groups(prefix)) is not None


def section(taken: list[Round], watch: Stopwatch) -> Measured:
    loops = [one.loop_us for one in taken]

    def times(unit: str, values: list[float]) -> BenchFigure:
        return BenchFigure(unit=unit, values=[round(value, 2) for value in values], loops=loops, scales="time")

    figures = {
        "whole_system": times("µs a record", [one.system_us for one in taken]),
        "predecessor_profiled": times("µs a message", [one.profiled_us for one in taken]),
        "predecessor_bare": times("µs a message", [one.bare_us for one in taken]),
        "load_generator": times("µs a record", [one.cpu_us[GENERATOR] for one in taken]),
        "cpu_beside_predecessor": BenchFigure(
            unit="× its profiler", values=[round(one.system_us / one.profiled_us, 3) for one in taken]
        ),
        "rate_beside_predecessor": BenchFigure(
            unit="× its profiler",
            values=[round(one.records / one.seconds / one.profiled_rate, 3) for one in taken],
            better="higher",
        ),
        "records_a_second": BenchFigure(
            unit="a second", values=[round(one.records / one.seconds) for one in taken], loops=loops, scales="rate",
            better="higher",
        ),
        "predecessor_profiled_in_loops": BenchFigure(
            unit="loops a thousand", values=[round(one.profiled_us * 1_000 / one.loop_us, 3) for one in taken], better="neither"
        ),
    }  # fmt: skip
    for name in taken[0].cpu_us:
        if name != GENERATOR:
            figures[f"cpu_{name}"] = times("µs a record", [one.cpu_us[name] for one in taken])
    return Measured(
        taken=watch.taken(),
        load=(
            f"{taken[0].records:,} records a round of a market of 1,900 symbols, from the simulator's socket as fast as the "
            "connector reads, until all was in the archive and on the gateway; beside it "
            f"{MESSAGES:,} messages of the predecessor's own profiler, in turn; {len(taken)} rounds. The simulator is the load "
            "generator and is told apart."
        ),
        figures=figures,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", type=Path, help="of `stock-tracker bench profile`; made if it is not there")
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    watch = Stopwatch()
    with folder_of_run() as home:
        taken = asyncio.run(measure(home, lambda line: print(f"  {line}", flush=True), asked.records, asked.rounds))
    made = section(taken, watch)
    for name, figure in made.figures.items():
        print(f"  {name:<32} {statistics.median(figure.values):>10,.2f} {figure.unit}")
    print(json.dumps({"rounds": [one._asdict() for one in taken]}))
    if asked.results is not None:
        results = load_results(asked.results) if asked.results.exists() else BenchResults(sections={})
        save_results(asked.results, results.with_section("side_by_side", made))


if __name__ == "__main__":
    main()
