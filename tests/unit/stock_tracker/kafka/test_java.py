from pathlib import Path

import pytest

from stock_tracker.errors import NoJava, ToolsUnavailable
from stock_tracker.kafka import java, tools
from stock_tracker.kafka.recipe import Recipe

RECIPE = Recipe.of_repository()


def a_java(folder: Path, says: str, code: int = 0) -> Path:
    """A program that answers ``-version`` as a Java would: on stderr."""
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\ncat >&2 <<'SAID'\n{says}\nSAID\nexit {code}\n")
    path.chmod(0o755)
    return path


def silent(line: str) -> None:
    """Tell nobody."""


@pytest.fixture
def no_pypi(monkeypatch: pytest.MonkeyPatch) -> None:
    def python(*_: object) -> Path:
        raise ToolsUnavailable("no network")

    monkeypatch.setattr(tools, "python", python)


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "21.0.1" 2023-10-17 LTS', 21),
        ('java version "1.8.0_392"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "11.0.2" 2019-01-15', 11),
        ("The operation couldn’t be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_the_version_is_what_java_itself_says(tmp_path: Path, says: str, version: int | None) -> None:
    assert java.version_of(a_java(tmp_path, says)) == version


def test_a_java_that_fails_is_none(tmp_path: Path) -> None:
    assert java.version_of(a_java(tmp_path, 'openjdk version "17"', code=1)) is None
    assert java.version_of(tmp_path / "nothing") is None


def test_a_java_sees_none_of_our_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSI_CONSUMER_SECRET", "very-secret")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "very-secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    path = a_java(tmp_path, "")
    path.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\n")
    java.version_of(path)
    seen = (tmp_path / "seen").read_text()
    assert "very-secret" not in seen
    assert "proxy.example" in seen


def test_java_home_comes_before_path(tmp_path: Path) -> None:
    named = a_java(tmp_path / "named", 'openjdk version "21"')
    on_path = a_java(tmp_path / "path", 'openjdk version "17"')
    environ = {"JAVA_HOME": str(tmp_path / "named"), "PATH": f"{on_path.parent}:/usr/bin:/bin"}
    assert java.find(RECIPE, tmp_path, environ, silent) == java.Java(named, 21, "JAVA_HOME")


def test_an_old_java_home_is_passed_over(tmp_path: Path) -> None:
    a_java(tmp_path / "named", 'openjdk version "11.0.2"')
    on_path = a_java(tmp_path / "path", 'openjdk version "17"')
    environ = {"JAVA_HOME": str(tmp_path / "named"), "PATH": f"{on_path.parent}:/usr/bin:/bin"}
    assert java.find(RECIPE, tmp_path, environ, silent).path == on_path


@pytest.mark.usefixtures("no_pypi")
def test_no_java_at_all_says_where_it_looked(tmp_path: Path) -> None:
    old = a_java(tmp_path / "named", 'java version "1.8.0_392"')
    environ = {"JAVA_HOME": str(tmp_path / "named"), "PATH": str(tmp_path / "empty")}
    with pytest.raises(NoJava) as caught:
        java.find(RECIPE, tmp_path, environ, silent)
    assert f"JAVA_HOME: {old} is Java 8, too old" in str(caught.value)
    assert "PATH: no java" in str(caught.value)
    assert "no network" in str(caught.value)
    assert "Install Java 17" in caught.value.remedy


@pytest.mark.usefixtures("no_pypi")
def test_the_switch_leaves_the_systems_java_alone(tmp_path: Path) -> None:
    on_path = a_java(tmp_path / "path", 'openjdk version "17"')
    environ = {"PATH": f"{on_path.parent}:/usr/bin:/bin", java.NO_JAVA: "1"}
    with pytest.raises(NoJava, match="not looked at"):
        java.find(RECIPE, tmp_path, environ, silent)


@pytest.mark.parametrize(("value", "without"), [("1", True), ("", False), ("0", False)])
def test_the_switch_is_on_or_off(value: str, without: bool) -> None:
    assert java.without_java({java.NO_JAVA: value}) is without
