"""Which TCP connections the gateway keeps (pure): aiohttp waits for ever for a request that does not come.

A place is what a connection takes, and there are no more than the process has descriptors for. Whoever has asked for something
keeps its place; who has said nothing, or half a request, has it for a while, and loses it sooner when somebody else needs it.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final

from schemas.units import MonotonicMs

ASK_WITHIN_MS: Final = 10_000
"""How long a connection may take to make its first request, or to finish one that it has begun."""
IDLE_MS: Final = 75_000
"""How long a connection may wait after an answer before the next request begins."""


@dataclass(slots=True)
class Place:
    """What a connection takes."""

    address: str
    since_ms: MonotonicMs
    """When it came, or when its last answer was finished, or when the request began that it has not finished."""
    requests: int = 0
    """How many requests of it are being answered; a WebSocket is one as long as it lasts."""
    has_asked: bool = False
    is_asking: bool = True
    """Whether a request is due: the first, or one of which something has come."""


class Doorkeeper:
    """The places, and who has them. Time is an argument, in milliseconds of a clock that only goes forward."""

    def __init__(self, places: int, per_address: int) -> None:
        """``places`` in all, and ``per_address`` at most from one address that is not exempt."""
        self._limit = places
        self._per_address = per_address
        self._places: dict[Hashable, Place] = {}
        self._by_address: Counter[str] = Counter()
        self._silent: dict[Hashable, None] = {}
        """Those that have not asked for anything yet, the oldest first."""

    def __len__(self) -> int:
        return len(self._places)

    def admit(self, who: Hashable, address: str, now_ms: MonotonicMs, *, is_exempt: bool) -> tuple[bool, Hashable | None]:
        """Give ``who`` a place.

        Returns:
            Whether there is one for it; and who has to leave for that: the oldest that has not asked for anything.
        """
        if not is_exempt and self._by_address[address] >= self._per_address:
            return False, None
        leaving = None
        if len(self._places) >= self._limit:
            leaving = next(iter(self._silent), None)
            if leaving is None:
                return False, None
            self.leave(leaving)
        self._places[who] = Place(address, now_ms)
        self._by_address[address] += 1
        self._silent[who] = None
        return True, leaving

    def leave(self, who: Hashable) -> None:
        """Take the place of ``who`` back, if it has one."""
        place = self._places.pop(who, None)
        if place is None:
            return
        self._silent.pop(who, None)
        self._by_address[place.address] -= 1
        if not self._by_address[place.address]:
            del self._by_address[place.address]

    def hear(self, who: Hashable, now_ms: MonotonicMs) -> None:
        """Something came from ``who``: unless it is being answered, it has begun a request."""
        place = self._places.get(who)
        if place is not None and not place.requests and not place.is_asking:
            place.is_asking, place.since_ms = True, now_ms

    def begin(self, who: Hashable) -> None:
        """A whole request of ``who`` is there."""
        place = self._places.get(who)
        if place is not None:
            place.requests += 1
            place.has_asked, place.is_asking = True, False
            self._silent.pop(who, None)

    def end(self, who: Hashable, now_ms: MonotonicMs) -> None:
        """A request of ``who`` has been answered."""
        place = self._places.get(who)
        if place is not None:
            place.requests -= 1
            place.since_ms = now_ms

    def overdue(self, now_ms: MonotonicMs) -> Iterator[Hashable]:
        """Those that have waited too long."""
        for who, place in list(self._places.items()):
            if not place.requests and now_ms - place.since_ms > (ASK_WITHIN_MS if place.is_asking else IDLE_MS):
                yield who
