"""What targets of the Makefile do to the machine that they run on."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_temporary_folder_with_a_space_in_its_name_costs_nobody_a_folder(tmp_path: Path) -> None:
    """Programs that do nothing stand in for ours: what is looked at is what make itself removes."""
    strangers = tmp_path / "some"
    strangers.mkdir()
    temporary = tmp_path / "some folder"
    temporary.mkdir()
    programs, said = tmp_path / "bin", tmp_path / "said"
    programs.mkdir()
    for name in ("stock-tracker", "pytest"):
        (programs / name).write_text(f'#!/bin/sh\necho "$STOCK_TRACKER_CACHE" >> "{said}"\n')
        (programs / name).chmod(0o755)
    subprocess.run(
        ["make", "--assume-old", ".venv/.ready", "test-no-java", f"BIN={programs}"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        check=True,
        capture_output=True,
    )
    assert strangers.is_dir()
    first, second = said.read_text().splitlines()
    assert first == second
    assert Path(first).is_relative_to(temporary)
    assert list(temporary.iterdir()) == []


def test_what_python_compiles_is_kept_whatever_the_machine_s_image_says(tmp_path: Path) -> None:
    """A program that says what it was told stands in for pytest."""
    program, said = tmp_path / "pytest", tmp_path / "said"
    program.write_text(f'#!/bin/sh\nenv > "{said}"\n')
    program.chmod(0o755)
    subprocess.run(
        ["make", "--assume-old", ".venv/.ready", "quick", f"BIN={tmp_path}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
    )
    told = dict(line.split("=", 1) for line in said.read_text().splitlines() if "=" in line)
    assert "PATH" in told
    assert "PYTHONDONTWRITEBYTECODE" not in told
