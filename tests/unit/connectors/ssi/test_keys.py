"""SSI's key from files that change while the connector runs."""

from pathlib import Path
from typing import Any

import pytest

from connectors.ssi.keys import Key, KeyFiles
from connectors.ssi.settings import SsiSettings


def files(folder: Path, **changes: Any) -> KeyFiles:
    (folder / "id").write_text("me\n")
    (folder / "secret").write_text("mine\n")
    named = {"consumer_id_file": folder / "id", "consumer_secret_file": folder / "secret", "kafka": {}}
    return KeyFiles(SsiSettings.model_validate(named | changes))


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    keys = files(tmp_path)
    assert keys.read() == Key("me", "mine")
    (tmp_path / "secret").write_text("another\n")
    assert keys.read() == Key("me", "another")


def test_what_was_set_itself_does_not_change_with_a_file(tmp_path: Path) -> None:
    keys = files(tmp_path, consumer_secret="set")
    (tmp_path / "secret").write_text("another")
    assert keys.read() == Key("me", "set")


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_the_key_before_is_kept_while_a_file_cannot_be_used(
    content: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = files(tmp_path)
    if content is None:
        (tmp_path / "secret").unlink()
    else:
        (tmp_path / "secret").write_bytes(content)
    (tmp_path / "id").write_text("you")
    for _ in range(3):
        assert keys.read() == Key("me", "mine")
    assert len(caplog.records) == 1
    (tmp_path / "secret").write_text("yours")
    assert keys.read() == Key("you", "yours")


def test_a_key_does_not_show() -> None:
    assert repr(Key("me", "mine")) == "Key()"
