"""What is played is the day that was made, on all eight channels, and what is counted of it is what was said."""

import json
from collections import Counter
from typing import Any

from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.blocks import BLOCK_RECORDS, DayBlock, symbols_of
from connectors.ssi.simulator.core.feed import DayFeed, Spoken
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.places import B_PLACE, KINDS, X_PLACE, channel_of
from connectors.ssi.simulator.core.records import CHANNELS, IndexValue, Quote, Trade
from connectors.ssi.simulator.core.released import Released
from schemas.calendar import at
from schemas.units import TradingDay

DAY = TradingDay(20261123)
EVERYTHING = frozenset(CHANNELS)
EVERY = 5
STEP = 700
"""Records that are played at a time; no divisor of the records in a block."""


def a_feed(market: MarketDay) -> tuple[DayFeed, Released]:
    released = Released(at(market.day, 0))
    return DayFeed(symbols_of(market), released), released


def said_by(feed: DayFeed, blocks: list[DayBlock], channels: frozenset[str] = EVERYTHING) -> list[Spoken]:
    """All that a client gets that is subscribed to ``channels`` from the first record on."""
    wanted = feed.wanted(channels, None)
    said: list[Spoken] = []
    for block in blocks:
        for begin in range(0, len(block), STEP):
            said += feed.speak(block, begin, min(begin + STEP, len(block)), [wanted])
    return [spoken for spoken in said if wanted[spoken[0]]]


def content_of(invocation: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.loads(json.loads(invocation)["A"][0])["Content"])
    return content


def channel(spoken: Spoken) -> str:
    return channel_of(spoken[0] % KINDS)


