"""Kills of the embedded server exactly where it changes the disk: ``faults.c`` in front of the C library."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stock_tracker.testing.archive import EmbeddedServer

SOURCE = Path(__file__).with_name("faults.c")


@dataclass
class FaultyServer(EmbeddedServer):
    """An embedded server that dies before a call of the C library that a test names."""

    plan: Path = field(default_factory=Path)

    def die_before(self, call: str, count: int, path: str) -> None:
        """From now on it dies before its ``count``-th ``call`` whose path contains ``path``."""
        unfinished = self.plan.with_suffix(".unfinished")
        unfinished.write_text(f"{call} {count} {path}")
        unfinished.rename(self.plan)

    def spare(self) -> None:
        """Drop what it was to die of, if it has not taken note of that yet."""
        self.plan.unlink(missing_ok=True)


def faulty_server(folder: Path, writes: bool = False) -> FaultyServer:
    """A server with its data in ``folder``, not started yet. Skips the test where there is no C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the server cannot be killed inside a call")
    library = folder / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl", "-lpthread"], check=True)
    plan = folder / "plan"
    environ = {"LD_PRELOAD": str(library), "FAULT_PLAN": str(plan)} | ({"FAULT_WRITES": "1"} if writes else {})
    return FaultyServer(folder, environ, plan=plan)
