"""The prices of a shard of stocks: a frame of records in; prints, quotes, day summaries and board lines out."""

from pipelines.core.codec import State
from pipelines.core.feeds import Feeds
from pipelines.core.frames import Folded, Shard
from pipelines.core.prices import PriceShard
from pipelines.core.suspects import Thresholds
from schemas.position import Position
from schemas.records import FrameRecord
from schemas.structs import ClockTick, Frame, LossMarker, ReferenceRecord


def fold_frame(frame: Frame, position: Position, shard: Shard, state: State, *, thresholds: Thresholds) -> Folded:
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

    folded.take_each(frame, position, shard, take)
    prices.finish(position, shard)
    feeds.store(state)
    return folded
