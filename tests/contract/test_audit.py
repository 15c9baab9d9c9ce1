"""How `make audit` ends, with a program that stands in for pip-audit."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUN = Path(__file__).parents[2] / "infra" / "audit" / "run"
CLEAN = [{"name": "aiohttp", "version": "3.0", "vulns": []}]
BAD = [{"name": "aiohttp", "version": "3.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1"]}]}]


def audit(tmp_path: Path, answers: dict[str, list[Any]]) -> subprocess.CompletedProcess[str]:
    """Run it where the services ``answers`` answer with these packages, and no other."""
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    stand_in = tmp_path / "pip_audit.py"
    stand_in.write_text(
        "import json, pathlib, sys\n"
        "said = dict(zip(sys.argv, sys.argv[1:]))\n"
        f"answers = json.loads(pathlib.Path({str(tmp_path / 'answers.json')!r}).read_text())\n"
        "service = said['--vulnerability-service']\n"
        "if service not in answers: sys.exit(f'no way to {service}')\n"
        "pathlib.Path(said['--output']).write_text(json.dumps({'dependencies': answers[service]}))\n"
        "sys.exit(any(package['vulns'] for package in answers[service]))\n"
    )
    command = [sys.executable, str(RUN), sys.executable, str(stand_in)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_clean_ends_with_0(tmp_path: Path) -> None:
    ended = audit(tmp_path, {"pypi": CLEAN})
    assert (ended.returncode, ended.stdout) == (0, "1 packages, 0 known vulnerabilities, by the list of https://pypi.org\n")


@pytest.mark.parametrize("service", ["pypi", "osv"])
def test_a_finding_ends_with_1_and_says_what_mends_it_whoever_knows_of_it(tmp_path: Path, service: str) -> None:
    ended = audit(tmp_path, {service: BAD})
    assert ended.returncode == 1
    assert ended.stdout.startswith("aiohttp 3.0: PYSEC-1, mended in 3.1\n")


def test_where_nobody_can_be_asked_it_ends_with_2_and_says_what_to_do(tmp_path: Path) -> None:
    ended = audit(tmp_path, {})
    assert ended.returncode == 2
    assert "The list of https://pypi.org cannot be had: no way to pypi" in ended.stderr
    assert "Nothing was audited. Run it where one of these can be reached" in ended.stderr
