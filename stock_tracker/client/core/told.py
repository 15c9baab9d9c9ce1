"""What the gateway tells, as programs get it (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rows:
    """The latest rows of a channel, by key: each replaces what was known of its key."""

    channel: str
    rows: Mapping[str, Mapping[str, Any]]
    is_snapshot: bool
    """Whether this is part of the answer to a subscription, and not a change."""
    starts_anew: bool = False
    """Forget all rows of the channel first: these, and those that follow, are the whole of it."""
    were_skipped: bool = False
    """Whether rows between these and the ones before were not sent, because this client did not read in time."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, an alert or a candle: each comes once, in the order of its channel."""

    channel: str
    event: Mapping[str, Any]
    is_past: bool
    """Whether it had happened before the client subscribed, or while it was away."""


@dataclass(frozen=True, slots=True)
class DataAge:
    """How old the data is, as the gateway says."""

    lag_ms: Mapping[str, int | None]
    """By channel; None where nobody can say."""
    stale: tuple[str, ...]
    """Channels that must not be believed now."""
    reason: str
    """Why the gateway itself is behind; empty when it is not."""
    phase: str | None
    """What the market is doing."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Events were lost for this client: it was away for longer than the gateway keeps them. Ask the archive for them."""

    channel: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone, and will be tried again; what is shown grows old meanwhile."""

    reason: str
    retry_ms: int


Told = Rows | Happened | DataAge | Missed | Disconnected
