"""The market day: everything that the simulated exchanges say, in the order in which the feed says it. Pure.

The same seed and date give the same records, byte for byte, whatever the speed at which they are played. A day has one print for
every ten to twenty of a real day, each of a usual size, and all other records in proportion.

Before the open SSI answers a subscription out of its cache. From 08:00 on that has a record without a match and an empty book for
every symbol; but for every tenth stock it still has the last records of the previous day, until new ones come between 08:56 and
08:59. Foreign counters and indices are those of the previous day until they first change. Put-through deals appear in the
put-through totals of indices only. Nothing trades in HNX's post-close session (PLO), because nobody has published how SSI writes
that.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.ssi.simulator.core.foreigners import foreign_steps
from connectors.ssi.simulator.core.indices import index_values
from connectors.ssi.simulator.core.listing_day import FairPrice, ListingDay, value_of
from connectors.ssi.simulator.core.paths import PricePath, market_path, stock_path
from connectors.ssi.simulator.core.records import Foreign, IndexValue, Quote, SimulatedRecord, Status, Trade
from connectors.ssi.simulator.core.stories import Script, Story, basis_path, basis_story, write_scripts
from connectors.ssi.simulator.core.universe import IndexListing, Listing, Universe, universe_of
from schemas.calendar import at, previous_trading_day
from schemas.units import POINT, TradingDay

if TYPE_CHECKING:
    from random import Random

SeededRandom = Callable[[str], "Random"]
"""Makes a source of random numbers from a text, the same from the same text: ``random.Random``."""

STOCK_PRINTS = 19_500
"""Prints of all stocks in a day, without auctions and stories."""
FUTURE_PRINTS = (1_500, 80, 25, 12)
"""Prints of the futures, front month first."""
STALE_EVERY = 10
"""One stock in so many still has yesterday's records in SSI's cache until just before the open."""


@dataclass(frozen=True)
class MarketDay:
    """A whole day, ready to be played."""

    day: TradingDay
    seed: int
    universe: Universe
    stories: tuple[Story, ...]
    records: list[SimulatedRecord]
    """In the order of ``due_ms``. Those that were due on the day before are what SSI's cache holds from then."""


def generate(seed: int, day: TradingDay, seeded: SeededRandom) -> MarketDay:
    """Make the market day of ``seed``. It takes a few seconds of one core at most.

    Args:
        seed: Which day of many.
        day: Its date.
        seeded: ``random.Random``. Each purpose has random numbers of its own, so that a change in one part of the day leaves the
            others as they are.
    """

    def rng_for(purpose: str) -> "Random":
        return seeded(f"{seed} {purpose}")

    universe = universe_of(day)
    scripts = write_scripts(rng_for("stories"), universe, day)
    market = market_path(rng_for("market"), day)

    stocks: list[Trade | Quote | Status] = []
    foreign: list[Foreign] = []
    for place, stock in enumerate(universe.stocks):
        rng, script = rng_for(stock.symbol), scripts.get(stock.symbol)
        fair = _stock_fair(stock, stock_path(rng, market, day, _bound(stock)), script)
        prints = round(STOCK_PRINTS * stock.weight * rng.uniform(0.9, 1.1))
        written = ListingDay(stock, day, rng, fair, prints, script)
        written.write(_announced_ms(place, day))
        stocks += written.records
        trades = [record for record in written.records if isinstance(record, Trade)]
        foreign += foreign_steps(trades, rng_for(f"{stock.symbol} foreign"), script, day)
    stocks.sort(key=_due)

    matched = (record for record in stocks if isinstance(record, Trade))
    indices = list(index_values(matched, universe, day, rng_for("deals")))
    vn30 = _index_path("VN30", indices)

    futures: list[Trade | Quote | Status] = []
    for future, prints in zip(universe.futures, FUTURE_PRINTS, strict=True):
        written = ListingDay(future, day, rng_for(future.symbol), _future_fair(future, universe.futures[0], vn30, day), prints)
        written.write(at(day, 8, 0, 7))
        futures += written.records

    records: list[SimulatedRecord] = [*_yesterday(rng_for("yesterday"), universe, day), *stocks, *foreign, *indices, *futures]
    records.sort(key=_due)
    stories = (*(script.story for script in scripts.values()), basis_story(universe, day))
    return MarketDay(day, seed, universe, stories, records)


def _due(record: SimulatedRecord) -> int:
    return record.due_ms


def _is_stale(place: int) -> bool:
    return place % STALE_EVERY == 0


def _announced_ms(place: int, day: TradingDay) -> int:
    return at(day, 8, 56 + place // STALE_EVERY % 4, place % 60) if _is_stale(place) else at(day, 8)


def _bound(stock: Listing) -> float:
    """How far a stock without a story may stray from its reference, as a fraction: three quarters of the way to its limits."""
    return 0.75 * (stock.ceiling / stock.reference - 1)


def _stock_fair(stock: Listing, path: PricePath, script: Script | None) -> FairPrice:
    change = path.following(script.path) if script is not None and script.path is not None else path
    return lambda ms: stock.reference * (1 + change.at(ms))


def _future_fair(future: Listing, front: Listing, index: PricePath, day: TradingDay) -> FairPrice:
    basis, carry = basis_path(day), future.reference - front.reference
    return lambda ms: index.at(ms) + basis.at(ms) + carry


def _index_path(index_id: str, values: Iterable[IndexValue]) -> PricePath:
    own = [value for value in values if value.listing.index_id == index_id]
    return PricePath([value.due_ms for value in own], [float(value.value) for value in own])


def _yesterday(rng: "Random", universe: Universe, day: TradingDay) -> list[SimulatedRecord]:
    """What SSI still has in its cache from the trading day before."""
    yesterday = previous_trading_day(day)
    records: list[SimulatedRecord] = []
    for place, stock in enumerate(universe.stocks):
        total = rng.randrange(1_000, 60_000) * 100
        if _is_stale(place):
            records += _closed(stock, total, at(yesterday, 14, 45, rng.randrange(8)), rng)
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
    price, opening = stock.reference, stock.opening_at(stock.ladder[len(stock.ladder) // 2 + rng.randrange(-6, 7)])
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
