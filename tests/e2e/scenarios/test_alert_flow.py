"""Alert flow: what our own rules find in trades, and that they say it once (scenarios 12 to 14)."""

import pytest

from tests.e2e.scenarios.fake_ssi import CEILING, FLOOR, MarketDay
from tests.e2e.scenarios.viewer import Watch

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="session")]


async def test_12_a_trade_many_times_the_usual_size_is_a_volume_spike(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("alert")
    for minute in range(20):
        await market.trade("VNM", f"10:{minute:02}:00", price=80_200, volume=100, side="BU")
    await market.trade("VNM", "10:19:30", price=80_200, volume=20_000, side="BU")
    [alert] = await viewer.sees_alerts("VNM", "volume_spike", "buy")
    # The spike itself is no part of the average that it is compared with.
    assert (alert["data"]["average_volume"], alert["data"]["ratio"], alert["data"]["volume"]) == (100.0, 200.0, 20_000)


async def test_13_a_trade_at_the_ceiling_is_a_critical_alert_with_its_price(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("alert")
    await market.quote("VNM", "10:00:00", bid=85_700, ask=CEILING)
    await market.trade("VNM", "10:00:01", price=CEILING, volume=100)
    [alert] = await viewer.sees_alerts("VNM", "price_limit", "up")
    assert (alert["severity"], alert["data"]) == ("critical", {"price": CEILING, "limit": "ceiling"})
    # The predecessor wrote 86.
    assert "85.8" in alert["message"] or "85,800" in alert["message"]


async def test_14_a_stock_that_stays_at_its_ceiling_is_told_once(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("alert")
    for clock in ("10:00:00", "10:00:10", "10:05:00"):
        await market.trade("VNM", clock, price=CEILING, volume=100)
    # The alert of the floor comes behind whatever those at the ceiling may have made. The predecessor kept it back for a minute.
    await market.trade("VNM", "10:05:10", price=FLOOR, volume=100)
    await viewer.sees_alerts("VNM", "price_limit", "up", "down")
