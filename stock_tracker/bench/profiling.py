"""What ``stock-tracker bench profile`` does: measures what was asked for, and writes the file after each section."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Final, Literal

from stock_tracker.bench.core.charts import number
from stock_tracker.bench.core.results import BenchResults, Measured, SectionName, Unavailable, WrongResults, read_results
from stock_tracker.bench.machine import folder_of_run
from stock_tracker.bench.usage import is_known
from stock_tracker.errors import ResultsUnusable, StockTrackerError
from stock_tracker.lean_quix import without_unused_clients

Mode = Literal["cpu", "memory", "asyncio", "archive", "all"]
MODES: Final = ("cpu", "memory", "asyncio", "archive", "all")
Tell = Callable[[str], None]
_NO_PROC: Final = "it needs Linux: what processes use is read from /proc"
_NO_CHDB: Final = "it needs the embedded ClickHouse: pip install chdb"
_SIDE_BY_SIDE: Final = "it needs a clone: `python benchmarks/side_by_side.py FILE` adds it"


Sections = dict[SectionName, Measured | Unavailable]


def profile(mode: Mode, file: Path, tell: Tell, *, smoke: bool = False) -> BenchResults:
    """Measure ``mode``, put it into ``file``, and return it; other sections that are there stay, but ``all`` begins anew.

    Args:
        mode: What to measure. ``asyncio`` also brings the way of a tick to a client, which is the same run.
        file: The results.
        tell: Takes a line for each thing that a person should know.
        smoke: Whether as little as possible is measured: the figures are good for nothing, but everything has run.

    Raises:
        ResultsUnusable: The file is there, and is no results.
        StockTrackerError: Something did not come up.
    """
    results = BenchResults(sections={}) if mode == "all" or not file.exists() else load_results(file)
    measured: Sections = {}
    for name, measure in MEASURES.items():
        if mode not in (name, "all"):
            continue
        try:
            sections = _absent(name, reason) if (reason := why_not(name)) else measure(tell, smoke)
        except StockTrackerError as error:
            # Of `all` one that cannot be had does not take the others with it; whoever asks for one wants to know.
            if mode != "all":
                raise
            sections = _absent(name, f"{error} {error.remedy}")
        for called, section in sections.items():
            if isinstance(section, Unavailable):
                tell(f"{called}: not measured: {section.reason}")
            results = results.with_section(called, section)
        measured |= sections
        save_results(file, results)
    if mode == "all":
        save_results(file, results.with_section("side_by_side", Unavailable(reason=_SIDE_BY_SIDE)))
    return BenchResults(sections=measured)


def _cpu(tell: Tell, smoke: bool) -> Sections:
    with without_unused_clients():
        from stock_tracker.bench import cpu

    return {"cpu": cpu.measure(tell, 2_000, 1) if smoke else cpu.measure(tell)}


def _archive(tell: Tell, smoke: bool) -> Sections:
    from stock_tracker.bench import archive

    with folder_of_run() as home:
        return {"archive": archive.measure(home, tell, archive.BATCH if smoke else archive.ROWS)}


def _asyncio(tell: Tell, smoke: bool) -> Sections:
    from stock_tracker.bench import loaded

    with folder_of_run() as home:
        both = asyncio.run(loaded.measure(home, tell, 3.0 if smoke else loaded.SECONDS))
    return {"asyncio": both.asyncio, "end_to_end": both.end_to_end}


def _memory(tell: Tell, smoke: bool) -> Sections:
    with without_unused_clients():
        from stock_tracker.bench import memory

    with folder_of_run() as home:
        return {"memory": asyncio.run(memory.measure(home, tell, day_s=5.0 if smoke else None))}


MEASURES: Final[dict[Mode, Callable[[Tell, bool], Sections]]] = {
    "cpu": _cpu,
    "archive": _archive,
    "asyncio": _asyncio,
    "memory": _memory,
}
"""What each mode measures, in the order of ``all``."""


def _absent(mode: Mode, reason: str) -> Sections:
    names: tuple[SectionName, ...] = ("asyncio", "end_to_end") if mode == "asyncio" else (mode,)  # type: ignore[assignment]
    return {name: Unavailable(reason=reason) for name in names}


def why_not(mode: Mode) -> str:
    """Why something cannot be measured on this machine; empty when it can, as far as can be seen beforehand."""
    if mode == "cpu":
        return ""
    if not is_known():
        return _NO_PROC
    return "" if find_spec("chdb") else _NO_CHDB


def load_results(file: Path) -> BenchResults:
    """The results in ``file``.

    Raises:
        ResultsUnusable: It cannot be read, or is something else.
    """
    try:
        return read_results(file.read_bytes())
    except OSError as error:
        raise ResultsUnusable(file, [error.strerror or str(error)]) from error
    except WrongResults as error:
        raise ResultsUnusable(file, error.problems) from error


def save_results(file: Path, results: BenchResults) -> None:
    """Write them, whole or not at all."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        partial.write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def show(results: BenchResults) -> None:
    """Print what was measured, for whoever sits at the terminal."""
    for name, section in results.sections.items():
        if isinstance(section, Unavailable):
            print(f"{name}: not measured: {section.reason}")
            continue
        print(f"{name}: {section.load}")
        for called, figure in section.figures.items():
            print(f"  {called:<32} {number(median(figure.values)):>10} {figure.unit}")
        for table in section.tables:
            print(f"  {table.title} ({table.unit}):")
            for row in table.rows:
                print(f"    {row.share:5.1%} {row.amount:10,.1f}  {row.where}")
    sys.stdout.flush()
