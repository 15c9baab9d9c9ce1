"""What a client has still to get (pure): latest values that replace one another, and alerts that do not.

A client that does not read costs the gateway the keys that changed for it, not the values: when it reads again it gets the
latest row of each, once, flagged ``con``. Alerts wait in a lane of their own; when that is full the client is too slow to be told
the truth, and is sent away to come back by cursor.
"""

from collections import deque
from collections.abc import Iterable, Set
from dataclasses import dataclass, field

LANE_MESSAGES = 1_000
LANE_BYTES = 256 * 1024


@dataclass(slots=True)
class Pending:
    """The keys of a channel that changed since the client was last written to."""

    keys: dict[str, None] = field(default_factory=dict)
    """In the order of their first change."""
    conflated: bool = False
    """An interval ended without the client being written to."""

    def add(self, keys: Iterable[str]) -> None:
        """Note changed keys."""
        self.keys.update(dict.fromkeys(keys))

    def skip(self) -> None:
        """Note that an interval ended and nothing could be written."""
        self.conflated = self.conflated or bool(self.keys)

    def keep(self, members: Set[str]) -> None:
        """Drop what is no longer wanted."""
        self.keys = {key: None for key in self.keys if key in members}

    def take(self) -> tuple[list[str], bool]:
        """All keys, in the order of their first change, and whether intervals were skipped; nothing is pending then."""
        keys, conflated = list(self.keys), self.conflated
        self.keys.clear()
        self.conflated = False
        return keys, conflated


@dataclass(slots=True)
class Lane:
    """Messages of which none may be lost or overtaken."""

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
