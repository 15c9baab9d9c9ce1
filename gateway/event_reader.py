"""Alerts and candles, from Kafka to the clients."""

from collections.abc import Mapping
from typing import Any

from gateway import metrics
from gateway.core.channels import CHANNELS, EVENT_CHANNELS
from gateway.core.events import ToldEvent, events_of
from gateway.fanout import Fanout
from gateway.follower import Follower, Owner, Post
from gateway.settings import GatewaySettings
from schemas.position import Partition, Position
from schemas.topics import Topic
from schemas.tracing import Tracer


class EventReader(Follower):
    """``market.alerts`` and ``market.candles``, committed: what is told cannot be taken back."""

    name = "events"
    topics = tuple(topic for name in EVENT_CHANNELS for topic in CHANNELS[name].topics)
    isolation = "read_committed"
    may_wait = False

    def __init__(self, fanout: Fanout, settings: GatewaySettings, post: Post, owner: Owner, tracer: Tracer | None = None) -> None:
        super().__init__(settings, post, owner, tracer)
        self._fanout = fanout
        self._channels = {topic.name: name for name in EVENT_CHANNELS for topic in CHANNELS[name].topics}
        self._named = {topic.named(settings.topic_prefix): topic.name for topic in self.topics}
        self._events: dict[str, list[ToldEvent]] = {name: [] for name in EVENT_CHANNELS}

    def newest_of(self, topic: str) -> int:
        """The newest messages: what is older than they are, nobody could be given."""
        return CHANNELS[self._channels[self._named[topic]]].read_back

    def begin(self, stream: str, starts: Mapping[Partition, int]) -> None:
        """Forget the events of before, those too that were not handed over."""
        its: dict[str, dict[int, int]] = {name: {} for name in EVENT_CHANNELS}
        for partition, offset in starts.items():
            its[self._channels[self._named[partition.topic]]][partition.number] = offset
        for events in self._events.values():
            events.clear()
        self._post(self._fanout.begin_events, stream, its)

    def take(self, topic: Topic[Any], position: Position, appended_ms: int, message: Any) -> None:
        """Take the events out of their message here, in the thread."""
        channel = self._channels[topic.name]
        self._events[channel] += events_of(channel, position, message)

    def hand_over(self) -> None:
        """Announce the events."""
        for channel, events in self._events.items():
            if events:
                metrics.EVENTS[channel].inc(len(events))
                self._post(self._fanout.announce, channel, events)
                self._events[channel] = []

    def caught_up(self) -> None:
        """Let clients subscribe."""
        for recent in self._fanout.recents.values():
            self._post(recent.settle)
