"""The basis: how far each future is from its index. It is told anew at each print of the future and at each tick of the index.

Nothing closes sharp: the feed lags, and the index after the closing auction comes some seconds after 14:45. So an index is live
once it has said something in a session, until it has been silent for 15 seconds.

The futures on an index make a *curve*. They share the index and nothing else: every contract has its own price and its own
expiry, and becomes stale for itself.
"""

from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import ClassVar, Literal

import msgspec

from pipelines.core.codec import Codec, Stored
from schemas.calendar import as_date
from schemas.instruments import contract_of, expiry, listed_months
from schemas.session import starts
from schemas.structs import BasisEvent, BasisRow, ReferenceRecord
from schemas.units import Exchange, Price, SessionPhase, Symbol, TradingDay, UnixMs

SILENCE_MS = 15_000
"""Market time without a tick after which an index is not live: SSI sends one every five seconds."""
SLOPE_MS = 300_000
"""Market time over which the slope of a basis is taken."""
_MINUTE_MS = 60_000
ALIASES: tuple[Literal["F1M", "F2M", "F1Q", "F2Q"], ...] = ("F1M", "F2M", "F1Q", "F2Q")
"""What traders call the listed contracts, nearest first: two months, two quarters."""
_LIVE = (SessionPhase.CONTINUOUS, SessionPhase.ATC)


class Past(msgspec.Struct, array_like=True, gc=False):
    """A basis of some minutes ago."""

    ts_ms: UnixMs
    basis: Price


