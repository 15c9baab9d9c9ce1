"""What a day has come to so far: per symbol the totals that REST tells, per symbol and minute the bars. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from connectors.ssi.simulator.core.truth import DealTruth, Facts, ForeignTruth, PrintTruth, read_fact
from connectors.ssi.simulator.core.universe import Listing
from schemas.instruments import contract_of
from schemas.units import FUTURES_MULTIPLIER_VND, POINT

MINUTE_MS = 60_000


@dataclass
class ListingTotals:
    """One instrument's day so far.

    Prices in VND, of futures in hundredths of a point; volumes in shares or contracts; values in VND.
    """

    open: int = 0
    high: int = 0
    low: int = 0
    close: int = 0
    volume: int = 0
    """Matched in the order book."""
    value: int = 0
    deal_volume: int = 0
    """Put-through."""
    deal_value: int = 0
    buys: int = 0
    """Matches in which the buyer was the aggressor."""
    buy_volume: int = 0
    sells: int = 0
    sell_volume: int = 0
    bought: int = 0
    """By foreigners, from here on."""
    sold: int = 0
    bought_value: int = 0
    sold_value: int = 0
    room: int = 0

    def book(self, price: int, volume: int, value: int, side: str | None) -> None:
        """Take in a match."""
        self.open = self.open or price
        self.high = max(self.high, price)
        self.low = min(self.low or price, price)
        self.close = price
        self.volume += volume
        self.value += value
        if side == "BU":
            self.buys, self.buy_volume = self.buys + 1, self.buy_volume + volume
        elif side == "SD":
            self.sells, self.sell_volume = self.sells + 1, self.sell_volume + volume


@dataclass
class Bar:
    """What was matched of one symbol in one or more minutes."""

    last_ms: int
    """Exchange time of the last match in it."""
    open: int
    high: int
    low: int
    close: int
    volume: int


Bars = dict[int, Bar]
"""By the number of their minute, counted from 1970."""


class DaySoFar:
    """What has been matched, dealt and told of foreigners up to now."""

    def __init__(self, facts: Callable[[int], Iterator[Facts]]) -> None:
        """Nothing is taken in before :meth:`advance`; ``facts`` gives those of the day, from the block with a number on."""
        self._facts = facts
        self._symbols: dict[str, ListingTotals] = {}
        self._minutes: dict[str, Bars] = {}
        self._block = 0
        """The block of facts from which some are still to be taken."""
        self._taken = 0
        """How many of its facts have been."""

    def advance(self, released: int) -> None:
        """Take in what the records before place ``released`` tell."""
        for places, lines in self._facts(self._block):
            for place, line in list(zip(places, lines, strict=True))[self._taken :]:
                if place >= released:
                    return
                self._take(read_fact(line))
                self._taken += 1
            self._block, self._taken = self._block + 1, 0

    def of(self, listing: Listing) -> ListingTotals:
        """The day of ``listing`` so far; all zeros, and its room, where nothing has been said of it."""
        return self._symbols.get(listing.symbol) or ListingTotals(room=listing.room)

    def bars(self, listing: Listing, minutes: int) -> list[Bar]:
        """The matches of ``listing`` so far in bars of ``minutes``, counted from midnight; those without a match are left out."""
        return joined(self._minutes.get(listing.symbol, {}), minutes)

    def _take(self, fact: PrintTruth | DealTruth | ForeignTruth) -> None:
        day = self._symbols.setdefault(fact.symbol, ListingTotals())
        if isinstance(fact, ForeignTruth):
            day.bought, day.sold, day.room = fact.bought, fact.sold, fact.room
            day.bought_value, day.sold_value = fact.bought_value, fact.sold_value
            return
        value = value_of(fact.price, fact.last_vol, is_future=contract_of(fact.symbol) is not None)
        if isinstance(fact, DealTruth):
            day.deal_volume, day.deal_value = day.deal_volume + fact.last_vol, day.deal_value + value
            return
        day.book(fact.price, fact.last_vol, value, fact.side)
        add_to(self._minutes.setdefault(fact.symbol, {}), fact.ts_ms, fact.price, fact.last_vol)


def add_to(bars: Bars, ts_ms: int, price: int, volume: int) -> None:
    """Add a match to the bars of its symbol."""
    bar = bars.get(ts_ms // MINUTE_MS)
    if bar is None:
        bars[ts_ms // MINUTE_MS] = Bar(ts_ms, price, price, price, price, volume)
        return
    bar.last_ms, bar.close, bar.volume = ts_ms, price, bar.volume + volume
    bar.high, bar.low = max(bar.high, price), min(bar.low, price)


def joined(bars: Bars, minutes: int) -> list[Bar]:
    """Bars of one minute as bars of several."""
    if minutes == 1:
        return list(bars.values())
    found: Bars = {}
    for minute, bar in bars.items():
        whole = found.get(minute // minutes)
        if whole is None:
            found[minute // minutes] = replace(bar)
            continue
        whole.last_ms, whole.close, whole.volume = bar.last_ms, bar.close, whole.volume + bar.volume
        whole.high, whole.low = max(whole.high, bar.high), min(whole.low, bar.low)
    return list(found.values())


def value_of(price: int, volume: int, is_future: bool) -> int:
    """The value of a match in VND."""
    return price * volume * (FUTURES_MULTIPLIER_VND // POINT if is_future else 1)
