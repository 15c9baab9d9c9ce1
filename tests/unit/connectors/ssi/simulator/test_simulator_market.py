"""The generated day is a market: exact sums, legal prices, the exchanges' sessions, and the stories it promises."""

import hashlib
import os
import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.foreigners import COALESCE_MS
from connectors.ssi.simulator.core.listing_day import LARGEST_ORDER, ListingDay, Plan
from connectors.ssi.simulator.core.market import STALE_EVERY, MarketDay, MarketSize, generate
from connectors.ssi.simulator.core.records import Foreign, IndexValue, Quote, SimulatedRecord, Status, Trade
from connectors.ssi.simulator.core.stories import Story
from connectors.ssi.simulator.core.universe import FEWEST_SYMBOLS, universe_of
from schemas import session
from schemas.calendar import at, previous_trading_day
from schemas.instruments import limits, tick_of
from schemas.units import Exchange, Price, SessionPhase, TradingDay, UnixMs
from tests.proof import usually

DAY = TradingDay(20261123)
MOST_RECORDS = 150_000
"""No day has more records, whatever its seed."""
SIZE = usually(MarketSize(0.01, FEWEST_SYMBOLS), proving=MarketSize())
"""Of days of which it matters only how they are made."""
VN30 = "ACB BID BSR CTG FPT GAS GVR HDB HPG LPB MBB MCH MSN MWG SAB SHB SSB SSI STB TCB TCX VCB VHM VIB VIC VJC VNM VPB VPL VRE"


def of_the_day(market: MarketDay) -> list[SimulatedRecord]:
    return market.records[bisect_left(market.records, at(market.day, 0), key=lambda record: UnixMs(record.due_ms)) :]


def prints_of(records: Iterable[SimulatedRecord]) -> list[Trade]:
    return [record for record in records if isinstance(record, Trade) and record.volume]


def by_symbol(records: Iterable[SimulatedRecord]) -> dict[str, list[SimulatedRecord]]:
    grouped: dict[str, list[SimulatedRecord]] = defaultdict(list)
    for record in records:
        grouped[record.listing.symbol].append(record)
    return grouped


def story(market: MarketDay, name: str) -> Story:
    return next(story for story in market.stories if story.name == name)


def digest(market: MarketDay) -> str:
    return hashlib.sha256("\n".join(wire.encode(record) for record in market.records[::5]).encode()).hexdigest()


@lru_cache
def a_day(seed: int, day: int = DAY) -> MarketDay:
    """A day of light size in ``make prove``; in CI one of few symbols, made by the same code in a fifth of the time."""
    return generate(seed, TradingDay(day), Random, SIZE)


# -- what is listed


def test_the_universe_is_the_vn30_a_hundred_others_four_futures_and_three_indices() -> None:
    universe = universe_of(DAY)
    assert sorted(listing.symbol for listing in universe.vn30()) == VN30.split()
    assert len(universe.stocks) == len({listing.symbol for listing in universe.stocks}) == 130
    assert {listing.exchange for listing in universe.stocks} == {Exchange.HOSE, Exchange.HNX, Exchange.UPCOM}
    assert [future.symbol for future in universe.futures] == ["41I1GC000", "41I1H1000", "41I1H3000", "41I1H6000"]
    assert [index.symbol for index in universe.indices] == ["VNINDEX", "VN30", "HNXINDEX"]


def test_every_reference_is_on_its_tick_and_the_limits_are_the_exchanges() -> None:
    for listing in universe_of(DAY).listings:
        assert listing.reference % tick_of(listing.reference, listing.exchange) == 0
        assert (listing.ceiling, listing.floor) == limits(listing.reference, listing.exchange)
        assert listing.ladder[0] == listing.floor
        assert listing.ladder[-1] == listing.ceiling
        assert listing.room <= listing.total_room


# -- the whole of it


