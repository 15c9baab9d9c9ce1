"""The load generator: a simulator whose records come at rates of choice; ``python -m stock_tracker.bench.feed``, for a stack.

It is the simulator with another day: the same hub, REST and clock. The day is made, and written out, before anybody may connect,
so that its CPU while it plays is that of its socket alone.
"""

import argparse
import json
from datetime import datetime, time
from random import Random
from typing import Final

from connectors.ssi.simulator.core.market import MarketSize
from connectors.ssi.simulator.server import run
from connectors.ssi.simulator.settings import SimulatorSettings
from schemas.calendar import ICT
from schemas.units import TradingDay
from stock_tracker.bench.core.paced_day import OPEN, FeedRate, PacedDay, paced_day
from stock_tracker.service import log_to_stderr, run_until_signalled

DAY: Final = TradingDay(20261123)
SEED: Final = 7
SCALE: Final = 1.0
"""A market of true size: 1,900 symbols."""
_AFTER_S: Final = 3_600
"""The market's clock goes on for so long after the last record."""


def main() -> None:
    """Feed whoever connects, until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rates", required=True, help="JSON: a list of [seconds, records a second]")
    parser.add_argument("--fast", action="store_true", help="as fast as the client reads")
    asked = parser.parse_args()
    log_to_stderr()
    stretches = [FeedRate(float(seconds), float(rate)) for seconds, rate in json.loads(asked.rates)]
    paced = paced_day(DAY, SEED, Random, MarketSize.of(SCALE, None, "index"), stretches)
    settings = settings_of(paced, asked.port, fast=asked.fast)
    run_until_signalled(lambda stop: run(settings, stop, paced))


def settings_of(paced: PacedDay, port: int, *, fast: bool) -> SimulatorSettings:
    """How a simulator plays a paced day: from the open on, once the first client has subscribed."""
    # At full speed the clock only stops at the end, and the day with it.
    ends_ms = paced.ends_ms + (0 if fast else _AFTER_S * 1_000)
    return SimulatorSettings(
        port=port,
        day=paced.day,
        start=time(*OPEN),
        end=datetime.fromtimestamp(ends_ms // 1_000 + 1, ICT).time(),
        speed="max" if fast else 1.0,
        wait_for_client=True,
    )


if __name__ == "__main__":
    main()
