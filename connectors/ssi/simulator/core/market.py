"""The market day: everything that the simulated exchanges say, in the order in which the feed says it. Pure.

The same seed, date and size give the same records, byte for byte, whatever the speed at which they are played. At scale 1 a day
has 2.5 million records on the channels that are usually subscribed to, as a real one; a light day, which is the default, has a
twentieth of them, on a tenth of the symbols. A print is of a usual size at any scale: a busier market prints more often.

Before the open SSI answers a subscription out of its cache. From 08:00 on that has a record without a match and an empty book for
every symbol; but for every tenth stock it still has the last records of the previous day, until new ones come between 08:56 and
08:59. Foreign counters and indices are those of the previous day until they first change. Nothing trades in HNX's post-close
session (PLO), because nobody has published how SSI writes that.

A market that is larger than a light one also has stocks that are locked at a limit for a part of the day, and some that are
halted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING

from connectors.ssi.simulator.core.foreigners import ForeignFlow
from connectors.ssi.simulator.core.indices import IndexBooks
from connectors.ssi.simulator.core.listing_day import (
    PERIOD_MS,
    SECOND_MS,
    Deal,
    FairPrice,
    ListingDay,
    ListingRecord,
    Plan,
    PutThrough,
    value_of,
)
from connectors.ssi.simulator.core.paths import PricePath, market_path, stock_path
from connectors.ssi.simulator.core.records import Foreign, IndexValue, Quote, SimulatedRecord, Status, Trade
from connectors.ssi.simulator.core.stories import Script, Story, basis_path, basis_story, write_scripts
from connectors.ssi.simulator.core.universe import (
    FEWEST_SYMBOLS,
    LIGHT_SYMBOLS,
    MOST_SYMBOLS,
    IndexListing,
    Listing,
    Universe,
    universe_of,
)
from schemas.calendar import at, previous_trading_day
from schemas.units import POINT, Symbol, TradingDay

if TYPE_CHECKING:
    from random import Random

SeededRandom = Callable[[str], "Random"]
"""Makes a source of random numbers from a text, the same from the same text: ``random.Random``."""

STOCK_PRINTS = 390_000
"""Prints of all stocks in a day of scale 1, without auctions and stories."""
FUTURE_PRINTS = {"VN30": (30_000, 1_600, 500, 240), "VN100": (100, 20, 10, 10)}
"""Prints of the futures on an index in a day of scale 1, front month first."""
DEALS = 1_200
"""Put-through deals in a day of scale 1."""
STALE_EVERY = 10
"""One stock in so many still has yesterday's records in SSI's cache until just before the open."""
_PERIODS_MS = tuple(PERIOD_MS // parts for parts in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60))
_LOCKED_EVERY, _HALTED_EVERY = 150, 300
"""One symbol in so many is locked at a limit in a part of the day, or halted. Two of three locks are at the ceiling."""


@dataclass(frozen=True)
class MarketSize:
    """How much happens in a day, to how many symbols."""

    scale: float = 0.05
    """Records, as a part of a real day's 2.5 million; from 0.01 to 100."""
    symbols: int = LIGHT_SYMBOLS
    put_through: PutThrough = "index"

    @classmethod
    def of(cls, scale: float, symbols: int | None, put_through: PutThrough) -> "MarketSize":
        """A market of ``scale``. Without ``symbols`` it has as many as fit: all 1,900 from scale 1 on, 134 in a light one."""
        fitting = min(max(round(MOST_SYMBOLS * scale), LIGHT_SYMBOLS), MOST_SYMBOLS)
        return cls(scale, min(max(symbols or fitting, FEWEST_SYMBOLS), MOST_SYMBOLS), put_through)

    @property
    def period_ms(self) -> int:
        """How much of the day is made at a time: a whole part of a minute, shorter in a busier market."""
        return max(part for part in _PERIODS_MS if part == SECOND_MS or part <= PERIOD_MS / self.scale)


