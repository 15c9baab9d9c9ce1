"""How prices move in a day: random walks with a value a minute, and straight lines in between."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.calendar import at
from schemas.units import TradingDay

if TYPE_CHECKING:
    from random import Random

_STEP_MS = 60_000


@dataclass(frozen=True)
class PricePath:
    """A value over market time: straight lines between knots, constant before the first and after the last."""

    times: list[int]
    """When each knot is, in Unix milliseconds; they only grow. Who owns the path may add knots at its end."""
    values: list[float]
    """The value at each knot, in the unit of whoever made the path."""

    def at(self, ms: int) -> float:
        """The value at ``ms``."""
        after = bisect_right(self.times, ms)
        if after == 0:
            return self.values[0]
        if after == len(self.times):
            return self.values[-1]
        start, end = self.times[after - 1], self.times[after]
        low, high = self.values[after - 1], self.values[after]
        return low + (high - low) * (ms - start) / (end - start)

    def following(self, script: "PricePath") -> "PricePath":
        """This path; but from the first to the last knot of ``script`` that one."""
        first, last = script.times[0], script.times[-1]
        before = [(t, v) for t, v in zip(self.times, self.values, strict=True) if t < first]
        after = [(t, v) for t, v in zip(self.times, self.values, strict=True) if t > last]
        knots = [*before, *zip(script.times, script.values, strict=True), *after]
        return PricePath([t for t, _ in knots], [v for _, v in knots])


def market_path(rng: "Random", day: TradingDay) -> PricePath:
    """Draw how the whole market moves, as a fraction of its opening level: about one percent in a day."""
    return _walk(rng, day, spread=0.006, pull=0.004)


def stock_path(rng: "Random", market: PricePath, day: TradingDay, bound: float, leverage: float = 1.0) -> PricePath:
    """Draw how a stock moves, as a fraction of its reference: partly as the market does, partly on its own, within ``bound``.

    All moves are ``leverage`` times those of an ordinary stock.
    """
    own, beta = _walk(rng, day, spread=0.011, pull=0.004), rng.uniform(0.6, 1.3)
    gap = rng.gauss(0.0, 0.004)
    moves = [leverage * (gap + v + beta * m) for v, m in zip(own.values, market.values, strict=True)]
    values = [max(-bound, min(bound, move)) for move in moves]
    return PricePath(own.times, values)


def _walk(rng: "Random", day: TradingDay, spread: float, pull: float) -> PricePath:
    """Draw a walk from 08:45 to 15:00 that strays about ``spread`` from 0; each minute it is pulled back by ``pull`` of that."""
    times = list(range(at(day, 8, 45), at(day, 15) + 1, _STEP_MS))
    step, value, values = spread / 18, 0.0, []
    for _ in times:
        value += rng.gauss(0.0, step) - pull * value
        values.append(value)
    return PricePath(times, values)
