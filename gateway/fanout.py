"""From changes of the board to the sockets of all clients.

There is one task for each update interval that clients can choose, and none for a client. At the end of an interval what changed
is put into messages, once for each selection in use, and each client is written to once. Events do not wait for an interval. All
of this runs on the event loop.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from gateway import metrics
from gateway.core import status, wire
from gateway.core.ages import ShardAges
from gateway.core.board import Board, Change
from gateway.core.channels import EVENT_CHANNELS
from gateway.core.events import Recents, ToldEvent
from gateway.core.interval import IntervalChanges
from gateway.core.limits import ClientLimits
from gateway.core.subscriber import Close, Subscriber
from gateway.core.subscription import RowSubscription, SubscriptionState
from schemas.stock_v1 import CloseCode
from schemas.structs import FeedStatus, ShardProgress

YIELD_EVERY = 256
"""Clients that are written to before the event loop may do something else."""
PUMP_EVERY = 100
"""Events that are put into lanes before these are emptied."""
STALLED_MS = 30_000
"""How long a client may not read anything before it is sent away."""
SUBSCRIBE_WITHIN_MS = 10_000
"""How long a client may be connected before it subscribes to something."""
OLD_AGE = "the connection has lasted as long as it may"
_PUMP_S = 0.1
"""How often to look whether clients read again that did not, in seconds."""
_OLD_MS = 2_000
"""Data that is younger is as old as it should be, so that nobody needs to be told at once how old."""
_LONG_AGO_MS = 60_000
_WATCH_S = 1.0
"""How often to look whether the data flows, in seconds."""


class Outlet(Protocol):
    """The writing side of a client's connection (:mod:`gateway.framer`)."""

    @property
    def writable(self) -> bool:
        """Whether the client has read enough of what it was sent."""

    def write(self, payloads: Sequence[bytes]) -> int:
        """Send ``payloads``, one at least, each as a WebSocket frame or an event; how many bytes."""

    def write_bodies(self, first: int, bodies: Sequence[bytes]) -> int:
        """Send messages without their numbers, one at least, of which the first is ``first``; how many bytes."""


class Until(NamedTuple):
    """The end of a connection that lasts no longer than it may: so clients spread over instances that came later."""

    at_ms: int
    """By the gateway's clock; differs from client to client."""
    retry_ms: int
    """How soon the client is to come back."""


class Client:
    """A subscriber and the socket it speaks through."""

    def __init__(
        self,
        subscriber: Subscriber,
        outlet: Outlet,
        end: Callable[[Close], None],
        now_ms: int,
        until: "Until | None" = None,
    ) -> None:
        """A client that has just come.

        Args:
            subscriber: Its side of the protocol.
            outlet: The writing side of its connection.
            end: Begins to close that.
            now_ms: The gateway's clock.
            until: When its connection has lasted long enough; None where it may last for ever.
        """
        self.until = until
        self.is_told_to_go = False
        """Whether it has been told to come back, because of that."""
        self.subscriber = subscriber
        self.outlet = outlet
        self.ending = False
        self.since_ms = now_ms
        """When the client connected, in milliseconds of the gateway's clock."""
        self.written_ms = now_ms
        """When the socket was last ready to take something."""
        self._end = end

    def end(self, close: Close) -> None:
        """Begin to close the connection, once."""
        if not self.ending:
            self.ending = True
            self._end(close)

    def pump(self, now_ms: int) -> None:
        """Write what is due, as far as the socket takes it."""
        if not self.ending and self.outlet.writable:
            self.write(now_ms)
        elif self.subscriber.close is not None:
            self.end(self.subscriber.close)

    def send(self, bodies: Sequence[bytes], now_ms: int) -> None:
        """Write rows of an interval that has ended; the caller has seen that the socket takes them."""
        subscriber = self.subscriber
        if subscriber.waiting:
            subscriber.send(bodies)
            self.write(now_ms)
            return
        # So it is with most clients, most of the time: this is what a delivery costs.
        self.written_ms = now_ms
        metrics.SENT.bytes += self.outlet.write_bodies(subscriber.take_numbers(len(bodies)), bodies)
        metrics.SENT.messages += len(bodies)

    def write(self, now_ms: int) -> None:
        """Write what is due; the caller has seen that the socket takes it."""
        subscriber, outlet = self.subscriber, self.outlet
        self.written_ms = now_ms
        while messages := subscriber.drain(now_ms):
            metrics.SENT.bytes += outlet.write(messages)
            metrics.SENT.messages += len(messages)
            if not (subscriber.unfinished and outlet.writable):
                break
        if subscriber.close is not None:
            self.end(subscriber.close)


