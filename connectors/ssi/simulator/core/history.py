"""The days before the simulated one, as REST tells of them. Pure: chance is an argument.

They are made up, but always the same, and each begins where the one before closed: they are drawn backwards from the day that is
played, whose references are the last closes. Now and then a stock pays a dividend or splits: that day begins lower than the one
before closed, and the closes before it have an adjusted price, too. An index follows from its members: its change, turnover and
breadth are theirs.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.ssi.simulator.core.day_so_far import MINUTE_MS, Bar, Bars, ListingTotals, joined
from connectors.ssi.simulator.core.indices import place_of
from connectors.ssi.simulator.core.listing_day import value_of
from connectors.ssi.simulator.core.universe import IndexListing, Listing
from schemas.calendar import as_date, as_day, at, is_trading_day, previous_trading_day
from schemas.instruments import tick_of
from schemas.units import Price, TradingDay

if TYPE_CHECKING:
    from random import Random

YEARS = 3
"""So far back there is something to tell."""
_SESSIONS = ((9, 15, 135), (13, 0, 90))
"""When trading is continuous: hour, minute, and for how many minutes."""
_CLOSING_MINUTE = (14, 45)
_EX_DAYS = 1 / 150
"""Part of a stock's days on which it trades without a dividend or with more shares than the day before."""
_EX_FACTORS = (0.97, 0.95, 1 / 1.1, 1 / 1.2, 1 / 1.3)
"""By what its price falls for that: two dividends in cash, three in shares."""


@dataclass(frozen=True)
class PastDay:
    """A day of an instrument that is over."""

    day: TradingDay
    listing: Listing
    """As it opened that day: with that day's reference, ceiling and floor."""
    total: ListingTotals
    prior_close: Price
    """What was paid last on the day before; the reference, but for a day of a dividend or a split."""
    adjustment: float
    """By what a price of this day is multiplied to be compared with one of the day that is played."""
    room_before: int
    """How many shares foreigners could still buy when it opened."""

    @property
    def close_adjusted(self) -> int:
        """The close, less the dividends and splits since."""
        return round(self.total.close * self.adjustment)


@dataclass(frozen=True)
class PastIndex:
    """A day of an index that is over; values in hundredths of a point."""

    day: TradingDay
    value: int
    prior: int
    volume: int
    traded_value: int
    deal_volume: int
    deal_value: int
    breadth: tuple[int, int, int, int, int]
    """Members that advanced, that did not change, that declined, and those at ceiling and floor; zeros for a basket."""


