"""When a call may be made: not soon after the one before, and not in a pause that SSI asked for. Pure: time is an argument."""


class CallPace:
    """Hands out moments for calls; whoever asks first has the first. Times are seconds on a clock that nobody sets."""

    def __init__(self, pace_s: float) -> None:
        """Begin without a call before.

        Args:
            pace_s: Seconds between two calls.
        """
        self.pace_s = pace_s
        """Seconds between two calls."""
        self._next_s = 0.0

    def take(self, now_s: float) -> float:
        """Take the next moment. Returns how many seconds from now it is."""
        at_s = max(now_s, self._next_s)
        self._next_s = at_s + self.pace_s
        return at_s - now_s

    def pause(self, now_s: float, pause_s: float) -> None:
        """Let no call be made for ``pause_s`` seconds from now."""
        self._next_s = max(self._next_s, now_s + pause_s)

    def left_s(self, now_s: float) -> float:
        """Seconds until the next moment."""
        return max(0.0, self._next_s - now_s)
