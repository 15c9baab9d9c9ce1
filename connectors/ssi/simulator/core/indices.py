"""Indices, computed exactly: every five seconds a record (``MI``) from all the prints of their members that were sent by then."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from connectors.ssi.simulator.core.listing_day import SECOND_MS, second, value_of, word_at
from connectors.ssi.simulator.core.records import IndexValue, Trade
from connectors.ssi.simulator.core.universe import IndexListing, Listing, Universe
from schemas.calendar import at
from schemas.units import Symbol, TradingDay

if TYPE_CHECKING:
    from random import Random

STEP_MS = 5 * SECOND_MS
_PUT_THROUGHS = 60
"""Put-through deals in a day."""


class IndexBook:
    """One index while its members trade: its value, breadth and turnover.

    The value is the prior value times the members' price × shares now, over their reference × shares.
    """

    def __init__(self, listing: IndexListing) -> None:
        self._listing = listing
        self._shares = {member.symbol: listing.shares_of(member) for member in listing.members}
        self._last: dict[Symbol, int] = {member.symbol: member.reference for member in listing.members}
        self._base = sum(member.reference * self._shares[member.symbol] for member in listing.members)
        self._now = self._base
        self._places = {member.symbol: "no_changes" for member in listing.members}
        self._breadth = {"advances": 0, "no_changes": len(listing.members), "declines": 0, "ceilings": 0, "floors": 0}
        self._volume = self._value = self._put_through_volume = self._put_through_value = 0

    @property
    def value(self) -> int:
        """The index now, in hundredths of a point, rounded half up."""
        return (2 * self._listing.prior * self._now + self._base) // (2 * self._base)

    def book(self, trade: Trade) -> None:
        """Take in a print of a member."""
        symbol = trade.listing.symbol
        self._now += (trade.price - self._last[symbol]) * self._shares[symbol]
        self._last[symbol] = trade.price
        place = _place(trade.price, trade.listing)
        self._breadth[self._places[symbol]] -= 1
        self._breadth[place] += 1
        self._places[symbol] = place
        self._volume += trade.volume
        self._value += value_of(trade.price, trade.volume, trade.listing)

    def put_through(self, member: Listing, volume: int) -> None:
        """Take in a put-through deal of a member, at its last price. It counts in the put-through totals only."""
        self._put_through_volume += volume
        self._put_through_value += volume * self._last[member.symbol]

    def state(self, ms: int, session: str) -> IndexValue:
        """The record that tells how the index stands at ``ms``."""
        breadth = self._breadth if self._listing.has_breadth else dict.fromkeys(self._breadth, 0)
        return IndexValue(
            due_ms=ms,
            ts_ms=second(ms),
            listing=self._listing,
            value=self.value,
            prior=self._listing.prior,
            volume=self._volume,
            traded_value=self._value,
            put_through_volume=self._put_through_volume,
            put_through_value=self._put_through_value,
            session=session,
            **breadth,
        )


def _place(price: int, listing: Listing) -> str:
    if price >= listing.ceiling:
        return "ceilings"
    if price <= listing.floor:
        return "floors"
    if price == listing.reference:
        return "no_changes"
    return "advances" if price > listing.reference else "declines"


def index_values(trades: Iterable[Trade], universe: Universe, day: TradingDay, rng: "Random") -> Iterator[IndexValue]:
    """The records of all indices of the day, computed from the records of stocks in the order in which these are sent.

    In the lunch break and after the close no value changes, and none is sent, but for the last of the day at 15:05.
    """
    books = {index.symbol: IndexBook(index) for index in universe.indices}
    books_of = {
        stock.symbol: [books[index.symbol] for index in universe.indices if stock in index.members] for stock in universe.stocks
    }
    deals = sorted((ms, place) for place, ms in enumerate(_deal_times(rng, day)))
    pending = iter(trades)
    trade = next(pending, None)
    for tick_ms in _tick_times(day):
        while trade is not None and trade.due_ms <= tick_ms:
            if trade.volume:
                for book in books_of[trade.listing.symbol]:
                    book.book(trade)
            trade = next(pending, None)
        while deals and deals[0][0] < tick_ms:
            deals.pop(0)
            stock, volume = rng.choice(universe.stocks), rng.randrange(20_000, 2_000_000)
            for book in books_of[stock.symbol]:
                book.put_through(stock, volume)
        for index in universe.indices:
            yield books[index.symbol].state(tick_ms, word_at(tick_ms, day, index.exchange))


def _tick_times(day: TradingDay) -> list[int]:
    morning = range(at(day, 9), at(day, 11, 30) + 1, STEP_MS)
    afternoon = range(at(day, 13), at(day, 14, 45, 15) + 1, STEP_MS)
    return [*morning, *afternoon, at(day, 15, 5)]


def _deal_times(rng: "Random", day: TradingDay) -> list[int]:
    spans = [(at(day, 9, 5), at(day, 11, 30)), (at(day, 13), at(day, 14, 45))]
    return [rng.randrange(*spans[rng.random() < 0.4]) for _ in range(_PUT_THROUGHS)]
