"""A simulated morning through every process, while each of them is killed."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from schemas.calendar import at, day_of
from schemas.units import UnixMs

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(300)]

StartUp = Callable[..., Awaitable[Any]]
MORNING = ("--seed", "7", "--speed", "120", "--for", "21", "--json")
"""08:55 to 09:37: the opening auction and the first stories are in it."""
FILLED = ("trades", "prices_daily", "foreign_ledger", "indices", "basis", "alerts")


def market_time(market_ms: int, hour: int, minute: int) -> int:
    return at(day_of(UnixMs(market_ms)), hour, minute)


async def test_killing_every_process_but_the_connector_changes_nothing(start_up: StartUp) -> None:
    up = await start_up(*MORNING)
    began = await up.market_ms()
    # Up to and around the opening auction, where everything is busy, each process dies at least once.
    for minute, part in enumerate(("prices", "foreign", "sink", "indices", "archive", "gateway", "alerts", "prices", "sink"), 6):
        await up.reach(market_time(began, 9, minute))
        await up.kill(part)
    outcome = await up.outcome()
    result = outcome.result
    assert outcome.code == 0, outcome.said
    assert outcome.said.count("was killed by SIGKILL") == 9
    assert result["reconciled"] is True
    assert result["differences"] == []
    assert result["ticks_received"] == result["ticks_sent"] > 10_000
    assert result["prints"] == result["archive_rows"]["trades"] > 1_000
    assert result["missed_volume"] == 0
    assert result["foreign_entries"] == result["archive_rows"]["foreign_ledger"]
    assert all(result["archive_rows"][table] > 0 for table in FILLED)
    assert result["gateway_messages"] > 0


async def test_killing_the_connector_loses_only_what_no_connection_carried_and_counts_it(start_up: StartUp) -> None:
    up = await start_up(*MORNING)
    began = await up.market_ms()
    for minute in (16, 22, 29):
        await up.reach(market_time(began, 9, minute))
        await up.kill("connector")
    outcome = await up.outcome()
    tape = outcome.result["tape"]
    assert outcome.code == 0, outcome.said
    assert outcome.result["reconciled"] is True
    assert tape["withheld"] > 0
    assert outcome.result["missed_volume"] > 0
    assert tape["booked"] == outcome.result["archive_rows"]["trades"] - outcome.result["tape"]["gaps"]
