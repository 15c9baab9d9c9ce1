"""A stack as a newcomer starts it: the browser shows what the simulated market does, it verifies, and Ctrl-C stops it."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from schemas.calendar import at, day_of

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.browser, pytest.mark.timeout(240)]

SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""Where to leave pictures of the page; nowhere when it is not set."""


def shown(price: int) -> str:
    """A stock's price as boards write it: thousand VND, two decimals."""
    return f"{price / 1000:,.2f}"


async def equals_the_simulator_s(up: Any, symbol: str, cell: Locator) -> str:
    """Hold the market, and see that the page comes to show its last price of ``symbol``; return that price as shown."""
    await up.simulator.hold()
    try:
        prints = [line for line in (await up.simulator.truth()).prints if line.symbol == symbol]
        price = shown(prints[-1].price)
        await expect(cell).to_have_text(price, timeout=20_000)
        return price
    finally:
        await up.simulator.resume()


async def it_verifies_while_it_plays(up: Any) -> None:
    """Run ``verify`` on the moving market: it stands meanwhile, everything is where it belongs, and it goes on."""
    code, out, said = await up.command("verify", "--json")
    result = json.loads(out)
    assert (code, result["differences"]) == (0, []), said
    assert result["prints"] > 0
    stood = await up.market_ms()
    await up.reach(stood + 1)


async def ctrl_c_stops_it_cleanly(up: Any) -> None:
    """Press Ctrl-C: exit code 0, no traceback, no process left."""
    running = up.runfile
    assert running is not None
    pids = [part["pid"] for part in running.parts.values()]
    up.process.send_signal(signal.SIGINT)
    _, told = await up.process.communicate()
    assert up.process.returncode == 0, told.decode()
    assert up.runfile is None
    assert "Traceback" not in told.decode()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_price_equals_the_simulator_s_and_turns_purple_then_the_stack_verifies_and_stops(
    start_up: Callable[..., Awaitable[Any]], chromium: Browser, watched: Callable[[Page], list[str]]
) -> None:
    up = await start_up("--seed", "7", "--speed", "90")
    began = await up.market_ms()
    story = next(s for s in (await up.simulator.truth()).header.stories if s.name == "ceiling")
    running = up.runfile
    assert running is not None
    page = await chromium.new_page(viewport={"width": 1440, "height": 900})
    complaints = watched(page)
    await page.goto(running.urls["dashboard"])
    last = page.locator(f"tr[data-symbol={story.symbol}] .last")

    await up.reach(at(day_of(began), 9, 17))
    first = await equals_the_simulator_s(up, story.symbol, last)
    await expect(last).not_to_have_text(first, timeout=30_000)
    await equals_the_simulator_s(up, story.symbol, last)

    await expect(last).to_contain_class("ceiling", timeout=60_000)
    at_ceiling = await equals_the_simulator_s(up, story.symbol, last)
    await expect(page.locator(f"tr[data-symbol={story.symbol}] .ceiling-price")).to_have_text(at_ceiling)
    purple = await last.evaluate("cell => getComputedStyle(cell).color")
    red, green, blue = map(int, re.findall(r"\d+", purple)[:3])
    assert red > green < blue, "purple is red and blue"

    if SCREENSHOTS:
        await up.reach(at(day_of(began), 9, 45))
        await asyncio.to_thread(Path(SCREENSHOTS).mkdir, parents=True, exist_ok=True)
        await page.screenshot(path=str(Path(SCREENSHOTS) / "dashboard.png"))
    assert complaints == []

    await it_verifies_while_it_plays(up)
    await ctrl_c_stops_it_cleanly(up)
