"""Whether the data flows: what the connectors say of themselves, judged by the gateway's own clock (pure).

A connector speaks each second. One that says nothing for five is *silent*, whatever it said last. What it says of the market's
clock decides whether a channel that does not move is stale or merely at lunch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.core.board import Change
from schemas.structs import FeedStatus
from schemas.topics import encode
from schemas.units import SessionPhase

SILENT_MS = 5_000
COLUMNS = (
    "feed",
    "state",
    "reason",
    "epoch",
    "day",
    "phase",
    "market_ms",
    "said_ms",
    "received",
    "dead_letters",
    "dropped",
    "connects",
)
"""Of channel ``status``. ``state``: connecting, up, down, stopped or silent; ``said_ms``: when the connector spoke, by its own
clock."""

STALE_MS: Mapping[str, int] = {"px": 5_000, "index": 15_000, "flow": 15_000, "basis": 15_000}
"""How old the newest row may be while the market trades. SSI sends an index each five seconds, foreign records less often."""
_TRADING = frozenset({SessionPhase.ATO, SessionPhase.CONTINUOUS, SessionPhase.ATC})


@dataclass(frozen=True, slots=True)
class Session:
    """The market's clock, as the connector that is furthest says."""

    phase: SessionPhase
    day: int
    market_ms: int


@dataclass(slots=True)
class Feeds:
    """The connectors, by feed name."""

    _said: dict[str, FeedStatus] = field(default_factory=dict)
    _seen_ms: dict[str, int] = field(default_factory=dict)
    _shown: dict[str, bytes] = field(default_factory=dict)
    _revision: int = 0

    def hear(self, status: FeedStatus, appended_ms: int) -> None:
        """Note what a connector said; ``appended_ms`` is when, by the broker's clock."""
        self._said[status.feed] = status
        self._seen_ms[status.feed] = appended_ms

    def forget(self) -> None:
        """Nothing has been said: the topic is read again."""
        self._said.clear()
        self._seen_ms.clear()
        self._shown.clear()

    def judge(self, now_ms: int) -> list[Change]:
        """The rows that differ from those of the last call."""
        changes = []
        for feed, status in self._said.items():
            state, reason = self.state_of(feed, now_ms)
            row = (
                feed,
                state,
                reason,
                status.epoch,
                status.trading_day,
                status.phase,
                status.market_ms,
                status.ts_us // 1_000,
                status.received,
                status.dead_letters,
                status.dropped,
                status.connects,
            )
            fragment = encode(row)
            if fragment == self._shown.get(feed):
                continue
            self._shown[feed] = fragment
            self._revision += 1
            changes.append(
                Change(
                    channel="status",
                    key=feed,
                    slot=0,
                    offset=self._revision,
                    day=0,
                    src=self._revision,
                    appended_ms=self._seen_ms[feed],
                    fragment=fragment,
                    exchange=None,
                    groups=None,
                )
            )
        return changes

    def state_of(self, feed: str, now_ms: int) -> tuple[str, str]:
        """State of ``feed`` at ``now_ms`` and, when it is not up, why."""
        status = self._said[feed]
        silent_ms = now_ms - self._seen_ms[feed]
        if status.state != "stopped" and silent_ms > SILENT_MS:
            return (
                "silent",
                f"connector {feed} has said nothing for {SILENT_MS // 1000} s: `stock-tracker status` shows whether it runs",
            )
        return status.state, status.reason

    def session(self) -> Session | None:
        """The market's clock; None while no connector has spoken."""
        if not self._said:
            return None
        ahead = max(self._said.values(), key=lambda status: status.market_ms)
        return Session(SessionPhase(ahead.phase), ahead.trading_day, ahead.market_ms)

    def stale(self, newest_ms: Mapping[str, int | None], now_ms: int) -> list[str]:
        """The channels that should move now and do not, in alphabetical order; all of them when no feed is up."""
        session = self.session()
        if session is None:
            return []
        states = [self.state_of(feed, now_ms)[0] for feed in self._said]
        # A connector that fell silent at lunch does not say that the afternoon began.
        if "up" not in states and ("silent" in states or session.phase in _TRADING):
            return sorted(STALE_MS)
        if session.phase not in _TRADING:
            return []
        return sorted(
            channel
            for channel, limit in STALE_MS.items()
            if (newest := newest_ms.get(channel)) is None or now_ms - newest > limit
        )
