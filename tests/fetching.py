"""Programs of others that tests use and this repository does not have: fetched into the user's cache at the first run."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


def fetched(folder: Path, runtime: str, command: list[str]) -> Path:
    """Fetch what the lock files in ``folder`` name, once; the folder where it is.

    Args:
        folder: Of the repository; its files are copied to where things are fetched.
        runtime: The program that it takes to run what is fetched.
        command: Fetches it, run in the copy.
    """
    home = (
        os.environ.get("STOCK_TRACKER_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "stock-tracker"
    )
    for program in (runtime, command[0]):
        if shutil.which(program) is None:
            not_here(f"{program} is not installed")
    copy = Path(home) / "clients" / folder.name
    done = copy / ".fetched"
    files = sorted(file for file in folder.iterdir() if file.is_file())
    wanted = b"".join(file.read_bytes() for file in files if file.suffix in (".json", ".xml"))
    if not done.exists() or done.read_bytes() != wanted:
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir(parents=True)
        for file in files:
            shutil.copy(file, copy)
        ended = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            not_here(f"it could not be fetched:\n{ended.stdout}{ended.stderr}")
        done.write_bytes(wanted)
    return copy


def not_here(why: str) -> NoReturn:
    """Fail in CI, where everything has to be there; be skipped elsewhere."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
