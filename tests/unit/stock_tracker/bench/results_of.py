"""Results to judge, without measuring any."""

from collections.abc import Mapping
from typing import Any

from stock_tracker.bench.core.results import SECTIONS, BenchFigure, BenchResults, MachineSeen, Measured, Taken
from stock_tracker.bench.core.thresholds import BenchThresholds, FigureThreshold, Noise

LOOP_US = 1_000.0


def taken() -> Taken:
    machine = MachineSeen(system="Linux x86_64", processors=2, load_before=0.1)
    return Taken(at="2026-11-20T03:00:00+00:00", seconds=12.0, commit="abc", machine=machine, versions={"Python": "3.12"})


def a_figure(*values: float, loop: float = LOOP_US, scales: str = "none", better: str = "lower", unit: str = "ms") -> BenchFigure:
    loops = [loop] * len(values) if scales != "none" else []
    given: dict[str, Any] = {"unit": unit, "values": list(values), "loops": loops, "scales": scales, "better": better}
    return BenchFigure.model_validate(given)


def results(figures: Mapping[str, BenchFigure], section: str = "cpu", *, whole: bool = True) -> BenchResults:
    """Figures in one section, and in the others one that says nothing."""
    names = SECTIONS if whole else (section,)
    sections = {
        name: Measured(
            taken=taken(), load="…", figures=dict(figures) if name == section else {"count": a_figure(1, better="neither")}
        )
        for name in names
    }
    return BenchResults.model_validate({"sections": sections})


def thresholds(*marks: FigureThreshold, noise: float = 0.1) -> BenchThresholds:
    marks = marks or (FigureThreshold(section="cpu", figure="count", target=9, limit=9, why="…"),)
    return BenchThresholds(loop=1, reference_loop_us=LOOP_US, noise=Noise(usual=noise), threshold=list(marks))


def mark(figure: str, target: float, limit: float, section: str = "cpu") -> FigureThreshold:
    return FigureThreshold.model_validate({"section": section, "figure": figure, "target": target, "limit": limit, "why": "…"})
