"""The pace of a replay: when each message is due, how late it was, and how long the rest will take. Pure: time is an argument."""

from array import array

from schemas.units import UnixMs


class Pace:
    """Keeps the distances in which messages were appended, at some speed."""

    def __init__(self, speed: float | None) -> None:
        """Begin with no message.

        Args:
            speed: Recorded seconds a second; None for as fast as it goes.
        """
        self._speed = speed
        self._first_ms: int | None = None
        self._late_ms = array("d")

    def due_s(self, ts_ms: UnixMs) -> float:
        """When a message that was appended at ``ts_ms`` is due, in seconds after the first one; 0 at full speed."""
        if self._first_ms is None:
            self._first_ms = ts_ms
        return 0.0 if self._speed is None else max(ts_ms - self._first_ms, 0) / 1000 / self._speed

    def sent(self, due_s: float, at_s: float) -> None:
        """Take note that what was due at one time was sent at another; at full speed nothing is late."""
        if self._speed is not None:
            self._late_ms.append(max(at_s - due_s, 0.0) * 1000)

    @property
    def late_p99_ms(self) -> float | None:
        """The 99th percentile of the lateness; None where nothing can be late."""
        if not self._late_ms:
            return None
        late = sorted(self._late_ms)
        return late[min(len(late) * 99 // 100, len(late) - 1)]


def eta_s(done: int, total: int, passed_s: float) -> float | None:
    """How many seconds the rest takes at the rate so far; None before anything is done."""
    return None if not done else passed_s * (total - done) / done
