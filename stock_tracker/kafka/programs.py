"""Programs that are run to their end while somebody watches."""

import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Tell = Callable[[str], None]
"""Takes a line about what is going on, for whoever waits."""

TAIL_LINES = 12
_OURS = ("ARCHIVE_", "CLICKHOUSE_", "GATEWAY_", "KAFKA_", "PIPELINE_", "SIM_", "SSI_")


class ProgramFailed(Exception):
    """A program that ended badly; ``tail`` is the end of what it said."""

    def __init__(self, program: str, code: int | None, tail: str) -> None:
        super().__init__(program, code, tail)
        self.program = program
        self.code = code
        self.tail = tail

    def __str__(self) -> str:
        return f"{self.program} ended with exit code {self.code}: {self.tail}"


def for_strangers(environ: Mapping[str, str]) -> dict[str, str]:
    """What programs that are not ours may see of our environment: all but our own settings, among which are secrets."""
    return {name: value for name, value in environ.items() if not name.startswith(_OURS)}


def run(argv: Sequence[str], tell: Tell, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
    """Run ``argv`` to its end and tell each line that it prints; without ``env`` it sees none of our settings.

    Raises:
        ProgramFailed: It could not be started, or did not exit with 0.
    """
    said: deque[str] = deque(maxlen=TAIL_LINES)
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=for_strangers(os.environ) if env is None else env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ProgramFailed(argv[0], None, str(error)) from error
    with process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        for line in process.stdout:
            if line.strip():
                said.append(line.rstrip())
                tell(line.strip())
    if process.returncode != 0:
        raise ProgramFailed(argv[0], process.returncode, "\n".join(said))
