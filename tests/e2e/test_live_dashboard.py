"""The dashboard over the whole chain: what the browser shows is what the simulated market does at that moment."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from schemas.calendar import at, day_of

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.browser, pytest.mark.timeout(240)]

SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""Where to leave pictures of the page; nowhere when it is not set."""
BEHIND_S = 3.0
"""How far the page may be behind the simulator: the throttle of half a second, and a busy machine."""
SPEED = 60


def shown(price: int) -> str:
    """A stock's price as boards write it: thousand VND, two decimals."""
    return f"{price / 1000:,.2f}"


async def prices_at_that_moment(up: Any, symbol: str, read: Callable[[], Awaitable[str]]) -> tuple[str, set[str]]:
    """What the page says, and the prices of ``symbol`` that the simulator had when it could have known them."""
    before = await up.market_ms()
    said = await read()
    truth = await up.simulator.truth()
    prints = [line for line in truth.prints if line.symbol == symbol]
    earliest = before - BEHIND_S * SPEED * 1000
    standing = [line.price for line in prints if line.due_ms <= earliest][-1:]
    return said, {shown(price) for price in [*standing, *(line.price for line in prints if line.due_ms > earliest)]}


async def test_a_price_equals_the_simulator_s_changes_and_turns_purple_at_its_ceiling(
    start_up: Callable[..., Awaitable[Any]], chromium: Browser, watched: Callable[[Page], list[str]]
) -> None:
    up = await start_up("--seed", "7", "--speed", str(SPEED))
    began = await up.market_ms()
    story = next(s for s in (await up.simulator.truth()).header.stories if s.name == "ceiling")
    running = up.runfile
    assert running is not None
    page = await chromium.new_page(viewport={"width": 1440, "height": 900})
    complaints = watched(page)
    await page.goto(running.urls["dashboard"])
    last = page.locator(f"tr[data-symbol={story.symbol}] .last")

    await up.reach(at(day_of(began), 9, 17))
    await expect(last).not_to_have_text("", timeout=20_000)
    first, possible = await prices_at_that_moment(up, story.symbol, last.inner_text)
    assert first in possible

    await expect(last).not_to_have_text(first, timeout=30_000)
    second, possible = await prices_at_that_moment(up, story.symbol, last.inner_text)
    assert second in possible

    await expect(last).to_contain_class("ceiling", timeout=60_000)
    ceiling = await page.locator(f"tr[data-symbol={story.symbol}] .ceiling-price").inner_text()
    at_ceiling, possible = await prices_at_that_moment(up, story.symbol, last.inner_text)
    assert at_ceiling in possible
    assert at_ceiling == ceiling
    purple = await last.evaluate("cell => getComputedStyle(cell).color")
    assert purple == await page.locator(f"tr[data-symbol={story.symbol}] .ceiling-price").evaluate(
        "cell => getComputedStyle(cell).color"
    )
    red, green, blue = map(int, re.findall(r"\d+", purple)[:3])
    assert red > green < blue, "purple is red and blue"

    if SCREENSHOTS:
        await up.reach(at(day_of(began), 9, 45))
        await asyncio.to_thread(Path(SCREENSHOTS).mkdir, parents=True, exist_ok=True)
        await page.screenshot(path=str(Path(SCREENSHOTS) / "dashboard.png"))
    assert complaints == []
