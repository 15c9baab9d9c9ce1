"""The market stands while it is verified, and goes on afterwards as it would have gone on."""

import pytest

from connectors.ssi.simulator.core.truth import ClockReading, PlayState
from schemas.units import TradingDay, UnixMs
from stock_tracker.verify.stack import stopped_market


class Market:
    """Says how its clock is, and notes what it is asked to do."""

    def __init__(self, state: PlayState, stand_ms: UnixMs | None = None) -> None:
        self.asked: list[str | tuple[str, UnixMs | None]] = []
        self._reading = ClockReading(
            market_ms=UnixMs(2_000), speed=60.0, state=state, trading_day=TradingDay(20261120), start_ms=UnixMs(1_000),
            end_ms=UnixMs(9_000), stand_ms=stand_ms, seed=7,
        )  # fmt: skip

    async def clock(self) -> ClockReading:
        return self._reading

    async def hold(self) -> None:
        self.asked.append("hold")

    async def resume(self, until: UnixMs | None = None) -> None:
        self.asked.append(("resume", until))


@pytest.mark.parametrize("stand_ms", [None, UnixMs(5_000)])
async def test_a_market_that_plays_stands_meanwhile_and_goes_on_to_where_it_was_going(stand_ms: UnixMs | None) -> None:
    market, told = Market("running", stand_ms), list[str]()
    async with stopped_market(market, told.append):
        assert market.asked == ["hold"]
    assert market.asked == ["hold", ("resume", stand_ms)]
    assert told == ["The simulated market is stopped meanwhile"]


@pytest.mark.parametrize("state", ["waiting", "held", "finished"])
async def test_a_market_that_does_not_play_is_let_be(state: PlayState) -> None:
    market, told = Market(state), list[str]()
    async with stopped_market(market, told.append):
        pass
    assert (market.asked, told) == ([], [])
