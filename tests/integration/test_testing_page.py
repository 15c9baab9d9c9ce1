"""docs/testing.md, command by command, in a folder with nothing in it.

CI runs, in this process, the page's commands that work on files: what the others show is in ``test_replay`` and ``test_plugin``.
``make prove-plugin`` builds the wheel, and does all of it in an environment with nothing but that and pytest.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stock_tracker import cli
from tests.make_days import DAYS
from tests.proof import PROVING

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "testing.md"
_BLOCK = re.compile(r"^```(sh|python (\S+))\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps() -> Iterator[tuple[str | None, str]]:
    """What the page has its reader do, in order: the name and the text of a file, or None and commands."""
    for match in _BLOCK.finditer(PAGE.read_text()):
        yield match[2], match[3]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the commands of the environment that the page is tried in."""
    folder, uv = tmp_path_factory.mktemp("wheel"), str(ROOT / ".bootstrap" / "bin" / "uv")
    # What is in the way of an empty environment: that of the tests.
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    for command in (
        [uv, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)],
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
    ):
        subprocess.run(command, env=environ, check=True)
    (wheel,) = folder.glob("*.whl")
    locked = ["--constraint", str(ROOT / "requirements.lock")]
    python = ["--python", str(folder / "venv" / "bin" / "python")]
    subprocess.run([uv, "pip", "install", "--quiet", *python, *locked, f"{wheel}[testing]"], env=environ, check=True)
    return folder / "venv" / "bin"


def run(commands: str, folder: Path, programs: Path, **environ: str) -> str:
    """Run commands as the page's reader would, from ``folder``; what they print. Each of them must succeed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON", "PROVE"))}
    done = subprocess.run(
        ["bash", "-euxc", commands],
        cwd=folder,
        env={**kept, "PATH": f"{programs}:{os.environ['PATH']}", "XDG_DATA_HOME": str(folder / "data"), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_commands_of_the_page_cut_an_incident_out_of_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").mkdir()
    shutil.copy(DAYS / "hostile.jsonl.zst", "morning.jsonl.zst")
    lines = [line for name, text in steps() if name is None for line in text.splitlines()]
    on_files = [line for line in lines if re.match("stock-tracker (fixture|golden) ", line) and "--broker" not in line]
    said = ""
    for command in (shlex.split(line)[1:] for line in on_files):
        arguments, into = (command[:-2], command[-1]) if ">" in command else (command, None)
        done = CliRunner().invoke(cli.build(), arguments)
        assert done.exit_code == 0, f"{command}: {done.output} {done.exception}"
        if into is None:
            said += done.output
        else:
            (tmp_path / into).write_text(done.output)
    assert "nothing is wrong with it" in said
    assert said.count("as in the golden: ") == 1
    incident = tmp_path / "tests" / "incident.jsonl.zst"
    assert incident.stat().st_size < 100_000
    told = [json.loads(line) for line in (tmp_path / "incident.lines.jsonl").read_text().splitlines()]
    assert {line["symbol"] for line in told if line["kind"] == "trade"} == {"ACB", "41I1GC000"}
    assert {line["partition"] for line in told} == {0, 1, 2}


@pytest.mark.kafka
@pytest.mark.skipif(not PROVING, reason="make prove-plugin")
def test_an_incident_becomes_a_test_as_the_page_says(kafka: str, topics: str, tmp_path: Path, programs: Path) -> None:
    here = {"KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": topics}
    run(f"stock-tracker replay '{DAYS / 'hostile.jsonl.zst'}' --topic-prefix {topics}", tmp_path, programs, **here)
    said = ""
    for name, text in steps():
        if name is None:
            said += run(text, tmp_path, programs, **here)
        else:
            (tmp_path / name).write_text(text)
    incident = tmp_path / "tests" / "incident.jsonl.zst"
    assert re.search(r"09:17:00 to 09:20:\d\d", said)
    assert "nothing is wrong with it" in said
    assert said.count("as in the golden: ") == 2
    assert said.count("1 passed") == 3
    assert incident.stat().st_size < 100_000
    lines = [json.loads(line) for line in (tmp_path / "incident.lines.jsonl").read_text().splitlines()]
    # The day was written in one go, which mixes the partitions: none of them may be missing for that.
    assert {line["symbol"] for line in lines if line["kind"] == "trade"} == {"ACB", "41I1GC000"}
    assert {line["partition"] for line in lines} == {0, 1, 2}

    # The test that the reader now has does find a change.
    golden = incident.with_name("incident.golden.jsonl.zst")
    golden.write_bytes((DAYS / "quiet.golden.jsonl.zst").read_bytes())
    with pytest.raises(AssertionError, match="messages are not as in the golden"):
        run("pytest tests/test_incident.py", tmp_path, programs, **here)
    # The wheel brings what a local Kafka is made from.
    run("pytest tests/test_services.py", tmp_path, programs, KAFKA_BOOTSTRAP="")
