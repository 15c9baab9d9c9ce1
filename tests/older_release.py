"""The release before this one, as it was: its code from git, for drills of upgrades and of the way back."""

import base64
import json
import os
import re
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Final, Self

from connectors.fixtures.core.layout import FixtureMessage
from schemas.units import UnixMs

ROOT: Final = Path(__file__).parents[1]
_DUMP: Final = """
import base64, json, sys
from tests.record_release import Recorder, play
recorder = Recorder()
play(recorder)
for written in recorder.written:
    said = written.said
    value = base64.b64encode(said.value).decode()
    print(json.dumps([said.topic.name, said.partition, said.offset, written.at_ms, said.key, value]))
"""
"""What the older release's own connector and pipelines write in half an hour, told by its own tests."""


class OlderRelease:
    """The last commit before ``pyproject.toml`` got the version that it has now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = Path(sys.executable)
        self.version = ""

    @classmethod
    def unpacked_in(cls, folder: Path) -> Self:
        """Take it out of git; it runs with the libraries of this release, which does for folds."""
        folder.mkdir(parents=True)
        this = _git("log", "-n", "1", "--format=%H", "-G", "^version = ", "--", "pyproject.toml").strip()
        archive = subprocess.run(["git", "archive", f"{this}^"], cwd=ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        release = cls(folder)
        found = re.search(r'^version = "(.+)"', (folder / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
        assert found is not None
        release.version = found[1]
        return release

    def half_hour(self) -> list[FixtureMessage]:
        """All messages of half an hour of a seeded morning with an outage: what it reads, and what it makes of that."""
        lines = map(json.loads, self.says(_DUMP).splitlines())
        return [
            FixtureMessage(topic, partition, offset, UnixMs(at_ms), key.encode() or None, base64.b64decode(value))
            for topic, partition, offset, at_ms, key, value in lines
        ]

    def says(self, program: str, told: str = "") -> str:
        """Run a program with its code; what it prints.

        Args:
            program: Python.
            told: What it reads from its standard input.
        """
        own = {**os.environ, "PYTHONPATH": str(self.folder)}
        command = [str(self.python), "-c", program]
        ended = subprocess.run(command, cwd=self.folder, env=own, input=told, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout
