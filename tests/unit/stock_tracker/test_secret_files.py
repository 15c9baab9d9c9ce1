"""Secrets in files, as orchestrators mount them."""

from pathlib import Path

import pytest

from schemas.deployment import kafka_config
from stock_tracker import cli, secret_files
from stock_tracker.errors import SecretUnreadable


@pytest.mark.parametrize("name", secret_files.NAMES)
def test_every_secret_can_be_in_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text("of us alone \n")
    environ = {f"{name}_FILE": str(file), "OTHER": "stays"}
    secret_files.read(environ)
    assert environ == {name: "of us alone ", "OTHER": "stays"}


def test_what_a_command_starts_reads_the_same(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("of us alone")
    environ = {"KAFKA_SASL_PASSWORD_FILE": str(file)}
    secret_files.read(environ)
    secret_files.read(environ)
    assert kafka_config(environ)["sasl.password"] == "of us alone"
    assert "sasl.password.file" not in kafka_config(environ)


def test_an_empty_name_is_none() -> None:
    environ = {"ARCHIVE_PASSWORD_FILE": "", "ARCHIVE_PASSWORD": "set"}
    secret_files.read(environ)
    assert environ["ARCHIVE_PASSWORD"] == "set"


def test_a_secret_that_is_set_and_named_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("in the file")
    with pytest.raises(SecretUnreadable, match="is set as well") as raised:
        secret_files.read({"ARCHIVE_PASSWORD": "in the environment", "ARCHIVE_PASSWORD_FILE": str(file)})
    assert "in the" not in str(raised.value)


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"\n", "empty"), (b"\xff", "UTF-8"), (None, "No such file")])
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SecretUnreadable, match=reason) as raised:
        secret_files.read({"KAFKA_SASL_PASSWORD_FILE": str(file)})
    assert str(file) in str(raised.value)
    assert "KAFKA_SASL_PASSWORD" in raised.value.remedy


def test_the_command_line_says_which_file_it_cannot_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_SASL_PASSWORD_FILE", "/nowhere/secret")
    monkeypatch.setattr("sys.argv", ["stock-tracker", "topics", "list"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert "KAFKA_SASL_PASSWORD_FILE=/nowhere/secret" in capsys.readouterr().err
