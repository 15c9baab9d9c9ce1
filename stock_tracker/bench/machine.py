"""What has to be said of the machine and the code with every measurement, and how fast the machine is just now."""

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from stock_tracker.bench.core.calibrating import calibrating_loop
from stock_tracker.bench.core.results import MachineSeen, Taken
from stock_tracker.home import REPOSITORY

_LIBRARIES: Final = ("quixstreams", "confluent-kafka", "msgspec", "pydantic", "aiohttp", "chdb")
_LOOPS: Final = 3


def loop_us() -> float:
    """Microseconds of CPU of the calibrating loop now: the least of three, for what disturbs it only makes it slower."""
    taken = []
    for _ in range(_LOOPS):
        begun = time.process_time()
        calibrating_loop()
        taken.append((time.process_time() - begun) * 1e6)
    return min(taken)


class Stopwatch:
    """Notes when a section began, and on what."""

    def __init__(self) -> None:
        self._at = datetime.now(UTC).isoformat(timespec="seconds")
        self._began = time.monotonic()
        self._machine = MachineSeen(
            system=f"{platform.system()} {platform.machine()}",
            processors=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            load_before=round(os.getloadavg()[0], 2),
        )

    def taken(self) -> Taken:
        """What is to be said of the measurement that ends now."""
        return Taken(
            at=self._at,
            seconds=round(time.monotonic() - self._began, 1),
            commit=commit(),
            machine=self._machine,
            versions=versions(),
        )


def versions() -> dict[str, str]:
    """Python, and the libraries that matter."""
    found = {"Python": platform.python_version(), "stock-tracker": version("stock-tracker")}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str:
    """The commit of the checkout that this code is in, with ``+`` where files were changed; else the release."""
    if (REPOSITORY / "pyproject.toml").is_file():
        try:
            said = _git("describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*")
        except (OSError, subprocess.CalledProcessError):
            return f"release {version('stock-tracker')}"
        return said
    return f"release {version('stock-tracker')}"


def _git(*words: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def folder_of_run(parent: Path | None = None) -> Iterator[Path]:
    """A folder that goes with the run."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="stock-tracker-bench-", dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
