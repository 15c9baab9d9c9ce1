"""Market time, and the records that fall due with it.

The day is played in small batches: every hundredth of a second of wall time, all that has fallen due since the last time goes to
the connections. So a day costs the same few wake-ups at any speed, and nothing waits on a timer of its own.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.hub import HubSubscription
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.playback_clock import PlaybackClock
from connectors.ssi.simulator.core.records import CHANNELS, Channel
from connectors.ssi.simulator.core.truth import ClockReading, PlayState
from connectors.ssi.simulator.hub_socket import HubSocket
from schemas.units import Symbol, UnixMs

PACE_S = 0.01
"""The shortest time between two batches, in seconds of wall time."""
IDLE_S = 0.2
"""The longest time between two looks at the clock, in seconds of wall time."""
BATCH_RECORDS = 500
"""Records in a batch when the day is played as fast as clients read (``--speed max``)."""
HOLD_S = 900.0
"""A held market goes on by itself after this long, in seconds of wall time: whoever holds it may have died."""
PATIENCE_S = 5.0
"""At ``--speed max`` a client that has read nothing for this long is no longer waited for, in seconds of wall time."""


class Playback:
    """Plays a market day to the connections that are open."""

    def __init__(self, market: MarketDay, clock: PlaybackClock, sockets: Callable[[], Sequence[HubSocket]]) -> None:
        self.market = market
        self.released = 0
        """How many of the day's records have been due."""
        self._clock = clock
        self._sockets = sockets
        self._begin = asyncio.Event()
        self._cache: dict[tuple[Symbol, Channel], int] = {}
        """The place of the last record of each symbol on each channel that has been due."""
        self._symbols = [listing.symbol for listing in market.universe.listings]
        self._symbols += [index.symbol for index in market.universe.indices]
        self._stalled: set[int] = set()
        """Numbers of the connections that are no longer waited for."""
        self._release(clock.start_ms)

    def begin(self) -> None:
        """Let the clock run, if it does not already."""
        self._begin.set()

    def hold(self) -> None:
        """Make the clock stand still: nothing falls due until :meth:`resume`, or until :data:`HOLD_S` seconds have passed."""
        self._clock.hold(time.monotonic(), time.monotonic() + HOLD_S)

    def resume(self, stand_ms: UnixMs | None = None) -> None:
        """Let the clock run on, to the end of the day or to market time ``stand_ms``, where it is held as by :meth:`hold`."""
        self._clock.resume(time.monotonic(), stand_ms)

    def now_ms(self) -> UnixMs:
        """Market time."""
        return UnixMs(self._clock.at(time.monotonic()))

    @property
    def state(self) -> PlayState:
        """How far it is. It is finished when the clock is at its end and no record that was due still waits for a socket."""
        if not self._clock.running:
            return "waiting"
        if self.now_ms() < self._clock.end_ms or self._next_due_ms() is not None:
            return "held" if self._clock.held else "running"
        return "running" if any(socket.connection.waiting for socket in self._sockets()) else "finished"

    def reading(self) -> ClockReading:
        """What ``/sim/clock`` says."""
        return ClockReading(
            market_ms=self.now_ms(),
            speed=self._clock.speed,
            state=self.state,
            trading_day=self.market.day,
            start_ms=UnixMs(self._clock.start_ms),
            end_ms=UnixMs(self._clock.end_ms),
            seed=self.market.seed,
        )

    def snapshot(self, subscription: HubSubscription) -> list[tuple[int, str]]:
        """The last record of everything that ``subscription`` names, with its place: first of listings, then of indices."""
        symbols = [s for s in self._symbols if subscription.symbols is None or s in subscription.symbols]
        keys = ((symbol, channel) for symbol in symbols for channel in CHANNELS if channel in subscription.channels)
        places = [self._cache[key] for key in keys if key in self._cache]
        return [(place, wire.encode(self.market.records[place])) for place in places]

    async def play(self) -> None:
        """Send records as they fall due, until the clock is at its end."""
        await self._begin.wait()
        self._clock.begin(time.monotonic())
        while (due_ms := self._next_due_ms()) is not None:
            self._clock.look(time.monotonic(), HOLD_S)
            if self._clock.held:
                # It may have come to stand since the last batch: what was due by then is still sent.
                self._release(self.now_ms())
                await asyncio.sleep(PACE_S)
                continue
            if self._clock.speed is None:
                await self._play_a_batch()
                continue
            now_ms = self.now_ms()
            self._release(now_ms)
            await asyncio.sleep(min(max((due_ms - now_ms) / 1000 / self._clock.speed, PACE_S), IDLE_S))
        self._clock.reach(self._clock.end_ms)

    def _next_due_ms(self) -> int | None:
        """When the next record is due; None when none is before the end."""
        if self.released == len(self.market.records):
            return None
        due_ms = self.market.records[self.released].due_ms
        return due_ms if due_ms <= self._clock.end_ms else None

    def _release(self, until_ms: int) -> None:
        """Hand every record that is due up to ``until_ms`` to the connections that are subscribed to it; it is encoded once."""
        records, sockets = self.market.records, self._sockets()
        while self.released < len(records) and records[self.released].due_ms <= until_ms:
            place, self.released = self.released, self.released + 1
            record = records[place]
            self._cache[record.listing.symbol, record.channel] = place
            text = None
            for socket in sockets:
                if socket.connection.wants(record):
                    text = text or wire.encode(record)
                    socket.offer(place, text)

    async def _play_a_batch(self) -> None:
        last = min(self.released + BATCH_RECORDS, len(self.market.records)) - 1
        until_ms = min(self.market.records[last].due_ms, self._clock.limit_ms)
        self._release(until_ms)
        self._clock.reach(until_ms)
        await self._readers_catch_up()

    async def _readers_catch_up(self) -> None:
        """Wait until no client is far behind. One that reads nothing for long is no longer waited for, until it has caught up."""
        await asyncio.sleep(0)
        progress: dict[int, tuple[int, float]] = {}
        while True:
            connections = [socket.connection for socket in self._sockets()]
            behind = {c.number: c.waiting for c in connections if c.waiting > 2 * BATCH_RECORDS}
            self._stalled &= behind.keys()
            awaited = behind.keys() - self._stalled
            if not awaited:
                return
            now_s = time.monotonic()
            for number in awaited:
                waiting, since_s = progress.get(number, (-1, now_s))
                if behind[number] != waiting:
                    progress[number] = (behind[number], now_s)
                elif now_s - since_s > PATIENCE_S:
                    self._stalled.add(number)
            await asyncio.sleep(PACE_S / 10)
