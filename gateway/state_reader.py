"""The latest rows and the connectors' words, from Kafka onto the board."""

from collections.abc import Mapping, Sequence

from gateway.core.channels import CHANNELS
from gateway.core.rows import SOURCES, change_of
from gateway.fanout import Fanout
from gateway.follower import Follower, Owner, Post, Received
from gateway.settings import GatewaySettings
from schemas.position import Partition
from schemas.topics import SSI_STATUS


class StateReader(Follower):
    """``state.*``, ``ssi.reference`` and ``ssi.status``, uncommitted: :mod:`gateway.core.board` says why that is safe."""

    name = "state"
    topics = tuple(topic for name, channel in CHANNELS.items() if name != "alert" for topic in channel.topics)
    isolation = "read_uncommitted"

    def __init__(self, fanout: Fanout, settings: GatewaySettings, post: Post, owner: Owner) -> None:
        super().__init__(settings, post, owner)
        self._fanout = fanout
        self._sources = {source.topic.name: source for source in SOURCES}

    def begin(self, stream: str, starts: Mapping[Partition, int]) -> None:
        """Clear the board."""
        self._post(self._fanout.begin, stream)

    def take(self, received: Sequence[Received]) -> None:
        """Make rows here, put them onto the board on the loop."""
        changes = [
            change_of(source, message.position, message.appended_ms, message.message)
            for message in received
            if (source := self._sources.get(message.topic.name)) is not None
        ]
        if changes:
            self._post(self._fanout.apply, changes)
        for message in received:
            if message.topic is SSI_STATUS:
                self._post(self._fanout.hear, message.message, message.appended_ms)

    def caught_up(self) -> None:
        """Let clients subscribe."""
        self._post(self._fanout.complete)
