"""``stock-tracker bench report``: what it writes, says and exits with."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from stock_tracker import cli
from stock_tracker.bench.core.results import BenchResults
from stock_tracker.bench.profiling import save_results
from stock_tracker.bench.reports import load_thresholds
from stock_tracker.errors import ResultsUnusable, ThresholdsUnusable
from tests.unit.stock_tracker.bench.results_of import a_figure, results

MARKS = """
loop = 1
reference_loop_us = 1000
noise.usual = 0.1
[[threshold]]
section = "cpu"
figure = "it"
target = 2
limit = 3
why = "for the test"
"""


class Bench:
    """Files in a folder, and the command."""

    def __init__(self, folder: Path) -> None:
        self.results, self.baseline, self.marks = folder / "results.json", folder / "before.json", folder / "marks.toml"
        self.output = folder / "out" / "report.md"
        self.marks.write_text(MARKS)

    def report(self, given: BenchResults, before: BenchResults | None = None) -> tuple[int, str, str]:
        """Exit code, what it said, and what it wrote."""
        save_results(self.results, given)
        words = ["bench", "report", str(self.results), "-o", str(self.output), "--thresholds", str(self.marks)]
        if before is not None:
            save_results(self.baseline, before)
            words += ["--baseline", str(self.baseline)]
        shown = CliRunner().invoke(cli.build(), words)
        return shown.exit_code, shown.stdout, self.output.read_text()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_passes_exits_0_and_what_fails_1(bench: Bench) -> None:
    code, said, _ = bench.report(results({"it": a_figure(1)}))
    assert (code, said.splitlines()[0]) == (0, "PASS: 1 pass, 0 warn, 0 fail")
    code, said, written = bench.report(results({"it": a_figure(4)}))
    assert code == 1
    assert "cpu.it: fail: 4.00 ms (target 2.00, limit 3.00)" in said
    assert re.search(r"\| it \| 4.00 ms \| 4.00 \| 2.00 / 3.00 \| \*\*FAIL\*\* \|", written)
    assert bench.report(results({"it": a_figure(2.5)}))[0] == 0


def test_a_missing_section_is_said_and_fails(bench: Bench) -> None:
    code, said, written = bench.report(results({"it": a_figure(1)}, whole=False))
    assert code == 1
    assert "memory: missing" in said
    assert "**MISSING**" in written


def test_two_runs_alike_are_no_change_and_a_slower_one_is_worse(bench: Bench) -> None:
    before = results({"it": a_figure(1.0, 1.02, 1.04)})
    code, said, written = bench.report(results({"it": a_figure(1.03, 1.0, 1.05)}), before)
    assert code == 0
    assert "of 6 compared figures 6 no change" in said
    assert "no change" in written
    code, said, written = bench.report(results({"it": a_figure(1.5, 1.5, 1.5)}), before)
    assert (code, said.splitlines()[0][:4]) == (0, "WARN")
    assert "cpu.it: worse: 1.47 x the baseline" in said
    assert "**worse**" in written


def test_figures_of_one_unit_have_a_chart(bench: Bench) -> None:
    figures = {"it": a_figure(1, 2), "<other> & more": a_figure(3), "alone": a_figure(5, unit="MB")}
    _, _, written = bench.report(results(figures), results(figures))
    (chart,) = (bench.output.with_suffix("")).glob("*.svg")
    assert f"(report/{chart.name})" in written
    texts = [element.text for element in ElementTree.fromstring(chart.read_text()).iter("{http://www.w3.org/2000/svg}text")]
    assert "<other> & more" in texts
    assert "alone" not in texts


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "the file: Invalid JSON"),
        ('{"format": 2, "sections": {}}', "format"),
        ('{"sections": {"gpu": {"kind": "unavailable", "reason": "none"}}}', "sections.gpu"),
        ('{"sections": {"cpu": {"kind": "unavailable", "reason": ""}}}', "sections.cpu"),
        ('{"sections": {"cpu": {"kind": "measured"}}}', "sections.cpu.measured.figures: Field required"),
    ],
)
def test_a_broken_file_is_an_error_that_says_where(bench: Bench, text: str, says: str) -> None:
    bench.results.write_text(text)
    shown = CliRunner().invoke(cli.build(), ["bench", "report", str(bench.results), "-o", str(bench.output)])
    assert isinstance(shown.exception, ResultsUnusable)
    assert says in str(shown.exception)
    assert not bench.output.exists()


def test_a_figure_that_scales_needs_its_loops(bench: Bench) -> None:
    save_results(bench.results, results({"it": a_figure(1, 2, scales="time")}))
    broken = json.loads(bench.results.read_text())
    broken["sections"]["cpu"]["figures"]["it"]["loops"] = [1]
    bench.results.write_text(json.dumps(broken))
    shown = CliRunner().invoke(cli.build(), ["bench", "report", str(bench.results), "-o", str(bench.output)])
    assert isinstance(shown.exception, ResultsUnusable)
    assert "calibrating loop" in str(shown.exception)


def test_thresholds_that_are_not_there_are_an_error(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ThresholdsUnusable):
        load_thresholds(tmp_path / "none.toml")


def test_the_thresholds_of_this_release_can_be_used() -> None:
    assert load_thresholds(None).threshold
