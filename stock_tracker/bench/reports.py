"""What ``stock-tracker bench report`` does: reads results, thresholds and a baseline, writes the report and its charts."""

from pathlib import Path
from typing import Final

from stock_tracker.bench.core.judging import Judgement, judge
from stock_tracker.bench.core.reporting import charts_of, report
from stock_tracker.bench.core.thresholds import BenchThresholds, WrongThresholds, read_thresholds
from stock_tracker.bench.profiling import load_results
from stock_tracker.errors import ThresholdsUnusable
from stock_tracker.home import REPOSITORY

_IN_A_CLONE: Final = REPOSITORY / "benchmarks" / "thresholds.toml"
_IN_A_WHEEL: Final = Path(__file__).parent / "thresholds.toml"
"""The same file: pyproject.toml has it copied."""


def write_report(results: Path, output: Path, baseline: Path | None, thresholds: Path | None) -> Judgement:
    """Judge results, and write the report; its charts go into a folder beside it that is named like it.

    Args:
        results: What ``bench profile`` has written.
        output: The report, Markdown.
        baseline: Earlier results to compare with.
        thresholds: What figures have to reach; None for those of this release.

    Raises:
        ResultsUnusable: Results or baseline are no results.
        ThresholdsUnusable: The thresholds are none.
    """
    measured = load_results(results)
    before = None if baseline is None else load_results(baseline)
    marks = load_thresholds(thresholds)
    judgement = judge(measured, marks, before)
    charts = charts_of(judgement, before, marks)
    folder = output.with_suffix("")
    output.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.svg"):
        if stale.name not in charts:
            stale.unlink()
    for name, svg in charts.items():
        (folder / name).write_text(svg, encoding="utf-8")
    output.write_text(report(measured, judgement, marks, charts, folder.name, before), encoding="utf-8")
    return judgement


def load_thresholds(file: Path | None) -> BenchThresholds:
    """The thresholds in ``file``, or those of this release.

    Raises:
        ThresholdsUnusable: It cannot be read, or something in it is wrong.
    """
    file = file or (_IN_A_CLONE if _IN_A_CLONE.is_file() else _IN_A_WHEEL)
    try:
        return read_thresholds(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ThresholdsUnusable(file, [str(error)]) from error
    except WrongThresholds as error:
        raise ThresholdsUnusable(file, error.problems) from error
