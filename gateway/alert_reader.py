"""The alerts, from Kafka to the clients."""

from collections.abc import Mapping
from typing import Any

from gateway import metrics
from gateway.core.alerts import KEPT, Alert, alerts_of
from gateway.core.channels import CHANNELS
from gateway.fanout import Fanout
from gateway.follower import Follower, Owner, Post
from gateway.settings import GatewaySettings
from schemas.position import Partition, Position
from schemas.topics import Topic


class AlertReader(Follower):
    """``market.alerts``, committed: an alert that is told cannot be taken back."""

    name = "alerts"
    topics = CHANNELS["alert"].topics
    isolation = "read_committed"
    may_wait = False
    newest = KEPT
    """A message has one alert at least, so these are enough for all that are kept."""

    def __init__(self, fanout: Fanout, settings: GatewaySettings, post: Post, owner: Owner) -> None:
        super().__init__(settings, post, owner)
        self._fanout = fanout
        self._alerts: list[Alert] = []

    def begin(self, stream: str, starts: Mapping[Partition, int]) -> None:
        """Forget the alerts of before, those too that were not handed over."""
        self._alerts.clear()
        self._post(self._fanout.begin_alerts, stream, {partition.number: offset for partition, offset in starts.items()})

    def take(self, topic: Topic[Any], position: Position, appended_ms: int, message: Any) -> None:
        """Take the alerts out of their message here, in the thread."""
        self._alerts += alerts_of(position, message)

    def hand_over(self) -> None:
        """Announce the alerts."""
        alerts, self._alerts = self._alerts, []
        if alerts:
            metrics.ALERTS.inc(len(alerts))
            self._post(self._fanout.announce, alerts)

    def caught_up(self) -> None:
        """Let clients subscribe."""
        self._post(self._fanout.recent.settle)
