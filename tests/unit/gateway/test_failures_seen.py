"""What the page says 1, 5 and 20 seconds after a pipeline lags, the gateway hangs, the feed dies.

Neither side waits for anything here: the gateway's clock is a number, and the browser's stands until the test moves it. A second
passes on both, then what was written in it is read, and only then does the next one pass.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, WebSocket, expect

from gateway.app import Gateway
from gateway.core.board import Board
from gateway.core.events import Recents
from gateway.core.limits import ClientLimits
from gateway.core.rows import SOURCES, change_of
from gateway.core.status import Connectors
from gateway.fanout import Client, Fanout, Outlet
from gateway.settings import GatewaySettings
from schemas.position import Position
from schemas.structs import ShardProgress
from schemas.topics import RECORD_TOPICS, STATE_PRICES
from tests.builders import a_feed_status
from tests.patience import reached

pytestmark = pytest.mark.browser

ROW = json.loads((Path(__file__).parents[3] / "schemas/examples/state.prices/at_the_ceiling.json").read_text())
NO_ARCHIVE = "http://127.0.0.1:9"
BEGAN_MS = 1_795_140_900_000
"""By both clocks."""
ON_THE_WAY_MS = 600
"""How long it takes from the connector to the row on the board."""
SHARDS = 3
DRAWN_MS = 40
"""Of a second in which something came, so much is left for the page to draw it: two frames of the screen."""


class CountingOutlet:
    """Counts what is written to a client."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self.frames = 0

    @property
    def writable(self) -> bool:
        return self._outlet.writable

    def write(self, payloads: Sequence[bytes]) -> int:
        self.frames += len(payloads)
        return self._outlet.write(payloads)

    def write_bodies(self, first: int, bodies: Sequence[bytes]) -> int:
        self.frames += len(bodies)
        return self._outlet.write_bodies(first, bodies)


class Hanging(Fanout):
    """Says nothing to anybody while it hangs; connections to it stand, and what was said to it meanwhile is heard afterwards."""

    hangs = False
    outlets: list[CountingOutlet]
    put_off: list[Callable[[], None]]

    def join(self, client: Client) -> None:
        client.outlet = outlet = CountingOutlet(client.outlet)
        self.outlets.append(outlet)
        self._do(partial(super().join, client))

    def receive(self, client: Client, text: str) -> None:
        self._do(partial(super().receive, client, text))

    def _do(self, what: Callable[[], None]) -> None:
        if self.hangs:
            self.put_off.append(what)
        else:
            what()

    def go_on(self) -> None:
        self.hangs = False
        for what in self.put_off:
            what()
        self.put_off.clear()


