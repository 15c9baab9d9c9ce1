"""The pictures of the papers: ``make pictures`` takes them of a stack that plays, and of what the page says when something fails.

They are not compared with anything. What they show is what other tests hold; without SCREENSHOTS none is taken.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import FloatRect, Page, ViewportSize, expect

from schemas.calendar import at, day_of
from tests.e2e.running_up import RunningUp, StartUp

SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""Where to leave pictures of the page."""
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.clickhouse,
    pytest.mark.browser,
    pytest.mark.skipif(not SCREENSHOTS, reason="only `make pictures` takes them"),
]
LAPTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
UPPER_PART: FloatRect = {"x": 0, "y": 0, "width": 1440, "height": 330}
AFTER_S = (1, 5, 20)
"""How long after something failed the page is looked at."""
FAILURES = {"lag": "prices", "hang": "gateway", "feed": "connector"}
"""What is told of, and the process that is stopped for it."""
PLACES = {
    "dashboard": "board/VN30",
    "hose": "board/HOSE",
    "futures": "board/FUT",
    "foreign": "foreign",
    "derivatives": "derivatives",
    "alerts": "alerts",
    "status": "status",
    "chart": "board/VN30/HPG",
    "tape": "board/VN30/HPG/tape",
    "why": "board/VN30/HPG/why",
}


class Photographer:
    """Takes pictures of one page."""

    def __init__(self, up: RunningUp, page: Page) -> None:
        self._url = up.running.urls["dashboard"]
        self._page = page

    async def go(self, place: str) -> None:
        """Go to ``place`` and wait until it stands."""
        await self._page.goto(f"{self._url}#{place}")
        await expect(self._page.locator("[data-index=VNINDEX] .value")).to_be_visible()
        await expect(self._page.locator("body:not(.stale) .connection.live")).to_be_visible()
        await self._page.wait_for_load_state("networkidle")
        await asyncio.sleep(2)  # for the look of it: what the archive says is drawn when it comes

    async def take(self, name: str, clip: FloatRect | None = None) -> None:
        """Leave a picture called ``name`` of the page as it stands, or of a part of it."""
        assert SCREENSHOTS is not None
        await self._page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"), clip=clip)


async def test_pictures_of_every_page_and_of_every_failure(start_up: StartUp, new_page: Callable[[], Awaitable[Page]]) -> None:
    up = start_up("--seed", "7", "--speed", "20", SIM_PUT_THROUGH="own")
    assert SCREENSHOTS is not None
    await asyncio.to_thread(Path(SCREENSHOTS).mkdir, parents=True, exist_ok=True)
    day = day_of(await up.market_ms())
    await up.reach(at(day, 9, 20))
    page = await new_page()
    camera = Photographer(up, page)
    for name, place in PLACES.items():
        await camera.go(place)
        await camera.take(name)
    await page.locator(".drawer .close").click()
    await page.locator(".choices button[lang=en]").click()
    await page.locator(".theme").click()
    await camera.go("board/HOSE")
    await camera.take("english-light")
    await page.set_viewport_size(PHONE)
    for name in ("dashboard", "foreign", "why"):
        await camera.go(PLACES[name])
        await camera.take(f"{name}-phone")
    await page.set_viewport_size(LAPTOP)
    await page.locator(".drawer .close").click()
    await page.locator(".choices button[lang=vi]").click()
    await page.locator(".theme").click()
    await page.keyboard.press("Escape")

    for failure, part in FAILURES.items():
        await camera.go(PLACES["dashboard"])
        await expect(page.locator(".connection.live")).to_be_visible()
        pid = up.running.parts[part]["pid"]
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            for after_s in AFTER_S:
                await asyncio.sleep(max(0.0, stopped + after_s - time.monotonic()))
                await camera.take(f"{failure}-{after_s}", UPPER_PART)
        finally:
            os.kill(pid, signal.SIGCONT)
        await page.reload()
        await expect(page.locator("body:not(.stale) .connection.live")).to_be_visible()
