"""How a stack is, as ``stock-tracker status`` tells it. ``docs/status.md`` says what each figure is good for.

What nobody could be asked for is None, never 0.
"""

from pydantic import BaseModel, ConfigDict


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class PartCondition(_Told):
    """How one process of a stack is."""

    name: str
    pid: int | None
    ready: bool
    reason: str
    """Why it is not ready, with what to do; empty when it is."""
    metrics: str | None
    """Where its metrics are; None when it has none."""
    restarts: int
    """How often it was started again since ``up``."""
    memory_bytes: int | None
    """Resident memory; None where the system does not tell."""
    lag_messages: int | None
    """What it has still to work through: Kafka offsets; of the connector, records that wait for Kafka."""
    lag_seconds: float | None
    """How long the oldest of that has been in Kafka; 0 where there is nothing to work through."""
    age_seconds: float | None
    """How long ago the connector received the newest record or clock tick that it has worked through, in its slowest shard."""


class FeedCondition(_Told):
    """What a connector says of itself (``ssi.status``), as the gateway judges it."""

    feed: str
    state: str
    """``up``, ``connecting``, ``down``, ``stopped``, or ``silent``."""
    reason: str
    connects: int
    """Connections made since the connector was started."""
    dropped: int
    """Records thrown away on this connection because Kafka was away."""


class DayCondition(_Told):
    """What is missing or doubtful of the trading day."""

    day: int
    """YYYYMMDD: the newest that a row shows."""
    symbols: int
    """That have a row of the day."""
    prints: int
    gaps: int
    """Stretches of volume that no record told of, filled ones among them."""
    missed_volume: int
    """Shares and contracts in the gaps that are still open."""
    suspects: int
    """Sides of foreign counters that have fallen, and of which nobody can tell yet what that means."""
    unresolved: int
    """Those of which nobody could ever tell."""
    repeats: int
    """Records that said again what had been said."""


class StackCondition(_Told):
    """How a stack is."""

    home: str
    simulated: bool
    pid: int
    urls: dict[str, str]
    ready: bool
    """Whether all its processes are."""
    parts: list[PartCondition]
    feeds: list[FeedCondition]
    day: DayCondition | None
    """None when the gateway does not answer, or no symbol has a row."""
    dead_letters: int | None
    """Messages that came to ``ssi.dlq`` since midnight in Vietnam."""