class Interval:
    """One update interval: who has chosen it for some channel, and up to where the channels had changed when it ended last."""

    def __init__(self) -> None:
        self.members: dict[Client, None] = {}
        self.ended_at: dict[str, int] = {}
        """Revisions of rows, by channel."""

    def end(self, board: Board, now_ms: int, *, deflates: bool) -> list[IntervalChanges]:
        """End it: what changed, of each channel of which anything did; ``deflates`` as for :class:`IntervalChanges`."""
        ended = []
        for channel, table in board.tables.items():
            since = self.ended_at.get(channel, 0)
            if since != table.revision:
                self.ended_at[channel] = table.revision
                ended.append(IntervalChanges(board, channel, since, now_ms, deflates=deflates))
        return ended


class Fanout:
    """All clients, and the changes on their way to them."""

    def __init__(
        self,
        board: Board,
        recents: Recents,
        connectors: status.Connectors,
        limits: ClientLimits,
        now_ms: Callable[[], int],
        reason: Callable[[], str],
    ) -> None:
        """Start with no clients.

        Args:
            board: The rows.
            recents: The events.
            connectors: What each connector says of itself.
            limits: What clients are held to.
            now_ms: The wall clock.
            reason: Why the gateway is not up to date; empty when it is.
        """
        self.board = board
        self.recents = recents
        self.connectors = connectors
        self.limits = limits
        self.clients: set[Client] = set()
        self.deflates = False
        """Whether what groups share is compressed once for the clients that take it so."""
        self._reason = reason
        self.now_ms = now_ms
        """The wall clock."""
        self._intervals = {throttle_ms: Interval() for throttle_ms in limits.classes}
        self._hearers: dict[str, dict[Client, None]] = {channel: {} for channel in EVENT_CHANNELS}
        """Who is told of events, by channel."""
        self._ages = ShardAges()
        self._told: object = None
        self._beat_ms = now_ms()
        """When every client was last sent a heartbeat."""

    # clients

    def join(self, client: Client) -> None:
        """Serve ``client`` from now on, with what it is subscribed to already."""
        self.clients.add(client)
        self._place(client)
        metrics.CONNECTIONS.set(len(self.clients))
        now_ms = self.now_ms()
        client.subscriber.heartbeat(self.heartbeat(now_ms))
        client.pump(now_ms)

    def leave(self, client: Client) -> None:
        """Forget ``client``."""
        self.clients.discard(client)
        for members in (*(interval.members for interval in self._intervals.values()), *self._hearers.values()):
            members.pop(client, None)
        metrics.CONNECTIONS.set(len(self.clients))

    def receive(self, client: Client, text: str) -> None:
        """Hand a command to the client's subscriber, and write the answer."""
        client.subscriber.receive(text, self.now_ms())
        self._place(client)
        client.pump(self.now_ms())

    def _place(self, client: Client) -> None:
        """Put the client into the intervals that its subscriptions have, and among those who hear of events."""
        subscriptions = client.subscriber.subscriptions
        chosen = {subscription.throttle_ms for channel, subscription in subscriptions.items() if channel not in EVENT_CHANNELS}
        for throttle_ms, interval in self._intervals.items():
            if throttle_ms in chosen:
                interval.members[client] = None
            else:
                interval.members.pop(client, None)
        for channel, hearers in self._hearers.items():
            if channel in subscriptions:
                hearers[client] = None
            else:
                hearers.pop(client, None)

    # what happens in the market

    def begin(self, stream: str, shards: int = 0) -> None:
        """Start again from an empty board: every client has to come back, for its rows and cursors are void.

        Args:
            stream: Which logs are read from now on.
            shards: How many partitions each record topic has.
        """
        is_another = bool(self.board.stream)
        self.board.begin(stream)
        self._ages.begin(shards)
        self.connectors.forget()
        if is_another:
            metrics.REBUILDS.inc()
            self.end_all(Close(CloseCode.STREAM_CHANGED, "topics were made anew"))

    def begin_events(self, stream: str, starts: Mapping[str, Mapping[int, int]]) -> None:
        """Start again from no events; ``starts`` has Kafka's offsets by channel and partition."""
        is_another = any(recent.stream for recent in self.recents.values())
        for channel, recent in self.recents.items():
            recent.begin(stream, starts[channel])
        if is_another:
            self.end_all(Close(CloseCode.STREAM_CHANGED, "topics were made anew"))

    def apply(self, changes: Sequence[Change]) -> None:
        """Put rows onto the board and note what changed."""
        read = Counter(change.channel for change in changes)
        taken: Counter[str] = Counter()
        for channel, _ in self.board.apply(changes):
            taken[channel] += 1
        for channel, count in read.items():
            metrics.ROWS.labels(channel).inc(taken[channel])
            metrics.OLDER_ROWS.labels(channel).inc(count - taken[channel])
        if 0 in self._intervals:
            for _ in self.flush(0):
                pass

    def hear(self, status_: FeedStatus, appended_ms: int) -> None:
        """Note what a connector says of itself, and show it."""
        now_ms = self.now_ms()
        self.connectors.hear(status_, appended_ms, now_ms if self.board.complete else None)
        self.apply(self.connectors.judge(self._ages.ages_ms(now_ms), now_ms))

    def reach(self, rows: Iterable[ShardProgress]) -> None:
        """Note how far pipelines say that they have come."""
        for row in rows:
            self._ages.reach(row)

    def complete(self) -> None:
        """Everything that was on the topics is on the board: clients may subscribe."""
        self.board.complete = True

    def announce(self, channel: str, events: Iterable[ToldEvent]) -> None:
        """Pass events of a channel on at once, in order."""
        recent = self.recents[channel]
        told: set[Client] = set()
        for count, event in enumerate(events, 1):
            if count % PUMP_EVERY == 0:
                # A batch from Kafka may hold more than a lane does, and nobody who reads may be sent away for that.
                self._pump(told)
            recent.add(event)
            if not recent.complete:
                continue
            body = wire.event(channel, event, recent.cursor())
            for client in self._hearers[channel]:
                if client.subscriber.tell(channel, event, body):
                    told.add(client)
        self._pump(told)

    def _pump(self, clients: set[Client]) -> None:
        now_ms = self.now_ms()
        while clients:
            clients.pop().pump(now_ms)

    # time

    async def flush_forever(self, throttle_ms: int) -> None:
        """Flush each time ``throttle_ms`` are over, on a fixed schedule."""
        loop = asyncio.get_running_loop()
        period = throttle_ms / 1_000
        # Different intervals start apart, so that they do not all end in the same millisecond of a second.
        due = loop.time() + period + throttle_ms / 10_000
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            due = max(due + period, loop.time())
            with metrics.FLUSH.labels(throttle_ms).time():
                for _ in self.flush(throttle_ms):
                    await asyncio.sleep(0)

    def flush(self, throttle_ms: int) -> Iterator[None]:
        """End an interval of ``throttle_ms``: write its changes to those who have chosen it; yields now and then."""
        interval = self._intervals[throttle_ms]
        if not interval.members:
            return
        now_ms = self.now_ms()
        ended = interval.end(self.board, now_ms, deflates=self.deflates)
        if not ended:
            return
        members, end_interval = interval.members, self._end_interval
        for count, client in enumerate(list(members), 1):
            # It may have left since, or chosen another interval.
            if client in members and not client.ending:
                end_interval(client, throttle_ms, ended, now_ms)
            if count % YIELD_EVERY == 0:
                yield

    def _end_interval(self, client: Client, throttle_ms: int, ended: list[IntervalChanges], now_ms: int) -> None:
        reads = client.outlet.writable
        subscriptions = client.subscriber.subscriptions
        due: Sequence[bytes] = ()
        for changes in ended:
            subscription = subscriptions.get(changes.channel)
            if subscription is None or subscription.throttle_ms != throttle_ms:
                continue
            assert isinstance(subscription, RowSubscription)  # noqa: S101 - the board has rows only
            bodies = subscription.end_interval(changes, reads)
            if bodies:
                due = [*due, *bodies] if due else bodies
            if not reads and subscription.state is SubscriptionState.MISSED:
                metrics.CONFLATED.inc()
        if due:
            client.send(due, now_ms)

    async def pump_forever(self) -> None:
        """Write to clients that read again, and part from those that do not."""
        while True:
            await asyncio.sleep(_PUMP_S)
            now_ms = self.now_ms()
            for client in [client for client in self.clients if client.subscriber.waiting and not client.ending]:
                client.pump(now_ms)
                if now_ms - client.written_ms > STALLED_MS:
                    client.end(Close(CloseCode.SLOW, f"nothing was read for {STALLED_MS // 1_000} s"))

    async def watch_forever(self) -> None:
        """Watch each second."""
        while True:
            await asyncio.sleep(_WATCH_S)
            self.watch()

    def watch(self) -> None:
        """Judge the connectors, say how old the data is, and part from clients that want nothing."""
        now_ms = self.now_ms()
        ages_ms = self._ages.ages_ms(now_ms)
        # First who is silent, and then what is old because of that.
        self.apply(self.connectors.judge(ages_ms, now_ms))
        self._measure(ages_ms)
        # An age of two seconds or more is told each second, up to a minute: no page may show a younger one.
        old_s = [min(age_ms, _LONG_AGO_MS) // 1_000 for age_ms in ages_ms.values() if age_ms is not None and age_ms >= _OLD_MS]
        condition = (self.connectors.stale(ages_ms, now_ms), self._reason(), old_s)
        if now_ms - self._beat_ms >= self.limits.heartbeat_ms or condition != self._told:
            self._beat_ms, self._told = now_ms, condition
            self._beat(now_ms)
        for client in list(self.clients):
            client.subscriber.expire(now_ms)
            if client.subscriber.close is not None:
                client.pump(now_ms)
            if client.until is not None and now_ms >= client.until.at_ms:
                self._send_on(client, client.until, now_ms)
            if not client.subscriber.asked and now_ms - client.since_ms > SUBSCRIBE_WITHIN_MS:
                client.end(Close(CloseCode.IDLE, f"subscribe within {SUBSCRIBE_WITHIN_MS // 1_000} s"))

    @staticmethod
    def _send_on(client: Client, until: Until, now_ms: int) -> None:
        """Part from a client whose connection has lasted long enough: it is told, and the next time the connection ends."""
        if client.is_told_to_go:
            client.end(Close(CloseCode.SHUTDOWN, OLD_AGE))
            return
        client.is_told_to_go = True
        client.subscriber.notice(wire.goaway(until.retry_ms, OLD_AGE))
        client.pump(now_ms)

    def _measure(self, ages_ms: Mapping[str, int | None]) -> None:
        for channel, age_ms in ages_ms.items():
            metrics.DATA_AGE.labels(channel).set(math.nan if age_ms is None else age_ms / 1_000)
        for feed, skew_ms in self.connectors.skews_ms().items():
            metrics.CLOCK_SKEW.labels(feed).set(skew_ms / 1_000)

    def heartbeat(self, now_ms: int) -> bytes:
        """What a heartbeat says to every client: how old the data is, and whether the gateway is up to date."""
        ages_ms, connectors = self._ages.ages_ms(now_ms), self.connectors
        stale = connectors.stale(ages_ms, now_ms)
        return wire.heartbeat_head(now_ms, ages_ms, connectors.skews_ms(), stale, self._reason(), connectors.clock())

    def _beat(self, now_ms: int) -> None:
        head = self.heartbeat(now_ms)
        for client in list(self.clients):
            client.subscriber.heartbeat(head)
            client.pump(now_ms)

    # the end

    def end_all(self, close: Close) -> None:
        """Close every connection."""
        for client in list(self.clients):
            client.end(close)

    def say_goodbye(self, retry_ms: Callable[[], int], reason: str) -> None:
        """Tell every client to come back later, each at its own time."""
        now_ms = self.now_ms()
        for client in list(self.clients):
            client.subscriber.notice(wire.goaway(retry_ms(), reason))
            client.pump(now_ms)
