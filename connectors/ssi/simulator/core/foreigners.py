"""Foreign investors: which prints they had a part in, and the records (``R``) that say how much they have traded."""

from collections.abc import Iterable, Iterator
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


def foreign_steps(trades: Iterable[Trade], rng: "Random", script: Script | None, day: TradingDay) -> Iterator[Foreign]:
    """The foreign records of one stock's day, in order; the last comes after the close.

    Args:
        trades: The stock's records of the day, in order; those that are no print are skipped.
        rng: Decides which prints foreigners have a part in.
        script: The story of the stock, which may tell how often they buy.
        day: The trading day.
    """
    account, listing = None, None
    busy = rng.uniform(0.1, 0.3)
    buying, selling = busy * rng.uniform(0.5, 1.5), busy * rng.uniform(0.5, 1.5)
    changed, said_ms, price = False, 0, 0
    for trade in trades:
        if not trade.volume:
            continue
        if account is None:
            account, listing = ForeignAccount(trade.listing), trade.listing
        if changed and trade.due_ms > said_ms + COALESCE_MS:
            changed, said_ms = False, said_ms + COALESCE_MS
            yield account.state(said_ms)
        price, moved = trade.price, 0
        if rng.random() < (buying if script is None else _buying(script, trade.due_ms, buying)):
            moved += account.buy(price, trade.volume + _odd_lot(rng))
        if rng.random() < selling:
            moved += account.sell(price, trade.volume + _odd_lot(rng))
        changed = changed or moved > 0
        if changed and trade.due_ms >= said_ms + COALESCE_MS:
            changed, said_ms = False, trade.due_ms
            yield account.state(said_ms)
    if account is None or listing is None:
        return
    if changed:
        yield account.state(said_ms + COALESCE_MS)
    # Odd lots and late put-through deals are still counted after the close.
    if said_ms and rng.random() < 0.5:
        account.sell(price, rng.randrange(1, 5_000))
    yield account.state(at(day, 15, 32) + rng.randrange(60 * SECOND_MS))


def _buying(script: Script, ms: int, usual: float) -> float:
    story = script.story
    return script.foreign_buying if script.foreign_buying is not None and story.from_ms <= ms < story.until_ms else usual


def _odd_lot(rng: "Random") -> int:
    return rng.randrange(1, 100) if rng.random() < _ODD_LOTS else 0
