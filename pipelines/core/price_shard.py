"""The prices of a shard of stocks: a frame of records in; prints, quotes, day summaries and board lines out."""

from typing import Final

from pipelines.core.codec import State
from pipelines.core.feeds import Feeds
from pipelines.core.frames import Folded, Origin
from pipelines.core.prices import PriceShard
from pipelines.core.suspects import Thresholds
from schemas.records import FrameRecord
from schemas.structs import ClockTick, Frame, LossMarker, ReferenceRecord

SOURCE: Final = "prices"
"""What dead letters of this fold name as their source."""


def fold_frame(frame: Frame, origin: Origin, state: State, *, thresholds: Thresholds) -> Folded:
    """Fold a frame of ``ssi.ticks`` into its shard."""
    folded = Folded()
    feeds = Feeds.load(state)
    delivery = feeds.arrive(frame.feed, frame.epoch, frame.seq)
    prices = PriceShard(state, feeds, thresholds, folded)

    def take(record: FrameRecord) -> None:
        if isinstance(record, ReferenceRecord):
            # It has no time of its own, so it can not say when the day began; and nothing of it is shown here.
            return
        feeds.meet(record.trading_day, record.ts_ms)
        if isinstance(record, ClockTick):
            delivery.tick(record)
            prices.advance()
        elif isinstance(record, LossMarker):
            delivery.lose()
        else:
            prices.apply(record, delivery)

    folded.take_each(frame, SOURCE, origin, take)
    prices.finish(origin)
    feeds.store(state)
    return folded
