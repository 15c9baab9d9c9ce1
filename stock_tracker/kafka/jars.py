"""Kafka's published jars: fetched once, kept in the cache, checked against the committed list before every use."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stock_tracker.errors import JarsUnavailable, ToolsUnavailable, WrongJars, indented
from stock_tracker.kafka import tools
from stock_tracker.kafka.java import without_java
from stock_tracker.kafka.programs import ProgramFailed, Tell, run
from stock_tracker.kafka.recipe import Recipe

Download = Callable[[Recipe, Path, Path, Tell], None]
"""Puts the jars into the second path; may work in it as it likes, and keep things in the cache, the first one."""


def folder_of(recipe: Recipe, cache: Path) -> Path:
    """Where the jars of this version are kept."""
    return cache / f"kafka-{recipe.version}" / "jars"


def verify(folder: Path, sums: Mapping[str, str]) -> None:
    """Look that ``folder`` holds exactly the jars in ``sums``, to the byte.

    Raises:
        WrongJars: A jar is missing, is another one, or is not listed.
    """
    found = {path.name: path for path in folder.glob("*.jar")}
    missing = sorted(sums.keys() - found.keys())
    stray = sorted(found.keys() - sums.keys())
    wrong = [name for name in sorted(sums.keys() & found.keys()) if _sha256(found[name]) != sums[name]]
    if missing or wrong or stray:
        raise WrongJars(folder, missing, wrong, stray)


def fetch(recipe: Recipe, cache: Path, environ: Mapping[str, str], tell: Tell) -> Path:
    """Return the folder of verified jars; download them when it is not there or not right.

    Raises:
        JarsUnavailable: Neither Maven nor jgo could fetch them.
        WrongJars: What was downloaded is not what the list says; nothing of it is kept.
    """
    folder = folder_of(recipe, cache)
    sums = recipe.sums()
    with _alone(folder.parent):
        if folder.exists():
            try:
                verify(folder, sums)
            except WrongJars as wrong:
                tell(f"{wrong}; fetching them again")
            else:
                return folder
        # Downloaded and checked beside its place, then renamed: what bears the right name is always whole.
        partial = folder.with_name("jars.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            _download(recipe, cache, partial, environ, tell)
            tell(f"Checking {len(sums)} jars")
            verify(partial, sums)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def ready(recipe: Recipe, cache: Path, environ: Mapping[str, str], tell: Tell) -> Path:
    """Return the folder of verified jars, fetched on first use.

    Unlike :func:`fetch` it never replaces a folder that is not right: somebody should look before such jars are run again.

    Raises:
        JarsUnavailable: They are not there and cannot be fetched.
        WrongJars: They are there and are not the listed ones.
    """
    folder = folder_of(recipe, cache)
    if not folder.exists():
        return fetch(recipe, cache, environ, tell)
    verify(folder, recipe.sums())
    return folder


def _download(recipe: Recipe, cache: Path, into: Path, environ: Mapping[str, str], tell: Tell) -> None:
    tried = []
    maven = None if without_java(environ) else shutil.which("mvn", path=environ.get("PATH"))
    if maven is None:
        tried.append(
            "Maven: not used (no mvn on PATH)" if not without_java(environ) else "Maven: not used (STOCK_TRACKER_NO_JAVA)"
        )
    else:
        tell(f"Fetching Kafka {recipe.version} (54 MB) with Maven")
        try:
            _by_maven(maven, recipe, into, tell)
        except ProgramFailed as failed:
            tried.append(f"Maven: exit code {failed.code}\n{indented(failed.tail)}")
        else:
            return
    tell(f"Fetching Kafka {recipe.version} (54 MB) with jgo")
    try:
        _by_jgo(tools.python(recipe, cache, tell), recipe, into, tell)
    except ProgramFailed as failed:
        tried.append(f"jgo: exit code {failed.code}\n{indented(failed.tail)}")
    except ToolsUnavailable as error:
        tried.append(f"jgo: {error}")
    else:
        return
    raise JarsUnavailable(tried)


def _by_maven(maven: str, recipe: Recipe, into: Path, tell: Tell) -> None:
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={into}"]
    run([maven, "--batch-mode", "-f", str(recipe.pom), *goal], tell)


def _by_jgo(python: Path, recipe: Recipe, into: Path, tell: Tell) -> None:
    # The exclamation mark takes an artifact's own versions as they are. Without it the BOMs that Kafka imports pull
    # kafka-clients down to an older version, and the broker dies of a NoSuchMethodError.
    endpoint = "+".join(f"{coordinate}!" for coordinate in recipe.coordinates())
    work = into / "jgo"
    options = ["--ignore-config", "--class-path-only", "--resolver", "python", "--links", "copy", "--timeout", "60"]
    places = ["--cache-dir", str(work / "cache"), "--repo-cache", str(work / "repository")]
    run([str(python), "-m", "jgo", *options, *places, "info", "classpath", endpoint], tell)
    # jgo sorts modular jars apart; the broker takes them all from one class path.
    for jar in (work / "cache").rglob("*.jar"):
        jar.rename(into / jar.name)
    shutil.rmtree(work)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second download of the same jars waiting until the first is done."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
