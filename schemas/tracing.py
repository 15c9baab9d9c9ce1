"""How services tell where the time between the wire and a viewer goes: spans of one trace, which a Kafka header ties together.

Nobody traces unless asked to (``STOCK_TRACKER_TRACE_RATIO``). Then a part of the frames, chosen by chance, gets the header
``traceparent`` of W3C; whoever makes something of a message with it tells how long that took. Without it messages are the same to
the byte, headers included, and no service looks for one.
"""

import re
from collections.abc import Iterable
from typing import Final, Protocol

HEADER: Final = "traceparent"
_TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Tracer(Protocol):
    """Takes spans."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""

    def samples(self) -> bool:
        """Whether a trace is to begin now."""

    def span(self, name: str, parent: str | None, begins_ns: int, ends_ns: int, **said: str | int) -> str:
        """Tell of something that is over.

        Args:
            name: What was done.
            parent: The header of what it belongs to; None for the first span of a trace.
            begins_ns: When it began, in nanoseconds since 1970.
            ends_ns: When it ended.
            **said: Where it was: topic, partition, offset.

        Returns:
            The header for what comes of it.
        """


def parent_in(headers: object) -> str | None:
    """The header of a traced message, in whatever way a client hands headers out; None where there is none that can be used."""
    if not isinstance(headers, Iterable):
        return None
    for each in headers:
        if isinstance(each, tuple) and len(each) == 2 and each[0] == HEADER:
            text = each[1].decode("ascii", "replace") if isinstance(each[1], bytes) else each[1]
            return text if isinstance(text, str) and _TRACEPARENT.fullmatch(text) else None
    return None
