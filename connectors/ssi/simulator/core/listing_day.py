"""One listing's day: its prints, the book around them, its auctions. Pure: chance is an argument.

In continuous trading a print takes the best price of the book that was last published: the ask when the buyer was the
aggressor, the bid when the seller was. At a limit one side of the book is empty and the other holds the queue. Auctions match
everything at one price, in a burst of prints that the feed needs some seconds to send.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import exp
from operator import attrgetter
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from connectors.ssi.simulator.core.records import HALT, PUT_THROUGH, OddLot, Quote, SsiSide, Status, Trade
from connectors.ssi.simulator.core.stories import Script
from connectors.ssi.simulator.core.universe import Listing
from schemas import session
from schemas.calendar import at
from schemas.units import FUTURES_MULTIPLIER_VND, POINT, Exchange, SessionPhase, TradingDay

if TYPE_CHECKING:
    from random import Random

FairPrice = Callable[[int], float]
"""Gives the price around which a listing trades at a market time (Unix milliseconds), in the listing's unit."""
PutThrough = Literal["index", "own", "shared"]
"""What ``X-TRADE`` says of put-through deals, which nobody has published.

``index``: nothing; they are in the totals of indices only. ``own``: each is a record in the session PT, with a total of the
symbol's deals. ``shared``: likewise, but a symbol's prints and deals have one total together.
"""
ListingRecord = Trade | Quote | Status | OddLot

SECOND_MS = 1000
PERIOD_MS = 60 * SECOND_MS
"""How much of a listing's day is written at a time."""
AUCTION_LAG_MS = 4 * SECOND_MS
"""How long the feed takes to send the prints of an auction. (At SSI eleven seconds have been seen, after an opening auction.)"""
LARGEST_ORDER = 500_000
"""Shares that HOSE accepts in one order."""
_ODD_LOTS = 0.08
"""Matches of the odd-lot board for each print."""
_QUOTES = 3.5
"""Changes of the book for each print, besides the one that the print makes."""


@dataclass(frozen=True)
class Deal:
    """A put-through deal: two parties have agreed on it outside the order book."""

    ms: int
    listing: Listing
    volume: int
    part: float
    """Its price, as a part of the way from the reference to the ceiling (1) or the floor (-1)."""

    @property
    def price(self) -> int:
        """In VND. Deals need not keep to the price step, only to the day's limits."""
        listing, part = self.listing, self.part
        room = listing.ceiling - listing.reference if part > 0 else listing.reference - listing.floor
        return round(listing.reference + part * room)


