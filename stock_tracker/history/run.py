"""Runs a load of history with the settings of this machine."""

import random
import time
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from clickhouse_connect.driver.client import Client

from connectors.ssi.history import SsiHistory
from connectors.ssi.rest import SsiRest
from connectors.ssi.settings import SsiSettings
from schemas.calendar import ICT, as_day, previous_trading_day
from schemas.units import TradingDay, UnixMs
from stock_tracker.errors import HistoryNotOver
from stock_tracker.history.load import HistoryLoad, HistoryRequest, Tell, load
from stock_tracker.stack.simulator import SimulatorClient

_CLOCK_PATH: Final = "/sim/clock"


async def run(settings: SsiSettings, archive: Client, request: HistoryRequest, tell: Tell) -> HistoryLoad:
    """Load history from the SSI that ``settings`` name.

    Args:
        settings: How to reach SSI, and what tells which day it is there.
        archive: Opened on the archive's database, which has all migrations, by a user who may write.
        request: What to load.
        tell: Told of progress.

    Raises:
        HistoryNotOver: A day of ``request`` is not over.
        NoTruth: The simulator whose clock is meant does not answer.
        SsiError: As :func:`stock_tracker.history.load.load`.
    """
    async with aiohttp.ClientSession() as http:
        today = await _today(http, settings.clock)
        if request.last >= today:
            raise HistoryNotOver(request.last, today, previous_trading_day(today))
        ssi = SsiHistory(SsiRest(http, settings), random.random)
        return await load(ssi, archive, request, lambda: UnixMs(int(time.time() * 1000)), tell)


async def _today(http: aiohttp.ClientSession, clock: str) -> TradingDay:
    """The date where SSI is: of this machine's clock in Vietnam, or of a simulator's."""
    if urlsplit(clock).scheme in ("http", "https"):
        return (await SimulatorClient(http, clock.removesuffix(_CLOCK_PATH)).clock()).trading_day
    return as_day(datetime.now(ICT).date())
