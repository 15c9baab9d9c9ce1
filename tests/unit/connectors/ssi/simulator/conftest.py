"""Whole market days, made once a session for all tests that look at them; of light size in ``make prove``, else of less."""

from collections.abc import Callable
from functools import lru_cache
from random import Random

import pytest

from connectors.ssi.simulator.core.blocks import DayBlock, blocks_of
from connectors.ssi.simulator.core.market import MarketDay, MarketSize, generate
from connectors.ssi.simulator.core.universe import FEWEST_SYMBOLS
from schemas.units import TradingDay
from tests.proof import usually

DAY = TradingDay(20261123)


@lru_cache(maxsize=4)
def _market(seed: int) -> MarketDay:
    return generate(seed, DAY, Random, usually(MarketSize(0.025), proving=MarketSize()))


@pytest.fixture(scope="session")
def market_of() -> Callable[[int], MarketDay]:
    """The market day of a seed, on 2026-11-23."""
    return _market


@pytest.fixture(scope="session")
def market() -> MarketDay:
    """One market day."""
    return _market(7)


@pytest.fixture(params=usually([7], proving=[1, 7, 42]), ids=lambda seed: f"seed {seed}", scope="session")
def any_market(request: pytest.FixtureRequest) -> MarketDay:
    """A market day; ``make prove`` runs the test for several."""
    return _market(request.param)


@pytest.fixture(scope="session")
def small() -> MarketDay:
    """A day of few symbols and few records, with put-through deals."""
    return generate(7, DAY, Random, MarketSize.of(0.01, FEWEST_SYMBOLS, "own"))


@pytest.fixture(scope="session")
def blocks(small: MarketDay) -> list[DayBlock]:
    """The blocks of the small day."""
    return list(blocks_of(small))
