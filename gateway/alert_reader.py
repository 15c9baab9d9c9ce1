"""The alerts, from Kafka to the clients."""

from collections.abc import Mapping, Sequence

from gateway import metrics
from gateway.core.alerts import KEPT, alerts_of
from gateway.core.channels import CHANNELS
from gateway.fanout import Fanout
from gateway.follower import Follower, Owner, Post, Received
from gateway.settings import GatewaySettings
from schemas.position import Partition


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

    def begin(self, stream: str, starts: Mapping[Partition, int]) -> None:
        """Forget the alerts of before."""
        self._post(self._fanout.begin_alerts, stream, {partition.number: offset for partition, offset in starts.items()})

    def take(self, received: Sequence[Received]) -> None:
        """Take the alerts out of their messages here, announce them on the loop."""
        alerts = [alert for message in received for alert in alerts_of(message.position, message.message)]
        metrics.ALERTS.inc(len(alerts))
        self._post(self._fanout.announce, alerts)

    def caught_up(self) -> None:
        """Let clients subscribe."""
        self._post(self._fanout.recent.settle)
