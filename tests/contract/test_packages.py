"""Our package names are plain words; no dependency may ship one of them."""

from importlib.metadata import packages_distributions

import pytest

from stock_tracker.distribution import PACKAGES


@pytest.mark.parametrize("name", [*PACKAGES, "stock_tracker"])
def test_nobody_else_ships_our_packages(name: str) -> None:
    assert set(packages_distributions().get(name, [])) <= {"stock-tracker"}
