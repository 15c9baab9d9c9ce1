"""What waits for a client that does not read (pure): rows, which later ones replace, and events, which nothing replaces.

Of rows only the keys wait: when the client reads again it gets the latest row of each, once, flagged ``con``. Alerts and
candles wait in lanes of their own. A client of which one is full is sent away; when it comes back, its cursor says what it lacks.
"""

from collections import deque
from collections.abc import Iterable, Set
from dataclasses import dataclass, field

LANE_MESSAGES = 1_000
"""How many events of a channel may wait for a client."""
LANE_BYTES = 256 * 1024
"""How many bytes the events of a channel that wait for a client may have together."""


@dataclass(slots=True)
class Pending:
    """The keys of a channel that changed since the client was last written to."""

    keys: dict[str, None] = field(default_factory=dict)
    """The changed keys, in the order of their first change."""
    conflated: bool = False
    """Whether an interval ended in which the client was sent nothing, so that rows may have been skipped."""

    def add(self, keys: Iterable[str]) -> None:
        """Note changed keys."""
        self.keys.update(dict.fromkeys(keys))

    def skip(self) -> None:
        """Take note that an interval ended and the client does not read."""
        self.conflated = self.conflated or bool(self.keys)

    def keep(self, members: Set[str]) -> None:
        """Drop the keys that are not among ``members``."""
        self.keys = {key: None for key in self.keys if key in members}

    def take(self) -> tuple[list[str], bool]:
        """All keys, in the order of their first change, and whether intervals were skipped; nothing is pending then."""
        keys, conflated = list(self.keys), self.conflated
        self.keys.clear()
        self.conflated = False
        return keys, conflated


@dataclass(slots=True)
class EventLane:
    """The events of a channel that wait for a client: none may be lost, and none may overtake another."""

    _messages: deque[bytes] = field(default_factory=deque)
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
        messages = list(self._messages)
        self._messages.clear()
        self._bytes = 0
        return messages

    def __len__(self) -> int:
        return len(self._messages)
