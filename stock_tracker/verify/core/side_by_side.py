"""Source partitions folded again, and what they made on Kafka read beside them, with little of either in memory. Pure.

Partitions that have nothing to do with one another are compared one after the other. Of those that belong together each is read
only as far as the others need it: a source when a message was found that nothing folded so far has made, what was found when
something is expected there.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.fixtures.core.layout import FixtureMessage
from schemas.position import Partition
from stock_tracker.verify.core.delivery import EventLog
from stock_tracker.verify.core.refold import Expected, Refold


@dataclass
class OutputLane:
    """A source partition that is folded again."""

    place: Partition
    sinks: tuple[Partition, ...]
    """The logs that it may write."""
    refold: Refold[Any]
    messages: Iterator[FixtureMessage]
    """What lies on it."""
    ts_ms: int = field(default=0)
    """When the message was appended that was folded last."""


def side_by_side(
    lanes: Iterable[OutputLane],
    logs: Collection[EventLog],
    found: Mapping[Partition, Iterator[FixtureMessage]],
    take: Callable[[Expected], None],
) -> int:
    """Fold sources to their ends and tell ``logs`` what that makes, and what was found.

    Args:
        lanes: Those that belong together.
        logs: Of all their sinks.
        found: What is on each of these partitions.
        take: Is given what is expected elsewhere: rows of ``state.*``, dead letters, terms.

    Returns:
        How many messages were folded.

    Raises:
        FoldError: The state of a shard, or its terms, are nothing that this release can use.
        NewerMessage: A newer release wrote one of the sources.
    """
    by_place = {log.place: log for log in logs}
    left = {lane.place: lane for lane in lanes}
    count = 0

    def step(lane: OutputLane) -> bool:
        message = next(lane.messages, None)
        if message is None:
            del left[lane.place]
            for sink in lane.sinks:
                by_place[sink].end_lane(lane.place)
            return False
        lane.ts_ms = message.ts_ms
        for expected in lane.refold.fold(message):
            log = by_place.get(expected.place)
            if log is None:
                take(expected)
            else:
                log.expect(expected)
        return True

    def read(log: EventLog) -> None:
        message = next(found[log.place], None)
        if message is None:
            log.is_at_end = True
        else:
            log.find(message)

    while left:
        for log in logs:
            while log.wants_found:
                read(log)
        wanted = next((place for log in logs if (place := log.wants_lane()) is not None), None)
        count += step(left[wanted] if wanted is not None else min(left.values(), key=lambda lane: lane.ts_ms))
    for log in logs:
        while not log.is_at_end:
            read(log)
    return count
