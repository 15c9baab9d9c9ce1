"""Judges results: each figure by its thresholds, and its change against a baseline by what noise there is. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Literal

from stock_tracker.bench.core.results import SECTIONS, BenchFigure, BenchResults, Measured, SectionName, Unavailable
from stock_tracker.bench.core.thresholds import BenchThresholds, FigureThreshold

Verdict = Literal["pass", "warn", "fail", "not judged"]
Change = Literal["no change", "better", "worse", "changed", "no baseline"]


@dataclass(frozen=True)
class JudgedFigure:
    """A figure, and what is said of it."""

    section: SectionName
    name: str
    figure: BenchFigure
    value: float
    """The median of its rounds, as it was measured."""
    judged: float
    """The same as on the machine that the thresholds are written for."""
    verdict: Verdict
    threshold: FigureThreshold | None
    change: Change
    ratio: float | None
    """``judged`` over the baseline's; None without one."""
    bound: float | None
    """A ratio between ``1 / (1 + bound)`` and ``1 + bound`` is noise."""


@dataclass(frozen=True)
class AbsentSection:
    """A section without figures."""

    name: SectionName
    reason: str
    """Why; empty where the profile does not have it at all."""

    @property
    def verdict(self) -> Verdict:
        """What is missing fails, what could not be measured is a warning: neither may pass for good."""
        return "warn" if self.reason else "fail"


@dataclass(frozen=True)
class Judgement:
    """What is said of results."""

    figures: list[JudgedFigure]
    absent: list[AbsentSection]
    unmet: list[FigureThreshold]
    """Thresholds of sections that were measured, without a figure of that name: a figure went missing."""

    @property
    def verdict(self) -> Verdict:
        """The worst of all; a figure that became worse than its baseline is a warning."""
        said: set[Verdict] = {figure.verdict for figure in self.figures} | {one.verdict for one in self.absent}
        if "fail" in said or self.unmet:
            return "fail"
        return "warn" if "warn" in said or any(figure.change == "worse" for figure in self.figures) else "pass"


def judge(results: BenchResults, thresholds: BenchThresholds, baseline: BenchResults | None) -> Judgement:
    """Judge all figures of ``results``, and look for what is not there."""
    figures: list[JudgedFigure] = []
    absent: list[AbsentSection] = []
    for name in SECTIONS:
        section = results.sections.get(name)
        if isinstance(section, Measured):
            figures += [
                _judged(name, called, figure, thresholds, _figure_of(baseline, name, called))
                for called, figure in section.figures.items()
            ]
        else:
            absent.append(AbsentSection(name, section.reason if isinstance(section, Unavailable) else ""))
    unmet = [
        threshold
        for threshold in thresholds.threshold
        if isinstance(section := results.sections.get(threshold.section), Measured)
        and not any(_is_for(threshold, called) for called in section.figures)
    ]
    return Judgement(figures, absent, unmet)


def scaled(figure: BenchFigure, reference_loop_us: float) -> list[float]:
    """Its values as on a machine whose calibrating loop takes ``reference_loop_us``."""
    if figure.scales == "none":
        return list(figure.values)
    factors = (reference_loop_us / loop for loop in figure.loops)
    if figure.scales == "rate":
        factors = (1 / factor for factor in factors)
    return [value * factor for value, factor in zip(figure.values, factors, strict=True)]


def _judged(
    section: SectionName, name: str, figure: BenchFigure, thresholds: BenchThresholds, before: BenchFigure | None
) -> JudgedFigure:
    values = scaled(figure, thresholds.reference_loop_us)
    judged = median(values)
    threshold = next((one for one in thresholds.threshold if one.section == section and _is_for(one, name)), None)
    change, ratio, bound = _compared(values, before, figure, thresholds, f"{section}.{name}")
    return JudgedFigure(
        section, name, figure, median(figure.values), judged, _verdict(judged, figure, threshold), threshold, change, ratio, bound
    )


def _is_for(threshold: FigureThreshold, name: str) -> bool:
    if threshold.figure.endswith("*"):
        return name.startswith(threshold.figure[:-1])
    return name == threshold.figure


def _verdict(judged: float, figure: BenchFigure, threshold: FigureThreshold | None) -> Verdict:
    if threshold is None:
        return "not judged"
    sign = -1 if figure.better == "higher" else 1
    if sign * judged <= sign * threshold.target:
        return "pass"
    return "warn" if sign * judged <= sign * threshold.limit else "fail"


def _compared(
    values: list[float], before: BenchFigure | None, figure: BenchFigure, thresholds: BenchThresholds, name: str
) -> tuple[Change, float | None, float | None]:
    if before is None or before.unit != figure.unit or before.scales != figure.scales:
        return "no baseline", None, None
    old = scaled(before, thresholds.reference_loop_us)
    # The rounds of either run show how far a figure strays by itself; two or three of them show too little of it.
    bound = thresholds.noise.of(name) + max(_spread(values), _spread(old))
    new_median, old_median = median(values), median(old)
    if new_median <= 0 or old_median <= 0:
        # Of a figure that can be nothing there is no ratio.
        same = abs(new_median - old_median) <= bound
        return ("no change" if same else "changed"), None, bound
    ratio = new_median / old_median
    if 1 / (1 + bound) <= ratio <= 1 + bound:
        return "no change", ratio, bound
    if figure.better == "neither":
        return "changed", ratio, bound
    return ("better" if (ratio < 1) == (figure.better == "lower") else "worse"), ratio, bound


def _spread(values: list[float]) -> float:
    """How far the rounds lie apart, as a part of their median."""
    middle = median(values)
    return (max(values) - min(values)) / middle / 2 if middle > 0 else 0.0


def _figure_of(results: BenchResults | None, section: SectionName, name: str) -> BenchFigure | None:
    found = results.sections.get(section) if results is not None else None
    return found.figures.get(name) if isinstance(found, Measured) else None


def of_section(judgement: Judgement, name: str) -> Iterator[JudgedFigure]:
    """The figures of one section, in their order."""
    return (figure for figure in judgement.figures if figure.section == name)
