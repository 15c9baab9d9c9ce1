"""The connector's side of SSI: a token, and one connection after another, of which no two are ever open at once."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

import aiohttp

from connectors.ssi.client import Conversation, monotonic_ms, now_ms
from connectors.ssi.core.backoff import LONGEST_S, SsiBackoff
from connectors.ssi.core.daily import DailyTime
from connectors.ssi.core.errors import BadCredentials, PlannedReconnect, SsiError, SsiUnavailable, StandingBy, TokenRejected
from connectors.ssi.core.evictions import STAND_BY_S, Evictions
from connectors.ssi.core.health import FeedState
from connectors.ssi.core.hub_client import HubClient
from connectors.ssi.core.market_clock import MarketClock
from connectors.ssi.core.off_hours import hours_begin_in_s
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.rest import RENEW_AGAIN_S, SsiRest
from connectors.ssi.settings import SsiSettings
from schemas.units import UnixMs

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""How often it is looked whether the daily time to connect anew has come, in seconds."""


class Others(Protocol):
    """Knows how the other feeds are, while this one stands by."""

    def is_any_up(self) -> bool | None:
        """Whether one of them is up; None while that is not known."""

    def close(self) -> None:
        """Listen no longer."""


class Session:
    """Connects to SSI again and again, and says how that goes."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        rest: SsiRest,
        stream: RecordStream,
        clock: MarketClock,
        settings: SsiSettings,
        backoff: SsiBackoff,
        others: Callable[[], Others],
        changed: Callable[[], None],
    ) -> None:
        """Nothing happens before :meth:`run`.

        Args:
            http: Makes the calls and the WebSocket.
            rest: Has the token.
            stream: Gets what the hub says.
            clock: Says what time it is on the market, for the daily reconnect.
            settings: Where the hub is, and what to subscribe to.
            backoff: The pauses between attempts; the only ones.
            others: Begins to listen to the other feeds.
            changed: Called whenever ``state`` has changed.
        """
        self._http = http
        self._rest = rest
        self._stream = stream
        self._clock = clock
        self._settings = settings
        self._backoff = backoff
        self._listen = others
        self._changed = changed
        self._daily = DailyTime(settings.reconnect_time)
        self._evictions = Evictions(settings.feed)
        self._conversation: Conversation | None = None
        self._opened_ms = UnixMs(0)
        """Market time at which the connection was made."""
        self._retry = asyncio.Event()
        """Set when there is a new key: a pause because of the old one is over."""
        self._error: SsiError | None = None
        """Why the last attempt ended."""
        self.has_token = asyncio.Event()
        """Set once SSI has taken the credentials."""
        self.state: FeedState = "connecting"
        self.ended: Counter[str] = Counter()
        """How many connections and attempts have ended since the start, by the kind of error."""

    @property
    def is_open(self) -> bool:
        """Whether a socket to the hub is open."""
        return self._conversation is not None and self._conversation.is_open

    @property
    def reason(self) -> str:
        """Why data cannot flow, or which step it waits for; empty when it can."""
        if self.state == "up":
            return ""
        if self.state == "down":
            return str(self._error)
        awaited = self._conversation.awaited if self._conversation is not None else "the access token"
        before = f"; before: {self._error}" if self._error is not None else ""
        return f"connecting to SSI: waiting for {awaited}{before}"

    async def authorize(self) -> None:
        """Wait for the first token.

        Raises:
            BadCredentials: SSI refuses the consumer id and secret. When it refuses them later that is waited out, because
                credentials that worked once are probably right.
        """
        while not self.has_token.is_set():
            try:
                await self._rest.token()
            except SsiUnavailable as error:
                await self._pause(error)
            else:
                self.has_token.set()

    async def run(self) -> None:
        """Be connected, until cancelled.

        Raises:
            BadCredentials: As :meth:`authorize`, which comes first.
        """
        await self.authorize()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reconnect_daily())
            while True:
                await self._connect_once()

    def retry_now(self) -> None:
        """End a pause that is made because SSI refused the key; any other goes on."""
        self._retry.set()

    async def _connect_once(self) -> None:
        hub_client = HubClient(self._settings.stream_url, self._settings.channels)
        try:
            token = await self._rest.token()
            self._conversation = Conversation(self._http, hub_client, token, self._stream, self._subscribed)
            error = await self._conversation.hold()
        except SsiError as failed:
            error = failed
        self._conversation = None
        if isinstance(error, PlannedReconnect):
            log.info("%s", error)
            self.ended[type(error).__name__] += 1
            self._set("connecting")
            return
        if isinstance(error, TokenRejected):
            self._rest.forget_token()
        if self._evictions.ended(error, hub_client.is_subscribed, monotonic_ms()):
            log.warning("%s", error)
            await self._stand_by()
        else:
            await self._pause(error)

    async def _pause(self, error: SsiError) -> None:
        """Wait as long as an error asks for before the next attempt."""
        self.ended[type(error).__name__] += 1
        market_ms = self._market_ms()
        # Nothing is missed at night, so a hub that is down then is asked seldom, but in time for the market.
        idle_s = hours_begin_in_s(market_ms) if market_ms else 0.0
        longest_s = min(self._settings.off_hours_pause_s, idle_s) if idle_s > LONGEST_S else None
        pause_s = self._backoff.failed(error, monotonic_ms(), longest_s)
        log.warning("%s (next attempt in %.1f s)", error, pause_s)
        self._error = error
        self._set("down")
        self._retry.clear()
        if isinstance(error, BadCredentials):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._retry.wait()
        else:
            await asyncio.sleep(pause_s)
        self._set("connecting")

    async def _stand_by(self) -> None:
        """Wait until the other feeds are gone; for a while where nobody says how they are."""
        self._error = StandingBy(self._settings.feed)
        self.ended[type(self._error).__name__] += 1
        log.warning("%s", self._error)
        self._set("down")
        until_ms = monotonic_ms() + int(STAND_BY_S * 1000)
        others = self._listen()
        try:
            while True:
                is_up = others.is_any_up()
                if is_up is False or (is_up is None and monotonic_ms() >= until_ms):
                    break
                await asyncio.sleep(LOOK_S)
        finally:
            others.close()
        log.info("the other feed is gone, or says nothing of itself: connecting again")
        self._set("connecting")

    def _subscribed(self) -> None:
        self._backoff.connected(monotonic_ms())
        self._opened_ms = self._market_ms()
        self._error = None
        self._set("up")
        log.info("connected and subscribed to %s", self._settings.channels)

    async def _reconnect_daily(self) -> None:
        """Make the connection anew once a day.

        A new token comes first: a connection can outlive its own, and could not be made again without one.
        """
        while True:
            await asyncio.sleep(LOOK_S)
            conversation, market_ms = self._conversation, self._market_ms()
            if conversation is None or self.state != "up" or not self._daily.is_due(self._opened_ms, market_ms):
                continue
            if not await self._rest.renew():
                await asyncio.sleep(RENEW_AGAIN_S)
            elif self._conversation is conversation:
                self._opened_ms = market_ms
                conversation.leave(PlannedReconnect())

    def _market_ms(self) -> UnixMs:
        market = self._clock.read(now_ms())
        return market.ts_ms if market is not None else UnixMs(0)

    def _set(self, state: FeedState) -> None:
        changed = state != self.state
        self.state = state
        if changed:
            self._changed()
