"""A market day that has been played up to some time, without a simulator."""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from connectors.ssi.simulator.core.blocks import symbols_of
from connectors.ssi.simulator.core.feed import DayFeed
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.released import Released
from connectors.ssi.simulator.core.rest import RestApi
from connectors.ssi.simulator.played_day import PlayedDay
from schemas.calendar import at
from schemas.units import UnixMs


class PlayedSoFar:
    """A day, and the REST API that tells of it."""

    def __init__(self, market: MarketDay, day: PlayedDay, derives: bool = True) -> None:
        self._released = Released(at(market.day, 0))
        self._feed = DayFeed(symbols_of(market), self._released, derives=derives)
        self._day = day
        self._now_ms = UnixMs(0)
        self._number = self._at = 0
        """The block in which the next record is, and where in it."""
        self.api = RestApi(market, day.facts, lambda symbol: self._feed.last("MI", symbol), Random)

    def until(self, now_ms: UnixMs) -> None:
        """Play on to ``now_ms``."""
        self._now_ms = now_ms
        while (block := self._day.block(self._number)) is not None:
            end = bisect_right(block.dues, now_ms, lo=self._at)
            self._feed.speak(block, self._at, end)
            self._at = end
            if end < len(block):
                return
            self._number, self._at = self._number + 1, 0

    def ask(self, operation: str, **query: str) -> dict[str, Any]:
        """Ask REST now."""
        return self.api.answer(operation, query, len(self._released), self._now_ms)


@contextmanager
def played(market: MarketDay, until_ms: UnixMs, derives: bool = True, cache: Path | None = None) -> Iterator[PlayedSoFar]:
    """A day that has been played up to ``until_ms``; with ``cache`` it is made once, and kept there."""
    day = PlayedDay(market, cache, keep=cache is not None)
    try:
        if cache is not None:
            day.make_whole()
        so_far = PlayedSoFar(market, day, derives)
        so_far.until(until_ms)
        yield so_far
    finally:
        day.close()
