"""A limit to REST calls, as SSI has one without saying which. Pure: time is an argument."""

import math
import re
from collections import deque

from connectors.ssi.simulator.core.errors import UnreadableQuota


class Quota:
    """So many calls in so many seconds, on a sliding window."""

    def __init__(self, most: int, window_s: int) -> None:
        """Allow ``most`` calls in any ``window_s`` seconds; 0 calls stand for no limit."""
        self._most = most
        self._window_s = window_s
        self._calls: deque[float] = deque()

    @classmethod
    def parse(cls, text: str | None) -> "Quota":
        """Read ``CALLS/SECONDS``; None stands for no limit.

        Raises:
            UnreadableQuota: It is written otherwise.
        """
        if text is None:
            return cls(0, 1)
        found = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,4})", text)
        if found is None:
            raise UnreadableQuota(text)
        return cls(int(found[1]), int(found[2]))

    @property
    def exceeded(self) -> str:
        """What SSI says when there were too many."""
        return f"API calls quota exceeded! maximum admitted {self._most} per {self._window_s} s."

    def call(self, now_s: float) -> int | None:
        """Count a call at ``now_s``; None if it is allowed, else in how many whole seconds the next one is."""
        if not self._most:
            return None
        while self._calls and self._calls[0] <= now_s - self._window_s:
            self._calls.popleft()
        if len(self._calls) >= self._most:
            return math.ceil(self._calls[0] + self._window_s - now_s)
        self._calls.append(now_s)
        return None
