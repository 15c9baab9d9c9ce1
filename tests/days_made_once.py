"""Market days that all simulators of a test process share: each is planned once, and each block of it is made once."""

from collections.abc import Iterator
from functools import lru_cache
from threading import Lock

import pytest

from connectors.ssi.simulator import played_day, server
from connectors.ssi.simulator.core import blocks, market
from connectors.ssi.simulator.core.blocks import DayBlock
from connectors.ssi.simulator.core.market import MarketDay

_generate_once = lru_cache(market.generate)


class _Made:
    """The blocks of a day, as far as somebody has asked for them. Simulators ask from threads of theirs."""

    def __init__(self, day: MarketDay) -> None:
        self.day = day
        """Never let go, so that no other day gets its identity."""
        self._making = blocks.blocks_of(day)
        self._made: list[DayBlock] = []
        self._lock = Lock()

    def blocks(self) -> Iterator[DayBlock]:
        number = 0
        while True:
            with self._lock:
                if number == len(self._made):
                    block = next(self._making, None)
                    if block is None:
                        return
                    self._made.append(block)
            yield self._made[number]
            number += 1


_made: dict[int, _Made] = {}
"""By the identity of a day."""


def _blocks_once(day: MarketDay) -> Iterator[DayBlock]:
    return _made.setdefault(id(day), _Made(day)).blocks()


def make_days_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the simulators that are started from here on share their days, which are immutable."""
    monkeypatch.setattr(server, "generate", _generate_once)
    monkeypatch.setattr(played_day, "blocks_of", _blocks_once)