@dataclass(frozen=True)
class Plan:
    """What is to happen to one listing in a day."""

    prints: int
    """Prints of an ordinary day in continuous trading; without those of its story."""
    script: Script | None = None
    deals: tuple[Deal, ...] = ()
    """In order of their time, all in continuous trading."""
    put_through: PutThrough = "index"
    halt: tuple[int, int] | None = None
    """From when to when trading stands still; in continuous trading, at whole minutes."""
    period_ms: int = PERIOD_MS


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
    """Writes the records of one listing's day, in the order in which the feed sends them, as far as they are asked for."""

    def __init__(self, listing: Listing, day: TradingDay, rng: "Random", fair: FairPrice, plan: Plan, announced_ms: int) -> None:
        """Its first record, without a match, is due at ``announced_ms``."""
        self._listing = listing
        self._day = day
        self._rng = rng
        self._fair = fair
        self._plan = plan
        self._print_sizes, self._level_sizes = _sizes(rng, listing)
        self._odd_lots = listing.kind in ("stock", "etf")
        self._extras = _extra_times(rng, plan.script)
        """When the prints of its story are that have not been made yet, the last first."""
        self._deals = list(reversed(plan.deals))
        self._ready: list[ListingRecord] = []
        """What has been written and not been asked for."""
        self._written_ms = 0
        """Everything that is due before this time has been written."""
        self._writing = self._write(announced_ms)
        self._due_ms = 0
        self._up = listing.ladder
        self._down = self._up[::-1]
        self._best_bid = -1
        """The index in the listing's ladder of the best bid in the book last published; -1 when nobody bids."""
        self._bid_volumes = [self._level_size() for _ in range(listing.depth)]
        self._ask_volumes = [self._level_size() for _ in range(listing.depth)]
        self._prints_owed = self._quotes_owed = 0.0
        """Parts of a print and of a change of the book that have not become one yet."""
        self._last = 0
        self._open = 0
        self._high = 0
        self._low = 0
        self._volume = 0
        self._value = 0
        self._odd_volume = 0
        self._odd_value = 0
        self._deal_volume = 0
        self._deal_value = 0

    def until(self, ms: int) -> list[ListingRecord]:
        """The records that are due before ``ms`` and were not given before."""
        while self._written_ms < ms:
            self._written_ms = next(self._writing, _FOREVER)
        ready = self._ready
        if not ready or ready[0].due_ms >= ms:
            return []
        cut = len(ready) if ready[-1].due_ms < ms else bisect_left(ready, ms, key=_due_of)
        self._ready = ready[cut:]
        return ready[:cut]

    def _write(self, announced_ms: int) -> Iterator[int]:
        """Write the day; at each stop, up to when it has been written."""
        self._announce(announced_ms)
        phases = session.starts(self._day, self._listing.exchange)
        for (begins_ms, phase), (ends_ms, _) in pairwise(phases):
            yield begins_ms
            self._status(begins_ms, _WORDS[phase])
            if phase is SessionPhase.CONTINUOUS:
                yield from self._trade_continuously(begins_ms, ends_ms)
            elif phase in (SessionPhase.ATO, SessionPhase.ATC):
                yield from self._hold_auction(begins_ms, ends_ms, _WORDS[phase])
        yield phases[-1][0]
        self._status(phases[-1][0], _WORDS[phases[-1][1]])

    def _announce(self, due_ms: int) -> None:
        """Write what SSI has in its cache before the open: no match yet, and an empty book."""
        self._due_ms = due_ms
        self._say(due_ms, second(due_ms), "C", volume=0, expected=0)
        self._ready.append(Quote(due_ms, second(due_ms), self._listing, (), (), (), (), "C"))

    def _status(self, begins_ms: int, word: str, *, is_halted: bool = False) -> None:
        due_ms = self._due(begins_ms + int(self._rng.random() * SECOND_MS))
        self._ready.append(Status(due_ms, second(begins_ms), self._listing, word, is_halted))

    def _due(self, ms: int) -> int:
        """When a record of ``ms`` is sent: at ``ms``, but never before an earlier record of the same listing."""
        self._due_ms = max(self._due_ms, ms)
        return self._due_ms

    # -- continuous trading

    def _trade_continuously(self, begins_ms: int, ends_ms: int) -> Iterator[int]:
        self._quote(begins_ms)
        period_ms, halt = self._plan.period_ms, self._plan.halt
        for start in range(begins_ms, ends_ms, period_ms):
            stop = min(start + period_ms, ends_ms)
            if halt is None or not halt[0] <= start < halt[1]:
                self._trade(start, stop, ends_ms)
            elif start == halt[0]:
                self._halt(start)
            if halt is not None and stop == halt[1]:
                yield stop
                self._status(stop, "LO")
                self._quote(stop)
            yield stop

    def _halt(self, ms: int) -> None:
        """Say that nothing trades from ``ms`` on. ``F`` and ``X-TRADE`` have different words for it."""
        self._status(ms, "HALT", is_halted=True)
        self._say(ms, second(ms), HALT, volume=0, expected=self._last)

    def _trade(self, start: int, stop: int, ends_ms: int) -> None:
        """Write the prints between two times, each with the changes of the book around it, and the deals."""
        for ms, size in self._events(start, stop, ends_ms):
            if size == 0:
                self._quote(ms)
            elif size > 0:
                self._match(ms, size)
            else:
                self._agree(self._deals.pop())

    def _events(self, start: int, stop: int, ends_ms: int) -> list[tuple[int, int]]:
        """What happens between two times, in order: when, and what.

        A positive number is a print of so many times the usual size, 0 a change of the book, -1 a put-through deal.
        """
        random, span = self._rng.random, stop - start
        expected = self._plan.prints * _share(self._day, self._listing.exchange, start, stop)
        expected *= 0.4 + 1.2 * random()
        self._prints_owed += expected
        prints = int(self._prints_owed)
        self._prints_owed -= prints
        self._quotes_owed += _QUOTES * expected
        quotes = int(self._quotes_owed)
        self._quotes_owed -= quotes
        if not (prints or quotes or self._deals or self._plan.script):
            return []
        events = [(start + int(random() * span), 1) for _ in range(prints)]
        if self._extras or self._plan.script is not None:
            events += self._story(start, stop)
        # A print changes the book right afterwards.
        events += [(ms, 0) for ms in [ms + 10 + int(random() * 140) for ms, _ in events] if ms < ends_ms]
        events += [(start + int(random() * span), 0) for _ in range(quotes)]
        while self._deals and self._deals[-1].ms < start:
            self._deals.pop()  # It fell into a halt: nobody may agree on one then.
        events += [(deal.ms, -1) for deal in self._deals if deal.ms < stop]
        events.sort()
        return events

    def _story(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The prints of its story between two times."""
        script = self._plan.script
        while self._extras and self._extras[-1] < stop:
            ms = self._extras.pop()
            if ms >= start and script is not None:
                yield ms, script.size
        if script is not None and script.large_at_ms is not None and start <= script.large_at_ms < stop:
            yield script.large_at_ms, LARGEST_ORDER

    def _match(self, ms: int, size: int) -> None:
        ladder, rng = self._up, self._rng
        buyers, sellers = self._best_bid >= 0, self._best_bid + 1 < len(ladder)
        buys = sellers and (not buyers or rng.random() < 0.5)
        price = ladder[self._best_bid + 1] if buys else ladder[self._best_bid]
        volume = min(self._print_size() * size, LARGEST_ORDER)
        self._book(ms, second(ms), "LO", price, volume, expected=self._last, side="BU" if buys else "SD")
        if self._odd_lots and rng.random() < _ODD_LOTS:
            self._match_odd_lot(ms, price)

    def _match_odd_lot(self, ms: int, price: int) -> None:
        """Match less than a round lot, on the board for that, at the price of the print before it."""
        rng, volume = self._rng, 1 + int(self._rng.random() * 99)
        self._odd_volume += volume
        self._odd_value += price * volume
        best = bisect_right(self._up, price) - 1
        bids, asks = self._down[len(self._down) - best - 1 :][:3], self._up[best + 1 : best + 4]
        self._ready.append(
            OddLot(
                due_ms=self._due(ms),
                ts_ms=second(ms),
                listing=self._listing,
                price=price,
                volume=volume,
                total_volume=self._volume + self._odd_volume,
                total_value=self._value + self._odd_value,
                open=self._open,
                high=self._high,
                low=self._low,
                bid_prices=bids,
                bid_volumes=tuple(1 + int(rng.random() * 900) for _ in bids),
                ask_prices=asks,
                ask_volumes=tuple(1 + int(rng.random() * 900) for _ in asks),
                session="LO",
            )
        )

    def _agree(self, deal: Deal) -> None:
        """Write a put-through deal. It moves neither the last price nor high nor low of the order book."""
        value = value_of(deal.price, deal.volume, self._listing)
        self._deal_volume += deal.volume
        self._deal_value += value
        total = self._deal_volume, self._deal_value
        if self._plan.put_through == "shared":
            self._volume += deal.volume
            self._value += value
            total = self._volume, self._value
        self._ready.append(
            Trade(
                due_ms=self._due(deal.ms),
                ts_ms=second(deal.ms),
                listing=self._listing,
                price=deal.price,
                volume=deal.volume,
                total_volume=total[0],
                total_value=total[1],
                high=self._high,
                low=self._low,
                expected=0,
                session=PUT_THROUGH,
                side=None,
            )
        )

    def _quote(self, ms: int) -> None:
        listing, rng = self._listing, self._rng
        up, depth = self._up, listing.depth
        best = bisect_right(up, self._fair(ms) * _NOISE[rng.getrandbits(10)]) - 1
        bid_volumes, ask_volumes = self._bid_volumes, self._ask_volumes
        for level in (0, int(rng.random() * depth)):
            bid_volumes[level], ask_volumes[level] = self._level_size(), self._level_size()
        self._best_bid = best
        below = len(up) - best - 1
        bids, asks = self._down[below : below + depth], up[best + 1 : best + 1 + depth]
        if bids and asks:
            volumes = tuple(bid_volumes[: len(bids)]), tuple(ask_volumes[: len(asks)])
        else:
            volumes = tuple(v * _QUEUE for v in bid_volumes[: len(bids)]), tuple(v * _QUEUE for v in ask_volumes[: len(asks)])
        self._ready.append(Quote(self._due(ms), second(ms), listing, bids, volumes[0], asks, volumes[1], "LO"))

    # -- auctions

    def _hold_auction(self, begins_ms: int, ends_ms: int, word: str) -> Iterator[int]:
        """Write an auction a period at a time: in a market a hundred times as busy as a real one it has a million records."""
        rng, prints, period_ms = self._rng, self._plan.prints, self._plan.period_ms
        quotes, indications = 4 + prints // 60, 2 + prints // 200
        # Twice the moment, and one more for an indication: half of the bytes of a pair, and of a list a tenth.
        moments = array("q", (2 * rng.randrange(begins_ms, ends_ms) for _ in range(quotes)))
        moments.extend(2 * rng.randrange(begins_ms, ends_ms) + 1 for _ in range(indications))
        stop_ms = begins_ms + period_ms
        for moment in array("q", sorted(moments)):
            ms, is_indication = moment >> 1, moment & 1
            while ms >= stop_ms:
                yield stop_ms
                stop_ms += period_ms
            if is_indication:
                self._indicate(ms, word)
            else:
                self._collect(ms, word)
        price = self._nearest(self._fair(ends_ms))
        volume = self._print_size()
        # The feed sends most of the burst in its first second.
        # An auction matches many orders of the same few sizes at one price: neighbouring prints often have the same volume.
        lags_ms = sorted(int(rng.random() ** 2 * AUCTION_LAG_MS) for _ in range(1 + prints // 60))
        for lag_ms in array("i", lags_ms):
            while ends_ms + lag_ms >= stop_ms:
                yield stop_ms
                stop_ms += period_ms
            if rng.random() < 0.4:
                volume = self._print_size()
            # The exchange stamps the opening match with the end of the auction, the closing matches with when it gets to them.
            ts_ms = ends_ms if word == "ATO" else second(ends_ms + lag_ms)
            self._book(ends_ms + lag_ms, ts_ms, word, price, volume, expected=price, side=None)
        self._best_bid = bisect_left(self._up, price)

    def _indicate(self, ms: int, word: str) -> None:
        """Write at what price the auction would match now; nothing has matched yet."""
        self._say(ms, second(ms), word, volume=0, expected=self._nearest(self._fair(ms)))

    def _collect(self, ms: int, word: str) -> None:
        """Write the book that an auction has collected: market orders first, at price 0."""
        listing, depth = self._listing, self._listing.depth
        ladder, middle = self._up, bisect_left(self._up, self._nearest(self._fair(ms)))
        bids = ladder[max(middle + 1 - depth, 0) : middle][::-1]
        asks = ladder[middle + 1 : middle + depth]
        self._bid_volumes[0], self._ask_volumes[0] = self._level_size(), self._level_size()
        self._ready.append(
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
        ladder = self._up
        return ladder[max(0, min(len(ladder) - 1, bisect_right(ladder, price) - 1))]

    # -- what X-TRADE says

    def _book(self, ms: int, ts_ms: int, word: str, price: int, volume: int, expected: int, side: SsiSide | None) -> None:
        """Match ``volume`` at ``price`` and write so."""
        self._last = price
        self._open = self._open or price
        self._high = max(self._high, price)
        self._low = min(self._low, price) if self._low else price
        self._volume += volume
        self._value += value_of(price, volume, self._listing)
        self._say(ms, ts_ms, word, volume, expected, side)

    def _say(self, ms: int, ts_ms: int, word: str, volume: int, expected: int, side: SsiSide | None = None) -> None:
        """Write an ``X-TRADE`` with the totals of the day so far, after a match of ``volume``, or without a match (0)."""
        self._ready.append(
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


_FOREVER = 1 << 62
_QUEUE = 20
"""How many times the usual volume waits at a limit that nobody trades beyond."""
_NOISE = tuple(1 + 0.0004 * NormalDist().inv_cdf((n + 0.5) / 1024) for n in range(1024))
"""What the middle of the book strays by: a normal distribution, to be drawn from evenly."""
_PRINT_VALUES = tuple(min(exp(17.2 + NormalDist().inv_cdf((n + 0.5) / 256)), 6e8) for n in range(256))
"""What a print is worth, in VND; likewise. Half of them are above 30 million."""
_LEVEL_VALUES = tuple(exp(19.3 + 0.8 * NormalDist().inv_cdf((n + 0.5) / 256)) for n in range(256))
"""What waits at a level of the book, in VND; likewise. Half of them are above 240 million."""
_due_of = attrgetter("due_ms")


def _extra_times(rng: "Random", script: Script | None) -> list[int]:
    """When the prints are that a story adds, the last first."""
    if script is None:
        return []
    from_ms, until_ms = script.story.from_ms, script.story.until_ms
    parts = (rng.random() ** (1 / 3) if script.rising else rng.random() for _ in range(script.extra_prints))
    return sorted((from_ms + int(part * (until_ms - from_ms)) for part in parts), reverse=True)


def _sizes(rng: "Random", listing: Listing) -> tuple[list[int], list[int]]:
    """256 sizes of prints, and as many of book levels, to draw from: lots of 100 shares, or a few contracts."""
    if listing.is_future:
        return [1 + int(rng.expovariate(0.4)) for _ in range(256)], [1 + int(rng.expovariate(0.02)) for _ in range(256)]
    lot = 100
    prints = [max(1, round(value / listing.reference / lot)) * lot for value in _PRINT_VALUES]
    levels = [max(1, round(value / listing.reference / lot)) * lot for value in _LEVEL_VALUES]
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


@lru_cache(maxsize=65_536)
def _share(day: TradingDay, exchange: Exchange, begins_ms: int, ends_ms: int) -> float:
    """The part of a day's continuous trading on ``exchange`` that falls between two times."""
    return sum(weight for *_, weight in _pieces(day, begins_ms, ends_ms)) / _whole_day(day, exchange)


@lru_cache(maxsize=64)
def _whole_day(day: TradingDay, exchange: Exchange) -> float:
    phases = session.starts(day, exchange)
    spans = [(start, end) for (start, phase), (end, _) in pairwise(phases) if phase is SessionPhase.CONTINUOUS]
    return sum(weight for span in spans for *_, weight in _pieces(day, *span))