@dataclass(frozen=True)
class MarketDay:
    """A whole day. It is made anew, and the same, each time that its records are asked for."""

    day: TradingDay
    seed: int
    universe: Universe
    stories: tuple[Story, ...]
    size: MarketSize
    seeded: SeededRandom = field(repr=False)

    @cached_property
    def records(self) -> list[SimulatedRecord]:
        """All records that :meth:`periods` gives, in one list: for a light day, which fits into memory."""
        return [record for period in self.periods() for record in period]

    def periods(self) -> Iterator[list[SimulatedRecord]]:
        """The records of one period after the other, in the order of ``due_ms``.

        Those that were due on the day before are what SSI's cache holds from then; they come first, by themselves.
        """
        rng = self.seeded(f"{self.seed} yesterday")
        yield sorted(_yesterday(rng, self.universe, self.day), key=_due)
        trading = _Trading(self)
        for begins_ms in range(at(self.day, 8), at(self.day, 15, 35), self.size.period_ms):
            if records := trading.until(begins_ms + self.size.period_ms):
                yield records


def generate(seed: int, day: TradingDay, seeded: SeededRandom, size: MarketSize = MarketSize()) -> MarketDay:
    """Plan the market day of ``seed``; its records are made when they are asked for.

    Args:
        seed: Which day of many.
        day: Its date.
        seeded: ``random.Random``. Each purpose has random numbers of its own, so that a change in one part of the day leaves the
            others as they are.
        size: How much happens in it.
    """
    universe = universe_of(day, size.symbols)
    scripts = write_scripts(seeded(f"{seed} stories"), universe, day)
    stories = (*(script.story for script in scripts.values()), basis_story(universe, day))
    return MarketDay(day, seed, universe, stories, size, seeded)


class _Trading:
    """The trading of a day, as far as it has been asked for."""

    def __init__(self, market: MarketDay) -> None:
        def rng_for(purpose: str) -> "Random":
            return market.seeded(f"{market.seed} {purpose}")

        day, universe, size = market.day, market.universe, market.size
        scripts = write_scripts(rng_for("stories"), universe, day)
        general = market_path(rng_for("market"), day)
        locks = _locks(rng_for("locks"), universe, scripts, day)
        halts = _halts(rng_for("halts"), universe, scripts, day)
        deals = _deals(rng_for("deals"), universe, size, day)
        self._put_through = size.put_through
        self._stocks: list[tuple[ListingDay, ForeignFlow | None]] = []
        for place, stock in enumerate(universe.stocks):
            rng, script = rng_for(stock.symbol), scripts.get(stock.symbol)
            own = stock_path(rng, general, day, _bound(stock), leverage=4.0 if stock.kind == "warrant" else 1.0)
            followed = script.path if script is not None else locks.get(stock.symbol)
            fair = _stock_fair(stock, own if followed is None else own.following(followed))
            plan = Plan(
                prints=round(STOCK_PRINTS * size.scale * stock.weight * rng.uniform(0.9, 1.1)),
                script=script,
                deals=deals.get(stock.symbol, ()),
                put_through=size.put_through,
                halt=halts.get(stock.symbol),
                period_ms=size.period_ms,
            )
            flow = ForeignFlow(stock, rng_for(f"{stock.symbol} foreign"), script, day) if stock.total_room else None
            self._stocks.append((ListingDay(stock, day, rng, fair, plan, _announced_ms(place, day)), flow))
        self._books = IndexBooks(universe, day)
        # Before the first record of an index, its futures trade around yesterday's value.
        self._paths = {index.symbol: PricePath([at(day, 8)], [float(index.prior)]) for index in universe.indices}
        self._futures: list[ListingDay] = []
        for underlying, prints in FUTURE_PRINTS.items():
            futures = [future for future in universe.futures if future.underlying == underlying]
            for future, count in zip(futures, prints[: len(futures)], strict=True):
                fair = _future_fair(future, futures[0], self._paths[Symbol(underlying)], day)
                plan = Plan(prints=round(count * size.scale), period_ms=size.period_ms)
                self._futures.append(ListingDay(future, day, rng_for(future.symbol), fair, plan, at(day, 8, 0, 7)))

    def until(self, ms: int) -> list[SimulatedRecord]:
        """The records that are due before ``ms`` and were not given before, in the order of ``due_ms``."""
        stocks: list[ListingRecord] = []
        foreign: list[Foreign] = []
        for listing_day, flow in self._stocks:
            written = listing_day.until(ms)
            stocks += written
            if flow is not None and (written or flow.speaks_before(ms)):
                foreign += flow.until(ms, [r for r in written if type(r) is Trade and self._is_said(r)])
        stocks.sort(key=_due)
        indices = self._books.until(ms, [record for record in stocks if type(record) is Trade])
        for value in indices:
            path = self._paths[value.listing.symbol]
            path.times.append(value.due_ms)
            path.values.append(float(value.value))
        said = stocks if self._put_through != "index" else [r for r in stocks if type(r) is not Trade or self._is_said(r)]
        records: list[SimulatedRecord] = [*said, *foreign, *indices]
        for future in self._futures:
            records += future.until(ms)
        records.sort(key=_due)
        return records

    def _is_said(self, trade: Trade) -> bool:
        """Whether the feed has a record of ``trade``: deals may be in the totals of indices only."""
        return self._put_through != "index" or not trade.is_deal


