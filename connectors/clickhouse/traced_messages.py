"""The messages with a trace that the sink has read and not stored yet."""

from typing import Final

from schemas.position import Partition
from schemas.tracing import Tracer, parent_in

MOST: Final = 1_000
"""So many may wait; while ClickHouse is away for long, later ones are not told of."""


class TracedMessages:
    """Tells of each from when it was appended to its topic until it was stored."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._waiting: dict[tuple[Partition, int], tuple[str, int]] = {}
        """By place the trace, and when the message was appended, in nanoseconds."""

    def read(self, partition: Partition, offset: int, appended_ms: int, headers: object) -> None:
        """Take note of a message, if it has a trace."""
        parent = parent_in(headers)
        if parent is not None and len(self._waiting) < MOST:
            self._waiting[partition, offset] = parent, appended_ms * 1_000_000

    def stored(self, partition: Partition, until: int) -> None:
        """Tell of what lies before offset ``until`` of a partition: it is in the tables."""
        for place in [place for place in self._waiting if place[0] == partition and place[1] < until]:
            parent, began_ns = self._waiting.pop(place)
            now_ns = self._tracer.now_ns()
            began_ns = min(began_ns, now_ns)
            topic, number = partition
            self._tracer.span("store", parent, began_ns, now_ns, topic=topic, partition=number, offset=place[1])
