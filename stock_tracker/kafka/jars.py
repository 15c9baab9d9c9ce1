"""Kafka's jars: downloaded once, kept in the cache, and checked against the committed list of sums before each use."""

import fcntl
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stock_tracker.errors import JarsUnavailable, ToolsUnavailable, WrongJars, indented
from stock_tracker.kafka import tools
from stock_tracker.kafka.java import without_java
from stock_tracker.kafka.programs import ProgramFailed, Tell, run
from stock_tracker.kafka.recipe import Recipe


def folder_of(recipe: Recipe, cache: Path) -> Path:
    """The folder for the jars of this version."""
    return cache / f"kafka-{recipe.version}" / "jars"


def verify(folder: Path, sums: Mapping[str, str]) -> None:
    """Check that ``folder`` holds exactly the jars of ``sums``.

    Raises:
        WrongJars: A jar is missing, has another sum, or is not listed.
    """
    found = {path.name: path for path in folder.glob("*.jar")}
    missing = sorted(sums.keys() - found.keys())
    stray = sorted(found.keys() - sums.keys())
    wrong = [name for name in sorted(sums.keys() & found.keys()) if _sha256(found[name]) != sums[name]]
    if missing or wrong or stray:
        raise WrongJars(folder, missing, wrong, stray)


def fetch(recipe: Recipe, cache: Path, environ: Mapping[str, str], tell: Tell) -> Path:
    """Return the folder with the checked jars; download them if it is not there, or not as it should be.

    Raises:
        JarsUnavailable: Neither Maven nor jgo could fetch them.
        WrongJars: What was downloaded differs from the list; it has been deleted.
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
        # Downloaded and checked under another name and renamed at the end, so that a folder of this name is always complete.
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
    """Return the folder with the checked jars; download them if it is not there.

    Unlike :func:`fetch` it never replaces jars that differ from the list: a person should find out first why they do.

    Raises:
        JarsUnavailable: They are not there and cannot be fetched.
        WrongJars: They are there, but differ from the list.
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
    # The exclamation mark tells jgo to take the versions that an artifact names itself. Without it, jgo follows lists of versions
    # that Kafka imports, takes an older kafka-clients, and the broker dies of a NoSuchMethodError.
    endpoint = "+".join(f"{coordinate}!" for coordinate in recipe.coordinates())
    work = into / "jgo"
    options = ["--ignore-config", "--class-path-only", "--resolver", "python", "--links", "copy", "--timeout", "60"]
    places = ["--cache-dir", str(work / "cache"), "--repo-cache", str(work / "repository")]
    run([str(python), "-m", "jgo", *options, *places, "info", "classpath", endpoint], tell)
    # jgo puts jars that are Java modules into a folder of their own. The broker takes all from one.
    for jar in (work / "cache").rglob("*.jar"):
        jar.rename(into / jar.name)
    shutil.rmtree(work)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock as long as the block runs, so that two processes never download the same jars at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