class ToldBasis(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a basis said when it was published, as far as another of its second can say anything else."""

    ts_ms: UnixMs
    price: Price
    index_value: Price
    stale: bool
    alias: str | None
    days_to_expiry: int


class Leg(msgspec.Struct, array_like=True, gc=False):
    """A contract of a curve."""

    symbol: Symbol
    month: int
    last_trading_day: TradingDay
    price: Price | None = None
    """The price of its last print today; None before that."""
    price_ms: UnixMs = UnixMs(0)
    listed: TradingDay = TradingDay(0)
    """The last day for which REST listed it; 0 when it never did."""
    stale: bool | None = None
    """Whether its basis was stale as last published today; None before that."""
    told_ms: UnixMs = UnixMs(0)
    """The time of the basis that was last published today; 0 before that."""
    past: list[Past] = msgspec.field(default_factory=list)
    """The first live basis of each of the last minutes, oldest first."""
    told: ToldBasis | None = None
    """What was last published today; None before that."""


class Curve(Stored):
    """An index and the futures on it."""

    DAY_AT: ClassVar[int | None] = 1

    underlying: Symbol
    day: TradingDay = TradingDay(0)
    index_value: Price = Price(0)
    """The last one known, be it of an earlier day; 0 before any."""
    index_ms: UnixMs = UnixMs(0)
    """Exchange time of today's last index tick; 0 before it."""
    heard_ms: UnixMs = UnixMs(0)
    """Market time at which that tick came: the index is live for 15 seconds from then on."""
    legs: list[Leg] = msgspec.field(default_factory=list)
    """The contracts on the index, in the order of their months."""

    def leg(self, symbol: Symbol) -> Leg | None:
        """The contract of that symbol; None when nothing has been heard of it."""
        return next((leg for leg in self.legs if leg.symbol == symbol), None)

    def begin(self, day: TradingDay) -> None:
        """Begin a trading day, if ``day`` is a later one.

        The prices of the day before say nothing about its basis; the index of the day before stands in until the index is live.
        """
        if day <= self.day:
            return
        self.day = day
        self.index_ms = self.heard_ms = UnixMs(0)
        self.legs = [leg for leg in self.legs if leg.last_trading_day >= day]
        for leg in self.legs:
            leg.price, leg.price_ms, leg.stale, leg.told_ms, leg.past, leg.told = None, UnixMs(0), None, UnixMs(0), [], None

    def list_contract(self, reference: ReferenceRecord) -> tuple[Symbol, ...]:
        """Take what REST says of a future on this index. What it says of anything else is passed over.

        Returns:
            The contracts whose rows look different now: of one another's names they have, by rank.
        """
        leg = self._leg_of(reference.symbol)
        if leg is None:
            return ()
        before = [self._said_of(each) for each in self.legs]
        leg.listed = max(leg.listed, reference.trading_day)
        if reference.last_trading_day is not None:
            leg.last_trading_day = reference.last_trading_day
        return tuple(each.symbol for each, said in zip(self.legs, before, strict=True) if self._said_of(each) != said)

    def close(self, value: Price) -> None:
        """Take an earlier day's index value, to stand in until a live one comes."""
        if not self.index_ms and value > 0:
            self.index_value = value

    def tick(self, value: Price, ts_ms: UnixMs, now_ms: UnixMs) -> tuple[BasisEvent, ...]:
        """Take an index tick of today: a basis for each contract that has traded, unless nothing about it changed.

        Args:
            value: Of the index.
            ts_ms: Exchange time of the tick.
            now_ms: The market second of the shard.
        """
        changed = value != self.index_value or not self.index_ms
        self.index_value, self.index_ms, self.heard_ms = value, ts_ms, max(ts_ms, now_ms)
        stale = self._stale(self.heard_ms)
        return self._publish((leg for leg in self.legs if changed or leg.stale != stale), ts_ms, stale)

    def trade(self, symbol: Symbol, price: Price, ts_ms: UnixMs, now_ms: UnixMs) -> tuple[BasisEvent, ...]:
        """Take a print of a contract: the basis of this one, and of no other, is told anew, unless this second has said it all.

        Args:
            symbol: Of the contract.
            price: Of the print.
            ts_ms: Exchange time of the print.
            now_ms: The market second of the shard.
        """
        leg = self._leg_of(symbol)
        if leg is None:
            return ()
        leg.price, leg.price_ms = price, ts_ms
        return self._publish((leg,), ts_ms, self._stale(max(ts_ms, now_ms)))

    def age(self, now_ms: UnixMs) -> tuple[BasisEvent, ...]:
        """Take a new market second: a basis that was live and no longer is gets one more event, which says that it is stale."""
        if not any(leg.stale is False for leg in self.legs) or not self._stale(now_ms):
            return ()
        return self._publish((leg for leg in self.legs if leg.stale is False), now_ms, stale=True)

    def row(self, symbol: Symbol, src: int) -> BasisRow | None:
        """The row of a contract on ``state.basis``; None while it has no basis."""
        leg = self.leg(symbol)
        if leg is None or leg.price is None or leg.stale is None:
            return None
        return BasisRow(
            day=self.day,
            src=src,
            # A state of release 0.2.0 does not say when the basis was told.
            ts_ms=leg.told_ms or max(leg.price_ms, self.index_ms),
            symbol=symbol,
            underlying=self.underlying,
            month=leg.month,
            alias=self.alias(leg.month),
            price=leg.price,
            index_value=self.index_value,
            basis=Price(leg.price - self.index_value),
            basis_pct=self._percent(leg.price),
            days_to_expiry=self._days_to_expiry(leg),
            stale=leg.stale,
            slope=self._slope(leg),
        )

    def alias(self, month: int) -> Literal["F1M", "F2M", "F1Q", "F2Q"] | None:
        """What traders call the contract of a delivery month; None when it is not among the four that are listed.

        The four are those that REST lists for today, if it lists four; else those that should be, by the exchange's rule.
        """
        # A month may be listed under two codes: contracts older than KRX kept theirs until they expired.
        listed = sorted({leg.month for leg in self.legs if leg.listed == self.day and leg.last_trading_day >= self.day})
        months = listed if len(listed) >= len(ALIASES) else list(listed_months(self.day))
        rank = months.index(month) if month in months else len(ALIASES)
        return ALIASES[rank] if rank < len(ALIASES) else None

    def _leg_of(self, symbol: Symbol) -> Leg | None:
        """The contract of that symbol, entered into the curve if it is new; None for what is no future on this index."""
        leg = self.leg(symbol)
        contract = contract_of(symbol) if leg is None else None
        if contract is not None and contract.underlying == self.underlying:
            leg = Leg(symbol, contract.month, expiry(contract.month))
            self.legs = sorted([*self.legs, leg], key=lambda each: each.month)
        return leg

    def _stale(self, at_ms: int) -> bool:
        # What it says at lunch is of the morning: the afternoon's first tick makes it live again.
        live = any(start <= self.heard_ms <= at_ms < end + SILENCE_MS for start, end in _sessions(self.day))
        return not live or at_ms - self.heard_ms >= SILENCE_MS

    def _publish(self, legs: Iterable[Leg], ts_ms: UnixMs, stale: bool) -> tuple[BasisEvent, ...]:
        events = []
        for leg in legs:
            if leg.price is None or not self.index_value:
                continue
            leg.stale = stale
            # Prints and index ticks may overtake each other by seconds. A basis is of one of each: its time is the later.
            leg.told_ms = max(ts_ms, leg.price_ms, self.index_ms)
            alias, days_to_expiry = self._continuous(leg), self._days_to_expiry(leg)
            told = ToldBasis(leg.told_ms, leg.price, self.index_value, stale, alias, days_to_expiry)
            if told == leg.told:
                # Many prints of a second are made at one price.
                continue
            leg.told = told
            _remember(leg, Price(leg.price - self.index_value))
            event = BasisEvent(
                symbol=leg.symbol,
                underlying=self.underlying,
                month=leg.month,
                day=self.day,
                ts_ms=leg.told_ms,
                price=leg.price,
                index_value=self.index_value,
                basis=Price(leg.price - self.index_value),
                basis_pct=self._percent(leg.price),
                days_to_expiry=days_to_expiry,
                stale=stale,
                alias=alias,
                slope=self._slope(leg),
            )
            events.append(event)
        return tuple(events)

    def _percent(self, price: Price) -> float:
        return round((price - self.index_value) * 100 / self.index_value, 4)

    def _slope(self, leg: Leg) -> float | None:
        past = leg.past[0] if leg.past else None
        if leg.price is None or past is None or leg.told_ms - past.ts_ms < _MINUTE_MS:
            return None
        return round((leg.price - self.index_value - past.basis) * _MINUTE_MS / (leg.told_ms - past.ts_ms), 2)

    def _continuous(self, leg: Leg) -> str | None:
        """What the contract is called in a series that goes on from contract to contract: ``VN30F1M``."""
        alias = self.alias(leg.month)
        return None if alias is None else f"{self.underlying}{alias}"

    def _said_of(self, leg: Leg) -> tuple[str | None, int] | None:
        """What a row of the contract says that is not of the market; None before the first day."""
        return (self.alias(leg.month), self._days_to_expiry(leg)) if self.day else None

    def _days_to_expiry(self, leg: Leg) -> int:
        # Whether the day or our idea of the contract's last day is wrong, nobody reads a negative number of days.
        return max((as_date(leg.last_trading_day) - as_date(self.day)).days, 0)


CURVE = Codec(Curve)


def _remember(leg: Leg, basis: Price) -> None:
    """Keep a basis that was just told for the slopes of the next minutes. A stale one says nothing, and breaks the line."""
    if leg.stale:
        leg.past = []
        return
    if not leg.past or leg.told_ms // _MINUTE_MS > leg.past[-1].ts_ms // _MINUTE_MS:
        leg.past.append(Past(leg.told_ms, basis))
    leg.past = [past for past in leg.past if leg.told_ms - past.ts_ms <= SLOPE_MS]


@cache
def _sessions(day: TradingDay) -> tuple[tuple[UnixMs, UnixMs], ...]:
    """From when to when an index is computed from prints: HOSE's continuous sessions, the closing auction with the second one."""
    phases = starts(day, Exchange.HOSE)
    sessions: list[tuple[UnixMs, UnixMs]] = []
    for (begin, phase), (end, _) in pairwise(phases):
        if phase not in _LIVE:
            continue
        if sessions and sessions[-1][1] == begin:
            begin = sessions.pop()[0]
        sessions.append((begin, end))
    return tuple(sessions)
