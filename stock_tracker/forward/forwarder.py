"""Reads ``market.alerts`` committed and posts each alert; its position is committed once the receiver has taken it.

Killed anywhere, it posts again what may not have arrived: a receiver sees each alert once or, rarely, twice with the same key.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.backoff import Backoff
from schemas.errors import InvalidMessage, KafkaUnavailable
from schemas.structs import AlertEvent
from schemas.topics import MARKET_ALERTS
from stock_tracker.forward import GROUPS, metrics
from stock_tracker.forward.core.post import AlertFilter, Letterhead, headers
from stock_tracker.kafka.watermarks import watermarks

log = logging.getLogger(__name__)

_POLL_S = 0.5
_TIMEOUT_S = 10.0
_LONGEST_PAUSE_S = 60.0
_LONGEST_ASKED_S = 600.0
"""How long a receiver may ask us to wait."""


@dataclass(frozen=True)
class ForwardSettings:
    """What is forwarded where."""

    kafka: Mapping[str, str] = field(repr=False)
    prefix: str
    url: str = field(repr=False)
    """It may have a token in it: only its host is ever shown."""
    secret: bytes = field(repr=False)
    name: str
    """Of this forwarder's position: two with one name share the alerts, two names each get all of them."""
    wanted: AlertFilter
    letterhead: Letterhead
    from_beginning: bool = False
    """Where a new name begins: with all that Kafka keeps, or with what comes from now on."""

    @property
    def host(self) -> str:
        """Whom it posts to, without what might be secret."""
        return urlsplit(self.url).hostname or ""


class Forwarder:
    """Forwards alerts until it is stopped."""

    def __init__(self, settings: ForwardSettings, health: Callable[[str], None]) -> None:
        self._settings = settings
        self._health = health
        self._topic = MARKET_ALERTS.named(settings.prefix)
        self._consumer = Consumer(
            {
                **settings.kafka,
                "group.id": f"{settings.prefix}{GROUPS}{settings.name}",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                # A first position is committed before anything is read, so that this is never asked for.
                "auto.offset.reset": "error",
                # So long nobody has the partitions of one that was killed.
                "session.timeout.ms": 10_000,
                "log_level": 0,
            }
        )
        self._backoff = Backoff(0.5, _LONGEST_PAUSE_S, random.random)

    async def run(self, stop: asyncio.Event) -> None:
        """Forward until ``stop``; what has not been taken by then is posted after the next start.

        Raises:
            NewerMessage: A newer release wrote an alert.
            KafkaUnavailable: Kafka gave up on us.
        """
        self._consumer.subscribe([self._topic], on_assign=self._on_assign)
        self._health("waiting for partitions")
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as session:
                while not stop.is_set():
                    message = await asyncio.to_thread(self._consumer.poll, _POLL_S)
                    if message is not None:
                        await self._take(session, message, stop)
        except KafkaException as error:
            raise KafkaUnavailable(self._settings.kafka["bootstrap.servers"], error.args[0].str()) from error
        finally:
            await asyncio.to_thread(self._consumer.close)

    async def _take(self, session: aiohttp.ClientSession, message: Message, stop: asyncio.Event) -> None:
        if (error := message.error()) is not None:
            if error.code() not in (KafkaError._PARTITION_EOF, KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
                raise KafkaException(error)
            return
        try:
            alerts = MARKET_ALERTS.decode(message.value() or b"").events
        except InvalidMessage as unreadable:
            place = {"topic": self._topic, "partition": message.partition(), "offset": message.offset()}
            log.warning("passed over, it is no alert: %s: %s", place, unreadable, extra=place)
            alerts = []
        for alert in alerts:
            if self._settings.wanted.passes(alert) and not await self._post_until_taken(session, alert, stop):
                return
        try:
            await asyncio.to_thread(self._consumer.commit, message=message, asynchronous=False)
        except KafkaException as lost:
            # Another has the partition now, and posts it again: the key is the same.
            log.warning("the position was not committed: %s", lost.args[0].str())

    async def _post_until_taken(self, session: aiohttp.ClientSession, alert: AlertEvent, stop: asyncio.Event) -> bool:
        """Post until the receiver takes it; False when it is stopped before."""
        while True:
            refused, asked_s = await self._post(session, alert)
            metrics.UP.set(not refused)
            if not refused:
                metrics.SENT.inc()
                self._backoff.worked()
                self._health("")
                return True
            metrics.FAILED.inc()
            pause_s = max(self._backoff.failed(), min(asked_s, _LONGEST_ASKED_S))
            self._health(f"{self._settings.host} does not take alerts, trying again: {refused}")
            log.warning("%s was not taken by %s, again in %.1f s: %s", alert.alert_id, self._settings.host, pause_s, refused)
            if await self._wait(pause_s, stop):
                return False

    async def _post(self, session: aiohttp.ClientSession, alert: AlertEvent) -> tuple[str, float]:
        """Post once: why it was refused, empty when it was taken; and for how many seconds the receiver asks us to wait."""
        settings = self._settings
        body = settings.letterhead.body(alert)
        try:
            async with session.post(
                settings.url, data=body, headers=headers(alert, body, settings.secret, int(time.time())), allow_redirects=False
            ) as answer:
                if 200 <= answer.status < 300:
                    return "", 0.0
                asked = answer.headers.get("Retry-After", "")
                return f"HTTP {answer.status}", float(asked) if asked.isdigit() else 0.0
        except (aiohttp.ClientError, TimeoutError) as error:
            # Its words may have the URL in them, and that a token.
            return type(error).__name__, 0.0

    async def _wait(self, seconds: float, stop: asyncio.Event) -> bool:
        """Wait, and stay a member of the group meanwhile; True when it is stopped."""
        deadline = time.monotonic() + seconds
        while not stop.is_set() and time.monotonic() < deadline:
            # Paused, it gives no message, but tells Kafka that we live.
            self._consumer.pause(self._consumer.assignment())
            message = await asyncio.to_thread(self._consumer.poll, 0)
            if message is not None and message.error() is None:
                # Of a partition that has just been given to us: its turn comes.
                self._consumer.seek(TopicPartition(message.topic(), message.partition(), message.offset()))
            try:
                await asyncio.wait_for(stop.wait(), min(_POLL_S, max(0.0, deadline - time.monotonic())))
            except TimeoutError:
                continue
        self._consumer.resume(self._consumer.assignment())
        return stop.is_set()

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        """Begin where the last commit ended. A first position is committed at once: else a kill would move it."""
        begins = []
        for place in consumer.committed(places, timeout=_TIMEOUT_S):
            if place.offset == OFFSET_INVALID:
                low, high = watermarks(consumer, place, _TIMEOUT_S)
                place.offset = low if self._settings.from_beginning else high
                consumer.commit(offsets=[place], asynchronous=False)
            begins.append(TopicPartition(place.topic, place.partition, place.offset))
        consumer.assign(begins)
        self._health("")
