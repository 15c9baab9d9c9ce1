"""Full flow: what SSI says of prices, indices, futures and foreign investors, from the wire to a viewer (scenarios 1 to 7)."""

import pytest

from tests.e2e.scenarios.fake_ssi import INDEX, MarketDay
from tests.e2e.scenarios.viewer import Watch

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="session")]


async def test_01_a_quote_reaches_a_viewer_who_sees_indices_and_foreign_flow_too(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("px", "index", "flow")
    await market.index("09:30:00", INDEX + 100)
    await market.foreign("VNM", "09:30:00", bought=300)
    await market.quote("VNM", "09:30:00", bid=80_000, ask=80_500)
    row = await viewer.sees("px", "VNM", bids=[80_000, 500], asks=[80_500, 700])
    assert (row["last"], row["total_volume"]) == (None, 0)
    await viewer.sees("index", "VN30", value=INDEX + 100)
    await viewer.sees("flow", "VNM", bought=300)


async def test_02_a_trade_at_the_ask_of_the_quote_before_it_is_active_buying(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("px")
    await market.quote("VNM", "09:30:00", bid=80_000, ask=80_500)
    await market.trade("VNM", "09:30:01", price=80_500, volume=100)
    row = await viewer.sees("px", "VNM", total_volume=100)
    assert (row["active_buy"], row["active_sell"], row["neutral"]) == (100, 0, 0)
    # Prices are in VND as SSI says them: the predecessor multiplied them by a thousand.
    assert (row["last"], row["total_value"]) == (80_500, 8_050_000)


async def test_03_the_trades_of_several_symbols_are_counted_apart(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("px")
    for symbol in ("VNM", "VHM", "HPG"):
        await market.trade(symbol, "09:30:00", price=80_200, volume=50)
    for symbol in ("VNM", "VHM", "HPG"):
        row = await viewer.sees("px", symbol, total_volume=50)
        assert (row["prints"], row["repeats"], row["missed_volume"]) == (1, 0, 0)


async def test_04_an_index_shows_its_value_in_hundredths_of_a_point(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("index")
    await market.index("09:30:00", 126_250)
    row = await viewer.sees("index", "VN30", value=126_250)
    assert (row["prior_value"], row["change"], row["change_pct"]) == (125_000, 1_250, 1.0)


async def test_05_a_future_above_its_index_has_a_basis_at_a_premium(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("basis")
    await market.index("09:30:00", 125_000)
    await market.trade_future("09:30:01", price=126_000, volume=2)
    row = await viewer.sees("basis", market.future.symbol, price=126_000)
    assert (row["underlying"], row["alias"], row["index_value"]) == ("VN30", "F1M", 125_000)
    assert (row["basis"], row["basis_pct"], row["stale"]) == (1_000, 0.8, False)


async def test_06_two_viewers_are_shown_the_same(market: MarketDay, watch: Watch) -> None:
    first, second = await watch("px"), await watch("px")
    await market.quote("VNM", "09:30:00", bid=80_000, ask=80_500)
    rows = [await viewer.sees("px", "VNM", bids=[80_000, 500]) for viewer in (first, second)]
    assert rows[0] == rows[1]


async def test_07_foreign_flow_does_not_reach_a_viewer_of_prices_alone(market: MarketDay, watch: Watch) -> None:
    prices, flow = await watch("px"), await watch("flow")
    seen = len(prices.messages)
    await market.foreign("VNM", "09:30:00", bought=1_000)
    await flow.sees("flow", "VNM", bought=1_000)
    # A later trade is what shows that nothing was on its way to it.
    await market.trade("VHM", "09:30:01", price=80_200, volume=100)
    await prices.sees("px", "VHM", total_volume=100)
    assert {message.get("ch") for message in prices.messages[seen:] if message["op"] != "hb"} == {"px"}
    assert [symbol for symbol in prices.shown["px"] if prices.row("px", symbol)] == ["VHM"]
