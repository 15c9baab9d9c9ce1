"""Indices, computed exactly: every five seconds a record (``MI``) from all the prints of their members that were sent by then."""

from collections.abc import Iterable

from connectors.ssi.simulator.core.listing_day import SECOND_MS, second, value_of, word_at
from connectors.ssi.simulator.core.records import IndexValue, Trade
from connectors.ssi.simulator.core.universe import IndexListing, Listing, Universe
from schemas.calendar import at
from schemas.units import Symbol, TradingDay

STEP_MS = 5 * SECOND_MS


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
        place = place_of(trade.price, trade.listing)
        self._breadth[self._places[symbol]] -= 1
        self._breadth[place] += 1
        self._places[symbol] = place
        self._volume += trade.volume
        self._value += value_of(trade.price, trade.volume, trade.listing)

    def put_through(self, deal: Trade) -> None:
        """Take in a put-through deal of a member. It counts in the put-through totals only."""
        self._put_through_volume += deal.volume
        self._put_through_value += value_of(deal.price, deal.volume, deal.listing)

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


def place_of(price: int, listing: Listing) -> str:
    """Which of an index's counts a member at ``price`` belongs to."""
    if price >= listing.ceiling:
        return "ceilings"
    if price <= listing.floor:
        return "floors"
    if price == listing.reference:
        return "no_changes"
    return "advances" if price > listing.reference else "declines"


class IndexBooks:
    """The records of all indices of a day, as far as they are asked for.

    In the lunch break and after the close no value changes, and none is sent, but for the last of the day at 15:05.
    """

    def __init__(self, universe: Universe, day: TradingDay) -> None:
        self._day = day
        self._books = {index.symbol: IndexBook(index) for index in universe.indices}
        self._books_of: dict[Symbol, list[IndexBook]] = {listing.symbol: [] for listing in universe.stocks}
        for index in universe.indices:
            for member in index.members:
                self._books_of[member.symbol].append(self._books[index.symbol])
        self._indices = universe.indices
        self._ticks = list(reversed(_tick_times(day)))
        """When records are due that have not been given, the last first."""

    def until(self, ms: int, trades: Iterable[Trade]) -> list[IndexValue]:
        """The records that are due before ``ms`` and were not given before.

        Args:
            ms: Up to when, exclusively.
            trades: The records of stocks that are due before ``ms`` and were not given before, in the order in which they are
                sent; those without a match are skipped.
        """
        told: list[IndexValue] = []
        for trade in trades:
            if trade.volume:
                while self._ticks and self._ticks[-1] < trade.due_ms:
                    self._tell(told)
                for book in self._books_of[trade.listing.symbol]:
                    if trade.is_deal:
                        book.put_through(trade)
                    else:
                        book.book(trade)
        while self._ticks and self._ticks[-1] < ms:
            self._tell(told)
        return told

    def _tell(self, told: list[IndexValue]) -> None:
        tick_ms = self._ticks.pop()
        told += [self._books[index.symbol].state(tick_ms, word_at(tick_ms, self._day, index.exchange)) for index in self._indices]


def _tick_times(day: TradingDay) -> list[int]:
    morning = range(at(day, 9), at(day, 11, 30) + 1, STEP_MS)
    afternoon = range(at(day, 13), at(day, 14, 45, 15) + 1, STEP_MS)
    return [*morning, *afternoon, at(day, 15, 5)]
