import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from stock_tracker.errors import JarsUnavailable, ToolsUnavailable, WrongJars
from stock_tracker.kafka import jars, tools
from stock_tracker.kafka.recipe import Recipe

JARS = {"kafka_2.13-1.2.3.jar": b"broker", "kafka-tools-1.2.3.jar": b"tools"}

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>1.2.3</version></dependency>
</dependencies></project>"""

MAVEN = """#!/bin/sh
for word; do case "$word" in -DoutputDirectory=*) out="${word#*=}";; esac; done
"""


def silent(line: str) -> None:
    """Tell nobody."""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    folder = tmp_path / "recipe"
    folder.mkdir()
    (folder / "pom.xml").write_text(POM)
    rows = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in JARS.items()]
    (folder / "jars.sha256").write_text("".join(rows))
    return Recipe(folder)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, str]]:
    """Puts a Maven that does as told on the PATH of the environment it returns; PyPI is out of reach."""

    def python(*_: object) -> Path:
        raise ToolsUnavailable("no network")

    monkeypatch.setattr(tools, "python", python)

    def put(does: str) -> dict[str, str]:
        path = tmp_path / "bin" / "mvn"
        path.parent.mkdir(exist_ok=True)
        path.write_text(MAVEN + does)
        path.chmod(0o755)
        return {"PATH": f"{path.parent}:/usr/bin:/bin"}

    return put


GOOD = "".join(f"printf {content.decode()} > $out/{name}\n" for name, content in JARS.items())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_jars_are_fetched_once(recipe: Recipe, cache: Path, maven: Callable[[str], dict[str, str]]) -> None:
    folder = jars.fetch(recipe, cache, maven(GOOD), silent)
    assert contents(folder) == JARS
    assert jars.fetch(recipe, cache, maven("exit 1"), silent) == folder
    assert jars.ready(recipe, cache, maven("exit 1"), silent) == folder


def test_they_are_fetched_on_first_use(recipe: Recipe, cache: Path, maven: Callable[[str], dict[str, str]]) -> None:
    assert contents(jars.ready(recipe, cache, maven(GOOD), silent)) == JARS


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (lambda folder: (folder / "kafka-tools-1.2.3.jar").unlink(), "1 missing (kafka-tools-1.2.3.jar)"),
        (lambda folder: (folder / "kafka-tools-1.2.3.jar").write_bytes(b"evil"), "1 with another sha256"),
        (lambda folder: (folder / "evil.jar").write_bytes(b"evil"), "1 not on the list (evil.jar)"),
    ],
    ids=["missing", "changed", "added"],
)
def test_jars_that_are_not_the_listed_ones_are_refused_until_fetched_again(
    recipe: Recipe, cache: Path, maven: Callable[[str], dict[str, str]], harm: Callable[[Path], object], what: str
) -> None:
    folder = jars.fetch(recipe, cache, maven(GOOD), silent)
    harm(folder)
    with pytest.raises(WrongJars) as caught:
        jars.ready(recipe, cache, maven(GOOD), silent)
    assert what in str(caught.value)
    assert "stock-tracker kafka fetch" in caught.value.remedy
    assert contents(jars.fetch(recipe, cache, maven(GOOD), silent)) == JARS


def test_a_download_that_is_not_what_the_list_says_leaves_nothing(
    recipe: Recipe, cache: Path, maven: Callable[[str], dict[str, str]]
) -> None:
    with pytest.raises(WrongJars):
        jars.fetch(recipe, cache, maven(GOOD + "printf evil > $out/kafka-tools-1.2.3.jar"), silent)
    assert not jars.folder_of(recipe, cache).exists()
    assert list(cache.rglob("*.jar")) == []


def test_an_interrupted_download_does_not_look_complete(
    recipe: Recipe, cache: Path, maven: Callable[[str], dict[str, str]]
) -> None:
    def interrupt(line: str) -> None:
        if line.startswith("half"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jars.fetch(recipe, cache, maven(GOOD.splitlines()[0] + "\necho half\n"), interrupt)
    assert not jars.folder_of(recipe, cache).exists()
    # A process that was killed could not even tidy up.
    left = jars.folder_of(recipe, cache).with_name("jars.partial")
    left.mkdir()
    (left / "old.jar").write_bytes(b"old")
    assert contents(jars.fetch(recipe, cache, maven(GOOD), silent)) == JARS


def test_a_failed_download_says_what_was_tried(recipe: Recipe, cache: Path, maven: Callable[[str], dict[str, str]]) -> None:
    with pytest.raises(JarsUnavailable) as caught:
        jars.fetch(recipe, cache, maven("echo no route to host; exit 3"), silent)
    assert "Maven: exit code 3\n        no route to host" in str(caught.value)
    assert "jgo: " in str(caught.value)
    assert "KAFKA_BOOTSTRAP" in caught.value.remedy


def test_a_full_disk_is_no_question_of_the_network(recipe: Recipe, cache: Path, maven: Callable[[str], dict[str, str]]) -> None:
    with pytest.raises(JarsUnavailable) as caught:
        jars.fetch(recipe, cache, maven("echo 'jersey-server.jar: No space left on device'; exit 1"), silent)
    assert "Make room" in caught.value.remedy
    assert "STOCK_TRACKER_CACHE" in caught.value.remedy


def test_maven_is_left_alone_when_told_so(recipe: Recipe, cache: Path, maven: Callable[[str], dict[str, str]]) -> None:
    with pytest.raises(JarsUnavailable, match="STOCK_TRACKER_NO_JAVA"):
        jars.fetch(recipe, cache, {**maven(GOOD), "STOCK_TRACKER_NO_JAVA": "1"}, silent)


def test_the_recipe_of_this_repository_is_whole() -> None:
    recipe = Recipe.of_repository()
    sums = recipe.sums()
    assert recipe.version == "4.3.0"
    for coordinate in recipe.coordinates():
        _, artifact, version = coordinate.split(":")
        assert f"{artifact}-{version}.jar" in sums
    assert all(len(digest) == 64 for digest in sums.values())
