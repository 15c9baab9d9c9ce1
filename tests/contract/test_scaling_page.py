"""docs/scaling.md says what the commands print that it names."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text()


@pytest.mark.parametrize("command", ["bench_skew.py", "reckon_scale.py"])
def test_what_is_reckoned_is_on_the_page(command: str) -> None:
    said = subprocess.run([sys.executable, f"benchmarks/{command}"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"benchmarks/{command}" in PAGE
    assert said.strip() in PAGE
