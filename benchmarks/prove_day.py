"""A whole day of true size through everything, as fast as it goes, and verified: ``python benchmarks/prove_day.py [--scale 1]``.

1,900 symbols and 2.5 million records at scale 1, from the simulator's socket, which is as fast as the connector reads, through
broker, pipelines, archive and gateway. It prints the rate from the first record until everything was worked through, how many
times the real day's speed that is, the CPU of each process for a record and its share of a core, the most memory that each had,
and what limits: all processors together, or the busiest process. Then it verifies as ``stock-tracker verify`` does, and exits
with 1 when something differs. It takes as long as that takes: tens of minutes on two processors.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stock_tracker.bench.machine import folder_of_run
from stock_tracker.bench.stacks import MeasuredStack, measured_stack
from stock_tracker.bench.usage import ProcessUsage
from stock_tracker.errors import NotInTime
from stock_tracker.stack.drain import worked_through
from stock_tracker.stack.play import verified
from stock_tracker.verify.run import Verification

REAL_DAY_S = 4.5 * 3_600
"""How long a real day is, from 09:00 to 15:00, without its lunch."""
LOOK_S = 0.5
PATIENCE_S = 3 * 3_600.0
GENERATOR = "simulator"


async def played(stack: MeasuredStack, tell: Callable[[str], None]) -> tuple[float, dict[str, ProcessUsage]]:
    """Play to the end and work it through; how long that took, and what each process used meanwhile."""
    before, began = stack.usage(), time.monotonic()
    while (await stack.simulator.clock()).state != "finished":
        assert time.monotonic() - began < PATIENCE_S, "the day does not end"
        stack.check()
        await asyncio.sleep(LOOK_S)
    tell(f"all was sent after {time.monotonic() - began:,.0f} s")
    while True:
        try:
            await worked_through(stack.simulator, stack.up.stack.kafka, stack.up.stack.prefix)
            break
        except NotInTime as error:
            # As long as it takes: that is what is measured.
            if time.monotonic() - began > PATIENCE_S:
                raise
            tell(f"{time.monotonic() - began:,.0f} s: {error}")
            stack.check()
    seconds, after = time.monotonic() - began, stack.usage()
    used = {name: usage._replace(cpu_s=usage.cpu_s - before[name].cpu_s) for name, usage in after.items()}
    return seconds, used


async def prove(home: Path, scale: float, tell: Callable[[str], None]) -> Verification:
    tell("making the day, and starting a stack")
    async with measured_stack(home, tell, scale=scale) as stack:
        seconds, used = await played(stack, tell)
        stack.check()
        records = (await stack.simulator.status()).records
        rate = records / seconds
        print(f"{records:,} records in {seconds:,.0f} s: {rate:,.0f} a second, {REAL_DAY_S / seconds:,.0f} x a real day's speed")
        print(f"  {'':<12} {'µs a record':>12} {'of a core':>10} {'most MB':>9}")
        for name, usage in sorted(used.items(), key=lambda one: -one[1].cpu_s):
            print(f"  {name:<12} {usage.cpu_s / records * 1e6:12.1f} {usage.cpu_s / seconds:10.0%} {usage.peak_mb:9.0f}")
        cores = sum(usage.cpu_s for usage in used.values()) / seconds
        busiest = max((name for name in used if name != GENERATOR), key=lambda name: used[name].cpu_s)
        processors = os.cpu_count() or 1
        limit = "the processors" if cores > 0.85 * processors else f"{busiest}, or what it waits for"
        print(f"{cores:.2f} of {processors} processors were used, so what limits it is {limit}")
        return await verified(stack.up, stack.simulator)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="of a real day's 2.5 million records")
    asked = parser.parse_args()
    with folder_of_run() as home:
        verification = asyncio.run(prove(home, asked.scale, lambda line: print(f"  {line}", file=sys.stderr, flush=True)))
    for line in verification.sentences():
        print(line)
    sys.exit(0 if verification.reconciled else 1)


if __name__ == "__main__":
    main()
