"""Whole market days, made once a session for all tests that look at them."""

from collections.abc import Callable
from functools import lru_cache
from random import Random

import pytest

from connectors.ssi.simulator.core.market import MarketDay, generate
from schemas.units import TradingDay

DAY = TradingDay(20261123)


@lru_cache(maxsize=4)
def _market(seed: int) -> MarketDay:
    return generate(seed, DAY, Random)


@pytest.fixture(scope="session")
def market_of() -> Callable[[int], MarketDay]:
    """The market day of a seed, on 2026-11-23."""
    return _market


@pytest.fixture(scope="session")
def market() -> MarketDay:
    """One market day."""
    return _market(7)


@pytest.fixture(params=[1, 7, 42], ids=lambda seed: f"seed {seed}", scope="session")
def any_market(request: pytest.FixtureRequest) -> MarketDay:
    """A market day; the test runs for several."""
    return _market(request.param)