def test_a_day_is_in_the_order_of_the_feed_and_within_its_bound(market: MarketDay) -> None:
    assert all(before.due_ms <= after.due_ms for before, after in pairwise(market.records))
    assert usually(60_000, proving=100_000) <= len(market.records) <= MOST_RECORDS
    assert all(record.ts_ms % 1000 == 0 and record.ts_ms <= record.due_ms for record in market.records)


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    """Whatever the hash seed: nothing hangs on the order of a set."""
    program = (
        "import hashlib, random; from connectors.ssi.simulator.core import market, wire; "
        f"size = market.MarketSize({SIZE.scale}, {SIZE.symbols}); "
        "records = market.generate(7, 20261123, random.Random, size).records[::5]; "
        "print(hashlib.sha256('\\n'.join(wire.encode(r) for r in records).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    other = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(a_day(7))


def test_another_seed_gives_another_day() -> None:
    assert digest(a_day(1)) != digest(a_day(7))


def test_trading_is_busiest_after_the_open_and_in_few_symbols(market: MarketDay) -> None:
    prints = prints_of(of_the_day(market))
    stocks = Counter(trade.listing.symbol for trade in prints if not trade.listing.is_future)
    assert 0.25 < sum(count for _, count in stocks.most_common(10)) / sum(stocks.values()) < 0.5

    def half_hour(hour: int, minute: int) -> int:
        begins_ms = at(DAY, hour, minute)
        return sum(begins_ms <= trade.ts_ms < begins_ms + 1_800_000 for trade in prints)

    assert half_hour(9, 15) > 1.5 * half_hour(10, 45)
    assert half_hour(14, 0) > half_hour(13, 30)


# -- prints


def test_every_total_is_the_exact_sum_of_its_prints(any_market: MarketDay) -> None:
    for records in by_symbol(of_the_day(any_market)).values():
        volume = value = high = low = last = 0
        for trade in (record for record in records if isinstance(record, Trade)):
            if trade.volume:
                last, volume = trade.price, volume + trade.volume
                value += trade.price * trade.volume * (1000 if trade.listing.is_future else 1)
                high, low = max(high, last), min(low or last, last)
            assert (trade.total_volume, trade.total_value) == (volume, value)
            assert (trade.price, trade.high, trade.low) == (last, high, low)


def test_every_print_has_a_legal_price_and_size(market: MarketDay) -> None:
    for trade in prints_of(of_the_day(market)):
        listing = trade.listing
        assert listing.floor <= trade.price <= listing.ceiling
        assert trade.price % tick_of(trade.price, listing.exchange) == 0
        assert 0 < trade.volume <= LARGEST_ORDER
        assert listing.is_future or trade.volume % 100 == 0


def test_every_print_falls_into_a_session_and_says_so(market: MarketDay) -> None:
    phases = {exchange: session.starts(DAY, exchange) for exchange in Exchange}
    opens_ms = {Exchange.HOSE: at(DAY, 9, 15), Exchange.DER: at(DAY, 9)}
    closes_ms = at(DAY, 14, 45)
    for trade in prints_of(of_the_day(market)):
        exchange = trade.listing.exchange
        if trade.session == "LO":
            assert [phase for begins_ms, phase in phases[exchange] if begins_ms <= trade.ts_ms][-1] is SessionPhase.CONTINUOUS
            assert trade.side in ("BU", "SD")
        else:
            ends_ms = closes_ms if trade.session == "ATC" else opens_ms[exchange]
            assert ends_ms <= trade.ts_ms < ends_ms + 8_000
            assert trade.side is None
            assert trade.expected == trade.price


def test_an_auction_is_a_burst_at_one_price(market: MarketDay) -> None:
    opening: dict[str, list[Trade]] = defaultdict(list)
    for trade in prints_of(of_the_day(market)):
        if trade.session == "ATO" and trade.listing.exchange is Exchange.HOSE:
            opening[trade.listing.symbol].append(trade)
    assert len(opening) == sum(listing.exchange is Exchange.HOSE for listing in market.universe.stocks)
    assert all(len({trade.price for trade in burst}) == 1 for burst in opening.values())
    assert all(trade.ts_ms == at(DAY, 9, 15) for burst in opening.values() for trade in burst)
    every = [trade for burst in opening.values() for trade in burst]
    assert len(every) > usually(100, proving=200)
    assert max(trade.due_ms - trade.ts_ms for trade in every) > 3_000, "the feed lags at the open"
    identical = Counter((trade.listing.symbol, trade.price, trade.volume) for trade in every)
    assert max(identical.values()) > 3


def test_exchanges_without_an_auction_have_none(market: MarketDay) -> None:
    sessions = {(record.listing.exchange, record.session) for record in of_the_day(market) if isinstance(record, Trade | Quote)}
    assert (Exchange.HNX, "ATO") not in sessions
    assert (Exchange.HNX, "ATC") in sessions
    assert not {(Exchange.UPCOM, "ATO"), (Exchange.UPCOM, "ATC")} & sessions


# -- books


def test_a_continuous_book_never_crosses_and_auctions_show_market_orders_first(market: MarketDay) -> None:
    for quote in (record for record in of_the_day(market) if isinstance(record, Quote)):
        bids, asks, ladder = quote.bid_prices, quote.ask_prices, quote.listing.ladder
        assert len(bids) == len(quote.bid_volumes) <= quote.listing.depth
        assert len(asks) == len(quote.ask_volumes) <= quote.listing.depth
        assert all(volume > 0 for volume in (*quote.bid_volumes, *quote.ask_volumes))
        if quote.session == "LO":
            assert list(bids) == sorted(bids, reverse=True)
            assert list(asks) == sorted(asks)
            assert not (bids and asks) or bids[0] < asks[0]
            assert bids or asks[0] == ladder[0], "nobody bids only at the floor"
            assert asks or bids[0] == ladder[-1], "nobody offers only at the ceiling"
        elif quote.session in ("ATO", "ATC"):
            assert bids[0] == asks[0] == 0


def test_a_continuous_print_takes_the_best_price_of_the_last_book(market: MarketDay) -> None:
    for records in by_symbol(of_the_day(market)).values():
        book: Quote | None = None
        for record in records:
            if isinstance(record, Quote):
                book = record
            elif isinstance(record, Trade) and record.side is not None:
                assert book is not None
                assert book.session == "LO"
                assert record.price == (book.ask_prices if record.side == "BU" else book.bid_prices)[0]


def test_there_are_three_to_five_quotes_a_print(market: MarketDay) -> None:
    channels = Counter(record.channel for record in of_the_day(market))
    assert 3 < channels["X-QUOTE"] / len(prints_of(of_the_day(market))) < 5


# -- foreigners


def test_foreign_counters_grow_within_the_market_and_the_room(market: MarketDay) -> None:
    symbols = by_symbol(of_the_day(market))
    multiples = 0
    for records in symbols.values():
        steps = [record for record in records if isinstance(record, Foreign)]
        traded = max((record.total_volume for record in records if isinstance(record, Trade)), default=0)
        for before, after in pairwise(steps):
            assert after.bought >= before.bought
            assert after.sold >= before.sold
            assert after.due_ms - before.due_ms >= COALESCE_MS
        for step in steps:
            assert step.room == step.listing.room - step.bought >= 0
            assert 0 <= step.bought <= traded * 2
            assert (step.bought_value > 0) == (step.bought > 0)
            multiples += step.bought % 100 == 0
        if steps:
            assert steps[-1].due_ms >= at(DAY, 15, 32)
    every = sum(isinstance(record, Foreign) for record in of_the_day(market))
    assert 0 < multiples < every, "odd lots are in the counters"
    assert every > 3_000


# -- indices


def test_indices_follow_exactly_from_the_prints_before_them(market: MarketDay) -> None:
    stocks = {stock.symbol: stock for stock in market.universe.stocks}
    last = {symbol: stock.reference for symbol, stock in stocks.items()}
    volume, value = Counter[str](), Counter[str]()
    for record in of_the_day(market):
        if isinstance(record, Trade) and record.volume and record.listing.symbol in stocks:
            last[record.listing.symbol] = Price(record.price)
            volume[record.listing.symbol] += record.volume
            value[record.listing.symbol] += record.volume * record.price
        elif isinstance(record, IndexValue) and record.ts_ms % 300_000 == 0:
            members, index = record.listing.members, record.listing
            now = sum(last[member.symbol] * index.shares_of(member) for member in members)
            base = sum(member.reference * index.shares_of(member) for member in members)
            assert abs(record.value - index.prior * now / base) <= 0.5 + 1e-6
            assert record.volume == sum(volume[member.symbol] for member in members)
            assert record.traded_value == sum(value[member.symbol] for member in members)
            breadth = [record.advances, record.no_changes, record.declines, record.ceilings, record.floors]
            if index.symbol == "VN30":
                assert breadth == [0, 0, 0, 0, 0]
            else:
                assert sum(breadth) == len(members)
                assert record.ceilings == sum(last[m.symbol] == m.ceiling for m in members)
                assert record.declines == sum(m.floor < last[m.symbol] < m.reference for m in members)


def test_an_index_speaks_every_five_seconds_while_the_market_is_open(market: MarketDay) -> None:
    ticks = [r.ts_ms for r in of_the_day(market) if isinstance(r, IndexValue) and r.listing.symbol == "VN30"]
    breaks = [(before, after) for before, after in pairwise(ticks) if after - before != 5_000]
    assert [before for before, _ in breaks] == [at(DAY, 11, 30), at(DAY, 14, 45, 15)]
    deals = [r.put_through_volume for r in of_the_day(market) if isinstance(r, IndexValue) and r.listing.symbol == "VNINDEX"]
    assert deals == sorted(deals)
    assert deals[-1] > 0


# -- the cache


def test_before_the_open_a_symbol_shows_no_match_or_yesterdays_last(market: MarketDay) -> None:
    yesterday, starts_ms, opens_ms = previous_trading_day(DAY), at(DAY, 8, 55), at(DAY, 9)
    cache = {
        record.listing.symbol: record for record in market.records if isinstance(record, Trade) and record.due_ms <= starts_ms
    }
    stale = [stock.symbol for place, stock in enumerate(market.universe.stocks) if place % STALE_EVERY == 0]
    assert len(cache) == len(market.universe.listings)
    for symbol, trade in cache.items():
        if symbol in stale:
            assert at(yesterday, 14, 45) <= trade.ts_ms < at(yesterday, 14, 46)
            assert trade.volume > 0
        else:
            assert (trade.price, trade.volume, trade.total_volume) == (0, 0, 0)
    own = [r for r in of_the_day(market) if isinstance(r, Trade) and r.listing.symbol in stale and r.due_ms < opens_ms]
    assert {trade.listing.symbol for trade in own} == set(stale)
    assert all(at(DAY, 8, 56) <= trade.due_ms < at(DAY, 9) and not trade.volume for trade in own)


def test_foreign_counters_and_indices_begin_with_yesterdays(market: MarketDay) -> None:
    begins_ms = at(DAY, 0)
    before = [record for record in market.records if record.due_ms < begins_ms]
    assert sum(isinstance(record, Foreign) for record in before) == len(market.universe.stocks)
    assert sum(isinstance(record, IndexValue) for record in before) == 3


def test_every_listing_is_told_each_change_of_its_session(market: MarketDay) -> None:
    words = [r.session for r in of_the_day(market) if isinstance(r, Status) and r.listing.symbol == "HPG"]
    assert words == ["ATO", "LO", "BREAK", "LO", "ATC", "C", "C"]


# -- the stories


def test_one_stock_is_locked_at_its_ceiling_and_opens_before_0955(any_market: MarketDay) -> None:
    told = story(any_market, "ceiling")
    assert told.symbol in VN30
    window = [r for r in of_the_day(any_market) if r.listing.symbol == told.symbol and told.from_ms <= r.due_ms < told.until_ms]
    at_ceiling = [trade for trade in prints_of(window) if trade.price == trade.listing.ceiling]
    assert len(at_ceiling) > 30
    locked = [quote for quote in window if isinstance(quote, Quote) and not quote.ask_prices]
    opened = [q for q in window if isinstance(q, Quote) and q.ask_prices and at(DAY, 9, 46) <= q.due_ms < at(DAY, 9, 49)]
    assert locked
    assert opened
    assert locked[0].due_ms < opened[0].due_ms < locked[-1].due_ms


def test_one_hnx_stock_is_locked_at_its_floor(any_market: MarketDay) -> None:
    told = story(any_market, "floor")
    window = [r for r in of_the_day(any_market) if r.listing.symbol == told.symbol and told.from_ms <= r.due_ms < told.until_ms]
    assert all(record.listing.exchange is Exchange.HNX for record in window)
    assert sum(trade.price == trade.listing.floor for trade in prints_of(window)) > 20
    assert any(isinstance(quote, Quote) and not quote.bid_prices for quote in window)


def test_nobody_else_is_at_a_limit(any_market: MarketDay) -> None:
    at_limit = {t.listing.symbol for t in prints_of(of_the_day(any_market)) if t.price in (t.listing.ceiling, t.listing.floor)}
    assert at_limit == {story(any_market, "ceiling").symbol, story(any_market, "floor").symbol}


def test_one_stock_has_a_spike_of_volume_with_the_largest_order(any_market: MarketDay) -> None:
    told = story(any_market, "volume_spike")
    prints = [trade for trade in prints_of(of_the_day(any_market)) if trade.listing.symbol == told.symbol]
    spike = sum(trade.volume for trade in prints if told.from_ms <= trade.ts_ms < told.until_ms)
    before = sum(trade.volume for trade in prints if told.from_ms - 600_000 <= trade.ts_ms < told.from_ms)
    assert spike > 8 * before
    assert any(trade.volume == LARGEST_ORDER for trade in prints)


def test_one_stock_is_bought_by_foreigners_ever_faster(any_market: MarketDay) -> None:
    told = story(any_market, "foreign_burst")
    steps = [r for r in of_the_day(any_market) if isinstance(r, Foreign) and r.listing.symbol == told.symbol]

    def bought_by(ms: int) -> int:
        after = bisect_right([step.due_ms for step in steps], ms)
        return steps[after - 1].bought if after else 0

    middle_ms = (told.from_ms + told.until_ms) // 2
    first = bought_by(middle_ms) - bought_by(told.from_ms)
    second = bought_by(told.until_ms) - bought_by(middle_ms)
    assert 0 < 3 * first < second


def test_one_room_is_used_up(any_market: MarketDay) -> None:
    told = story(any_market, "room")
    rooms = [
        r.room
        for r in of_the_day(any_market)
        if isinstance(r, Foreign) and r.listing.symbol == told.symbol and r.due_ms < told.until_ms
    ]
    assert rooms[0] > 0
    assert rooms[-1] == 0


def test_the_basis_of_the_front_future_changes_sides(any_market: MarketDay) -> None:
    index = future = None
    front = any_market.universe.futures[0].symbol
    bases: list[tuple[int, int]] = []
    for record in of_the_day(any_market):
        if isinstance(record, IndexValue) and record.listing.symbol == "VN30":
            index = record.value
        elif isinstance(record, Trade) and record.volume and record.listing.symbol == front:
            future = record.price
        if index is not None and future is not None:
            bases.append((record.due_ms, future - index))
    early, late = (at(DAY, 9, 16), at(DAY, 9, 34)), (at(DAY, 9, 42), at(DAY, 9, 55))
    before = [basis for ms, basis in bases if early[0] <= ms < early[1]]
    after = [basis for ms, basis in bases if late[0] <= ms < late[1]]
    assert sum(before) / len(before) > 200
    assert sum(after) / len(after) < -200


# -- any day


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), place=st.integers(0, 129), prints=st.integers(0, 60), drift=st.floats(-0.2, 0.2))
def test_any_tape_adds_up_and_stays_legal(seed: int, place: int, prints: int, drift: float) -> None:
    """Even one whose price wants to leave the limits."""
    listing = universe_of(DAY).stocks[place]
    tape = ListingDay(listing, DAY, Random(seed), lambda ms: listing.reference * (1 + drift), Plan(prints), at(DAY, 8))
    records = tape.until(at(DAY, 16))
    volume = value = 0
    for record in records:
        if isinstance(record, Trade) and record.volume:
            volume, value = volume + record.volume, value + record.volume * record.price
            assert record.price in listing.ladder
            assert (record.total_volume, record.total_value) == (volume, value)
        if isinstance(record, Quote) and record.session == "LO" and record.bid_prices and record.ask_prices:
            assert record.bid_prices[0] < record.ask_prices[0]
    assert all(before.due_ms <= after.due_ms for before, after in pairwise(records))


@pytest.mark.parametrize("day", [20251105, 20260213])
def test_other_days_have_their_own_futures_and_dates(day: int) -> None:
    market = a_day(3, day)
    assert len({future.symbol for future in market.universe.futures}) == 4
    assert len(market.records) <= MOST_RECORDS
    assert market.records[-1].due_ms < at(TradingDay(day), 16)
