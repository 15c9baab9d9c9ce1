"""Memory: of every process of a stack over a replayed day, and of the folds by module of our code.

The kernel says what is resident. A process is *warm* in the second fifth of the day: its imports are done, and it has seen every
symbol. What it has more at the end is growth.
"""

import asyncio
import gc
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from pipelines.catalogue import CATALOGUE
from stock_tracker.bench.core.results import BenchFigure, HotSpot, HotSpots, Measured
from stock_tracker.bench.cpu import SHARDS, connector_frames, corpus, module_of
from stock_tracker.bench.folding import FoldedPipeline
from stock_tracker.bench.machine import Stopwatch, folder_of_run
from stock_tracker.bench.stacks import MeasuredStack, measured_stack
from stock_tracker.bench.usage import ProcessUsage
from stock_tracker.stack.plan import Options
from stock_tracker.stack.up import played_and_drained

SPEED: Final = 600.0
"""Market seconds a second: a day in 38 seconds, where the machine keeps up."""
EVERY_S: Final = 0.5
TRACED_RECORDS: Final = 4_000
_WARM: Final = (0.2, 0.4)
_END: Final = 0.9
_MODULES: Final = 12


class _Sample(NamedTuple):
    at_s: float
    usage: Mapping[str, ProcessUsage]


async def measure(home: Path, tell: Callable[[str], None], day_s: float | None = None) -> Measured:
    """Play the light day of ``stock-tracker up`` to its end, work it through, and look at every process all the while.

    Args:
        home: A folder for its data.
        tell: Takes a line for each thing that a person should know.
        day_s: For how many seconds the day is played; None for all of it.
    """
    watch = Stopwatch()
    seconds = day_s or Options(speed=SPEED).whole_day_s
    tell(f"memory: {'a whole day' if day_s is None else f'{day_s:g} s of a day'} at {SPEED:g} times its speed")
    async with measured_stack(home, tell, speed=SPEED, seconds=seconds) as stack:
        samples = await _played(stack, seconds)
        stack.check()
        records = (await stack.simulator.status()).records
    figures = of_samples([(sample.at_s, sample.usage) for sample in samples])
    return Measured(
        taken=watch.taken(),
        load=(
            f"The light day of `stock-tracker up` ({records:,} records) at {SPEED:g} times its speed, until everything had been "
            "worked through. Growth is the end of it over the second fifth."
        ),
        figures=figures | {"records": BenchFigure(unit="records", values=[records], better="neither")},
        tables=[await asyncio.to_thread(_traced, tell)],
    )


async def _played(stack: MeasuredStack, seconds: float) -> list[_Sample]:
    samples: list[_Sample] = []
    began = time.monotonic()

    async def sample() -> None:
        while True:
            samples.append(_Sample(time.monotonic() - began, await asyncio.to_thread(stack.usage)))
            await asyncio.sleep(EVERY_S)

    sampling = asyncio.create_task(sample())
    try:
        await played_and_drained(stack.up, stack.simulator, seconds)
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
    return samples


def of_samples(samples: Sequence[tuple[float, Mapping[str, ProcessUsage]]]) -> dict[str, BenchFigure]:
    """Peak and growth of each process that was there from the first sample to the last."""
    last_s = samples[-1][0]
    names = set(samples[0][1]).intersection(*(usage for _, usage in samples))
    figures: dict[str, BenchFigure] = {}
    growth: dict[str, float] = {}
    for name in sorted(names):
        warm = median(usage[name].resident_mb for at_s, usage in samples if _WARM[0] * last_s <= at_s <= _WARM[1] * last_s)
        end = median(usage[name].resident_mb for at_s, usage in samples if at_s >= _END * last_s)
        figures[f"peak_{name}"] = BenchFigure(unit="MB", values=[round(max(usage[name].peak_mb for _, usage in samples), 1)])
        growth[name] = end - warm
        figures[f"growth_{name}"] = BenchFigure(unit="MB", values=[round(end - warm, 1)])
        figures[f"growth_part_{name}"] = BenchFigure(unit="% of warm", values=[round((end / warm - 1) * 100, 1)])
    figures["growth_most"] = BenchFigure(unit="MB", values=[round(max(growth.values()), 1)])
    return figures


def _traced(tell: Callable[[str], None]) -> HotSpots:
    """What Python objects the folds keep, by the module of ours that made them."""
    tell("memory: what the folds keep, by module")
    given = corpus(TRACED_RECORDS)
    frames = connector_frames(given)
    with folder_of_run() as home:
        gc.collect()
        tracemalloc.start()
        try:
            messages = list(frames)
            pipelines = []
            for pipeline in CATALOGUE:
                folded = FoldedPipeline(pipeline, SHARDS, home)
                folded.run(messages)
                messages += folded.published
                folded.published = []
                pipelines.append(folded)
            del messages
            gc.collect()
            snapshot = tracemalloc.take_snapshot()
        finally:
            tracemalloc.stop()
    del pipelines
    kept: dict[str, float] = defaultdict(float)
    whole = 0.0
    for statistic in snapshot.statistics("filename"):
        whole += statistic.size
        if (module := module_of(statistic.traceback[0].filename)) is not None:
            kept[module] += statistic.size
    most = sorted(kept.items(), key=lambda one: -one[1])[:_MODULES]
    rows = [HotSpot(where=where, share=min(size / whole, 1.0), amount=round(size / 1024, 1)) for where, size in most]
    return HotSpots(title=f"What the folds keep after {TRACED_RECORDS:,} records of 570 symbols", unit="KiB", rows=rows)
