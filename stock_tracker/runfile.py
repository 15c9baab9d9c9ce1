"""What a running stack says about itself, so that other commands find it: ``stack.json`` in its home."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Running:
    """A stack that ``up`` started."""

    pid: int
    """Of the supervisor."""
    home: str
    simulated: bool
    environment: dict[str, str] = field(default_factory=dict)
    """What a command needs to speak to it: KAFKA_BOOTSTRAP, TOPIC_PREFIX, CLICKHOUSE_URL, …; never a secret."""
    urls: dict[str, str] = field(default_factory=dict)
    """For people: dashboard, simulator, archive."""
    parts: dict[str, dict[str, int | None]] = field(default_factory=dict)
    """By name: ``pid`` and the ``port`` of its health."""

    @property
    def alive(self) -> bool:
        """Whether the supervisor still runs: its pid is alive and belongs to this command."""
        return is_ours(self.pid)


def write(path: Path, running: Running) -> None:
    """Write the file in one step, so that no reader sees half of it; for its owner only, for a URL may bring a password."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(json.dumps(asdict(running), indent=2) + "\n")
    new.replace(path)


def read(path: Path) -> Running | None:
    """The stack that the file tells of; None when there is no file, or none that can be read."""
    try:
        return Running(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def is_ours(pid: int) -> bool:
    """Whether ``pid`` is alive and a process of this command; process ids are used again, so the pid alone proves nothing."""
    try:
        os.kill(pid, 0)
        line = Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc").is_dir() else b"stock_tracker"
    except OSError:
        return False
    return b"stock_tracker" in line or b"stock-tracker" in line
