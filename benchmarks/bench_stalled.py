"""What clients that read nothing cost the others: ``python benchmarks/bench_stalled.py [clients] [rounds] [intervals]``.

Two gateways have the same readers, watch-list by watch-list; one has also clients that read nothing, 5 % of all. Intervals end on
the two in turn, each first as often as second, so that a noisy machine bothers both alike. What is timed is how long it takes
until an interval's rows are written to all who read. Each round has a 99th percentile of its own, and the ratio of the two is
given for each: the percentile of a few intervals is but the worst moment of the machine. Measuring begins when nothing more can
be written to those that do not read.
"""

import asyncio
import gc
import random
import statistics
import sys

from benchmarks.bench_gateway import CHANGED, SYMBOLS, WATCHED, Case, p99
from gateway import app as routes
from gateway import fanout as fanouts

PAUSE_S = 0.01
"""Between two intervals: the readers, which share the machine, take what they were sent."""
FILLING = 500
"""In how many intervals the buffers of clients that do not read have to be full."""


def spread(values: list[float]) -> str:
    """Smallest, median, largest."""
    return f"min {min(values):.2f}, median {statistics.median(values):.2f}, max {max(values):.2f}"


async def main(clients: int, rounds: int, intervals: int) -> None:
    """Measure, and see that it was measured: that all rows came to those who read, and that the others read nothing."""
    lists = random.Random(7)
    watched = [lists.sample(SYMBOLS, WATCHED) for _ in range(clients)]
    stalled = max(1, round(clients * 5 / 95))
    # They answer no ping, and do not read for longer than a gateway puts up with.
    routes.PING_S, fanouts.STALLED_MS = 86_400.0, 86_400_000
    alone = Case("all read", CHANGED, iter(watched).__next__)
    among = Case("and 5 % more that do not", CHANGED, iter([*watched, *watched[:stalled]]).__next__, deaf=stalled)
    warm = Case("", 1, lambda: ["@HOSE"])
    await warm.start(10)
    await warm.stop()
    await alone.start(clients)
    await among.start(clients + stalled)
    gc.collect()
    gc.freeze()
    draw = random.Random(11)
    tails, middles, costs = [], [], []
    src = 0

    async def deliver(*cases: Case) -> None:
        nonlocal src
        src += 1
        symbols = draw.sample(SYMBOLS, CHANGED)
        for case in cases:
            await case.deliver(symbols, src)
            await asyncio.sleep(PAUSE_S)

    while among.unwritable() < stalled and src < FILLING:
        await deliver(alone, among)
    for _ in range(rounds):
        begins = len(alone.walls)
        for number in range(intervals):
            await deliver(*((alone, among) if number % 2 else (among, alone)))
        walls = alone.walls[begins:], among.walls[begins:]
        tails.append(p99(walls[1]) / p99(walls[0]))
        middles.append(statistics.median(walls[1]) / statistics.median(walls[0]))
        # The costs are by client, and there are more of them in one case than in the other.
        spent = sum(alone.costs[begins:]) * clients, sum(among.costs[begins:]) * (clients + stalled)
        costs.append(spent[1] / spent[0])
    print(f"{clients} clients read, and {stalled} more at one of two gateways do not; {rounds} rounds of {intervals} intervals")
    for case in (alone, among):
        print(f"  {case.name:<26} an interval is written in {statistics.median(case.walls):.2f} ms, p99 {p99(case.walls):.2f} ms")
    print(f"  5 % more that do not read: p99 × {spread(tails)}; median × {spread(middles)}; CPU × {spread(costs)}")
    faults = []
    for case in (alone, among):
        got, due = await case.counted()
        if got != due:
            faults.append(f"{case.name}: {got} messages came to those who read, of {due}")
    if (deaf := among.unwritable()) != stalled:
        faults.append(f"{deaf} clients cannot be written to, and {stalled} should not")
    for case in (alone, among):
        await case.stop()
    if faults:
        sys.exit("; ".join(faults))


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:4] or ("300", "5", "300"))))
