from pathlib import Path

import pytest

from connectors.ssi.epochs import LastEpoch


def test_the_last_epoch_is_there_at_the_next_start(tmp_path: Path) -> None:
    epochs = LastEpoch(tmp_path / "ssi", "a")
    assert epochs.load() == 0
    epochs.keep(1_795_400_000_000)
    epochs.keep(1_795_400_000_001)
    assert LastEpoch(tmp_path / "ssi", "a").load() == 1_795_400_000_001
    assert LastEpoch(tmp_path / "ssi", "b").load() == 0
    assert [file.name for file in (tmp_path / "ssi").iterdir()] == ["epoch-a"]


def test_a_run_that_never_connects_leaves_the_last_epoch_as_it_is(tmp_path: Path) -> None:
    LastEpoch(tmp_path, "a").keep(1_795_400_000_000)
    second = LastEpoch(tmp_path, "a")
    second.load()
    second.keep(0)
    assert LastEpoch(tmp_path, "a").load() == 1_795_400_000_000


def test_a_file_that_cannot_be_read_is_told_and_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "epoch-a").write_bytes(b"\xff")
    epochs = LastEpoch(tmp_path, "a")
    assert epochs.load() == 0
    assert "the last epoch cannot be read" in caplog.text
    epochs.keep(5)
    assert LastEpoch(tmp_path, "a").load() == 5


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ssi").write_text("a file where the folder should be")
    LastEpoch(tmp_path / "ssi", "a").keep(5)
    assert "the epoch cannot be kept" in caplog.text
