"""The latest rows and the connectors' words, from Kafka onto the board."""

from collections.abc import Mapping
from typing import Any

from gateway.core.board import Change
from gateway.core.channels import CHANNELS, EVENT_CHANNELS
from gateway.core.rows import SOURCES, change_of
from gateway.fanout import Fanout
from gateway.follower import Follower, Owner, Post
from gateway.settings import GatewaySettings
from schemas.position import Partition, Position
from schemas.structs import FeedStatus, ShardProgress
from schemas.topics import STATE_PRICES, STATE_PROGRESS, Topic
from schemas.tracing import Tracer


class StateReader(Follower):
    """``state.*``, ``ssi.reference`` and ``ssi.status``, uncommitted: :mod:`gateway.core.board` says why that is safe."""

    name = "state"
    topics = (
        *(topic for name, channel in CHANNELS.items() if name not in EVENT_CHANNELS for topic in channel.topics),
        STATE_PROGRESS,
    )
    isolation = "read_uncommitted"

    def __init__(self, fanout: Fanout, settings: GatewaySettings, post: Post, owner: Owner, tracer: Tracer | None = None) -> None:
        super().__init__(settings, post, owner, tracer)
        self._fanout = fanout
        self._sources = {source.topic.name: source for source in SOURCES}
        self._changes: list[Change] = []
        self._words: list[tuple[FeedStatus, int]] = []
        """What the connectors say of themselves, and when each was written."""
        self._reached: list[ShardProgress] = []
        """How far pipelines say that they have come."""
        self._sharded = STATE_PRICES.named(settings.topic_prefix)

    def begin(self, stream: str, starts: Mapping[Partition, int]) -> None:
        """Clear the board, and forget what was not handed over: it is of the logs before."""
        self._changes.clear()
        self._words.clear()
        self._reached.clear()
        self._post(self._fanout.begin, stream, sum(partition.topic == self._sharded for partition in starts))

    def take(self, topic: Topic[Any], position: Position, appended_ms: int, message: Any) -> None:
        """Make the row here, in the thread."""
        source = self._sources.get(topic.name)
        if topic is STATE_PROGRESS:
            self._reached.append(message)
        elif source is None:
            self._words.append((message, appended_ms))
        else:
            self._changes.append(change_of(source, position, message))

    def hand_over(self) -> None:
        """Put the rows onto the board, and hear the connectors."""
        changes, self._changes = self._changes, []
        if changes:
            self._post(self._fanout.apply, changes)
        if self._reached:
            self._post(self._fanout.reach, self._reached)
            self._reached = []
        for statement in self._words:
            self._post(self._fanout.hear, *statement)
        self._words.clear()

    def caught_up(self) -> None:
        """Let clients subscribe."""
        self._post(self._fanout.complete)
