"""Where prices want to go: random walks with knots a minute apart, straight in between."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.calendar import at
from schemas.units import TradingDay

if TYPE_CHECKING:
    from random import Random

_STEP_MS = 60_000


@dataclass(frozen=True)
class PricePath:
    """A value over market time: straight lines between knots, level before the first and after the last."""

    times: Sequence[int]
    values: Sequence[float]

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
        """This path, except that between the first and the last knot of ``script`` it is the script's."""
        first, last = script.times[0], script.times[-1]
        before = [(t, v) for t, v in zip(self.times, self.values, strict=True) if t < first]
        after = [(t, v) for t, v in zip(self.times, self.values, strict=True) if t > last]
        knots = [*before, *zip(script.times, script.values, strict=True), *after]
        return PricePath([t for t, _ in knots], [v for _, v in knots])


def market_path(rng: "Random", day: TradingDay) -> PricePath:
    """How the whole market moves, as a fraction of its opening level: a day of about one percent."""
    return _walk(rng, day, spread=0.006, pull=0.004)


def stock_path(rng: "Random", market: PricePath, day: TradingDay, bound: float) -> PricePath:
    """Draw a stock's change against its reference: its share of the market's move and a walk of its own, within ``bound``."""
    own, beta = _walk(rng, day, spread=0.011, pull=0.004), rng.uniform(0.6, 1.3)
    gap = rng.gauss(0.0, 0.004)
    values = [max(-bound, min(bound, gap + v + beta * m)) for v, m in zip(own.values, market.values, strict=True)]
    return PricePath(own.times, values)


def _walk(rng: "Random", day: TradingDay, spread: float, pull: float) -> PricePath:
    """A walk from 08:45 to 15:00 that strays about ``spread`` in a day and is drawn back to where it began."""
    times = range(at(day, 8, 45), at(day, 15) + 1, _STEP_MS)
    step, value, values = spread / 18, 0.0, []
    for _ in times:
        value += rng.gauss(0.0, step) - pull * value
        values.append(value)
    return PricePath(times, values)