class Market:
    """A connector, pipelines and a gateway, and a page that watches them."""

    def __init__(self, fanout: Hanging, clock: list[int], page: Page) -> None:
        self._fanout, self._clock, self.page = fanout, clock, page
        self._read = 0
        self.feed_lives = True
        self.pipelines_run = True
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._received)

    def _received(self, _frame: object) -> None:
        self._read += 1

    async def seen(self) -> None:
        """Wait until the page has read, and drawn, what was written to it."""
        await reached(lambda: self._read == sum(outlet.frames for outlet in self._fanout.outlets), "what the gateway wrote")
        await self.page.clock.run_for(DRAWN_MS)

    def _say(self) -> None:
        now_ms = self._clock[0]
        if self.feed_lives:
            self._fanout.hear(a_feed_status("a", ts_us=now_ms * 1_000, market_ms=now_ms), now_ms)
            if self.pipelines_run:
                at_us = (now_ms - ON_THE_WAY_MS) * 1_000
                shards = [(topic.name, number) for topic in RECORD_TOPICS for number in range(SHARDS)]
                self._fanout.reach(ShardProgress(topic=topic, partition=n, offset=0, recv_us=at_us) for topic, n in shards)
        self._fanout.watch()

    async def pass_(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.page.clock.run_for(1_000 - DRAWN_MS)
            self._clock[0] += 1_000
            if not self._fanout.hangs:
                self._say()
            await self.seen()


@pytest.fixture
def clock() -> list[int]:
    """The gateway's, in milliseconds."""
    return [BEGAN_MS]


@pytest.fixture
def fanout(board: Board, events: Recents, clock: list[int]) -> Hanging:
    fanout = Hanging(board, events, Connectors(), ClientLimits(), lambda: clock[0], reason=str)
    fanout.outlets, fanout.put_off = [], []
    fanout.begin("0123abcd", SHARDS)
    source = next(source for source in SOURCES if source.topic is STATE_PRICES)
    row = STATE_PRICES.decode(json.dumps(ROW | {"symbol": "VNM", "exchange": "HOSE"}).encode())
    fanout.apply([change_of(source, Position(STATE_PRICES.name, 0, 1), row)])
    fanout.complete()
    return fanout


@pytest_asyncio.fixture
async def market(fanout: Hanging, clock: list[int], new_page: Callable[[], Awaitable[Page]]) -> AsyncIterator[Market]:
    """The board of HOSE, on which a price is purple, at ten seconds of a feed that lives."""
    async with TestServer(
        Gateway(GatewaySettings(kafka={}, topic_prefix="", archive_url=NO_ARCHIVE), fanout, str).application()
    ) as server:
        page = await new_page()
        # A page's clock runs until it is told to stand, and cannot stand at a time that is over.
        await page.clock.install(time=clock[0] / 1_000 - 3_600)
        await page.clock.pause_at(clock[0] / 1_000)
        market = Market(fanout, clock, page)
        await page.goto(f"http://127.0.0.1:{server.port}/#board/HOSE")

        async def is_shown() -> bool:
            await page.clock.run_for(DRAWN_MS)
            return await page.locator("tr[data-symbol=VNM] .last.ceiling").count() == 1

        await reached(is_shown, "a price")
        clock[0] = await page.evaluate("Date.now()")
        await market.pass_(10)
        await expect(page.locator("body:not(.stale) .connection.live")).to_be_visible()
        await expect(page.locator(".feed.up")).to_be_visible()
        await expect(page.locator(".age b")).to_have_text("0.6 s")
        yield market
        # Its socket first: the server would wait for that.
        await page.goto("about:blank")


async def is_grey(page: Page) -> bool:
    """Whether nothing of the market is in colour."""
    colour = "() => getComputedStyle(document.querySelector('tr[data-symbol=VNM] .last')).color"
    muted = "() => getComputedStyle(document.querySelector('.units')).color"
    is_stale = await page.locator("body.stale").count() == 1
    assert is_stale == (await page.evaluate(colour) == await page.evaluate(muted))
    return is_stale


async def test_a_pipeline_that_lags_greys_the_page_with_its_age_and_the_feed_stays_up(market: Market) -> None:
    page = market.page
    market.pipelines_run = False
    await market.pass_(1)
    assert not await is_grey(page)
    await market.pass_(1)
    await expect(page.locator(".age b")).to_have_text("2.6 s")
    await market.pass_(3)
    assert await is_grey(page)
    await expect(page.locator(".banner")).to_contain_text("Dữ liệu đến chậm")
    await expect(page.locator(".feed.up")).to_be_visible()
    await market.pass_(15)
    assert await is_grey(page)
    await expect(page.locator(".banner")).to_contain_text("21 s")
    await expect(page.locator(".feed.up")).to_be_visible()
    market.pipelines_run = True
    await market.pass_(1)
    assert not await is_grey(page)


async def test_a_feed_that_dies_is_called_silent_in_the_second_in_which_the_page_turns_grey(market: Market) -> None:
    page = market.page
    market.feed_lives = False
    for second in range(1, 21):
        await market.pass_(1)
        grey = await is_grey(page)
        assert grey == (await page.locator(".feed.silent").count() == 1), second
        assert grey != (await page.locator(".feed.up").count() == 1), second
        if second in (5, 20):
            assert grey
            await expect(page.locator(".banner")).to_contain_text("Nguồn SSI không gửi dữ liệu")
        elif second == 1:
            assert not grey
    await page.get_by_role("button", name="EN").click()
    await page.clock.run_for(DRAWN_MS)
    await expect(page.locator(".banner")).to_contain_text("connector a has said nothing for 5 s")
    market.feed_lives = True
    await market.pass_(1)
    assert not await is_grey(page)
    await expect(page.locator(".feed.up")).to_be_visible()


async def test_a_gateway_that_hangs_greys_the_page_is_left_and_found_again(market: Market, fanout: Hanging) -> None:
    page = market.page
    fanout.hangs = True
    await market.pass_(1)
    assert not await is_grey(page)
    await market.pass_(4)
    assert await is_grey(page)
    await expect(page.locator(".connection.hung")).to_be_visible()
    await expect(page.locator(".banner")).to_contain_text("Máy chủ không trả lời")
    await expect(page.locator(".feed.unknown")).to_be_visible()
    await market.pass_(15)
    assert await is_grey(page)
    await expect(page.locator(".banner")).to_contain_text("Mất kết nối")
    await expect(page.locator(".connection.waiting, .connection.connecting")).to_be_visible()
    await expect(page.locator(".feed.unknown")).to_be_visible()
    fanout.go_on()
    await market.pass_(2)
    await expect(page.locator(".connection.live")).to_be_visible()
    assert not await is_grey(page)
    await expect(page.locator(".feed.up")).to_be_visible()
