"""One listing's day: its prints, the book around them, its auctions. Pure: chance is an argument.

In continuous trading a print takes the best price of the book that was last published: the ask when the buyer was the
aggressor, the bid when the seller was. At a limit one side of the book is empty and the other holds the queue. Auctions match
everything at one price, in a burst of prints that the feed needs some seconds to send.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from connectors.ssi.simulator.core.records import Quote, SsiSide, Status, Trade
from connectors.ssi.simulator.core.stories import Script
from connectors.ssi.simulator.core.universe import Listing
from schemas import session
from schemas.calendar import at
from schemas.units import FUTURES_MULTIPLIER_VND, POINT, Exchange, SessionPhase, TradingDay

if TYPE_CHECKING:
    from random import Random

FairPrice = Callable[[int], float]
"""Gives the price around which a listing trades at a market time (Unix milliseconds), in the listing's unit."""

SECOND_MS = 1000
AUCTION_LAG_MS = 4 * SECOND_MS
"""How long the feed takes to send the prints of an auction. (At SSI eleven seconds have been seen, after an opening auction.)"""
LARGEST_ORDER = 500_000
"""Shares that HOSE accepts in one order."""

# How busy trading is from a time of day on: most after the open, after lunch and before the close.
_INTENSITY = (
    ((8, 45), 1.0), ((9, 15), 2.6), ((9, 45), 1.4), ((10, 30), 0.9),
    ((13, 0), 2.0), ((13, 15), 1.0), ((14, 15), 2.4), ((14, 30), 0.8),
)  # fmt: skip

_WORDS = {
    SessionPhase.PRE_OPEN: "C",
    SessionPhase.ATO: "ATO",
    SessionPhase.CONTINUOUS: "LO",
    SessionPhase.BREAK: "BREAK",
    SessionPhase.ATC: "ATC",
    SessionPhase.POST_CLOSE: "C",
    SessionPhase.CLOSED: "C",
}


def word_at(ms: int, day: TradingDay, exchange: Exchange) -> str:
    """SSI's word for the trading session of ``exchange`` at ``ms``. Before the first of the day it is still C, for closed."""
    word = "C"
    for begins_ms, phase in session.starts(day, exchange):
        if ms < begins_ms:
            break
        word = _WORDS[phase]
    return word


