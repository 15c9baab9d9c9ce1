"""Session lifecycle: the phases of a day, and a new day (scenarios 19 to 23)."""

from typing import Any

import pytest

from tests.e2e.scenarios.fake_ssi import CEILING, FakeSsi, MarketDay
from tests.e2e.scenarios.viewer import Watch

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="session")]


def volumes(row: dict[str, Any]) -> dict[str, int]:
    """What was traded in each phase, whoever made the prints."""
    return {phase["phase"]: phase["buy"] + phase["sell"] + phase["neutral"] for phase in row["phases"]}


async def test_19_the_opening_auction_is_counted_as_such_only(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("px")
    await market.trade("VNM", "09:15:05", price=80_200, volume=100, session="ATO")
    row = await viewer.sees("px", "VNM", total_volume=100)
    assert volumes(row) == {"ato": 100}
    # One price for all: nobody came to the other's.
    assert (row["active_buy"], row["active_sell"], row["neutral"], row["open"]) == (0, 0, 100, 80_200)


async def test_20_continuous_trading_and_the_closing_auction_are_counted_apart(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("px")
    await market.trade("VNM", "10:00:00", price=80_200, volume=50)
    await market.trade("VNM", "10:00:01", price=80_300, volume=50)
    await market.trade("VNM", "14:45:03", price=80_400, volume=200, session="ATC")
    row = await viewer.sees("px", "VNM", total_volume=300)
    assert volumes(row) == {"continuous": 100, "atc": 200}


async def test_21_a_new_day_begins_at_nothing_and_yesterdays_board_stays_until_then(
    ssi: FakeSsi, market: MarketDay, watch: Watch
) -> None:
    viewer = await watch("px", "flow", "alert")
    await market.quote("VNM", "14:45:03", bid=80_200, ask=80_300)
    await market.trade("VNM", "14:45:03", price=80_200, volume=100, session="ATC")
    await market.foreign("VNM", "14:45:03", bought=1_000)
    await market.reach("14:45:04")
    closing = await viewer.sees("px", "VNM", total_volume=100)
    await viewer.sees("flow", "#market", bought=1_000)

    tomorrow = await ssi.next_day()
    viewer.day = tomorrow.day
    # A row of the new day shows that it has begun, for every symbol; of VNM nothing was said yet.
    await viewer.sees("flow", "#market", bought=0, bought_value=0, buyers=[])
    shown = viewer.shown["px"]["VNM"]
    assert [shown[name] for name in ("day", "bids", "asks", "last")] == [closing["day"], [80_200, 500], [80_300, 700], 80_200]

    await tomorrow.quote("VNM", "09:30:00", bid=80_000, ask=80_100)
    row = await viewer.sees("px", "VNM", bids=[80_000, 500])
    assert (row["last"], row["total_volume"], row["prints"], row["phases"]) == (None, 0, 0, [])
    assert (row["previous_close"], row["active_buy"], row["neutral"]) == (80_200, 0, 0)


async def test_22_the_phases_of_a_day_add_up_to_its_volume(market: MarketDay, watch: Watch) -> None:
    viewer = await watch("px")
    await market.trade("VNM", "09:15:05", price=80_200, volume=100, session="ATO")
    await market.trade("VNM", "10:00:00", price=80_300, volume=200)
    await market.trade("VNM", "14:45:03", price=80_400, volume=50, session="ATC")
    row = await viewer.sees("px", "VNM", total_volume=350)
    assert volumes(row) == {"ato": 100, "continuous": 200, "atc": 50}
    assert row["active_buy"] + row["active_sell"] + row["neutral"] == 350


async def test_23_on_a_new_day_a_trade_is_judged_by_the_quotes_of_that_day(ssi: FakeSsi, market: MarketDay, watch: Watch) -> None:
    viewer = await watch("px", "alert")
    await market.quote("VNM", "14:29:00", bid=80_400, ask=80_500)
    await market.trade("VNM", "14:29:01", price=80_500, volume=300)
    await viewer.sees("px", "VNM", total_volume=300, active_buy=300)

    tomorrow = await ssi.next_day()
    viewer.day = tomorrow.day
    await tomorrow.quote("VNM", "09:30:00", bid=80_600, ask=80_700)
    # At the bid of today, and above the ask of yesterday.
    await tomorrow.trade("VNM", "09:30:01", price=80_600, volume=50)
    row = await viewer.sees("px", "VNM", total_volume=50)
    assert (row["active_buy"], row["active_sell"], row["neutral"]) == (0, 50, 0)
    # The predecessor kept its quotes: alerts of the day before went on.
    await tomorrow.trade("VNM", "09:30:02", price=CEILING, volume=100)
    await viewer.sees_alerts("VNM", "price_limit", "up")
