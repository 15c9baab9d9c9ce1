"""Foreign investors: which prints they had a part in, and the records (``R``) that say how much they have traded."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from connectors.ssi.simulator.core.listing_day import SECOND_MS, second, value_of
from connectors.ssi.simulator.core.records import Foreign, Trade
from connectors.ssi.simulator.core.stories import Script
from connectors.ssi.simulator.core.universe import Listing
from schemas.calendar import at
from schemas.units import TradingDay

if TYPE_CHECKING:
    from random import Random

COALESCE_MS = 10 * SECOND_MS
"""The shortest market time between two records of a symbol: one record tells all the prints since the last."""
_ODD_LOTS = 0.1
"""How often an odd lot is added to a round one, so that the counters are not all multiples of 100."""


class ForeignAccount:
    """What foreigners have bought and sold of one stock since the open."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._bought = self._sold = self._bought_value = self._sold_value = 0

    def buy(self, price: int, volume: int) -> int:
        """Buy as much of ``volume`` as the room allows; return how much that is."""
        taken = min(volume, self._listing.room - self._bought)
        self._bought += taken
        self._bought_value += value_of(price, taken, self._listing)
        return taken

    def sell(self, price: int, volume: int) -> int:
        """Sell ``volume``. The room does not grow: it does only when the shares are settled, days later."""
        self._sold += volume
        self._sold_value += value_of(price, volume, self._listing)
        return volume

    def state(self, ms: int) -> Foreign:
        """The record that tells how it stands at ``ms``."""
        room = self._listing.room - self._bought
        counters = (self._bought, self._sold, self._bought_value, self._sold_value)
        return Foreign(ms, second(ms), self._listing, room, *counters)


class ForeignFlow:
    """The foreign records of one stock's day, as far as they are asked for; the last comes after the close."""

    def __init__(self, listing: Listing, rng: "Random", script: Script | None, day: TradingDay) -> None:
        """``rng`` decides which prints foreigners have a part in; a story may tell how often they buy."""
        self._account = ForeignAccount(listing)
        self._rng = rng
        self._script = script
        busy = rng.uniform(0.1, 0.3)
        self._buying, self._selling = busy * rng.uniform(0.5, 1.5), busy * rng.uniform(0.5, 1.5)
        self._ends_ms = at(day, 15, 32) + rng.randrange(60 * SECOND_MS)
        self._price = 0
        """Of the last print; 0 before the first of the day."""
        self._changed = False
        """Whether they have traded since the last record."""
        self._said_ms = 0

    def speaks_before(self, ms: int) -> bool:
        """Whether it has a record that is due before ``ms`` even if nothing trades until then."""
        return self._ends_ms < ms or (self._changed and self._said_ms + COALESCE_MS < ms)

    def until(self, ms: int, trades: Iterable[Trade]) -> list[Foreign]:
        """The records that are due before ``ms`` and were not given before.

        Args:
            ms: Up to when, exclusively.
            trades: The stock's records that are due before ``ms`` and were not given before, in order; those without a match are
                skipped.
        """
        told: list[Foreign] = []
        for trade in trades:
            if trade.volume:
                self._say_what_is_due(trade.due_ms, told)
                self._take(trade)
                if self._changed and trade.due_ms >= self._said_ms + COALESCE_MS:
                    self._say(trade.due_ms, told)
        self._say_what_is_due(ms, told)
        if self._ends_ms < ms and self._price:
            self._close(told)
        return told

    def _say_what_is_due(self, before_ms: int, told: list[Foreign]) -> None:
        if self._changed and self._said_ms + COALESCE_MS < before_ms:
            self._say(self._said_ms + COALESCE_MS, told)

    def _say(self, ms: int, told: list[Foreign]) -> None:
        self._changed, self._said_ms = False, ms
        told.append(self._account.state(ms))

    def _take(self, trade: Trade) -> None:
        """Let foreigners have their part in a match."""
        rng, self._price = self._rng, trade.price
        moved = 0
        if rng.random() < (self._buying if self._script is None else _buying(self._script, trade.due_ms, self._buying)):
            moved += self._account.buy(trade.price, trade.volume + _odd_lot(rng))
        if rng.random() < self._selling:
            moved += self._account.sell(trade.price, trade.volume + _odd_lot(rng))
        self._changed = self._changed or moved > 0

    def _close(self, told: list[Foreign]) -> None:
        # Odd lots and late put-through deals are still counted after the close.
        if self._said_ms and self._rng.random() < 0.5:
            self._account.sell(self._price, self._rng.randrange(1, 5_000))
        self._say(self._ends_ms, told)
        self._ends_ms = _NEVER


_NEVER = 1 << 62


def _buying(script: Script, ms: int, usual: float) -> float:
    story = script.story
    return script.foreign_buying if script.foreign_buying is not None and story.from_ms <= ms < story.until_ms else usual


def _odd_lot(rng: "Random") -> int:
    return rng.randrange(1, 100) if rng.random() < _ODD_LOTS else 0
