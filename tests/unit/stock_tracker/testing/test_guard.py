"""The folder of a run's broker goes when the last process that uses it has gone, and not before."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stock_tracker.testing.guard import HELD

Guard = subprocess.Popen[bytes]


@pytest.fixture
def guard() -> Iterator[Callable[[Path], Guard]]:
    """Starts guards as processes that use a broker do; returns when they hold."""
    started: list[Guard] = []

    def start(folder: Path) -> Guard:
        command = [sys.executable, "-m", "stock_tracker.testing.guard", str(folder)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        stdout = started[-1].stdout
        assert stdout is not None
        assert stdout.readline() == HELD
        return started[-1]

    yield start
    for made in started:
        made.communicate()
        assert made.returncode == 0


def test_the_last_one_removes_the_folder(tmp_path: Path, guard: Callable[[Path], Guard]) -> None:
    folder = tmp_path / "run"
    first, second = guard(folder), guard(folder)
    first.communicate()
    assert folder.is_dir()
    third = guard(folder)
    second.communicate()
    assert folder.is_dir()
    third.communicate()
    assert not folder.exists()
    guard(folder).communicate()
    assert not folder.exists()
