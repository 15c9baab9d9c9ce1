"""What clients are held to, and how (pure)."""

from dataclasses import dataclass
from typing import Literal, get_args

ThrottleMs = Literal[0, 100, 250, 500, 1_000]
"""The update intervals that clients can choose, in milliseconds; 0 is every change."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What every client is told in ``hello``; ``schemas.stock_v1`` says what each is."""

    message_bytes: int = 8_192
    symbols: int = 2_000
    commands_per_s: int = 10
    burst: int = 20
    classes: tuple[int, ...] = get_args(ThrottleMs)
    default_ms: int = 500
    """The update interval of a client that does not choose one, in milliseconds."""
    heartbeat_ms: int = 5_000


class Allowance:
    """How many commands, or frames, a client may send now: a token bucket."""

    def __init__(self, per_s: int, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = float(burst)
        self._at_ms: int | None = None

    def take(self, now_ms: int, count: int = 1) -> int:
        """Spend ``count`` tokens; how many milliseconds to wait for them when there are not so many, else 0."""
        elapsed_ms = 0 if self._at_ms is None else max(0, now_ms - self._at_ms)
        self._at_ms = now_ms
        self._tokens = min(self._burst, self._tokens + elapsed_ms * self._per_s / 1_000)
        if self._tokens >= count:
            self._tokens -= count
            return 0
        return int((count - self._tokens) * 1_000 / self._per_s) + 1
