"""What waits for a client that does not read (pure).

Of rows nothing waits: when the client reads again, the board says which have changed since, and it gets the latest of each, once,
flagged ``con``. Alerts and candles, which nothing replaces, wait in lanes. A client of which one is full is sent away; when it
comes back, its cursor says what it lacks.
"""

from dataclasses import dataclass, field

LANE_MESSAGES = 1_000
"""How many events of a channel may wait for a client."""
LANE_BYTES = 256 * 1024
"""How many bytes the events of a channel that wait for a client may have together."""


@dataclass(slots=True)
class EventLane:
    """The events of a channel that wait for a client: none may be lost, and none may overtake another."""

    _messages: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def push(self, message: bytes) -> bool:
        """Append a message; False when the lane is full, and the client has to go."""
        if len(self._messages) >= LANE_MESSAGES or self._bytes + len(message) > LANE_BYTES:
            return False
        self._messages.append(message)
        self._bytes += len(message)
        return True

    def take(self) -> list[bytes]:
        """All messages, in order."""
        messages, self._messages = self._messages, []
        self._bytes = 0
        return messages

    def __len__(self) -> int:
        return len(self._messages)
