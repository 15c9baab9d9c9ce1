"""How the page asks for a token where the gateway has accounts, in a real browser."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import OctKey
from playwright.async_api import Page, expect

from gateway.app import Gateway
from gateway.core.board import Board
from gateway.core.events import Recents
from gateway.core.limits import ClientLimits
from gateway.core.rows import SOURCES, change_of
from gateway.core.status import Connectors
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from schemas.position import Position
from schemas.topics import STATE_PRICES
from tests.page_checks import english_on, serious_on, too_small_on

pytestmark = pytest.mark.browser

SECRET = "not-so-secret-but-long-enough-for-a-test"
HOUR_S = 3_600
ROW = json.loads((Path(__file__).parents[3] / "schemas/examples/state.prices/at_the_ceiling.json").read_text())
NO_ARCHIVE = "http://127.0.0.1:9"


class Accounts:
    """A gateway that wants tokens, with a price of VNM."""

    def __init__(self, board: Board, events: Recents) -> None:
        self.now_ms = time.time_ns() // 1_000_000
        self.fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: self.now_ms, reason=str)
        self.url = ""
        self.tell(7_490)

    def tell(self, last: int, place: int = 1) -> None:
        """Put a price onto the board."""
        source = next(source for source in SOURCES if source.topic is STATE_PRICES)
        fields = ROW | {"symbol": "VNM", "exchange": "HOSE", "last": last, "src": ROW["src"] + place}
        row = STATE_PRICES.decode(json.dumps(fields).encode())
        self.fanout.apply([change_of(source, Position(STATE_PRICES.name, 0, place), row)])

    def token(self, secret: str = SECRET, hours: int = 1, **claims: Any) -> str:
        """Good from now on for ``hours``, and for everything if nothing else is said."""
        exp = self.now_ms // 1_000 + hours * HOUR_S
        return jwt.encode({"alg": "HS256"}, {"sub": "an analyst", "exp": exp} | claims, OctKey.import_key(secret))


@pytest_asyncio.fixture
async def accounts(board: Board, events: Recents) -> AsyncIterator[Accounts]:
    accounts = Accounts(board, events)
    settings = GatewaySettings(kafka={}, topic_prefix="", jwt_secret=SECRET, archive_url=NO_ARCHIVE)
    async with TestServer(Gateway(settings, accounts.fanout, str).application()) as server:
        accounts.url = f"http://127.0.0.1:{server.port}/#board/HOSE"
        yield accounts


@pytest_asyncio.fixture
async def page(new_page: Callable[[], Awaitable[Page]]) -> Page:
    return await new_page()


async def sign_in(page: Page, token: str) -> None:
    await page.locator("#token").fill(token)
    await page.locator(".signin button").click()


async def kept(page: Page) -> tuple[str | None, int]:
    """The token that this tab keeps, and how much the browser keeps for longer that looks like one."""
    return (
        await page.evaluate("sessionStorage.getItem('token')"),
        await page.evaluate("Object.values(localStorage).filter((text) => text.includes('eyJ')).length"),
    )


async def test_a_page_without_a_token_asks_for_one_says_why_one_is_refused_and_goes_on_with_a_good_one(
    accounts: Accounts, page: Page, watched: Callable[[Page], list[str]]
) -> None:
    complaints = watched(page)
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    await page.goto(accounts.url)
    await page.evaluate("window.unloaded = false")
    form, price = page.locator(".signin"), page.locator("tr[data-symbol=VNM] .last")
    await expect(form).to_have_attribute("data-why", "asked")
    await expect(form).to_contain_text("Máy chủ này cần đăng nhập")
    await expect(page.locator("#token")).to_be_focused()
    await expect(price).to_have_count(0)
    assert sent == []

    await sign_in(page, "what is this?")
    await expect(page.locator("#token-note")).to_contain_text("Đây không phải là mã truy cập")
    assert sent == []

    await sign_in(page, accounts.token("another-secret-that-is-long-enough-too"))
    await expect(form).to_have_attribute("data-why", "refused")
    await expect(form).to_contain_text("Máy chủ không nhận mã này")
    await page.get_by_role("button", name="EN").click()
    await expect(form).to_contain_text("The gateway does not take this token")
    assert await kept(page) == (None, 0)

    sent.clear()
    token = accounts.token()
    await sign_in(page, f" Bearer {token}\n")
    await expect(price).to_have_text("7.49")
    await expect(form).to_have_count(0)
    assert json.loads(sent[0]) == {"op": "auth", "token": token}
    assert await kept(page) == (token, 0)
    assert token not in page.url
    assert await page.evaluate("window.unloaded") is False

    # A reload is no reason to ask again; another tab is.
    await page.reload()
    await expect(price).to_have_text("7.49")
    assert complaints == []
    async with page.context.expect_page() as opening:
        await page.evaluate("window.open(location.href, '_blank', 'noopener')")
    await expect((await opening.value).locator(".signin")).to_have_attribute("data-why", "asked")


async def test_a_token_that_is_over_greys_the_page_and_the_next_one_goes_on_where_it_stood(
    accounts: Accounts, page: Page, watched: Callable[[Page], list[str]]
) -> None:
    complaints = watched(page)
    await page.goto(accounts.url)
    await sign_in(page, accounts.token())
    price = page.locator("tr[data-symbol=VNM] .last")
    await expect(price).to_have_text("7.49")
    await page.evaluate("window.unloaded = false")

    accounts.now_ms += 2 * HOUR_S * 1_000
    accounts.fanout.watch()
    await expect(page.locator(".signin")).to_have_attribute("data-why", "expired")
    await expect(page.locator("body.stale .signin")).to_contain_text("Mã truy cập đã hết hạn")
    await expect(page.locator(".banner")).to_have_count(0)
    await expect(price).to_have_text("7.49")
    assert await kept(page) == (None, 0)

    accounts.tell(7_000, place=2)
    await sign_in(page, accounts.token())
    await expect(price).to_have_text("7.00")
    await expect(page.locator(".signin")).to_have_count(0)
    await expect(page.locator("body.stale")).to_have_count(0)
    assert await page.evaluate("window.unloaded") is False
    assert complaints == []


async def test_what_the_token_is_not_good_for_is_said_and_requests_carry_it(accounts: Accounts, page: Page) -> None:
    told: list[str | None] = []

    async def note(request: Any) -> None:
        if "/api/v1/" in request.url:
            told.append((await request.all_headers()).get("authorization"))
            assert "eyJ" not in request.url

    page.on("request", note)
    await page.goto(f"{accounts.url}/VNM/tape")
    channels = ["px", "ref", "index", "breadth", "flow", "basis", "status", "candle"]
    token = accounts.token(channels=channels)
    await sign_in(page, token)
    await expect(page.locator(".denied")).to_contain_text("alert")
    await expect(page.locator("tr[data-symbol=VNM] .last")).to_have_text("7.49")
    await expect(page.locator(".drawer-body")).to_contain_text("Mã truy cập này không xem được kho lưu trữ.")
    assert told
    assert set(told) == {f"Bearer {token}"}

    # With another one it is there, or at least nothing but the archive itself is away.
    await page.locator(".signout").click()
    await expect(page.locator(".signin")).to_have_attribute("data-why", "left")
    await expect(page.locator("tr[data-symbol=VNM]")).to_have_count(0)
    assert await kept(page) == (None, 0)
    await sign_in(page, accounts.token())
    await expect(page.locator("tr[data-symbol=VNM] .last")).to_have_text("7.49")
    await expect(page.locator(".denied")).to_have_count(0)
    await expect(page.locator(".drawer-body")).to_contain_text("Kho lưu trữ không trả lời.")


async def test_signing_in_is_accessible_in_both_languages_and_with_fingers(accounts: Accounts, page: Page) -> None:
    await page.goto(accounts.url)
    for width, height in ((1440, 900), (390, 844)):
        await page.set_viewport_size({"width": width, "height": height})
        for why, press in (("asked", "VI"), ("refused", "EN")):
            await page.reload()
            await page.get_by_role("button", name=press).click()
            if why == "refused":
                await sign_in(page, accounts.token("another-secret-that-is-long-enough-too"))
            await expect(page.locator(".signin")).to_have_attribute("data-why", why)
            assert await serious_on(page) == [], f"{why} {width}"
            if press == "VI":
                assert await english_on(page) == []
            if width < 700:
                assert await too_small_on(page) == []
                small = await page.locator("#token").evaluate("(field) => field.getBoundingClientRect().height")
                assert small >= 44