def value_of(price: int, volume: int, listing: Listing) -> int:
    """The value of a match in VND: price × shares, or points × 100,000 × contracts."""
    return price * volume * (FUTURES_MULTIPLIER_VND // POINT if listing.is_future else 1)


def second(ms: int) -> int:
    """``ms`` as the exchange stamps it: without milliseconds."""
    return ms // SECOND_MS * SECOND_MS


class ListingDay:
    """Writes the records of one listing's day, in the order in which the feed sends them."""

    def __init__(
        self, listing: Listing, day: TradingDay, rng: "Random", fair: FairPrice, prints: int, script: Script | None = None
    ) -> None:
        self.records: list[Trade | Quote | Status] = []
        self._listing = listing
        self._day = day
        self._rng = rng
        self._fair = fair
        self._prints = prints
        self._script = script
        self._print_sizes, self._level_sizes = _sizes(rng, listing)
        self._due_ms = 0
        self._best_bid = -1
        """The index in the listing's ladder of the best bid in the book last published; -1 when nobody bids."""
        self._bid_volumes = [self._level_size() for _ in range(listing.depth)]
        self._ask_volumes = [self._level_size() for _ in range(listing.depth)]
        self._last = 0
        self._high = 0
        self._low = 0
        self._volume = 0
        self._value = 0

    def write(self, announced_ms: int) -> None:
        """Write all records of the day; the first, without a match, is due at ``announced_ms``."""
        self._announce(announced_ms)
        phases = session.starts(self._day, self._listing.exchange)
        for (begins_ms, phase), (ends_ms, _) in pairwise(phases):
            self._status(begins_ms, phase)
            if phase is SessionPhase.CONTINUOUS:
                self._trade_continuously(begins_ms, ends_ms)
            elif phase in (SessionPhase.ATO, SessionPhase.ATC):
                self._hold_auction(begins_ms, ends_ms, _WORDS[phase])
        self._status(phases[-1][0], phases[-1][1])

    def _announce(self, due_ms: int) -> None:
        """Write what SSI has in its cache before the open: no match yet, and an empty book."""
        self._due_ms = due_ms
        self._say(due_ms, second(due_ms), "C", volume=0, expected=0)
        self.records.append(Quote(due_ms, second(due_ms), self._listing, (), (), (), (), "C"))

    def _status(self, begins_ms: int, phase: SessionPhase) -> None:
        due_ms = self._due(begins_ms + self._rng.randrange(SECOND_MS))
        self.records.append(Status(due_ms, second(begins_ms), self._listing, _WORDS[phase]))

    def _due(self, ms: int) -> int:
        """When a record of ``ms`` is sent: at ``ms``, but never before an earlier record of the same listing."""
        self._due_ms = max(self._due_ms, ms)
        return self._due_ms

    # -- continuous trading

    def _trade_continuously(self, begins_ms: int, ends_ms: int) -> None:
        times = self._print_times(begins_ms, ends_ms)
        self._quote(begins_ms)
        for ms, is_print, size in self._events(times, begins_ms, ends_ms):
            if is_print:
                self._match(ms, size)
            else:
                self._quote(ms)

    def _print_times(self, begins_ms: int, ends_ms: int) -> list[tuple[int, int]]:
        """The times of the prints between two times, each with how many times the usual size it has."""
        rng, script = self._rng, self._script
        share = _weight(self._day, self._listing.exchange, begins_ms, ends_ms)
        times = [(ms, 1) for ms in _draw(rng, self._day, begins_ms, ends_ms, round(self._prints * share))]
        if script is not None:
            from_ms, until_ms = script.story.from_ms, script.story.until_ms
            for _ in range(script.extra_prints):
                part = rng.random() ** (1 / 3) if script.rising else rng.random()
                ms = from_ms + int(part * (until_ms - from_ms))
                if begins_ms <= ms < ends_ms:
                    times.append((ms, script.size))
        times.sort()
        return times

    def _events(self, times: list[tuple[int, int]], begins_ms: int, ends_ms: int) -> list[tuple[int, bool, int]]:
        """Prints, and after each of them three to five changes of the book, in order: time, whether it is a print, size."""
        rng = self._rng
        events = [(ms, True, size) for ms, size in times]
        for (ms, _), (next_ms, _) in pairwise([*times, (ends_ms, 0)]):
            events.append((ms + rng.randrange(10, 150), False, 0))
            events += [(rng.randrange(ms, next_ms) if next_ms > ms else ms, False, 0) for _ in range(rng.randrange(2, 5))]
        if self._script is not None and self._script.large_at_ms is not None and begins_ms <= self._script.large_at_ms < ends_ms:
            events.append((self._script.large_at_ms, True, LARGEST_ORDER))
        events.sort()
        return [event for event in events if event[0] < ends_ms]

    def _match(self, ms: int, size: int) -> None:
        ladder, rng = self._listing.ladder, self._rng
        buyers, sellers = self._best_bid >= 0, self._best_bid + 1 < len(ladder)
        buys = sellers and (not buyers or rng.random() < 0.5)
        price = ladder[self._best_bid + 1] if buys else ladder[self._best_bid]
        volume = min(self._print_size() * size, LARGEST_ORDER)
        self._book(ms, second(ms), "LO", price, volume, expected=self._last, side="BU" if buys else "SD")

    def _quote(self, ms: int) -> None:
        listing, rng = self._listing, self._rng
        ladder, depth = listing.ladder, listing.depth
        best = bisect_right(ladder, self._fair(ms) * (1 + rng.gauss(0.0, 0.0004))) - 1
        for level in (0, rng.randrange(depth)):
            self._bid_volumes[level], self._ask_volumes[level] = self._level_size(), self._level_size()
        self._best_bid = best
        bids, asks = tuple(reversed(ladder[max(best + 1 - depth, 0) : best + 1])), tuple(ladder[best + 1 : best + 1 + depth])
        queue = 20 if not bids or not asks else 1
        self.records.append(
            Quote(
                self._due(ms),
                second(ms),
                listing,
                bids,
                tuple(v * queue for v in self._bid_volumes[: len(bids)]),
                asks,
                tuple(v * queue for v in self._ask_volumes[: len(asks)]),
                "LO",
            )
        )

    # -- auctions

    def _hold_auction(self, begins_ms: int, ends_ms: int, word: str) -> None:
        rng, listing = self._rng, self._listing
        quotes, indications = 4 + self._prints // 60, 2 + self._prints // 200
        moments = [(rng.randrange(begins_ms, ends_ms), False) for _ in range(quotes)]
        moments += [(rng.randrange(begins_ms, ends_ms), True) for _ in range(indications)]
        for ms, is_indication in sorted(moments):
            if is_indication:
                self._indicate(ms, word)
            else:
                self._collect(ms, word)
        price = self._nearest(self._fair(ends_ms))
        volume = self._print_size()
        # An auction matches many orders of the same few sizes at one price: neighbouring prints often have the same volume.
        for lag_ms in sorted(rng.randrange(AUCTION_LAG_MS) for _ in range(1 + self._prints // 60)):
            if rng.random() < 0.4:
                volume = self._print_size()
            # The exchange stamps the opening match with the end of the auction, the closing matches with when it gets to them.
            ts_ms = ends_ms if word == "ATO" else second(ends_ms + lag_ms)
            self._book(ends_ms + lag_ms, ts_ms, word, price, volume, expected=price, side=None)
        self._best_bid = bisect_left(listing.ladder, price)

    def _indicate(self, ms: int, word: str) -> None:
        """Write at what price the auction would match now; nothing has matched yet."""
        self._say(ms, second(ms), word, volume=0, expected=self._nearest(self._fair(ms)))

    def _collect(self, ms: int, word: str) -> None:
        """Write the book that an auction has collected: market orders first, at price 0."""
        listing, depth = self._listing, self._listing.depth
        ladder, middle = listing.ladder, bisect_left(listing.ladder, self._nearest(self._fair(ms)))
        bids = tuple(reversed(ladder[max(middle + 1 - depth, 0) : middle]))
        asks = tuple(ladder[middle + 1 : middle + depth])
        self._bid_volumes[0], self._ask_volumes[0] = self._level_size(), self._level_size()
        self.records.append(
            Quote(
                self._due(ms),
                second(ms),
                listing,
                (0, *bids),
                tuple(self._bid_volumes[: len(bids) + 1]),
                (0, *asks),
                tuple(self._ask_volumes[: len(asks) + 1]),
                word,
            )
        )

    def _nearest(self, price: float) -> int:
        ladder = self._listing.ladder
        return ladder[max(0, min(len(ladder) - 1, bisect_right(ladder, price) - 1))]

    # -- what X-TRADE says

    def _book(self, ms: int, ts_ms: int, word: str, price: int, volume: int, expected: int, side: SsiSide | None) -> None:
        """Match ``volume`` at ``price`` and write so."""
        self._last = price
        self._high = max(self._high, price)
        self._low = min(self._low, price) if self._low else price
        self._volume += volume
        self._value += value_of(price, volume, self._listing)
        self._say(ms, ts_ms, word, volume, expected, side)

    def _say(self, ms: int, ts_ms: int, word: str, volume: int, expected: int, side: SsiSide | None = None) -> None:
        """Write an ``X-TRADE`` with the totals of the day so far, after a match of ``volume``, or without a match (0)."""
        self.records.append(
            Trade(
                due_ms=self._due(ms),
                ts_ms=ts_ms,
                listing=self._listing,
                price=self._last,
                volume=volume,
                total_volume=self._volume,
                total_value=self._value,
                high=self._high,
                low=self._low,
                expected=expected,
                session=word,
                side=side,
            )
        )

    def _print_size(self) -> int:
        return self._print_sizes[self._rng.getrandbits(8)]

    def _level_size(self) -> int:
        return self._level_sizes[self._rng.getrandbits(8)]


def _sizes(rng: "Random", listing: Listing) -> tuple[list[int], list[int]]:
    """256 sizes of prints, and as many of book levels, to draw from: lots of 100 shares, or a few contracts."""
    if listing.is_future:
        return [1 + int(rng.expovariate(0.4)) for _ in range(256)], [1 + int(rng.expovariate(0.02)) for _ in range(256)]
    lot = 100
    prints = [max(1, round(min(rng.lognormvariate(17.2, 1.0), 6e8) / listing.reference / lot)) * lot for _ in range(256)]
    levels = [max(1, round(rng.lognormvariate(19.3, 0.8) / listing.reference / lot)) * lot for _ in range(256)]
    return prints, levels


def _pieces(day: TradingDay, begins_ms: int, ends_ms: int) -> list[tuple[int, int, float]]:
    """The parts of a time span in which trading is equally busy: begin, end, weight."""
    bounds = [(at(day, *clock), busy) for clock, busy in _INTENSITY]
    pieces = []
    for (start, busy), (end, _) in pairwise([*bounds, (at(day, 24), 0.0)]):
        low, high = max(start, begins_ms), min(end, ends_ms)
        if low < high:
            pieces.append((low, high, busy * (high - low)))
    return pieces


def _weight(day: TradingDay, exchange: Exchange, begins_ms: int, ends_ms: int) -> float:
    """The part of a day's continuous trading on ``exchange`` that falls between two times."""
    spans = [
        (start, end) for (start, phase), (end, _) in pairwise(session.starts(day, exchange)) if phase is SessionPhase.CONTINUOUS
    ]
    whole = sum(weight for span in spans for *_, weight in _pieces(day, *span))
    return sum(weight for *_, weight in _pieces(day, begins_ms, ends_ms)) / whole


def _draw(rng: "Random", day: TradingDay, begins_ms: int, ends_ms: int, count: int) -> list[int]:
    """Draw ``count`` times, unsorted, denser where trading is busier."""
    pieces = _pieces(day, begins_ms, ends_ms)
    chosen = rng.choices(pieces, [weight for *_, weight in pieces], k=count)
    return [rng.randrange(start, end) for start, end, _ in chosen]
