"""Writes the report of a profile as Markdown, with a chart for each unit of each section. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Final

from stock_tracker.bench.core.charts import ChartBar, chart, number
from stock_tracker.bench.core.judging import JudgedFigure, Judgement, of_section, scaled
from stock_tracker.bench.core.results import SECTIONS, BenchResults, Measured, Taken
from stock_tracker.bench.core.thresholds import BenchThresholds

_TITLES: Final = {
    "cpu": "CPU by stage, without a broker",
    "memory": "Memory of every process over a replayed day",
    "asyncio": "Event loops while loaded",
    "archive": "The archive: inserts and queries",
    "end_to_end": "From a tick to a client",
    "side_by_side": "The whole system beside the predecessor's bare handlers",
}
_SAID: Final = {"pass": "pass", "warn": "**warn**", "fail": "**FAIL**", "not judged": ""}


def charts_of(judgement: Judgement, baseline: BenchResults | None, thresholds: BenchThresholds) -> dict[str, str]:
    """The charts by the name of their file: figures of one section and one unit beside one another, as they were judged."""
    made: dict[str, str] = {}
    for name in SECTIONS:
        by_unit: dict[str, list[JudgedFigure]] = defaultdict(list)
        for figure in of_section(judgement, name):
            by_unit[figure.figure.unit].append(figure)
        for place, (unit, figures) in enumerate(by_unit.items()):
            if len(figures) > 1:
                bars = [_bar(figure, baseline, thresholds) for figure in figures]
                made[f"{name}-{place}.svg"] = chart(_TITLES[name], unit, bars)
    return made


def report(
    results: BenchResults,
    judgement: Judgement,
    thresholds: BenchThresholds,
    charts: Mapping[str, str],
    folder: str,
    baseline: BenchResults | None,
) -> str:
    """The report.

    Args:
        results: What was measured.
        judgement: What is said of it.
        thresholds: By which it was judged.
        charts: By file name.
        folder: Where these are, as seen from the report.
        baseline: What it was compared with.
    """
    return "\n".join(_lines(results, judgement, thresholds, charts, folder, baseline)) + "\n"


def _lines(
    results: BenchResults,
    judgement: Judgement,
    thresholds: BenchThresholds,
    charts: Mapping[str, str],
    folder: str,
    baseline: BenchResults | None,
) -> Iterator[str]:
    yield "# Benchmark results"
    yield ""
    yield "Written by `stock-tracker bench report`; [benchmarks.md](benchmarks.md) says how to read it, and how to make it anew."
    yield ""
    yield f"**{judgement.verdict.upper()}**: {_counts(judgement)}."
    yield ""
    yield (
        f"*Judged* is the median of the rounds as on a machine whose calibrating loop takes {thresholds.reference_loop_us:g} µs "
        "of CPU: machines differ more than releases do. Ratios, counts and sizes are judged as they are."
    )
    if baseline is not None:
        yield ""
        yield f"Compared with {_commits(baseline)}. A change within its bounds is noise, and called no change."
    for one in judgement.absent:
        yield ""
        yield f"## {_TITLES[one.name]}"
        yield ""
        yield f"**Not measured**: {one.reason}" if one.reason else "**MISSING**: the results have no such section."
    for name in SECTIONS:
        section = results.sections.get(name)
        if isinstance(section, Measured):
            yield ""
            yield f"## {_TITLES[name]}"
            yield ""
            yield section.load
            yield ""
            yield _taken(section.taken)
            yield ""
            yield from _table(judgement, name)
            for file in charts:
                if file.startswith(f"{name}-"):
                    yield ""
                    yield f"![{_TITLES[name]}]({folder}/{file})"
            for table in section.tables:
                yield ""
                yield f"| {table.title} | {table.unit} | share |"
                yield "|---|---:|---:|"
                for row in table.rows:
                    yield f"| `{row.where}` | {number(row.amount)} | {row.share:.0%} |"
    if judgement.unmet:
        yield ""
        yield "## Figures that have a threshold and are not there"
        yield ""
        for threshold in judgement.unmet:
            yield f"- **FAIL**: {threshold.section}, {threshold.figure}"


def _table(judgement: Judgement, name: str) -> Iterator[str]:
    yield "| figure | measured (min … max) | judged | target / limit | | beside the baseline (bounds) | |"
    yield "|---|---:|---:|---:|---|---:|---|"
    for one in of_section(judgement, name):
        values, threshold = one.figure.values, one.threshold
        spread = f" ({number(min(values))} … {number(max(values))})" if len(values) > 1 else ""
        marks = f"{number(threshold.target)} / {number(threshold.limit)}" if threshold else ""
        ratio = f"{one.ratio:.2f} ×" if one.ratio is not None else ""
        bounds = f" ({1 / (1 + one.bound):.2f} … {1 + one.bound:.2f})" if one.bound is not None and one.ratio is not None else ""
        change = "" if one.change == "no baseline" else f"**{one.change}**" if one.change == "worse" else one.change
        measured = f"{number(one.value)} {one.figure.unit}{spread}"
        yield f"| {one.name} | {measured} | {number(one.judged)} | {marks} | {_SAID[one.verdict]} | {ratio}{bounds} | {change} |"


def _bar(one: JudgedFigure, baseline: BenchResults | None, thresholds: BenchThresholds) -> ChartBar:
    values = scaled(one.figure, thresholds.reference_loop_us)
    before = None
    if baseline is not None and one.change != "no baseline":
        section = baseline.sections[one.section]
        if isinstance(section, Measured):
            before = median(scaled(section.figures[one.name], thresholds.reference_loop_us))
    return ChartBar(one.name, one.judged, min(values), max(values), before)


def _counts(judgement: Judgement) -> str:
    said = [figure.verdict for figure in judgement.figures]
    words = [f"{said.count('pass')} pass, {said.count('warn')} warn, {said.count('fail')} fail"]
    missing = [one.name for one in judgement.absent if not one.reason]
    if missing:
        words.append(f"missing: {', '.join(missing)}")
    compared = [figure for figure in judgement.figures if figure.change != "no baseline"]
    if compared:
        changes = [figure.change for figure in compared]
        changed = f"{changes.count('better')} better, {changes.count('worse')} worse, {changes.count('changed')} changed"
        words.append(f"of {len(compared)} compared figures {changes.count('no change')} no change, {changed}")
    return "; ".join(words)


def _commits(results: BenchResults) -> str:
    commits = sorted({section.taken.commit for section in results.sections.values() if isinstance(section, Measured)})
    return ", ".join(commits) or "nothing"


def _taken(taken: Taken) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in taken.versions.items())
    machine = taken.machine
    return (
        f"Commit {taken.commit}, {taken.at}, {taken.seconds:.0f} s; {machine.system}, {machine.processors} processors, "
        f"load {machine.load_before:g} before; {versions}."
    )


def sentences(judgement: Judgement) -> Iterator[str]:
    """What a terminal is told: the verdict, what is wrong, and what changed."""
    yield f"{judgement.verdict.upper()}: {_counts(judgement)}"
    for one in judgement.absent:
        yield f"  {one.name}: " + (f"not measured: {one.reason}" if one.reason else "missing")
    for threshold in judgement.unmet:
        yield f"  {threshold.section}.{threshold.figure}: has a threshold and is missing"
    for figure in judgement.figures:
        if figure.verdict in ("warn", "fail") and figure.threshold:
            marks = f"target {number(figure.threshold.target)}, limit {number(figure.threshold.limit)}"
            yield f"  {figure.section}.{figure.name}: {figure.verdict}: {number(figure.judged)} {figure.figure.unit} ({marks})"
    for figure in judgement.figures:
        if figure.change in ("better", "worse", "changed") and figure.ratio is not None and figure.bound is not None:
            bounds = f"{1 / (1 + figure.bound):.2f} … {1 + figure.bound:.2f}"
            yield f"  {figure.section}.{figure.name}: {figure.change}: {figure.ratio:.2f} x the baseline (bounds {bounds})"
