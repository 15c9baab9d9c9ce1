import importlib
import json
import sys

import pytest

from stock_tracker import lean_quix
from stock_tracker.lean_quix import without_unused_clients


def test_what_is_left_out_can_be_imported_but_not_used_and_only_in_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_quix, "LEFT_OUT", ("heavy_client", "heavy_client.part"))
    with without_unused_clients():
        from heavy_client import Client, ClientError  # type: ignore[import-not-found]
        from heavy_client.part import Other  # type: ignore[import-not-found]
    assert issubclass(Client, object)
    assert ClientError is not Other
    with pytest.raises(TypeError, match="Client was left out when Quix Streams was imported"):
        Client("http://127.0.0.1", timeout=3)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("heavy_client")


def test_what_was_imported_before_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_quix, "LEFT_OUT", ("json",))
    with without_unused_clients():
        assert importlib.import_module("json") is json
    assert sys.modules["json"] is json
