"""Where feeds break: seen in how a shard's feeds change from one message to the next."""

from typing import Any, NamedTuple

from pipelines.core.feeds import Feed, Feeds
from schemas.structs import ClockTick, Frame, LossMarker
from schemas.units import UnixMs
from stock_tracker.explain.core.step import Break
from stock_tracker.verify.core.differences import EventPosition


class _Known(NamedTuple):
    """A feed as it was after the last message."""

    epoch: int
    seq: int
    broke: int
    up: bool


class BreakWatch:
    """Notes the breaks of a shard's feeds."""

    def __init__(self) -> None:
        self.breaks: list[Break] = []
        """In the order in which they happened."""
        self._known: dict[str, _Known] = {}

    def look(self, feeds: Feeds, frame: Frame, record: Any, place: EventPosition) -> None:
        """Take note of what a message has changed.

        Args:
            feeds: As it left them.
            frame: The message.
            record: The only record that was folded of it, or None where all were.
            place: Where it stands.
        """
        for feed in feeds.feeds:
            known = self._known.get(feed.name)
            found = _Known(feed.epoch, feed.seq, feed.broke, feed.up)
            if found == known:
                continue
            self._known[feed.name] = found
            if known is None or feed.broke != known.broke:
                cause, text = _why(feed, known, record)
                self.breaks.append(Break(feed.name, feed.broke, cause, text, place, UnixMs(feeds.now_ms)))
            elif known.up and not feed.up:
                text = f"feed {feed.name} has lost its connection, its clock ticks say"
                self.breaks.append(Break(feed.name, feeds.mark, "down", text, place, UnixMs(feeds.now_ms)))


def _why(feed: Feed, known: _Known | None, record: Any) -> tuple[str, str]:
    if known is None:
        return "first", f"feed {feed.name} was heard for the first time"
    if feed.epoch > known.epoch:
        return "connection", f"feed {feed.name} has connected anew: connection {feed.epoch} after {known.epoch}"
    if isinstance(record, LossMarker):
        return (
            "lost_records",
            f"the connector of feed {feed.name} had to throw {record.records} records away: Kafka did not take them",
        )
    if isinstance(record, ClockTick) and not known.up:
        return "up", f"feed {feed.name} has its connection again"
    missing = f"frame {known.seq + 1}" if feed.seq == known.seq + 2 else f"frames {known.seq + 1} to {feed.seq - 1}"
    return "lost_frames", f"{missing} of feed {feed.name} are missing"
