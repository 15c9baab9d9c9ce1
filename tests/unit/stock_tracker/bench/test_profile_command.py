"""``stock-tracker bench profile``, as little of it as there is: that it runs and says what it has to, not how fast."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.catalogue import NAMES
from stock_tracker import cli
from stock_tracker.bench import profiling
from stock_tracker.bench.core.calibrating import calibrating_loop
from stock_tracker.bench.core.results import BenchResults, Measured, Unavailable
from stock_tracker.bench.profiling import load_results
from stock_tracker.errors import NotMeasured


def test_a_profile_of_cpu_has_each_stage_and_says_where_it_was_taken(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    shown = CliRunner().invoke(cli.build(), ["bench", "profile", "--mode", "cpu", "-o", str(file), "--smoke"])
    assert shown.exit_code == 0, shown.output
    section = load_results(file).sections["cpu"]
    assert isinstance(section, Measured)
    assert {f"stage_{name}" for name in ("decode", *NAMES, "gateway")} < set(section.figures)
    assert all(figure.values[0] > 0 for figure in section.figures.values())
    assert section.taken.commit
    assert {"Python", "quixstreams"} < set(section.taken.versions)
    (spots,) = section.tables
    assert spots.rows
    assert not any(row.where.startswith("stock_tracker.bench") for row in spots.rows)


def test_what_cannot_be_measured_is_said_and_what_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "results.json"
    profiling.save_results(file, BenchResults(sections={"cpu": Unavailable(reason="for the test")}))
    monkeypatch.setattr(profiling, "is_known", lambda: False)
    told = profiling.profile("archive", file, lambda line: None)
    assert told.sections["archive"] == Unavailable(reason="it needs Linux: what processes use is read from /proc")
    assert load_results(file).sections["cpu"] == Unavailable(reason="for the test")


def test_of_all_one_that_has_no_figures_does_not_take_the_others_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(tell: profiling.Tell, smoke: bool) -> profiling.Sections:
        raise NotMeasured("for the test")

    def stand_in(tell: profiling.Tell, smoke: bool) -> profiling.Sections:
        return {"cpu": Unavailable(reason="stands in for figures")}

    monkeypatch.setattr(profiling, "MEASURES", {"archive": fail, "cpu": stand_in})
    file = tmp_path / "results.json"
    profiling.profile("all", file, lambda line: None)
    told = load_results(file).sections
    assert set(told) == {"archive", "cpu", "side_by_side"}
    assert isinstance(told["archive"], Unavailable)
    assert "for the test" in told["archive"].reason
    with pytest.raises(NotMeasured):
        profiling.profile("archive", file, lambda line: None)


def test_a_mode_that_is_none_is_a_wrong_command_line(tmp_path: Path) -> None:
    shown = CliRunner().invoke(cli.build(), ["bench", "profile", "--mode", "gpu", "-o", str(tmp_path / "results.json")])
    assert shown.exit_code == 2


def test_the_calibrating_loop_never_changes() -> None:
    """All thresholds and baselines are in its terms: whoever changes it gives it another number, and makes them anew."""
    assert calibrating_loop() == calibrating_loop()
