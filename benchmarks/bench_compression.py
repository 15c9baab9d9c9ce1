"""What it costs, and saves, to compress what a group shares: ``python benchmarks/bench_compression.py [clients] [rounds]``.

For each number of rows that change there are two gateways with as many clients of one group; one compresses. They take turns.
CPU is that of the gateway's process, which hands the bytes to the kernel; what the clients need to inflate them is not in it.
"""

import asyncio
import gc
import random
import statistics
import sys

from benchmarks.bench_gateway import SYMBOLS, Case
from gateway import app as routes

ROWS = (1, 2, 8, 40, 150)
PAUSE_S = 0.02


def a_case(rows: int, name: str, *, compress: bool) -> Case:
    return Case(f"{rows} rows, {name}", rows, lambda: ["@HOSE"], compress=compress)


async def main(clients: int, rounds: int) -> None:
    """Measure, and see that every client got every message."""
    routes.PING_S = 86_400.0
    pairs = [(rows, a_case(rows, "plain", compress=False), a_case(rows, "deflated", compress=True)) for rows in ROWS]
    warm = Case("", 1, lambda: ["@HOSE"])
    await warm.start(10)
    await warm.stop()
    for _, plain, deflated in pairs:
        await plain.start(clients)
        await deflated.start(clients)
    gc.collect()
    gc.freeze()
    draw = random.Random(5)
    for src in range(1, rounds + 1):
        for rows, plain, deflated in pairs:
            symbols = draw.sample(SYMBOLS, rows)
            for case in (plain, deflated) if src % 2 else (deflated, plain):
                await case.deliver(symbols, src)
                await asyncio.sleep(PAUSE_S)
    print(f"{clients} clients of one group a way, {rounds} rounds in turn")
    lost = []
    for rows, plain, deflated in pairs:
        ratios = [ours / theirs for ours, theirs in zip(deflated.costs, plain.costs, strict=True)]
        spread = f"min {min(ratios):.2f}, median {statistics.median(ratios):.2f}, max {max(ratios):.2f}"
        size, share = plain.bytes // clients // rounds, deflated.bytes / plain.bytes
        print(f"  {rows:>3} rows, {size:>6} bytes a client: bytes × {share:.2f}; CPU × {spread}")
        for case in (plain, deflated):
            got, due = await case.counted()
            # What does not fit into one message comes in several.
            if got < due or (got != due and rows < ROWS[-1]):
                lost.append(f"{case.name}: {got} of {due}")
            await case.stop()
    if lost:
        sys.exit(f"messages were lost, or came twice: {', '.join(lost)}")


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:3] or ("300", "60"))))