def test_blocks_hold_the_records_of_the_day_in_their_order(small: MarketDay, blocks: list[DayBlock]) -> None:
    texts = [block.text[begin:end] for block in blocks for begin, end in zip(block.begins, block.ends, strict=True)]
    assert texts == [wire.encode(record) for record in small.records]
    assert [due for block in blocks for due in block.dues] == [record.due_ms for record in small.records]
    symbols = symbols_of(small)
    keys = [key for block in blocks for key in block.keys]
    assert [symbols[key // KINDS] for key in keys] == [record.listing.symbol for record in small.records]
    assert all(len(block) == BLOCK_RECORDS for block in blocks[:-1])
    assert [block.first for block in blocks] == [BLOCK_RECORDS * number for number in range(len(blocks))]


def test_a_block_is_the_same_after_it_was_packed(blocks: list[DayBlock]) -> None:
    for block in (blocks[0], blocks[-1]):
        assert DayBlock.unpacked(*block.packed()) == block


def test_a_client_of_all_channels_gets_each_record_once(small: MarketDay, blocks: list[DayBlock]) -> None:
    feed, released = a_feed(small)
    said = said_by(feed, blocks)
    places = [place for _, place, _ in said]
    assert len(set(places)) == len(places)
    assert [text for _, place, text in said if place < X_PLACE] == [wire.encode(record) for record in small.records]
    assert len(released) == len(small.records)


def test_what_was_due_is_counted_by_channel(small: MarketDay, blocks: list[DayBlock]) -> None:
    feed, released = a_feed(small)
    said = said_by(feed, blocks)
    begins_ms = at(DAY, 0)
    today = [s for s in said if small.records[s[1] % X_PLACE].due_ms >= begins_ms]
    counts = Counter(channel(spoken) for spoken in today)
    assert released.by_channel() == counts
    assert set(counts) == EVERYTHING
    trades = [r for r in small.records if isinstance(r, Trade) and r.due_ms >= begins_ms]
    assert released.prints == sum(trade.is_print for trade in trades)
    assert released.deals == sum(trade.is_deal for trade in trades) > 0
    assert released.previous == sum(record.due_ms < begins_ms for record in small.records)


def test_an_x_follows_every_change_of_match_or_book_and_says_both(small: MarketDay, blocks: list[DayBlock]) -> None:
    feed, _ = a_feed(small)
    shown = {place - X_PLACE: text for _, place, text in said_by(feed, blocks) if X_PLACE <= place < B_PLACE}
    matches: dict[str, Trade] = {}
    books: dict[str, Quote] = {}
    opens: dict[str, int] = {}
    for place, record in enumerate(small.records):
        symbol = record.listing.symbol
        if isinstance(record, Trade) and not record.is_deal:
            matches[symbol] = record
            if record.is_print and record.due_ms >= at(DAY, 0):
                opens.setdefault(symbol, record.price)
        elif isinstance(record, Quote):
            books[symbol] = record
        else:
            assert place not in shown
            continue
        if place % EVERY:
            continue
        said, match, book = content_of(shown[place]), matches[symbol], books.get(symbol)
        in_points = 100 if match.listing.is_future else 1
        assert said["Symbol"] == symbol
        assert said["LastPrice"] == match.price / in_points
        assert (said["LastVol"], said["TotalVol"], said["TotalVal"]) == (match.volume, match.total_volume, match.total_value)
        assert (said["High"], said["Low"]) == (match.high / in_points, match.low / in_points)
        if record.due_ms >= at(DAY, 0) and match.due_ms >= at(DAY, 0):
            assert said["Open"] == opens.get(symbol, 0) / in_points
        for side, prices, volumes in (
            ("Bid", book.bid_prices if book else (), book.bid_volumes if book else ()),
            ("Ask", book.ask_prices if book else (), book.ask_volumes if book else ()),
        ):
            assert [said[f"{side}Price{n}"] for n in range(1, len(prices) + 1)] == [price / in_points for price in prices]
            assert [said[f"{side}Vol{n}"] for n in range(1, len(volumes) + 1)] == list(volumes)
            assert not any(said[f"{side}Vol{n}"] for n in range(len(volumes) + 1, 11))
        assert said["TradingSession"] == record.session
    assert len(shown) == sum(isinstance(r, Quote) or (isinstance(r, Trade) and not r.is_deal) for r in small.records)


def test_a_b_follows_every_print_and_every_step_of_an_index(small: MarketDay, blocks: list[DayBlock]) -> None:
    feed, _ = a_feed(small)
    bars = {place - B_PLACE: text for _, place, text in said_by(feed, blocks) if place >= B_PLACE}
    turnover: dict[str, int] = {}
    for place, record in enumerate(small.records):
        if isinstance(record, Trade) and record.is_print:
            price, volume = record.price / (100 if record.listing.is_future else 1), record.volume
        elif isinstance(record, IndexValue):
            before = turnover.get(record.listing.symbol)
            volume = 0 if before is None else record.volume - before if record.volume >= before else record.volume
            price, turnover[record.listing.symbol] = record.value / 100, record.volume
        else:
            assert place not in bars
            continue
        said = content_of(bars[place])
        assert said["Symbol"] == record.listing.symbol
        assert said["Open"] == said["High"] == said["Low"] == said["Close"] == price
        assert (said["Volume"], said["Value"]) == (volume, 0)


def test_a_snapshot_is_the_last_record_of_each_channel_whoever_listened_before(small: MarketDay, blocks: list[DayBlock]) -> None:
    """``X`` and ``B`` too, which nobody was subscribed to until then."""
    listened, _ = a_feed(small)
    silent, _ = a_feed(small)
    half = blocks[: len(blocks) // 2]
    last: dict[tuple[int, str], tuple[int, int, str]] = {}
    for spoken in said_by(listened, half):
        last[spoken[0] // KINDS, channel(spoken)] = spoken
    said_by(silent, half, channels=frozenset({"R"}))
    expected = [last[symbol, name] for symbol in range(len(symbols_of(small))) for name in CHANNELS if (symbol, name) in last]
    assert silent.snapshot(EVERYTHING, None) == expected == listened.snapshot(EVERYTHING, None)
    assert silent.snapshot(frozenset({"X"}), frozenset({"HPG"})) == [last[0, "X"]]


def test_a_subscription_wants_its_channels_of_its_symbols(small: MarketDay, blocks: list[DayBlock]) -> None:
    feed, _ = a_feed(small)
    wanted = feed.wanted(frozenset({"X-TRADE", "MI"}), frozenset({"HPG", "VN30"}))
    symbols = symbols_of(small)
    chosen = {(symbols[key // KINDS], channel_of(key % KINDS)) for block in blocks for key in block.keys if wanted[key]}
    assert chosen == {("HPG", "X-TRADE"), ("VN30", "MI")}