class History:
    """The past of everything that is listed."""

    def __init__(self, seed: int, day: TradingDay, seeded: Callable[[str], "Random"]) -> None:
        """Nothing is drawn before it is asked for.

        Args:
            seed: Of the market.
            day: The day that is played; history ends on the trading day before.
            seeded: ``random.Random``.
        """
        self._seed = seed
        self._seeded = seeded
        self._last = previous_trading_day(day)
        self._first = as_day(as_date(day) - timedelta(days=365 * YEARS))
        self._days: dict[str, dict[TradingDay, PastDay]] = {}
        """Of each symbol that was asked for, the newest day first."""
        self._indices: dict[str, dict[TradingDay, PastIndex]] = {}

    def tells(self, day: TradingDay) -> bool:
        """Whether ``day`` is a trading day of the past that is told of."""
        return self._first <= day <= self._last and is_trading_day(day)

    def day(self, listing: Listing, day: TradingDay) -> PastDay:
        """What became of ``listing`` on ``day``, which has to be one that is told of."""
        days = self._days.setdefault(listing.symbol, {})
        later = next(reversed(days.values()), None)
        while later is None or later.day > day:
            later = self._day_before(later, listing)
            days[later.day] = later
        return days[day]

    def index(self, listing: IndexListing, day: TradingDay) -> PastIndex:
        """What became of an index on ``day``, which has to be one that is told of."""
        days = self._indices.setdefault(listing.symbol, {})
        later = next(reversed(days.values()), None)
        while later is None or later.day > day:
            later = self._index_before(later, listing)
            days[later.day] = later
        return days[day]

    def bars(self, past: PastDay, minutes: int) -> list[Bar]:
        """The minutes of a day that is over, in bars of ``minutes``: together they make the day's high, low and volume."""
        total, rng = past.total, self._seeded(f"{self._seed} {past.listing.symbol} {past.day} minutes")
        starts = [at(past.day, hour, minute) + n * MINUTE_MS for hour, minute, count in _SESSIONS for n in range(count)]
        chosen = [*sorted(rng.sample(starts, min(len(starts), max(3, total.volume // 5000)))), at(past.day, *_CLOSING_MINUTE)]
        weights = [rng.uniform(0.2, 1.8) for _ in chosen]
        volumes = [max(1, int(total.volume * weight / sum(weights))) for weight in weights]
        volumes[-1] += total.volume - sum(volumes)
        closes = [self._between(rng, past, n / len(chosen)) for n in range(1, len(chosen) + 1)]
        highest, lowest = rng.sample(range(len(chosen) - 1), 2)
        closes[highest], closes[lowest], closes[-1] = total.high, total.low, total.close
        bars: Bars = {}
        opened = total.open
        for start_ms, close, volume in zip(chosen, closes, volumes, strict=True):
            last_ms = start_ms + rng.randrange(60) * 1000
            bars[start_ms // MINUTE_MS] = Bar(last_ms, opened, max(opened, close), min(opened, close), close, volume)
            opened = close
        return joined(bars, minutes)

    def _between(self, rng: "Random", past: PastDay, part: float) -> int:
        """A price on the way from open to close, within the day's high and low."""
        total = past.total
        straight = total.open + (total.close - total.open) * part
        strayed = straight + rng.gauss(0, 0.25) * (total.high - total.low)
        return min(total.high, max(total.low, _on_tick(strayed, past.listing)))

    def _day_before(self, later: PastDay | None, listing: Listing) -> PastDay:
        day = self._last if later is None else previous_trading_day(later.day)
        close = listing.reference if later is None else later.prior_close
        rng = self._seeded(f"{self._seed} {listing.symbol} {day}")
        # At most half of the way to a limit, so that the close is always a price of that day.
        bound = 0.5 * (listing.ceiling / listing.reference - 1) if listing.reference else 0.0
        reference = _on_tick(close / (1 + max(-bound, min(bound, rng.gauss(0, 0.012)))), listing)
        opened = listing.opening_at(reference)
        stray = [_on_tick(reference * (1 + rng.uniform(-0.012, 0.012)), listing) for _ in range(3)]
        prices = [min(opened.ceiling, max(opened.floor, price)) for price in (*stray, close)]
        total = ListingTotals(
            open=prices[0],
            high=max(prices),
            low=min(prices),
            close=close,
            deal_volume=rng.randrange(200_000) if rng.random() < 0.3 else 0,
            room=listing.room if later is None else later.room_before,
        )
        total.volume = rng.randrange(1_000, 60_000) * (1 if listing.is_future else 100)
        total.value = value_of(sum(prices) // len(prices), total.volume, listing)
        total.deal_value = value_of(reference, total.deal_volume, listing)
        room_before = total.room
        if not listing.is_future:
            total.bought, total.sold = (round(total.volume * rng.uniform(0.0, 0.3)) for _ in range(2))
            if listing.total_room:
                room_before = _keep_to_the_room(total, listing.total_room)
            total.bought_value, total.sold_value = (value_of(close, shares, listing) for shares in (total.bought, total.sold))
        total.buy_volume = round(total.volume * rng.uniform(0.3, 0.6))
        total.sell_volume = total.volume - total.buy_volume
        total.buys, total.sells = total.buy_volume // 800 + 1, total.sell_volume // 800 + 1
        prior_close = reference
        if listing.kind == "stock" and rng.random() < _EX_DAYS:
            prior_close = _on_tick(reference / rng.choice(_EX_FACTORS), listing)
        adjustment = 1.0 if later is None else later.adjustment * later.listing.reference / later.prior_close
        return PastDay(day, opened, total, prior_close, adjustment, room_before)

    def _index_before(self, later: PastIndex | None, listing: IndexListing) -> PastIndex:
        day = self._last if later is None else previous_trading_day(later.day)
        value = listing.prior if later is None else later.prior
        members = [(member, self.day(member, day)) for member in listing.members]
        opened, closed = (
            sum(price * listing.shares_of(member) for (member, _), price in zip(members, prices, strict=True))
            for prices in ([past.listing.reference for _, past in members], [past.total.close for _, past in members])
        )
        totals = [past.total for _, past in members]
        places = (
            Counter(place_of(past.total.close, past.listing) for _, past in members) if listing.has_breadth else Counter[str]()
        )
        return PastIndex(
            day=day,
            value=value,
            # What makes the value of what its members did, turned round.
            prior=(2 * value * opened + closed) // (2 * closed),
            volume=sum(total.volume for total in totals),
            traded_value=sum(total.value for total in totals),
            deal_volume=sum(total.deal_volume for total in totals),
            deal_value=sum(total.deal_value for total in totals),
            breadth=(places["advances"], places["no_changes"], places["declines"], places["ceilings"], places["floors"]),
        )


def _keep_to_the_room(total: ListingTotals, total_room: int) -> int:
    """How many shares foreigners could buy before the day; what they traded is cut to what that allows."""
    before = total.room + total.bought - total.sold
    if before < 0:
        total.sold, before = total.sold + before, 0
    elif before > total_room:
        total.bought, before = total.bought - (before - total_room), total_room
    return before


def _on_tick(price: float, listing: Listing) -> Price:
    """The nearest price below that the exchange allows."""
    whole = Price(max(1, round(price)))
    tick = tick_of(whole, listing.exchange)
    return Price(max(tick, whole // tick * tick))
