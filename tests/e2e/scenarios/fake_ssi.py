"""SSI as the scenarios have it: a hub on a real socket, on which nothing happens but what a test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from aiohttp import web

from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.records import Foreign, IndexValue, Quote, SimulatedRecord, SsiSide, Trade
from connectors.ssi.simulator.core.universe import Listing, universe_of
from schemas.calendar import next_trading_day
from schemas.units import FUTURES_MULTIPLIER_VND, POINT, Price, TradingDay, UnixMs
from tests.builders import moment
from tests.hostile_hub import HostileHub
from tests.patience import reached

FIRST_DAY = TradingDay(20250602)
"""A Monday with two months without holidays behind it. No machine's clock is before it: records of the future are refused."""
REFERENCE = Price(80_200)
"""Of every stock, in VND."""
CEILING, FLOOR = 85_800, 74_600
"""Of every stock: 7 % above and below the reference, rounded inwards to the tick of 100."""
INDEX = Price(125_000)
"""At which VN30 closed on the day before, and its futures too, in hundredths of a point."""
KEEP_ALIVE_S = 5.0
"""How often the hub says that it is there; SSI's does so every ten seconds."""

STOCKS: dict[str, Listing] = {listing.symbol: listing.opening_at(REFERENCE) for listing in universe_of(FIRST_DAY).stocks}


@dataclass
class Traded:
    """What was traded of a symbol today."""

    volume: int = 0
    value: int = 0
    high: int = 0
    low: int = 0

    def add(self, price: int, volume: int, value: int) -> None:
        self.volume, self.value = self.volume + volume, self.value + value
        self.high, self.low = max(self.high, price), min(self.low or price, price)


class FakeSsi:
    """The hub, and the trading day that it tells of. Its records are the only clock: a day is as long as a test makes it."""

    def __init__(self) -> None:
        self.hub = HostileHub()
        self.hub.holds_s = None
        self.hub.talk = self._listen
        self._listener: web.WebSocketResponse | None = None
        self._next_day = FIRST_DAY

    async def connected(self) -> None:
        """Wait until a client has subscribed."""
        await reached(lambda: self._listener is not None, "a subscription at the hub")

    async def keep_alive(self) -> None:
        """Say now and then that the hub is there, until cancelled."""
        while True:
            if self._listener is not None and not self._listener.closed:
                await self._listener.send_str("{}")
            await asyncio.sleep(KEEP_ALIVE_S)

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Close the connection and take no other meanwhile; afterwards it is waited for."""
        assert self._listener is not None
        listener, self._listener = self._listener, None
        self.hub.odd["negotiate"] = _refuse
        await listener.close()
        try:
            yield
        finally:
            del self.hub.odd["negotiate"]
        await self.connected()

    async def say(self, *records: SimulatedRecord) -> None:
        """Say records in one hub message."""
        assert self._listener is not None, "nobody has subscribed"
        await self._listener.send_str(f'{{"C":"d-1","M":[{",".join(map(wire.encode, records))}]}}')

    async def next_day(self) -> "MarketDay":
        """Begin a new trading day: before the open, with nothing traded. No scenario sees what another has done."""
        day, self._next_day = self._next_day, next_trading_day(self._next_day)
        market = MarketDay(self, day)
        await market.reach("08:55:00")
        return market

    async def _listen(self, socket: web.WebSocketResponse) -> None:
        self._listener = socket


class MarketDay:
    """A trading day. Each method makes something happen at a time of it, and tells it at once; time never goes back."""

    def __init__(self, ssi: FakeSsi, day: TradingDay) -> None:
        self.day = day
        universe = universe_of(day)
        self.future = universe.futures[0].opening_at(INDEX)
        """The front month on VN30."""
        self._ssi = ssi
        self._indices = {listing.index_id: listing for listing in universe.indices}
        self._now_ms = UnixMs(0)
        self._traded: dict[str, Traded] = {}
        self._turnover = 0
        """Of every index so far, in shares: it grows with each record."""

    async def reach(self, clock: str) -> UnixMs:
        """Let market time reach ``clock`` (``HH:MM:SS``): by an index that no scenario looks at."""
        ts_ms = moment(clock, self.day)
        assert ts_ms >= self._now_ms, f"{clock} is over"
        if ts_ms > self._now_ms:
            self._now_ms = ts_ms
            await self._ssi.say(self._index("VNINDEX", INDEX))
        return ts_ms

    async def index(self, clock: str, value: int) -> None:
        """VN30 comes to ``value``, in hundredths of a point."""
        await self.reach(clock)
        await self._ssi.say(self._index("VN30", value))

    async def quote(self, symbol: str, clock: str, *, bid: int, ask: int, session: str = "LO") -> None:
        """A book of one level on each side: 500 shares wanted at ``bid``, 700 for sale at ``ask``."""
        ts_ms = await self.reach(clock)
        await self._ssi.say(Quote(ts_ms, ts_ms, STOCKS[symbol], (bid,), (500,), (ask,), (700,), session))

    async def trade(
        self, symbol: str, clock: str, *, price: int, volume: int, session: str = "LO", side: SsiSide | None = None
    ) -> None:
        """A match; ``side`` as SSI says it, which may be nothing."""
        ts_ms = await self.reach(clock)
        listing = STOCKS[symbol]
        await self._ssi.say(self._match(listing, ts_ms, price, volume, price * volume, session, side))

    def trade_unseen(self, symbol: str, *, price: int, volume: int) -> None:
        """A match that is not told. The totals of the next one count it."""
        self._traded.setdefault(symbol, Traded()).add(price, volume, price * volume)

    async def trade_future(self, clock: str, *, price: int, volume: int) -> None:
        """A match of the front month, in hundredths of a point."""
        ts_ms = await self.reach(clock)
        value = price * volume * FUTURES_MULTIPLIER_VND // POINT
        await self._ssi.say(self._match(self.future, ts_ms, price, volume, value, "LO", "BU"))

    async def foreign(self, symbol: str, clock: str, *, bought: int = 0, sold: int = 0) -> None:
        """The counters of foreign investors come to so many shares since the open, all at the reference."""
        ts_ms = await self.reach(clock)
        values = (bought * REFERENCE, sold * REFERENCE)
        await self._ssi.say(Foreign(ts_ms, ts_ms, STOCKS[symbol], 1_000_000, bought, sold, *values))

    def _match(
        self, listing: Listing, ts_ms: int, price: int, volume: int, value: int, session: str, side: SsiSide | None
    ) -> Trade:
        traded = self._traded.setdefault(listing.symbol, Traded())
        traded.add(price, volume, value)
        return Trade(
            ts_ms, ts_ms, listing, price, volume, traded.volume, traded.value, traded.high, traded.low, price, session, side
        )

    def _index(self, index_id: str, value: int) -> IndexValue:
        self._turnover += 1_000
        listing, worth = replace(self._indices[index_id], prior=INDEX), self._turnover * REFERENCE
        return IndexValue(self._now_ms, self._now_ms, listing, value, INDEX, self._turnover, worth, 0, 0, 0, 0, 0, 0, 0, "LO")


async def _refuse(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503)
