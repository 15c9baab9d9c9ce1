"""A market of true size: everything that is listed, what happens to few of them, and as many records as the scale says."""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from operator import attrgetter
from random import Random

import pytest

from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.listing_day import ListingDay, Plan
from connectors.ssi.simulator.core.market import MarketDay, MarketSize, generate
from connectors.ssi.simulator.core.records import Foreign, IndexValue, OddLot, Quote, SimulatedRecord, Status, Trade
from connectors.ssi.simulator.core.universe import FEWEST_SYMBOLS, MOST_SYMBOLS, Listing, universe_of
from schemas.calendar import at
from schemas.instruments import contract_of, is_index
from schemas.units import SYMBOL_PATTERN, Exchange, TradingDay
from tests.proof import usually

DAY = TradingDay(20261123)


@pytest.fixture(scope="module")
def large() -> MarketDay:
    """A third of the 1,900 instruments, or all in ``make prove``, with a hundredth of their records."""
    return generate(7, DAY, Random, MarketSize.of(0.01, usually(MOST_SYMBOLS // 3, proving=MOST_SYMBOLS), "own"))


@pytest.fixture(scope="module")
def shared() -> MarketDay:
    """A small market in which deals and prints have one total."""
    return generate(7, DAY, Random, MarketSize.of(0.01, FEWEST_SYMBOLS, "shared"))


def today(market: MarketDay) -> list[SimulatedRecord]:
    return market.records[bisect_left(market.records, at(DAY, 0), key=attrgetter("due_ms")) :]


def trades_by_symbol(market: MarketDay) -> dict[str, list[Trade]]:
    trades: dict[str, list[Trade]] = defaultdict(list)
    for record in today(market):
        if isinstance(record, Trade):
            trades[record.listing.symbol].append(record)
    return trades


def count(listings: Iterable[Listing]) -> Counter[tuple[str, str]]:
    return Counter((listing.kind, listing.exchange.value) for listing in listings)


# -- what is listed


def test_all_exchanges_are_listed_with_funds_warrants_and_futures() -> None:
    universe = universe_of(DAY, MOST_SYMBOLS)
    assert len(universe.listings) == len({listing.symbol for listing in universe.listings}) == 1_900
    assert count(universe.listings) == {
        ("stock", "HOSE"): 395,
        ("stock", "HNX"): 304,
        ("stock", "UPCOM"): 883,
        ("etf", "HOSE"): 17,
        ("warrant", "HOSE"): 293,
        ("future", "DER"): 8,
    }
    assert {index.symbol: len(index.members) for index in universe.indices} == {
        "VNINDEX": 395,
        "VN30": 30,
        "HNXINDEX": 304,
        "VN100": 100,
        "HNX30": 30,
        "HNXUPCOMINDEX": 883,
    }
    assert [contract.underlying for future in universe.futures if (contract := contract_of(future.symbol))] == [
        *["VN30"] * 4,
        *["VN100"] * 4,
    ]


def test_no_made_up_name_means_something_else() -> None:
    for listing in universe_of(DAY, MOST_SYMBOLS).stocks:
        assert re.fullmatch(SYMBOL_PATTERN, listing.symbol)
        assert listing.symbol != "ALL"
        assert not is_index(listing.symbol)
        assert contract_of(listing.symbol) is None


def test_a_larger_market_begins_with_the_smaller_one() -> None:
    small, light, large = (universe_of(DAY, symbols) for symbols in (FEWEST_SYMBOLS, 134, MOST_SYMBOLS))
    names = [[stock.symbol for stock in universe.stocks] for universe in (small, light, large)]
    assert names[0] == names[1][: len(names[0])]
    assert names[1] == names[2][: len(names[1])]
    assert len(small.listings) == FEWEST_SYMBOLS
    assert abs(sum(stock.weight for stock in large.stocks) - 1) < 1e-9


def test_every_listing_has_a_ladder_from_floor_to_ceiling_with_its_reference_on_it() -> None:
    for listing in universe_of(DAY, MOST_SYMBOLS).listings:
        assert listing.ladder[0] == listing.floor > 0
        assert listing.ladder[-1] == listing.ceiling
        assert listing.reference in listing.ladder
        assert listing.floor < listing.reference < listing.ceiling or listing.floor <= listing.reference


def test_a_warrant_moves_by_its_part_of_what_its_underlying_may() -> None:
    universe = universe_of(DAY, MOST_SYMBOLS)
    stocks = {stock.symbol: stock for stock in universe.stocks}
    for warrant in universe.stocks:
        if warrant.kind == "warrant":
            assert warrant.underlying is not None
            rise = warrant.ceiling - warrant.reference
            most = stocks[warrant.underlying].ceiling - stocks[warrant.underlying].reference
            assert most // 11 - 10 <= rise <= most // 2
            assert warrant.total_room == 0


@pytest.mark.parametrize(("scale", "symbols"), [(0.01, 134), (0.05, 134), (0.1, 190), (0.5, 950), (1, 1900), (100, 1900)])
def test_the_scale_says_how_many_symbols_there_are_if_nobody_else_does(scale: float, symbols: int) -> None:
    assert MarketSize.of(scale, None, "index").symbols == symbols
    assert MarketSize.of(scale, 300, "index").symbols == 300


# -- what happens


def test_a_day_has_as_many_records_as_the_scale_says() -> None:
    """2.5 million at scale 1. A small one has more than its part: indices speak, and sessions change, at any scale."""
    records = [
        sum(len(period) for period in generate(3, DAY, Random, MarketSize.of(scale, FEWEST_SYMBOLS, "index")).periods())
        for scale in (0.01, 0.02)
    ]
    assert 0.9 < (records[1] - records[0]) / (2_500_000 * 0.01) < 1.1


def test_all_that_is_listed_is_announced_and_told_its_sessions(large: MarketDay) -> None:
    told = Counter(record.listing.symbol for record in today(large) if isinstance(record, Status))
    assert set(told) == {listing.symbol for listing in large.universe.listings}
    assert {record.listing.symbol for record in today(large) if isinstance(record, IndexValue)} == {
        index.symbol for index in large.universe.indices
    }
    assert {r.listing.kind for r in today(large) if isinstance(r, Foreign)} == {"stock", "etf"}
    assert {r.listing.kind for r in today(large) if isinstance(r, OddLot)} <= {"stock", "etf"}


def test_records_come_in_order_across_periods(large: MarketDay) -> None:
    assert all(before.due_ms <= after.due_ms for before, after in pairwise(large.records))


def test_a_busier_market_is_made_in_shorter_periods_and_in_the_same_order() -> None:
    market = generate(5, DAY, Random, MarketSize.of(3, FEWEST_SYMBOLS, "index"))
    assert market.size.period_ms == 20_000
    last_ms = 0
    for period in market.periods():
        assert all(before.due_ms <= after.due_ms for before, after in pairwise(period))
        assert last_ms <= period[0].due_ms
        last_ms = period[-1].due_ms
        if last_ms > at(DAY, 9, 0, 30):
            break


def test_some_stocks_are_locked_at_their_limits(large: MarketDay) -> None:
    """Beside the two of the stories."""
    ceilings: set[str] = set()
    floors: set[str] = set()
    for record in today(large):
        if isinstance(record, Quote) and record.session == "LO" and not (record.bid_prices and record.ask_prices):
            (floors if record.ask_prices else ceilings).add(record.listing.symbol)
    told = {story.symbol for story in large.stories}
    assert len(ceilings - told) >= usually(2, proving=5)
    assert len(floors - told) >= usually(1, proving=2)
    assert len(ceilings | floors) < usually(30, proving=60)


def test_a_halted_stock_says_so_and_neither_trades_nor_quotes(large: MarketDay) -> None:
    records = today(large)
    halts = [record for record in records if isinstance(record, Status) and record.is_halted]
    assert len(halts) == usually(2, proving=6)
    for halt in halts:
        assert halt.session == "HALT"
        own = [r for r in records if r.listing.symbol == halt.listing.symbol and r.due_ms >= halt.ts_ms]
        statuses = [r for r in own if isinstance(r, Status)]
        until_ms = statuses[statuses.index(halt) + 1].ts_ms
        assert 10 * 60_000 <= until_ms - halt.ts_ms <= 30 * 60_000
        meanwhile = [r for r in own if isinstance(r, Trade | Quote) and halt.due_ms <= r.due_ms < until_ms]
        assert [(r.session, r.volume) for r in meanwhile if isinstance(r, Trade)] == [("H", 0)]
        assert not any(isinstance(r, Quote) for r in meanwhile)
        assert statuses[statuses.index(halt) + 1].session == "LO"
        assert '"TradingStatus":"H"' in wire.content(halt)
        assert '"TradingStatus":"N' in wire.content(statuses[statuses.index(halt) + 1])


def test_an_auction_bursts_with_hundreds_of_identical_prints() -> None:
    """Of the busiest symbol, at half the scale of a real day."""
    market = generate(7, DAY, Random, MarketSize.of(0.5, FEWEST_SYMBOLS, "index"))
    opening: Counter[tuple[str, int, int]] = Counter()
    for period in market.periods():
        if period[0].due_ms > at(DAY, 9, 16):
            break
        opening.update(
            (r.listing.symbol, r.price, r.ts_ms) for r in period if isinstance(r, Trade) and r.volume and r.session == "ATO"
        )
    assert max(opening.values()) > 150
    assert sum(n for (_, _, ts_ms), n in opening.items() if ts_ms == at(DAY, 9, 15)) > 1_500


def test_an_auction_is_written_as_it_is_held() -> None:
    """Nothing of it is made that nobody has asked for: in a market a hundred times as busy it is a million records."""
    stock = universe_of(DAY, FEWEST_SYMBOLS).stocks[0]
    asked_for: list[int] = []

    def fair(ms: int) -> float:
        asked_for.append(ms)
        return float(stock.reference)

    listing_day = ListingDay(stock, DAY, Random(1), fair, Plan(prints=6_000, period_ms=1_000), at(DAY, 8))
    for minute in (1, 7):
        written = listing_day.until(at(DAY, 9, minute))
        assert at(DAY, 9) <= max(asked_for) < at(DAY, 9, minute)
        assert len(written) > 5
    burst = listing_day.until(at(DAY, 9, 15, 1))
    assert sum(isinstance(record, Trade) and record.volume > 0 for record in burst) > 10


def test_the_order_book_of_odd_lots_counts_both_boards(large: MarketDay) -> None:
    matched: Counter[str] = Counter()
    odd: Counter[str] = Counter()
    seen = 0
    for record in today(large):
        symbol = record.listing.symbol
        if isinstance(record, Trade) and record.is_print:
            matched[symbol] += record.volume
        elif isinstance(record, OddLot):
            seen += 1
            odd[symbol] += record.volume
            assert 0 < record.volume < 100
            assert record.total_volume == matched[symbol] + odd[symbol]
            assert record.listing.floor <= record.price <= record.listing.ceiling
    assert seen > 100


# -- put-through


def test_deals_have_a_total_of_their_own(large: MarketDay) -> None:
    deals = 0
    for trades in trades_by_symbol(large).values():
        printed = agreed = 0
        for trade in trades:
            if trade.is_deal:
                deals += 1
                agreed += trade.volume
                assert trade.total_volume == agreed
                assert trade.listing.floor <= trade.price <= trade.listing.ceiling
            else:
                printed += trade.volume
                assert trade.total_volume == printed
    assert deals >= 10


def test_deals_and_prints_share_a_total(shared: MarketDay) -> None:
    deals = 0
    for trades in trades_by_symbol(shared).values():
        volume = value = 0
        for trade in trades:
            volume += trade.volume
            value += trade.price * trade.volume * (1000 if trade.listing.is_future else 1)
            assert (trade.total_volume, trade.total_value) == (volume, value)
            deals += trade.is_deal
    assert deals > 5


def test_an_index_has_the_deals_of_its_members(large: MarketDay, shared: MarketDay) -> None:
    for market in (large, shared):
        deals = [r for r in today(market) if isinstance(r, Trade) and r.is_deal and r.listing.exchange is Exchange.HOSE]
        (*_, vnindex) = (r for r in today(market) if isinstance(r, IndexValue) and r.listing.symbol == "VNINDEX")
        assert vnindex.put_through_volume == sum(deal.volume for deal in deals)
        assert vnindex.put_through_value == sum(deal.price * deal.volume for deal in deals)


def test_deals_can_be_in_the_totals_of_indices_alone(market: MarketDay) -> None:
    """As they are in a light market."""
    assert not any(isinstance(record, Trade) and record.is_deal for record in today(market))
    assert max(record.put_through_volume for record in today(market) if isinstance(record, IndexValue)) > 0
