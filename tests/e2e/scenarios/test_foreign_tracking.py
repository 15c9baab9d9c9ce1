"""Foreign tracking: counters since the open, added up by symbol and market (scenarios 8 to 11).

What foreigners did in the market is told when a market second is over.
"""

import pytest

from tests.e2e.scenarios.fake_ssi import REFERENCE, MarketDay
from tests.e2e.scenarios.viewer import Watch

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="session")]


async def test_08_what_foreigners_did_in_a_symbol_is_what_they_did_in_the_market(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("flow")
    await market.foreign("VNM", "09:30:00", bought=1_000, sold=500)
    await market.reach("09:30:01")
    row = await viewer.sees("flow", "VNM", bought=1_000, sold=500)
    assert (row["net_volume"], row["net_value"]) == (500, 500 * REFERENCE)
    row = await viewer.sees("flow", "#market", bought=1_000, sold=500)
    assert (row["bought_value"], row["sold_value"]) == (1_000 * REFERENCE, 500 * REFERENCE)


async def test_09_the_market_is_the_sum_of_its_symbols_and_follows_an_update(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("flow")
    for symbol in ("VNM", "VHM", "HPG"):
        await market.foreign(symbol, "09:30:00", bought=1_000, sold=200)
    await market.reach("09:30:01")
    await viewer.sees("flow", "#market", bought=3_000, sold=600)
    await market.foreign("VHM", "09:30:05", bought=1_500, sold=900)
    await market.reach("09:30:06")
    row = await viewer.sees("flow", "#market", bought=3_500, sold=1_300)
    assert row["net_value"] == 2_200 * REFERENCE
    assert [viewer.shown["flow"][symbol]["bought"] for symbol in ("VNM", "VHM", "HPG")] == [1_000, 1_500, 1_000]


async def test_10_a_net_buyer_is_among_the_buyers_and_a_net_seller_among_the_sellers_only(
    market: MarketDay, watch: Watch
) -> None:
    viewer = await watch("flow")
    await market.foreign("VNM", "09:30:00", bought=5_000, sold=1_000)
    await market.foreign("VHM", "09:30:00", bought=1_000, sold=3_000)
    await market.reach("09:30:01")
    row = await viewer.sees("flow", "#market", bought=6_000, sold=4_000)
    # The predecessor filled each list up to five, with symbols that belong on the other one.
    assert row["buyers"] == [{"symbol": "VNM", "net_value": 4_000 * REFERENCE, "net_volume": 4_000}]
    assert row["sellers"] == [{"symbol": "VHM", "net_value": -2_000 * REFERENCE, "net_volume": -2_000}]


async def test_11_a_counter_is_added_up_through_its_restart_and_its_speed_decays(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("flow")
    await market.foreign("VNM", "10:00:00", bought=1_000, sold=1_000)
    await market.foreign("VNM", "10:10:00", bought=2_000, sold=1_000)
    row = await viewer.sees("flow", "VNM", bought=2_000, sold=1_000)
    assert (row["buy_speed_1m"], row["sell_speed_1m"]) == (1_000, 0)
    await market.reach("10:20:00")
    # Nothing was bought for ten minutes, and no record had to say so.
    await viewer.sees("flow", "VNM", bought=2_000, buy_speed_1m=0, buy_speed_5m=0)
    # SSI counts from zero again: what was counted before stays.
    await market.foreign("VNM", "10:20:10", bought=300, sold=1_000)
    await market.foreign("VNM", "10:20:20", bought=700, sold=1_000)
    row = await viewer.sees("flow", "VNM", bought=2_700)
    assert (row["sold"], row["suspects"], row["unresolved"]) == (1_000, 0, 0)
