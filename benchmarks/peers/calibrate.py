"""How well the re-created predecessor stands for the original: ``python benchmarks/peers/calibrate.py``.

Of the original these figures are known, of its loop of 10,000 messages in microseconds of CPU a message, on a quiet machine with
Python 3.12: as shipped, without its log, without cProfile, without either, and making the messages alone. Only what stands
between them can be compared on another machine: each is divided by that without log and cProfile. A re-creation may be off by one
in ten. What cProfile costs depends on the release of Python, so the first two say more of that than of the handlers:
``benchmarks/side_by_side.py`` takes the original's own ratio for them.
"""

import asyncio
import cProfile
import gc
import logging
import os
import random
import statistics
import sys
import time
from pathlib import Path

from benchmarks.peers.predecessor import SYMBOLS, Handlers, its_loop, log

MESSAGES = 10_000
ROUNDS = 5
ORIGINAL = {"as shipped": 61.5, "log off": 42.3, "cProfile off": 26.7, "both off": 22.3, "making alone": 3.9}
OF_BARE = "both off"
OFF_BY = 0.1


def loop_us(*, logs: bool, profiles: bool) -> float:
    """CPU of its loop."""
    log.disabled = not logs
    handlers = Handlers()
    profiler = cProfile.Profile()
    gc.collect()
    if profiles:
        profiler.enable()
    begun = time.process_time()
    asyncio.run(its_loop(handlers, MESSAGES))
    seconds = time.process_time() - begun
    profiler.disable()
    return seconds / MESSAGES * 1e6


def making_us() -> float:
    """CPU of making its messages and doing nothing with them."""
    handlers, draw = Handlers(), random.Random(1)
    gc.collect()
    begun = time.process_time()
    for _ in SYMBOLS:
        handlers.make("quote", draw)
    for _ in range(MESSAGES):
        handlers.make(draw.choice(["match", "match", "foreign", "index"]), draw)
    return (time.process_time() - begun) / MESSAGES * 1e6


def one_round() -> dict[str, float]:
    return {
        "as shipped": loop_us(logs=True, profiles=True),
        "log off": loop_us(logs=False, profiles=True),
        "cProfile off": loop_us(logs=True, profiles=False),
        "both off": loop_us(logs=False, profiles=False),
        "making alone": making_us(),
    }


def main() -> None:
    with Path(os.devnull).open("w") as nowhere:
        logging.basicConfig(level=logging.WARNING, stream=nowhere)
        rounds = [one_round() for _ in range(ROUNDS)]
    print(f"Python {sys.version.split()[0]}, {ROUNDS} rounds in turn, {MESSAGES:,} messages each; medians")
    print(f"  {'':<14} {'µs':>8} {'× both off':>11} {'original':>9} {'ratio':>7}")
    for name, known in ORIGINAL.items():
        us = statistics.median(each[name] for each in rounds)
        share = statistics.median(each[name] / each[OF_BARE] for each in rounds)
        ratio = share / (known / ORIGINAL[OF_BARE])
        said = "" if abs(ratio - 1) <= OFF_BY else f"  off by more than {OFF_BY:.0%}"
        print(f"  {name:<14} {us:8.1f} {share:11.2f} {known / ORIGINAL[OF_BARE]:9.2f} {ratio:7.2f}{said}")


if __name__ == "__main__":
    main()
