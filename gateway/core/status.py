"""Whether the data flows: what the connectors say of themselves, judged by the gateway's own clock (pure).

A connector speaks each second. One that says nothing for five is *silent*, whatever it said last; while data is stale, three are
enough, so that nobody who sees that it is old is told that its feed is up. Connectors also say what the market is doing: old data
is stale while it trades, and not at lunch.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.core.ages import AGED_CHANNELS, STALE_MS
from gateway.core.board import Change
from gateway.core.channels import StatusRow
from schemas.structs import FeedStatus
from schemas.topics import encode
from schemas.units import SessionPhase

SILENT_MS = 5_000
"""How long a connector may say nothing."""
MISSED_MS = 3_000
"""How long it may while data is stale: its silence is why."""
_WORDS_WEIGHED = 60
"""Of how many of a connector's last words the quickest tells how its clock stands to the gateway's."""
_TRADING = frozenset({SessionPhase.ATO, SessionPhase.CONTINUOUS, SessionPhase.ATC})


@dataclass(frozen=True, slots=True)
class MarketStatus:
    """The market's clock, as the connector says that is furthest."""

    phase: SessionPhase
    day: int
    market_ms: int


@dataclass(slots=True)
class Connectors:
    """What each connector says of itself, by its feed."""

    _said: dict[str, FeedStatus] = field(default_factory=dict)
    _heard_ms: dict[str, int] = field(default_factory=dict)
    """When each of them spoke last, by the gateway's clock; by the broker's, of what was there when reading began."""
    _ahead_ms: dict[str, deque[int]] = field(default_factory=dict)
    """By how much the gateway's clock was ahead of what a connector's said, when its last words arrived."""
    _shown: dict[str, bytes] = field(default_factory=dict)
    """The rows of the last call of :meth:`judge`."""
    _revision: int = 0
    """Stands for the offset that these rows have not."""

    def hear(self, status: FeedStatus, appended_ms: int, now_ms: int | None = None) -> None:
        """Take what a connector says of itself.

        Args:
            status: Its words.
            appended_ms: When they were written, by the broker's clock.
            now_ms: The gateway's clock, if they have just been written; None for those that were there when reading began.
        """
        self._said[status.feed] = status
        self._heard_ms[status.feed] = appended_ms if now_ms is None else now_ms
        if now_ms is not None:
            ahead_ms = self._ahead_ms.setdefault(status.feed, deque(maxlen=_WORDS_WEIGHED))
            ahead_ms.append(now_ms - status.ts_us // 1_000)

    def skews_ms(self) -> dict[str, int]:
        """By how much the gateway's clock is ahead of each connector's, and with it what the quickest of its last words took.

        That is some hundredths of a second between clocks that are right. By more than a second, and by any negative figure, they
        differ, and ages are wrong by as much.
        """
        return {feed: min(ahead_ms) for feed, ahead_ms in self._ahead_ms.items()}

    def forget(self) -> None:
        """Forget everything: the topic is read again."""
        self._said.clear()
        self._heard_ms.clear()
        self._ahead_ms.clear()
        self._shown.clear()

    def judge(self, ages_ms: Mapping[str, int | None], now_ms: int) -> list[Change]:
        """The rows of channel ``status`` that differ from those of the last call; arguments as of :meth:`stale`."""
        changes = []
        is_stale = bool(self.stale(ages_ms, now_ms))
        for feed, status in self._said.items():
            state, reason = self.state_of(feed, now_ms, is_stale=is_stale)
            row = StatusRow(
                feed=feed,
                state=state,
                reason=reason,
                epoch=status.epoch,
                day=status.trading_day,
                phase=status.phase,
                market_ms=status.market_ms,
                said_ms=status.ts_us // 1_000,
                received=status.received,
                dead_letters=status.dead_letters,
                dropped=status.dropped,
                connects=status.connects,
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
                    fragment=fragment,
                    exchange=None,
                    groups=None,
                )
            )
        return changes

    def state_of(self, feed: str, now_ms: int, *, is_stale: bool = False) -> tuple[str, str]:
        """The state of the connector of ``feed`` and, when it is not up, why; ``is_stale`` says whether any data is."""
        status = self._said[feed]
        silent_ms = now_ms - self._heard_ms[feed]
        for patience_ms in (SILENT_MS, MISSED_MS) if is_stale else (SILENT_MS,):
            if status.state != "stopped" and silent_ms > patience_ms:
                told = f"connector {feed} has said nothing for {patience_ms // 1000} s"
                return "silent", f"{told}: `stock-tracker status` shows whether it runs"
        return status.state, status.reason

    def clock(self) -> MarketStatus | None:
        """The market's clock; None while no connector has spoken."""
        if not self._said:
            return None
        ahead = max(self._said.values(), key=lambda status: status.market_ms)
        return MarketStatus(SessionPhase(ahead.phase), ahead.trading_day, ahead.market_ms)

    def stale(self, ages_ms: Mapping[str, int | None], now_ms: int) -> list[str]:
        """The channels whose data is too old now, in alphabetical order; all of them when no connector is up.

        Args:
            ages_ms: The age of each channel's data; None where nobody has said it (:meth:`ShardAges.ages_ms`).
            now_ms: The gateway's clock.
        """
        clock = self.clock()
        if clock is None:
            return []
        states = [self.state_of(feed, now_ms)[0] for feed in self._said]
        # Of a connector that fell silent at lunch nobody hears that the afternoon has begun.
        if "up" not in states and ("silent" in states or clock.phase in _TRADING):
            return sorted(AGED_CHANNELS)
        if clock.phase not in _TRADING:
            return []
        return sorted(channel for channel, age_ms in ages_ms.items() if age_ms is None or age_ms > STALE_MS)
