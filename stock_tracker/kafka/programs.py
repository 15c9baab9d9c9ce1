"""Runs other programs, such as Maven and pip, to their end, and passes on what they print."""

import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Tell = Callable[[str], None]
"""Takes a line of progress for the user who waits."""

TAIL_LINES = 12
_OURS = ("ARCHIVE_", "CLICKHOUSE_", "GATEWAY_", "KAFKA_", "PIPELINE_", "SIM_", "SSI_")


class ProgramFailed(Exception):
    """A program could not be started, or ended with an error; ``tail`` is the end of what it printed."""

    def __init__(self, program: str, code: int | None, tail: str) -> None:
        super().__init__(program, code, tail)
        self.program = program
        self.code = code
        self.tail = tail

    def __str__(self) -> str:
        return f"{self.program} ended with exit code {self.code}: {self.tail}"


def without_our_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for programs that are not ours: without our own settings, because there are secrets among them."""
    return {name: value for name, value in environ.items() if not name.startswith(_OURS)}


def run(argv: Sequence[str], tell: Tell, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
    """Run ``argv`` to its end and pass each line that it prints to ``tell``.

    Args:
        argv: The program and its arguments.
        tell: Takes the lines.
        env: Its whole environment; if not given, ours without our settings.
        cwd: Its current folder; ours if not given.

    Raises:
        ProgramFailed: It could not be started, or did not exit with 0.
    """
    said: deque[str] = deque(maxlen=TAIL_LINES)
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=without_our_settings(os.environ) if env is None else env,
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
