"""The market time of a day that is played at some speed, held and resumed. Pure: wall time is an argument."""

from dataclasses import dataclass


@dataclass
class PlaybackClock:
    """Market time is ``start + speed × elapsed``, up to the end. Without a speed it is as far as the playback has got.

    All ``now_s`` are seconds of one clock that only goes forward.
    """

    start_ms: int
    end_ms: int
    speed: float | None
    """Market seconds a second; None when the day is played as fast as clients read."""
    _began_s: float | None = None
    _reached_ms: int = 0
    """How far the playback has got, where there is no speed."""
    _held_s: float | None = None
    """Since when it stands still; None while it runs."""
    _until_s: float = 0.0
    """When it goes on by itself, if it is held."""
    stand_ms: int | None = None
    """The market time at which it is held by itself."""

    def begin(self, now_s: float) -> None:
        """Let it run from ``now_s`` on."""
        self._began_s = now_s
        self._reached_ms = self.start_ms

    @property
    def running(self) -> bool:
        """Whether it has begun; it may be held."""
        return self._began_s is not None

    @property
    def held(self) -> bool:
        """Whether it is held."""
        return self._held_s is not None

    @property
    def marks(self) -> tuple[float, float | None, float, int | None] | None:
        """How it is set: when it began, since when and until when it is held, where it is going to stand; None before that."""
        return None if self._began_s is None else (self._began_s, self._held_s, self._until_s, self.stand_ms)

    def set_to(self, began_s: float, held_s: float | None, until_s: float, stand_ms: int | None) -> None:
        """Set it as :attr:`marks` said it was."""
        self._began_s, self._held_s, self._until_s, self.stand_ms = began_s, held_s, until_s, stand_ms

    def hold(self, now_s: float, until_s: float) -> None:
        """Make it stand still from ``now_s`` on, if it runs. At ``until_s`` it goes on by itself.

        It does so because whoever holds it may die, and the market must not stand still for ever then.
        """
        if self._began_s is None:
            return
        if self._held_s is None:
            self._held_s = now_s
            if self.stand_ms is not None and self.at(now_s) >= self.stand_ms:
                # It stands since then, though nobody has looked.
                reached_s = (self.stand_ms - self.start_ms) / 1000 / self.speed if self.speed is not None else now_s
                self._held_s = self._began_s + reached_s
                self.stand_ms = None
        self._until_s = max(until_s, self._until_s)

    def resume(self, now_s: float, stand_ms: int | None = None) -> None:
        """Let it run on from where it stands, to the end of the day or to market time ``stand_ms``, where it is held again.

        It is held at that very time, however late :meth:`look` is called.
        """
        if self._began_s is not None and self._held_s is not None:
            self._began_s += now_s - self._held_s
            self._held_s = None
            self._until_s = 0.0
        self.stand_ms = None
        if stand_ms is not None:
            self.stand_ms = max(stand_ms, self.at(now_s))

    def look(self, now_s: float, hold_s: float) -> None:
        """Do what has fallen due: go on after a hold, or be held, for ``hold_s``, where it was to stand.

        To be called again and again while it runs.
        """
        if self._held_s is not None and now_s >= self._until_s:
            self.resume(now_s, self.stand_ms)
        elif self.stand_ms is not None and self.at(now_s) >= self.stand_ms:
            self.hold(now_s, now_s + hold_s)

    @property
    def limit_ms(self) -> int:
        """How far it may go for now, in market time."""
        return self.end_ms if self.stand_ms is None else min(self.stand_ms, self.end_ms)

    def reach(self, ms: int) -> None:
        """Set it forward to ``ms``; for a clock without a speed."""
        self._reached_ms = min(ms, self.end_ms)

    def at(self, now_s: float) -> int:
        """Market time at ``now_s``, in Unix milliseconds."""
        if self._began_s is None:
            return self.start_ms
        if self.speed is None:
            return self._reached_ms
        now_s = now_s if self._held_s is None else self._held_s
        return min(self.limit_ms, self.start_ms + round((now_s - self._began_s) * self.speed * 1000))
