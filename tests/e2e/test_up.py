"""A simulated morning through every process: undisturbed, and with each of them killed."""

import json
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from schemas.calendar import at, day_of

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(300)]

StartUp = Callable[..., Awaitable[Any]]
MORNING = ("--seed", "7", "--speed", "120", "--for", "21", "--json")
"""08:55 to 09:37: the opening auction and the first stories are in it."""
FILLED = ("trades", "prices_daily", "foreign_ledger", "indices", "basis", "alerts")


def market_time(market_ms: int, hour: int, minute: int) -> int:
    return at(day_of(market_ms), hour, minute)


async def test_a_morning_arrives_everywhere_exactly_once(start_up: StartUp) -> None:
    outcome = await (await start_up(*MORNING)).outcome()
    result = outcome.result
    assert outcome.code == 0, outcome.said
    assert result["reconciled"] is True
    assert result["differences"] == []
    assert result["ticks_received"] == result["ticks_sent"] > 10_000
    assert result["prints"] == result["archive_rows"]["trades"] > 1_000
    assert result["missed_volume"] == 0
    assert result["foreign_entries"] == result["archive_rows"]["foreign_ledger"]
    assert all(result["archive_rows"][table] > 0 for table in FILLED)
    assert result["gateway_frames"] > 0


async def test_killing_every_process_but_the_connector_changes_nothing(start_up: StartUp) -> None:
    up = await start_up(*MORNING)
    began = await up.market_ms()
    # Up to and around the opening auction, where everything is busy, each process dies at least once.
    for minute, part in enumerate(("prices", "foreign", "sink", "indices", "archive", "gateway", "alerts", "prices", "sink"), 6):
        await up.reach(market_time(began, 9, minute))
        await up.kill(part)
    outcome = await up.outcome()
    assert outcome.code == 0, outcome.said
    assert outcome.result["reconciled"] is True
    assert outcome.result["missed_volume"] == 0
    assert outcome.result["prints"] == outcome.result["archive_rows"]["trades"] > 1_000
    assert outcome.said.count("was killed by SIGKILL") == 9


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


async def test_a_stack_that_plays_can_be_verified_and_ctrl_c_stops_it_cleanly(start_up: StartUp) -> None:
    up = await start_up("--speed", "60")
    await up.reach(market_time(await up.market_ms(), 9, 3))
    running = up.runfile
    assert running is not None
    pids = [part["pid"] for part in running.parts.values()]
    async with aiohttp.ClientSession() as session, session.get(running.urls["dashboard"]) as page:
        assert page.status == 200
        assert "<html" in await page.text()
    code, out, said = await up.command("verify", "--json")
    result = json.loads(out)
    assert (code, result["differences"]) == (0, []), said
    assert result["prints"] > 0
    stood = await up.market_ms()
    await up.reach(stood + 1)

    up.process.send_signal(signal.SIGINT)
    _, told = await up.process.communicate()
    assert up.process.returncode == 0, told.decode()
    assert up.runfile is None
    assert "Traceback" not in told.decode()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
