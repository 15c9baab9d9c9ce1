"""How long to wait before trying again what failed. Pure: chance is an argument, and the caller does the waiting."""

from collections.abc import Callable


class Backoff:
    """Pauses that double with each failure up to a bound, and never fall in step with those of other processes."""

    def __init__(self, first_s: float, longest_s: float, chance: Callable[[], float]) -> None:
        """Begin with the shortest pause.

        Args:
            first_s: The longest that the first pause may be, in seconds.
            longest_s: The longest that any pause may be, in seconds.
            chance: Gives a number in [0, 1), as :func:`random.random` does.
        """
        self._first_s = first_s
        self._longest_s = longest_s
        self._chance = chance
        self._next_s = first_s

    def failed(self, longest_s: float | None = None) -> float:
        """Seconds to wait before the next attempt: between half and all of the pause that is due.

        Args:
            longest_s: The longest that this pause may be, instead of the bound given at the beginning.
        """
        longest_s = self._longest_s if longest_s is None else longest_s
        pause_s = min(self._next_s, longest_s) * (1 + self._chance()) / 2
        self._next_s = min(self._next_s * 2, longest_s)
        return pause_s

    def worked(self) -> None:
        """Begin anew with the shortest pause."""
        self._next_s = self._first_s
