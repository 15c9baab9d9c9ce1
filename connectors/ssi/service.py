"""The whole connector: it reads SSI's REST API and stream, and writes frames and status to Kafka."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from datetime import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp

from connectors.ssi import metrics
from connectors.ssi.client import now_ms, now_us
from connectors.ssi.clock_poll import follow
from connectors.ssi.core.backoff import SsiBackoff
from connectors.ssi.core.daily import DailyTime
from connectors.ssi.core.errors import ClockUnavailable
from connectors.ssi.core.health import FeedState, what_is_wrong
from connectors.ssi.core.market_clock import SimulatedClock, WallClock, make_clock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.epochs import LastEpoch
from connectors.ssi.key_watch import KeyWatch
from connectors.ssi.metrics import Tally
from connectors.ssi.other_feeds import StatusListener
from connectors.ssi.publisher import Publisher
from connectors.ssi.reference import Reference, ReferenceCache
from connectors.ssi.rest import SsiRest
from connectors.ssi.session import Session
from connectors.ssi.settings import SsiSettings
from schemas.backoff import Backoff
from schemas.errors import KafkaUnavailable
from schemas.profiles import DayProfiles
from schemas.tracing import Tracer
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
REFERENCE_TIME: Final = time(8, 15)
"""When the reference data of a new day is asked for, in Vietnam, where the connection is never made anew."""
REFERENCE_LONGEST_S: Final = 900.0
"""The longest pause before incomplete reference data is asked for again, in seconds."""


async def run(settings: SsiSettings, stop: asyncio.Event, health: Callable[[str], None], tracer: Tracer | None = None) -> None:
    """Run the connector until ``stop`` is set; then send what was received to Kafka, and return.

    Args:
        settings: How to reach SSI and Kafka, and what to subscribe to.
        stop: Set it to end; that takes 10 s at most.
        health: Called whenever it changes: with "" when all is well, else with what is wrong and what to do.
        tracer: Takes the spans of some frames; None to trace nothing.

    Raises:
        BadCredentials: SSI refuses the consumer id and secret.
        TopicsMissing: Topics that the connector writes to have not been made.
        KafkaUnavailable: The producer can never send again.
    """
    connector = _Connector(settings, health, tracer)
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
    """Runs the parts of one feed side by side."""

    def __init__(self, settings: SsiSettings, health: Callable[[str], None], tracer: Tracer | None) -> None:
        self._settings = settings
        self._health = health
        self._outbox = Outbox(settings.max_buffered_records, settings.max_buffered_bytes)
        window = settings.max_buffered_records * IN_FLIGHT_PERCENT // 100
        self._publisher = Publisher(settings.kafka, settings.topic_prefix, self._outbox, window, tracer)
        self._holidays = settings.holidays
        self._clock = make_clock(settings.clock, self._holidays)
        self._last_epoch = LastEpoch(settings.cache, settings.feed)
        self._parts: _Parts | None = None
        """What can be made only once Kafka has said how many shards there are."""
        self._clock_trouble: ClockUnavailable | None = None
        self._waits_for = "connecting to Kafka"
        """What has to come before SSI; empty once it is SSI's turn."""
        self._told: str | None = None
        """What ``health`` was called with last."""

    async def work(self) -> None:
        """Find Kafka, then run all the parts until one of them fails."""
        shards = await self._kafka_ready()
        async with aiohttp.ClientSession() as http:
            parts = self._parts = self._make(http, shards)
            jobs: list[Coroutine[Any, Any, None]] = [
                self._pump(parts),
                self._say_status(parts),
                self._feed(parts),
                self._refer(parts),
                parts.key_watch.run(),
            ]
            if self._settings.profiles is not None:
                jobs.append(self._profile(self._settings.profiles, parts.stream))
            if isinstance(self._clock, SimulatedClock):
                jobs.append(follow(self._clock, self._settings.clock, http, self._clock_answered))
            await _first_failure(jobs)

    async def close(self) -> None:
        """Send what was received and a last status, and wait for Kafka to have it."""
        if self._parts is None:
            return
        stream = self._parts.stream
        stream.flush()
        stream.report("stopped", "the connector was stopped", now_us())
        left = await self._publisher.close(CLOSE_S)
        self._parts.tally.observe(self._clock.read(now_ms()))
        metrics.UP.set(0)
        if left:
            log.error("Kafka did not take %d records within %.0f s; they are lost", left, CLOSE_S)
        log.info("stopped")

    def _make(self, http: aiohttp.ClientSession, shards: int) -> "_Parts":
        settings = self._settings
        last_epoch = self._last_epoch.load()
        stream = RecordStream(settings.feed, shards, self._clock, self._outbox, settings.channels, self._holidays, last_epoch)
        rest = SsiRest(http, settings)
        session = Session(http, rest, stream, self._clock, settings, SsiBackoff(random.random), self._listen, self._changed)
        cache = ReferenceCache(settings.cache, settings.api_url)
        daily = DailyTime(settings.reconnect_time or REFERENCE_TIME)
        backoff = SsiBackoff(random.random, REFERENCE_LONGEST_S)
        reference = Reference(rest, stream, self._clock, cache, daily, backoff)
        tally = Tally(stream, self._outbox, self._publisher, session, reference)
        return _Parts(stream, session, reference, KeyWatch(rest, session), tally)

    def _listen(self) -> StatusListener:
        return StatusListener(self._settings.kafka, self._settings.topic_prefix, self._settings.feed)

    async def _kafka_ready(self) -> int:
        """Wait for a broker; return how many shards the record topics have."""
        backoff = Backoff(KAFKA_FIRST_S, KAFKA_LONGEST_S, random.random)
        while True:
            try:
                return await self._publisher.shards()
            except KafkaUnavailable as error:
                log.warning("%s", error)
                self._waits_for = str(error)
                self._tell()
                await asyncio.sleep(backoff.failed())

    async def _pump(self, parts: "_Parts") -> None:
        while True:
            parts.stream.tick(now_us(), "up" if parts.session.is_open else "down")
            self._publisher.pump()
            await asyncio.sleep(PUMP_S)

    async def _say_status(self, parts: "_Parts") -> None:
        while True:
            parts.stream.judge(asyncio.get_running_loop().time(), self._state()[0], now_us())
            self._changed()
            metrics.UP.set(1 if self._state()[0] == "up" else 0)
            parts.tally.observe(self._clock.read(now_ms()))
            await asyncio.sleep(STATUS_S)

    async def _feed(self, parts: "_Parts") -> None:
        """Connect to SSI, with the reference data of the last day in the stream ahead of the first record."""
        await self._clock_ready()
        await parts.reference.begin()
        self._waits_for = ""
        await parts.session.authorize()
        await parts.reference.head_start()
        await parts.session.run()

    async def _refer(self, parts: "_Parts") -> None:
        """Keep the reference data up to date beside the stream. The stream's token comes first."""
        await parts.session.has_token.wait()
        await parts.reference.run()

    async def _clock_ready(self) -> None:
        """Wait for a simulator's clock: without it nobody knows which day's records are to be accepted."""
        self._waits_for = "waiting for the market clock"
        while isinstance(self._clock, SimulatedClock) and self._clock.read(now_ms()) is None:
            if self._clock_trouble is not None:
                self._waits_for = str(self._clock_trouble)
            await asyncio.sleep(0.05)

    async def _profile(self, file: Path, stream: RecordStream) -> None:
        """Publish what symbols usually trade, on the trading day that ``file`` is for; it is looked at anew each day."""
        done: TradingDay | None = None
        while True:
            market = self._clock.read(now_ms())
            if market is not None and market.trading_day != done:
                done = market.trading_day
                self._profile_day(file, stream, done)
            await asyncio.sleep(STATUS_S)

    def _profile_day(self, file: Path, stream: RecordStream, day: TradingDay) -> None:
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

    def _clock_answered(self, trouble: ClockUnavailable | None) -> None:
        if trouble is not None and self._clock_trouble is None:
            log.warning("%s", trouble)
        self._clock_trouble = trouble

    def _state(self) -> tuple[FeedState, str]:
        """How the connection to SSI is, and why it is not up."""
        if self._parts is None or self._waits_for:
            return "connecting", self._waits_for
        return self._parts.session.state, self._parts.session.reason

    def _changed(self) -> None:
        """Say on ``ssi.status`` and to whoever asks for our health how the feed is."""
        if self._parts is not None:
            self._last_epoch.keep(self._parts.stream.epoch)
            self._parts.stream.report(*self._state(), now_us())
        self._tell()

    def _tell(self) -> None:
        """Say what is wrong with the connector, if that has changed."""
        parts = self._parts
        said = what_is_wrong(
            *self._state(),
            clock=self._clock.trouble if isinstance(self._clock, WallClock) else self._clock_trouble,
            undecodable=parts.stream.undecodable if parts is not None else "",
            kafka=self._publisher.trouble,
            waiting=self._outbox.records,
            key=parts.key_watch.trouble if parts is not None else "",
            reference=parts.reference.trouble if parts is not None else "",
        )
        if said != self._told:
            self._told = said
            self._health(said)


class _Parts(NamedTuple):
    """The parts of a connector that has found Kafka."""

    stream: RecordStream
    session: Session
    reference: Reference
    key_watch: KeyWatch
    tally: Tally


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
