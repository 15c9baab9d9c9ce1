"""The market time of a day that is played at some speed, held and resumed. Pure: our own time is an argument."""

from dataclasses import dataclass


@dataclass
class PlaybackClock:
    """``start + speed × elapsed`` up to the end; at the greatest speed (None) wherever the playback has got to."""

    start_ms: int
    end_ms: int
    speed: float | None
    _began_s: float | None = None
    _reached_ms: int = 0
    _held_s: float | None = None
    _until_s: float = 0.0

    def begin(self, now_s: float) -> None:
        """Let it run from ``now_s``, in seconds of a clock that only goes forward."""
        self._began_s = now_s
        self._reached_ms = self.start_ms

    @property
    def running(self) -> bool:
        """Whether it has begun."""
        return self._began_s is not None

    @property
    def held(self) -> bool:
        """Whether somebody holds it."""
        return self._held_s is not None

    def hold(self, now_s: float, until_s: float) -> None:
        """Let it stand from ``now_s`` on, unless it does already or has not begun; at ``until_s`` it goes on by itself.

        Who holds it may die: a market must not stand for ever because of that.
        """
        if self._began_s is not None:
            self._held_s = now_s if self._held_s is None else self._held_s
            self._until_s = max(until_s, self._until_s)

    def resume(self, now_s: float) -> None:
        """Let it run on from where it stands."""
        if self._began_s is not None and self._held_s is not None:
            self._began_s += now_s - self._held_s
            self._held_s = None
            self._until_s = 0.0

    def look(self, now_s: float) -> None:
        """Let it run on if it has been held long enough."""
        if self._held_s is not None and now_s >= self._until_s:
            self.resume(now_s)

    def reach(self, ms: int) -> None:
        """Set it forward, at the greatest speed."""
        self._reached_ms = min(ms, self.end_ms)

    def at(self, now_s: float) -> int:
        """Market time."""
        if self._began_s is None:
            return self.start_ms
        if self.speed is None:
            return self._reached_ms
        now_s = now_s if self._held_s is None else self._held_s
        return min(self.end_ms, self.start_ms + int((now_s - self._began_s) * self.speed * 1000))
