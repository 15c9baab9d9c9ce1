"""What a running stack says about itself, so that other commands find it: ``stack.json`` in its home."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class RunningStack:
    """A stack that ``up`` started, as its supervisor describes it; it runs unless the supervisor has been killed since."""

    pid: int
    """The supervisor's process id."""
    home: str
    simulated: bool
    environment: dict[str, str] = field(default_factory=dict)
    """The settings with which a command reaches it: KAFKA_BOOTSTRAP, TOPIC_PREFIX, CLICKHOUSE_URL, …; never a secret."""
    urls: dict[str, str] = field(default_factory=dict)
    """For people: dashboard, simulator, archive."""
    parts: dict[str, dict[str, int | None]] = field(default_factory=dict)
    """By name of the process: its ``pid``, the ``port`` on which it serves its health, and its ``restarts``."""
    halted: dict[str, str] = field(default_factory=dict)
    """Why a process halted and so was not started again, by its name."""

    @property
    def alive(self) -> bool:
        """Whether the supervisor still runs: its pid is alive and belongs to this command."""
        return is_ours(self.pid)


def write(path: Path, running: RunningStack) -> None:
    """Write the file in one step, so that nobody reads half of it. Only its owner may read it: a URL may contain a password."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(json.dumps(asdict(running), indent=2) + "\n")
    new.replace(path)


def read(path: Path) -> RunningStack | None:
    """The stack that the file describes; None when there is no such file, or it cannot be understood."""
    try:
        return RunningStack(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def is_ours(pid: int) -> bool:
    """Whether ``pid`` is a living process of ``stock-tracker``: the system gives the ids of dead processes to new ones."""
    try:
        os.kill(pid, 0)
        line = Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc").is_dir() else b"stock_tracker"
    except OSError:
        return False
    return b"stock_tracker" in line or b"stock-tracker" in line
