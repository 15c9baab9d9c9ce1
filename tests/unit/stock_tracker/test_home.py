from pathlib import Path

import pytest

from stock_tracker import home
from stock_tracker.home import REPOSITORY, Home, cache


def test_the_home_is_in_the_clone_wherever_one_stands() -> None:
    assert Home.of({}).root == REPOSITORY / ".stock-tracker"
    assert (REPOSITORY / "pyproject.toml").exists()


def test_without_a_clone_the_home_is_in_the_users_folder_for_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "REPOSITORY", tmp_path / "site-packages")
    assert Home.of({"XDG_DATA_HOME": str(tmp_path)}).root == tmp_path / "stock-tracker"
    assert Home.of({}).root == Path.home() / ".local" / "share" / "stock-tracker"


def test_the_environment_names_another_home(tmp_path: Path) -> None:
    named = Home.of({"STOCK_TRACKER_HOME": str(tmp_path)})
    assert (named.root, named.kafka, named.logs) == (tmp_path, tmp_path / "kafka", tmp_path / "logs")


def test_a_relative_home_is_made_absolute() -> None:
    assert Home.of({"STOCK_TRACKER_HOME": "here"}).root == Path.cwd() / "here"


def test_downloads_are_kept_outside_the_clone(tmp_path: Path) -> None:
    assert cache({"STOCK_TRACKER_CACHE": str(tmp_path)}) == tmp_path
    assert cache({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "stock-tracker"
    assert not cache({}).is_relative_to(REPOSITORY)
