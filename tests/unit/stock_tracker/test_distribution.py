import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from stock_tracker import distribution
from stock_tracker.errors import ForeignPackage


def test_our_own_packages_are_ours() -> None:
    distribution.check()


def test_a_package_from_elsewhere_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def find_spec(name: str) -> ModuleSpec | None:
        if name == "gateway":
            return ModuleSpec(name, None, origin=str(tmp_path / "gateway" / "__init__.py"))
        return importlib.util.find_spec(name)

    monkeypatch.setattr(distribution, "find_spec", find_spec)
    with pytest.raises(ForeignPackage, match="'gateway' comes from") as caught:
        distribution.check()
    assert str(tmp_path) in str(caught.value)
    assert "make setup" in caught.value.remedy


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "find_spec", lambda name: None)
    with pytest.raises(ForeignPackage, match="comes from nowhere"):
        distribution.check()
