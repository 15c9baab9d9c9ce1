"""The command line as a user meets it: help, exit codes, errors."""

import errno
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from schemas.errors import HALTED, NewerMessage, PortTaken
from stock_tracker import cli, distribution
from stock_tracker.errors import ForeignPackage, NotRunning
from stock_tracker.home import REPOSITORY


def commands(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group below ``group``, with the words that lead to it."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *path, name)


ALL = list(commands(typer.main.get_command(cli.build())))


def run_main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["stock-tracker", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("path", [path for path, _ in ALL], ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli.build(), [*path, "--help"])
    assert shown.exit_code == 0
    assert "Example: " in plain(shown.stdout)


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_option_says_what_it_does(path: tuple[str, ...], command: Any) -> None:
    assert command.help
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", None)] == []


def test_no_words_show_the_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(monkeypatch) == 2
    shown = capsys.readouterr()
    assert "Usage: stock-tracker" in shown.out + shown.err


@pytest.mark.parametrize("words", [["kafak"], ["kafka", "start", "--prot", "1"], ["kafka", "start", "--port", "0"]])
def test_a_wrong_command_line_is_2(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(monkeypatch, *words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Usage:" in shown.err


def test_what_cannot_be_done_is_1_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(cli.DEBUG, raising=False)
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:1")
    assert run_main(monkeypatch, "topics", "list") == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "Error: no Kafka broker answers at 127.0.0.1:1 (the connection is refused): start one with "
        "`stock-tracker kafka start`, or name one that runs with KAFKA_BOOTSTRAP\n"
    )


def test_a_service_that_halts_is_3_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def halts() -> None:
        raise NewerMessage("ssi.ticks", found=2, known=1)

    monkeypatch.delenv(cli.DEBUG, raising=False)
    monkeypatch.setattr(cli, "build", lambda: halts)
    assert run_main(monkeypatch, "run", "prices") == HALTED == 3
    assert capsys.readouterr().err.startswith("Error: a newer release writes ssi.ticks")


def test_debug_shows_where_it_comes_from(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(cli.DEBUG, "0")
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:1")
    assert run_main(monkeypatch, "--debug", "topics", "list") == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_unforeseen_error_is_named_without_a_traceback() -> None:
    said = cli.report(ZeroDivisionError("division by zero"))
    assert "ZeroDivisionError: division by zero" in said
    assert "--debug" in said


def test_a_foreseen_error_brings_its_remedy() -> None:
    error = NotRunning(Path("home"))
    assert cli.report(error) == "Error: no stack runs in home\nWhat to do: Start one: stock-tracker up"


def test_an_error_that_says_its_remedy_itself_says_it_once() -> None:
    error = PortTaken("127.0.0.1", 9092, "java (pid 4711) listens there", "Stop it")
    assert cli.report(error) == "Error: cannot listen on 127.0.0.1:9092: java (pid 4711) listens there. Stop it"


def test_a_strangers_package_stops_everything(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def check() -> None:
        raise ForeignPackage("schemas", "elsewhere/schemas/__init__.py", REPOSITORY / "schemas")

    monkeypatch.delenv(cli.DEBUG, raising=False)
    monkeypatch.setattr(distribution, "check", check)
    assert run_main(monkeypatch, "--help") == 1
    assert "the package 'schemas' comes from elsewhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        (("gateway",), "GATEWAY_PORT", "http"),
        (("archive", "sink"), "ARCHIVE_BATCH_ROWS", "-1"),
        (("run", "prices"), "PIPELINE_INSTANCE", "one two"),
        (("ssi", "simulate"), "SIM_SPEED", "fast"),
        (("gateway",), "GATEWAY_ORIGINS", "board.example"),
    ],
)
def test_a_wrong_setting_is_called_as_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...], name: str, value: str
) -> None:
    monkeypatch.delenv(cli.DEBUG, raising=False)
    monkeypatch.setenv(name, value)
    # It would write to the captured stderr for the rest of the session.
    monkeypatch.setattr("stock_tracker.service.log_to_stderr", lambda: None)
    assert run_main(monkeypatch, *command) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Error: settings are wrong or missing"
    assert lines[1].startswith(f"    {name}: ")


@pytest.mark.parametrize(
    "words",
    [
        ("run", "prices", "prices"),
        ("run", "prices", "--port", "99999"),
        ("ssi", "run", "--port", "-1"),
        ("archive", "sink", "--port", "99999"),
        ("ssi", "decode", "there-is-no-such-file"),
    ],
)
def test_what_no_command_can_do_is_2(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    assert run_main(monkeypatch, *words) == 2


def test_the_version_is_that_of_the_project_and_heads_the_changelog(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "--version") == 0
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out == f"stock-tracker {project}\n"
    newest = re.search(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest.group(1) == project


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EROFS, "STOCK_TRACKER_HOME"),
        (errno.ENOTDIR, "a file where a folder should be"),
        (errno.EACCES, "give this user the right"),
        (errno.ENOSPC, "Make room on that disk"),
    ],
)
def test_what_the_disk_refuses_is_said_with_a_remedy(number: int, advice: str) -> None:
    said = cli.report(OSError(number, os.strerror(number), "/srv/a home"))
    assert said.startswith(f"Error: {os.strerror(number)}: /srv/a home\n")
    assert advice in said
    assert "not foreseen" not in said
