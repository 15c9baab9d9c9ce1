"""``X`` alone: what the connector makes of it, and what the price fold makes of that."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.core.channels import SubscribedChannels
from connectors.ssi.core.market_clock import WallClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from pipelines.core.frames import Shard
from pipelines.core.price_shard import fold_frame
from schemas.calendar import at
from schemas.position import Position
from schemas.records import FrameRecord
from schemas.structs import Frame, SnapshotRecord, TradeEvent, TradeRecord
from schemas.topics import MARKET_TRADES, SSI_TICKS
from schemas.units import TradingDay, UnixUs
from tests.builders import offers

Arguments = Callable[..., str]
DAY = TradingDay(20261123)
NOW = UnixUs(at(DAY, 9, 15, 2) * 1000)


class Feed:
    def __init__(self, channels: str) -> None:
        self._outbox = Outbox(100_000, 10_000_000)
        self.stream = RecordStream("a", 1, WallClock(), self._outbox, channels)
        self.stream.begin(NOW)

    def frames(self, *arguments: str) -> list[Frame]:
        """What comes of ``arguments``."""
        self.stream.publish(arguments, NOW)
        self.stream.flush()
        messages = [message for message in iter(self._outbox.take, None) if message.topic == SSI_TICKS.name]
        return [SSI_TICKS.decode(message.value) for message in messages]

    def say(self, *arguments: str) -> list[FrameRecord]:
        """What comes of ``arguments``: trades and snapshots in their order."""
        records = [record for frame in self.frames(*arguments) for record in frame.records]
        return [record for record in records if isinstance(record, TradeRecord | SnapshotRecord)]


def totals(records: list[FrameRecord]) -> list[tuple[str, int, int]]:
    return [
        ("trade" if isinstance(record, TradeRecord) else "snapshot", record.volume, record.total_volume)
        for record in records
        if isinstance(record, TradeRecord | SnapshotRecord)
    ]


def test_x_alone_gives_a_marked_match_ahead_of_the_book_that_it_left(an_argument: Arguments) -> None:
    trade, snapshot = Feed("X:ALL").say(an_argument("X"))
    assert isinstance(trade, TradeRecord)
    assert isinstance(snapshot, SnapshotRecord)
    assert trade.from_snapshot
    assert (trade.symbol, trade.price, trade.volume, trade.total_volume, trade.side) == ("VNM", 62_100, 300, 100_000, None)
    assert (trade.ts_ms, trade.reference, trade.high, trade.session) == (at(DAY, 9, 15, 2), 62_000, 62_300, "LO")


def test_a_change_of_the_book_repeats_no_match(an_argument: Arguments) -> None:
    feed = Feed("X:ALL")
    said = [
        an_argument("X", TotalVol=0.0, LastVol=0.0, LastPrice=0.0),
        an_argument("X"),
        an_argument("X", BidVol1=900.0),
        an_argument("X", LastVol=500.0, TotalVol=100_500.0),
        an_argument("X", LastVol=500.0, TotalVol=100_500.0, AskVol1=900.0),
        # The counter began again: the fold has to see it.
        an_argument("X", LastVol=200.0, TotalVol=200.0),
    ]
    assert totals(feed.say(*said)) == [
        ("snapshot", 0, 0), ("trade", 300, 100_000), ("snapshot", 300, 100_000), ("snapshot", 300, 100_000),
        ("trade", 500, 100_500), ("snapshot", 500, 100_500), ("snapshot", 500, 100_500), ("trade", 200, 200),
        ("snapshot", 200, 200),
    ]  # fmt: skip
    assert feed.stream.records["TradeRecord"] == 3
    assert feed.stream.received == len(said)


def test_a_new_connection_tells_the_last_match_again(an_argument: Arguments) -> None:
    feed = Feed("X:ALL")
    feed.say(an_argument("X"))
    feed.stream.begin(NOW)
    assert totals(feed.say(an_argument("X"))) == [("trade", 300, 100_000), ("snapshot", 300, 100_000)]


@pytest.mark.parametrize("channels", ["X:ALL,X-TRADE:ALL", "ALL", "X:VNM,X-TRADE:SSI-VNM", "x:all, x-trade: all"])
def test_x_books_nothing_where_x_trade_is_subscribed(an_argument: Arguments, channels: str) -> None:
    assert totals(Feed(channels).say(an_argument("X"))) == [("snapshot", 300, 100_000)]


def test_x_books_the_symbols_that_x_trade_leaves_out(an_argument: Arguments) -> None:
    records = Feed("X:ALL,X-TRADE:SSI").say(an_argument("X"), an_argument("X", Symbol="SSI"))
    assert [(type(record).__name__, getattr(record, "symbol", "")) for record in records] == [
        ("TradeRecord", "VNM"), ("SnapshotRecord", "VNM"), ("SnapshotRecord", "SSI"),
    ]  # fmt: skip


def test_a_subscription_knows_its_channels_and_symbols() -> None:
    subscription = SubscribedChannels("X-TRADE:ALL,r:vnm-SSI, R:FPT,MI:VN30-HNXIndex")
    assert subscription.covers("X-TRADE", "ANY")
    assert [subscription.covers("R", symbol) for symbol in ("VNM", "SSI", "FPT", "ACB")] == [True, True, True, False]
    assert subscription.covers("MI", "HNXINDEX")
    assert not subscription.covers("X", "VNM")
    # The symbol in a record is not always SSI's id.
    assert SubscribedChannels("MI:HNXUpcomIndex").covers("MI", "UPCOMINDEX")
    assert subscription.whole == {"X-TRADE"}
    assert SubscribedChannels("ALL").covers("OL", "VNM")


matches = st.lists(st.tuples(st.integers(1, 50), st.integers(500, 700), st.integers(0, 3)), min_size=1, max_size=30)
"""Matches of a symbol: volume and price in hundreds, and how many X come after it; after 0 the next match follows at once."""


@given(matches)
def test_of_x_alone_the_fold_books_each_match_that_was_told_once_and_the_others_as_gaps(
    an_argument: Arguments, matches: list[tuple[int, int, int]]
) -> None:
    feed = Feed("X:ALL")
    total, said, told = 0, [], []
    for number, (hundreds, price, snapshots) in enumerate(matches):
        volume = hundreds * 100
        total += volume
        if snapshots:
            told.append((total - volume, total, price * 100))
        said += [
            an_argument(
                "X", Time=f"09:{15 + number // 60:02}:{number % 60:02}", LastPrice=price * 100.0, LastVol=float(volume),
                TotalVol=float(total), TotalVal=float(total * 60_000), Ceiling=90_000.0, Floor=30_000.0, BidVol1=100.0 + change,
            )
            for change in range(snapshots)
        ]  # fmt: skip
    state: dict[bytes, bytes] = {}
    events: list[TradeEvent] = []
    for offset, frame in enumerate(feed.frames(*said)):
        folded = fold_frame(frame, Position(SSI_TICKS.name, 0, offset), Shard.of("prices", 0, 1), state, offers=offers(SSI_TICKS))
        trades = [output for output in folded.outputs if output.topic is MARKET_TRADES]
        events += [event for output in trades for event in MARKET_TRADES.decode(output.value).events]
    booked = [(event.start, event.total_volume, event.price) for event in events if event.kind == "print"]
    assert booked == told
    missed = sum(event.volume for event in events if event.kind == "gap")
    last = told[-1][1] if told else 0
    assert missed == last - sum(end - start for start, end, _ in told)
    assert {event.side_source for event in events if event.kind == "print"} <= {"quote", "none", "auction"}
