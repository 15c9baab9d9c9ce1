"""Market time, and the records that fall due with it.

The day is played in small batches: every hundredth of a second of wall time, all that has fallen due since the last time goes to
the connections. So a day costs the same few wake-ups at any speed, and nothing waits on a timer of its own.
"""

import asyncio
import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from connectors.ssi.simulator.core.blocks import DayBlock
from connectors.ssi.simulator.core.feed import DayFeed, Spoken
from connectors.ssi.simulator.core.hub import HubSubscription
from connectors.ssi.simulator.core.logbook import ClockSet
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.places import BASE
from connectors.ssi.simulator.core.playback_clock import PlaybackClock
from connectors.ssi.simulator.core.released import Released
from connectors.ssi.simulator.core.truth import ClockReading, Facts, PlayState
from connectors.ssi.simulator.hub_socket import HubSocket
from connectors.ssi.simulator.played_day import PlayedDay
from schemas.units import UnixMs

logger = logging.getLogger(__name__)

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


class Strikes(Protocol):
    """What strikes at moments of the market, between the records that are due before and after it."""

    @property
    def next_ms(self) -> UnixMs | None:
        """When the next one does; None when none will."""
        ...

    def strike(self) -> None:
        """Make it happen."""
        ...


class Playback:
    """Plays a market day to the connections that are open."""

    def __init__(
        self,
        market: MarketDay,
        day: PlayedDay,
        clock: PlaybackClock,
        released: Released,
        feed: DayFeed,
        sockets: Callable[[], Sequence[HubSocket]],
        strikes: Strikes,
        note: Callable[[ClockSet], None] | None = None,
    ) -> None:
        """Nothing is played before :meth:`wind`.

        Args:
            market: What is played.
            day: Its records.
            clock: Tells the market time.
            released: Where what has been due is counted.
            feed: Says the records.
            sockets: Gives the connections that are open.
            strikes: What happens between them.
            note: Told whenever the clock is set, if anybody is to be.
        """
        self._note = note
        self._noted: object = None
        """How the clock was set when that was noted last."""
        self.market = market
        self._day = day
        self._clock = clock
        self._released = released
        self._sockets = sockets
        self._begin = asyncio.Event()
        self._block: DayBlock | None = None
        """The block in which the next record is; None after the last."""
        self._number = -1
        """The number of that block."""
        self._at = 0
        """The index of the next record in its block."""
        self._is_reading = False
        """Whether the next block is just being read or made."""
        self._feed = feed
        self._strikes = strikes
        self._stalled: set[int] = set()
        """Numbers of the connections that are no longer waited for."""

    async def wind(self) -> None:
        """Take for granted whatever is due up to the start: it is in SSI's cache."""
        await self._next_block()
        await self._release(self._clock.start_ms)

    def at(self, clock: ClockSet, wall_s: float) -> UnixMs:
        """The market time at ``wall_s``, in seconds since 1970, by a clock that is set so."""
        told = PlaybackClock(self._clock.start_ms, self._clock.end_ms, self._clock.speed)
        told.set_to(clock.began_s, clock.held_s, clock.until_s, clock.stand_ms)
        told.look(wall_s, HOLD_S)
        return UnixMs(told.at(wall_s))

    async def go_on(self, clock: ClockSet) -> None:
        """Go on with the day of an earlier run, whose clock was set so: what has fallen due since was sent to nobody.

        Call it after :meth:`wind`.
        """
        since_s = time.time() - time.monotonic()
        held_s = None if clock.held_s is None else clock.held_s - since_s
        self._clock.set_to(clock.began_s - since_s, held_s, clock.until_s - since_s, clock.stand_ms)
        self._clock.look(time.monotonic(), HOLD_S)
        await self._release(self.now_ms())
        self.begin()

    def begin(self) -> None:
        """Let the clock run, if it does not already."""
        self._begin.set()

    def hold(self) -> None:
        """Make the clock stand still: nothing falls due until :meth:`resume`, or until :data:`HOLD_S` seconds have passed."""
        self._clock.hold(time.monotonic(), time.monotonic() + HOLD_S)
        self._note_clock()

    def resume(self, stand_ms: UnixMs | None = None) -> None:
        """Let the clock run on, to the end of the day or to market time ``stand_ms``, where it is held as by :meth:`hold`."""
        self._clock.resume(time.monotonic(), stand_ms)
        self._note_clock()

    def now_ms(self) -> UnixMs:
        """Market time."""
        return UnixMs(self._clock.at(time.monotonic()))

    @property
    def state(self) -> PlayState:
        """How far it is. It is finished when the clock is at its end and no record that was due still waits for a socket."""
        if not self._clock.running:
            return "waiting"
        if self._is_reading:
            # Records that are due may be in the block that is just being read.
            return "running"
        now_ms, due_ms = self.now_ms(), self._next_due_ms()
        if now_ms < self._clock.end_ms or due_ms is not None:
            # A market that has just come to stand still sends what was due by then.
            return "held" if self._clock.held and (due_ms is None or due_ms > now_ms) else "running"
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
            stand_ms=None if self._clock.stand_ms is None else UnixMs(self._clock.stand_ms),
            seed=self.market.seed,
        )

    def snapshot(self, subscription: HubSubscription) -> list[Spoken]:
        """The last record of everything that ``subscription`` names: first of listings, then of indices."""
        return self._feed.snapshot(subscription.channels, subscription.symbols)

    @property
    def released(self) -> int:
        """How many of the day's records have been due."""
        return len(self._released)

    def facts(self) -> Iterator[Facts]:
        """What the truth has to tell of the day, block after block, from the first on."""
        return self._day.facts()

    async def play(self) -> None:
        """Send records as they fall due, until the clock is at its end. A day that is to be kept is made whole before."""
        if self._day.is_to_be_kept:
            logger.info("making the whole day; the market waits, and a later run finds it made")
            await asyncio.to_thread(self._day.make_whole)
            logger.info("the day is made")
        await self._begin.wait()
        if not self._clock.running:
            self._clock.begin(time.monotonic())
        while (due_ms := self._next_due_ms()) is not None:
            self._clock.look(time.monotonic(), HOLD_S)
            self._note_clock()
            if self._clock.held:
                # It may have come to stand since the last batch: what was due by then is still sent.
                await self._release(self.now_ms())
                await asyncio.sleep(PACE_S)
                continue
            if self._clock.speed is None:
                await self._play_a_batch()
                continue
            now_ms = self.now_ms()
            await self._release(now_ms)
            await asyncio.sleep(min(max((due_ms - now_ms) / 1000 / self._clock.speed, PACE_S), IDLE_S))
        self._clock.reach(self._clock.end_ms)
        await self._release(self._clock.end_ms)
        for socket in self._sockets():
            socket.finish()

    def _note_clock(self) -> None:
        """Note how the clock is set, if that has changed."""
        marks = self._clock.marks
        if self._note is None or marks is None or marks == self._noted:
            return
        self._noted = marks
        began_s, held_s, until_s, stand_ms = marks
        since_s = time.time() - time.monotonic()
        self._note(ClockSet(began_s + since_s, None if held_s is None else held_s + since_s, until_s + since_s, stand_ms))

    def _next_due_ms(self) -> int | None:
        """When the next record is due; None when none is before the end."""
        if self._block is None:
            return None
        due_ms = self._block.dues[self._at]
        return due_ms if due_ms <= self._clock.end_ms else None

    async def _next_block(self) -> None:
        """Go on to the next block. It is read, or made, beside what else the simulator does."""
        self._is_reading = True
        try:
            self._number, self._at = self._number + 1, 0
            self._block = await asyncio.to_thread(self._day.block, self._number)
        finally:
            self._is_reading = False

    async def _release(self, until_ms: int) -> None:
        """Let happen what falls due up to ``until_ms``, in its order: records are sent, and faults strike between them."""
        while (strike_ms := self._strikes.next_ms) is not None and strike_ms <= until_ms:
            await self._send(strike_ms - 1)
            self._strikes.strike()
        await self._send(until_ms)

    async def _send(self, until_ms: int) -> None:
        """Hand every record that is due up to ``until_ms`` to the connections that are subscribed to it."""
        while self._block is not None and self._block.dues[self._at] <= until_ms:
            await self._hand_out(bisect_right(self._block.dues, until_ms, lo=self._at))

    async def _hand_out(self, end: int) -> None:
        """Hand the records before ``end`` of this block to the connections that are subscribed to them."""
        if self._block is None or end == self._at:
            return
        listeners = [(socket, self._wanted(socket)) for socket in self._sockets() if socket.connection.subscriptions]
        derived = [wanted for socket, wanted in listeners if _listens_to_derived(socket)]
        dues, first = self._block.dues, self._block.first
        for spoken in self._feed.speak(self._block, self._at, end, derived):
            key, place, _ = spoken
            for socket, wanted in listeners:
                if wanted[key]:
                    socket.offer(spoken, dues[(place & BASE) - first])
        self._at = end
        if end == len(self._block):
            await self._next_block()

    def _wanted(self, socket: HubSocket) -> bytearray:
        """For each key 1 if a connection is subscribed to records with it."""
        first, *others = (self._feed.wanted(s.channels, s.symbols) for s in socket.connection.subscriptions)
        for other in others:
            first = bytearray(map(int.__or__, first, other))
        return first

    async def _play_a_batch(self) -> None:
        """Send some records at once, whenever they are due."""
        if self._block is None:
            return
        last = min(self._at + BATCH_RECORDS, len(self._block)) - 1
        until_ms = min(self._block.dues[last], self._clock.limit_ms)
        strike_ms = self._strikes.next_ms
        if strike_ms is not None and strike_ms <= until_ms:
            await self._release(strike_ms)
        else:
            await self._hand_out(min(last + 1, bisect_right(self._block.dues, until_ms, lo=self._at)))
        self._clock.reach(until_ms if strike_ms is None else min(until_ms, strike_ms))
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


def _listens_to_derived(socket: HubSocket) -> bool:
    return any(not subscription.channels.isdisjoint(("X", "B")) for subscription in socket.connection.subscriptions)
