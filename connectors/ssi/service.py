"""The whole connector: it reads SSI's REST API and stream, and writes frames and status to Kafka."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final

import aiohttp

from connectors.ssi import metrics
from connectors.ssi.client import Conversation, now_ms, now_us
from connectors.ssi.clock_poll import follow
from connectors.ssi.core.backoff import SsiBackoff
from connectors.ssi.core.errors import ClockUnavailable, SsiError, SsiUnavailable, TokenRejected
from connectors.ssi.core.health import FeedState, what_is_wrong
from connectors.ssi.core.hub_client import HubClient
from connectors.ssi.core.market_clock import SimulatedClock, make_clock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.metrics import Tally
from connectors.ssi.publisher import Publisher
from connectors.ssi.rest import SsiRest
from connectors.ssi.settings import SsiSettings
from schemas.backoff import Backoff
from schemas.errors import KafkaUnavailable
from schemas.profiles import DayProfiles
from schemas.units import TradingDay

log = logging.getLogger(__name__)

KAFKA_FIRST_S: Final = 2.0
"""The longest that the pause may be after the first failure to reach a broker at the start, in seconds."""
KAFKA_LONGEST_S: Final = 10.0
"""The longest that the pause may be after many failures to reach a broker at the start, in seconds."""
PUMP_S: Final = 0.005
"""How often frames that are due go to the outbox and from there to Kafka, in seconds."""
IN_FLIGHT_PERCENT: Final = 10
"""Of the records that may wait for Kafka, this share may be with librdkafka. The others wait in the outbox, which can throw the
oldest away when Kafka does not answer for long."""
STATUS_S: Final = 1.0
"""How often the connector says on ``ssi.status`` how it is, in seconds."""
CLOSE_S: Final = 8.0
"""How long a stop waits for Kafka to take what was received, in seconds."""
REFERENCE_PATIENCE_S: Final = 20.0
"""How long the first connection waits for reference data, in seconds. Records can be decoded without it; until it comes nobody
knows which groups a symbol is in."""


async def run(settings: SsiSettings, stop: asyncio.Event, health: Callable[[str], None]) -> None:
    """Run the connector until ``stop`` is set; then send what was received to Kafka, and return.

    Args:
        settings: How to reach SSI and Kafka, and what to subscribe to.
        stop: Set it to end; that takes 10 s at most.
        health: Called whenever it changes: with "" when all is well, else with what is wrong and what to do.

    Raises:
        BadCredentials: SSI refuses the consumer id and secret.
        TopicsMissing: Topics that the connector writes to have not been made.
        KafkaUnavailable: The producer can never send again.
    """
    connector = _Connector(settings, health)
    work = asyncio.create_task(connector.work())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        for task in (work, stopped):
            task.cancel()
        await asyncio.gather(work, stopped, return_exceptions=True)
        await connector.close()


class _Connector:
    """Runs the parts of one feed side by side, and keeps in mind how the feed is."""

    def __init__(self, settings: SsiSettings, health: Callable[[str], None]) -> None:
        self._settings = settings
        self._health = health
        self._outbox = Outbox(settings.max_buffered_records, settings.max_buffered_bytes)
        window = settings.max_buffered_records * IN_FLIGHT_PERCENT // 100
        self._publisher = Publisher(settings.kafka, settings.topic_prefix, self._outbox, window)
        self._clock = make_clock(settings.clock)
        self._backoff = SsiBackoff(random.random)
        self._stream: RecordStream | None = None
        self._tally: Tally | None = None
        self._conversation: Conversation | None = None
        self._has_token = asyncio.Event()
        self._has_reference = asyncio.Event()
        self._clock_trouble: ClockUnavailable | None = None
        self._state: FeedState = "connecting"
        self._reason = "connecting to SSI"
        self._told: str | None = None
        """What ``health`` was called with last."""

    async def work(self) -> None:
        """Find Kafka, then run all the parts until one of them fails."""
        shards = await self._kafka_ready()
        stream = RecordStream(self._settings.feed, shards, self._clock, self._outbox, self._settings.channels)
        self._stream = stream
        self._tally = Tally(stream, self._outbox, self._publisher)
        async with aiohttp.ClientSession() as http:
            rest = SsiRest(http, self._settings)
            jobs: list[Coroutine[Any, Any, None]] = [
                self._pump(stream),
                self._say_status(stream),
                self._feed(http, rest, stream),
                self._refer(rest, stream),
            ]
            if isinstance(self._clock, SimulatedClock):
                jobs.append(follow(self._clock, self._settings.clock, http, self._clock_answered))
            await _first_failure(jobs)

    async def close(self) -> None:
        """Send what was received and a last status, and wait for Kafka to have it."""
        if self._stream is None:
            return
        self._stream.flush()
        self._state, self._reason = "stopped", "the connector was stopped"
        self._stream.report(self._state, self._reason, now_us())
        left = await self._publisher.close(CLOSE_S)
        self._observe()
        metrics.UP.set(0)
        if left:
            log.error("Kafka did not take %d records within %.0f s; they are lost", left, CLOSE_S)
        log.info("stopped")

    async def _kafka_ready(self) -> int:
        """Wait for a broker; return how many shards the record topics have."""
        backoff = Backoff(KAFKA_FIRST_S, KAFKA_LONGEST_S, random.random)
        while True:
            try:
                return await self._publisher.shards()
            except KafkaUnavailable as error:
                log.warning("%s", error)
                self._set("connecting", str(error))
                await asyncio.sleep(backoff.failed())

    async def _pump(self, stream: RecordStream) -> None:
        while True:
            is_open = self._conversation is not None and self._conversation.is_open
            stream.tick(now_us(), "up" if is_open else "down")
            self._publisher.pump()
            await asyncio.sleep(PUMP_S)

    async def _say_status(self, stream: RecordStream) -> None:
        while True:
            stream.judge(asyncio.get_running_loop().time(), self._state, now_us())
            stream.report(self._state, self._reason, now_us())
            self._observe()
            self._tell()
            await asyncio.sleep(STATUS_S)

    async def _feed(self, http: aiohttp.ClientSession, rest: SsiRest, stream: RecordStream) -> None:
        """Connect to SSI again and again; there is never more than one connection."""
        await self._clock_ready()
        await self._first_token(rest)
        self._has_token.set()
        try:
            await asyncio.wait_for(self._has_reference.wait(), REFERENCE_PATIENCE_S)
        except TimeoutError:
            log.warning("no reference data after %.0f s; connecting without it", REFERENCE_PATIENCE_S)
        while True:
            error = await self._converse(http, rest, stream)
            pause_s = self._backoff.failed(error, now_ms())
            if isinstance(error, TokenRejected):
                rest.forget_token()
            log.warning("%s (next attempt in %.1f s)", error, pause_s)
            self._set("down", str(error))
            await asyncio.sleep(pause_s)
            self._set("connecting", f"connecting again after: {error}")

    async def _converse(self, http: aiohttp.ClientSession, rest: SsiRest, stream: RecordStream) -> SsiError:
        try:
            hub_client = HubClient(self._settings.stream_url, self._settings.channels)
            self._conversation = Conversation(http, hub_client, await rest.token(), stream, self._subscribed)
            return await self._conversation.hold()
        except SsiError as error:
            return error

    async def _first_token(self, rest: SsiRest) -> None:
        """Wait for the first token.

        Raises:
            BadCredentials: SSI refuses them from the start. A refusal of a later token is waited out, because credentials that
                worked once are probably right.
        """
        while True:
            try:
                await rest.token()
            except SsiUnavailable as error:
                pause_s = self._backoff.failed(error, now_ms())
                log.warning("%s (next attempt in %.1f s)", error, pause_s)
                self._set("down", str(error))
                await asyncio.sleep(pause_s)
            else:
                return

    async def _clock_ready(self) -> None:
        """Wait for a simulator's clock: without it nobody knows which day's records are to be accepted."""
        while isinstance(self._clock, SimulatedClock) and self._clock.read(now_ms()) is None:
            if self._clock_trouble is not None:
                self._set("connecting", str(self._clock_trouble))
            await asyncio.sleep(0.05)

    async def _refer(self, rest: SsiRest, stream: RecordStream) -> None:
        """Fetch reference data once for each trading day, and again as long as it is incomplete."""
        backoff = SsiBackoff(random.random)
        await self._has_token.wait()
        done: TradingDay | None = None
        while True:
            market = self._clock.read(now_ms())
            if market is None:
                # With SSI_CLOCK=feed the day is unknown until records come, so connecting must not wait for reference data.
                self._has_reference.set()
            elif market.trading_day != done:
                trouble = await self._refer_once(rest, stream, market.trading_day)
                if trouble is None:
                    done = market.trading_day
                    backoff.worked()
                else:
                    pause_s = backoff.failed(trouble, now_ms())
                    log.warning("reference data is incomplete: %s (next attempt in %.1f s)", trouble, pause_s)
                    await asyncio.sleep(pause_s)
            await asyncio.sleep(STATUS_S)

    async def _refer_once(self, rest: SsiRest, stream: RecordStream, day: TradingDay) -> SsiError | None:
        """Fetch reference data for ``day`` and publish what came; return an error if that is incomplete."""
        try:
            records, trouble = await rest.reference(day)
        except SsiError as error:
            return error
        if records:
            stream.refer(records, now_us())
            self._has_reference.set()
            log.info("got reference data of %d instruments for %d", len(records), day)
            self._profile(stream, day)
        return trouble

    def _profile(self, stream: RecordStream, day: TradingDay) -> None:
        """Publish what symbols usually trade, if there is a file of it for ``day``."""
        file = self._settings.profiles
        if file is None:
            return
        try:
            profiles = DayProfiles.model_validate_json(file.read_bytes())
        except (OSError, ValueError) as error:
            log.warning("nothing is known of what symbols usually trade: SSI_PROFILES, %s, cannot be used: %s", file, error)
            return
        if profiles.day != day:
            log.warning("nothing is known of what symbols usually trade on %d: %s is for %d", day, file, profiles.day)
            return
        stream.profile(profiles, now_us())
        log.info("got what %d symbols usually trade on %d", len(profiles.profiles), day)

    def _subscribed(self) -> None:
        self._backoff.connected(now_ms())
        self._set("up", "")
        log.info("connected and subscribed to %s", self._settings.channels)

    def _clock_answered(self, trouble: ClockUnavailable | None) -> None:
        if trouble is not None and self._clock_trouble is None:
            log.warning("%s", trouble)
        self._clock_trouble = trouble

    def _set(self, state: FeedState, reason: str) -> None:
        changed = state != self._state
        self._state, self._reason = state, reason
        if changed and self._stream is not None:
            self._stream.report(state, reason, now_us())
        self._tell()

    def _tell(self) -> None:
        """Say what is wrong with the connector, if that has changed."""
        said = what_is_wrong(
            self._state,
            self._reason,
            clock=self._clock_trouble,
            undecodable=self._stream.undecodable if self._stream is not None else "",
            kafka=self._publisher.trouble,
            waiting=self._outbox.records,
        )
        if said != self._told:
            self._told = said
            self._health(said)

    def _observe(self) -> None:
        metrics.UP.set(1 if self._state == "up" else 0)
        if self._tally is not None:
            self._tally.observe(self._clock.read(now_ms()))


async def _first_failure(jobs: list[Coroutine[Any, Any, None]]) -> None:
    """Run jobs that never end by themselves until one of them fails; cancel the others and raise its error."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
