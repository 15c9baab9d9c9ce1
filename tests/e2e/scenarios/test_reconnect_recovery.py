"""Reconnect recovery: SSI goes away and comes back, and nobody is left in the dark or miscounts (scenarios 15 to 18)."""

import pytest

from tests.e2e.scenarios.fake_ssi import FakeSsi, MarketDay
from tests.e2e.scenarios.viewer import Watch

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="session")]


async def test_15_when_ssi_goes_away_the_status_says_so_and_why(ssi: FakeSsi, market: MarketDay, watch: Watch) -> None:
    viewer = await watch("status")
    await market.reach("10:00:00")
    await viewer.sees("status", "a", state="up")
    async with ssi.away():
        row = await viewer.sees("status", "a", state="down")
        assert row["reason"]


async def test_16_when_ssi_comes_back_the_status_says_so(ssi: FakeSsi, market: MarketDay, watch: Watch) -> None:
    viewer = await watch("status")
    before = await viewer.sees("status", "a", state="up")
    async with ssi.away():
        await viewer.sees("status", "a", state="down")
    row = await viewer.sees("status", "a", state="up", connects=before["connects"] + 1)
    assert (row["reason"], row["epoch"] > before["epoch"]) == ("", True)


async def test_17_a_trade_after_the_reconnect_is_shown_and_what_was_missed_is_counted(
    ssi: FakeSsi, market: MarketDay, watch: Watch
) -> None:
    viewer = await watch("px", "alert")
    await market.trade("VNM", "10:00:00", price=80_200, volume=100)
    await viewer.sees("px", "VNM", total_volume=100, missed_volume=0)
    async with ssi.away():
        market.trade_unseen("VNM", price=80_300, volume=200)
    await market.trade("VNM", "10:01:00", price=80_300, volume=400)
    row = await viewer.sees("px", "VNM", total_volume=700)
    assert (row["last"], row["prints"], row["gaps"], row["missed_volume"]) == (80_300, 2, 1, 200)
    [alert] = await viewer.sees_alerts("VNM", "feed_gap", "")
    assert alert["data"]["volume"] == 200


async def test_18_every_viewer_is_told_whatever_else_it_watches(ssi: FakeSsi, market: MarketDay, watch: Watch) -> None:
    await market.reach("10:00:00")
    viewers = [await watch(channel, "status") for channel in ("px", "flow", "index")]
    for viewer in viewers:
        await viewer.sees("status", "a", state="up")
    async with ssi.away():
        for viewer in viewers:
            await viewer.sees("status", "a", state="down")
    for viewer in viewers:
        await viewer.sees("status", "a", state="up")