_due = attrgetter("due_ms")


def _is_stale(place: int) -> bool:
    return place % STALE_EVERY == 0


def _announced_ms(place: int, day: TradingDay) -> int:
    return at(day, 8, 56 + place // STALE_EVERY % 4, place % 60) if _is_stale(place) else at(day, 8)


def _bound(stock: Listing) -> float:
    """How far a stock without a story may stray from its reference, as a fraction: three quarters of the way to its limits."""
    return 0.75 * min(stock.ceiling / stock.reference - 1, 1 - stock.floor / stock.reference)


def _stock_fair(stock: Listing, change: PricePath) -> FairPrice:
    return lambda ms: stock.reference * (1 + change.at(ms))


def _future_fair(future: Listing, front: Listing, index: PricePath, day: TradingDay) -> FairPrice:
    basis, carry = basis_path(day), future.reference - front.reference
    return lambda ms: index.at(ms) + basis.at(ms) + carry


def _unscripted(universe: Universe, scripts: dict[Symbol, Script]) -> list[Listing]:
    """The stocks to which something else may happen. A light market has none: there only stories happen."""
    if len(universe.listings) <= LIGHT_SYMBOLS:
        return []
    return [stock for stock in universe.stocks if stock.symbol not in scripts and stock.kind == "stock"]


def _locks(rng: "Random", universe: Universe, scripts: dict[Symbol, Script], day: TradingDay) -> dict[Symbol, PricePath]:
    """How the prices of those stocks move that are locked at a limit: they reach it, stay, and most leave it again."""
    chosen = _unscripted(universe, scripts)
    locks: dict[Symbol, PricePath] = {}
    for place, stock in enumerate(rng.sample(chosen, len(universe.listings) // _LOCKED_EVERY if chosen else 0)):
        limit = stock.ceiling / stock.reference - 1 if place % 3 else stock.floor / stock.reference - 1
        begins_ms = rng.randrange(at(day, 9, 20), at(day, 11))
        leaves_ms = rng.choice((at(day, 11, 15), at(day, 13, 40), at(day, 14, 20), at(day, 15)))
        times = [at(day, 8, 45), begins_ms, leaves_ms, at(day, 15, 30)]
        locks[stock.symbol] = PricePath(times, [0.3 * limit, 1.1 * limit, 1.1 * limit, 0.8 * limit])
    return locks


def _halts(rng: "Random", universe: Universe, scripts: dict[Symbol, Script], day: TradingDay) -> dict[Symbol, tuple[int, int]]:
    """From when to when trading in some stocks is halted."""
    chosen = _unscripted(universe, scripts)[:300]
    halts: dict[Symbol, tuple[int, int]] = {}
    for stock in rng.sample(chosen, len(universe.listings) // _HALTED_EVERY if chosen else 0):
        begins_ms = at(day, rng.choice((9, 10, 13)), rng.randrange(20, 50))
        halts[stock.symbol] = begins_ms, begins_ms + rng.randrange(10, 31) * PERIOD_MS
    return halts


def _deals(rng: "Random", universe: Universe, size: MarketSize, day: TradingDay) -> dict[Symbol, tuple[Deal, ...]]:
    """The put-through deals of each stock, while it trades continuously."""
    spans = [(at(day, 9, 15, 5), at(day, 11, 30)), (at(day, 13), at(day, 14, 30))]
    stocks = [stock for stock in universe.stocks if stock.kind == "stock"]
    deals: dict[Symbol, list[Deal]] = {}
    for _ in range(max(round(DEALS * size.scale), 1)):
        stock, volume = rng.choice(stocks), rng.randrange(20_000, 2_000_000)
        deal = Deal(rng.randrange(*spans[rng.random() < 0.4]), stock, volume, rng.uniform(-0.9, 0.9))
        deals.setdefault(stock.symbol, []).append(deal)
    return {symbol: tuple(sorted(of_stock, key=attrgetter("ms"))) for symbol, of_stock in deals.items()}


def _yesterday(rng: "Random", universe: Universe, day: TradingDay) -> list[SimulatedRecord]:
    """What SSI still has in its cache from the trading day before."""
    yesterday = previous_trading_day(day)
    records: list[SimulatedRecord] = []
    for place, stock in enumerate(universe.stocks):
        total = rng.randrange(1_000, 60_000) * 100
        if _is_stale(place):
            records += _closed(stock, total, at(yesterday, 14, 45, rng.randrange(8)), rng)
        if stock.total_room:
            bought, sold, late_ms = total // 7, total // 9, at(yesterday, 15, 32, rng.randrange(60))
            values = value_of(stock.reference, bought, stock), value_of(stock.reference, sold, stock)
            records.append(Foreign(late_ms, late_ms, stock, stock.room, bought, sold, *values))
    records += [_closed_index(index, at(yesterday, 15, 5), rng) for index in universe.indices]
    for listing in universe.listings:
        closed_ms = at(yesterday, 14, 45) if listing.is_future else at(yesterday, 15)
        records.append(Status(closed_ms, closed_ms, listing, "C"))
    return records


def _closed(stock: Listing, total: int, ms: int, rng: "Random") -> list[SimulatedRecord]:
    """The last records of yesterday, which closed at today's reference and had opened a few ticks away from it."""
    # Of a stock of a few hundred dong the ladder has fewer steps than that.
    step = min(max(len(stock.ladder) // 2 + rng.randrange(-6, 7), 0), len(stock.ladder) - 1)
    price, opening = stock.reference, stock.opening_at(stock.ladder[step])
    last = Trade(
        due_ms=ms,
        ts_ms=ms,
        listing=opening,
        price=price,
        volume=rng.randrange(1, 50) * 100,
        total_volume=total,
        total_value=value_of(price, total, stock),
        high=max(price, opening.reference),
        low=min(price, opening.reference),
        expected=0,
        session="C",
        side=None,
    )
    return [last, Quote(ms, ms, opening, (price,), (rng.randrange(1, 50) * 100,), (), (), "C")]


def _closed_index(index: IndexListing, ms: int, rng: "Random") -> IndexValue:
    """The last record of yesterday, which closed at today's prior value."""
    volume = rng.randrange(100_000, 1_000_000) * 100
    return IndexValue(
        due_ms=ms,
        ts_ms=ms,
        listing=index,
        value=index.prior,
        prior=index.prior + rng.randrange(-20 * POINT, 20 * POINT),
        volume=volume,
        traded_value=volume * 24_000,
        put_through_volume=0,
        put_through_value=0,
        advances=0,
        no_changes=len(index.members) if index.has_breadth else 0,
        declines=0,
        ceilings=0,
        floors=0,
        session="C",
    )
