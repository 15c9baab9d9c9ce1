"""The dashboard in a real browser, on a real gateway, with rows written to the state topics."""

import os
import random
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, ViewportSize, WebSocketRoute, expect

from schemas.instruments import limits, tick_of
from schemas.units import Exchange, Price
from tests.page_checks import english_on, serious_on, too_small_on, too_wide_on

pytestmark = [pytest.mark.kafka, pytest.mark.browser]

IMAGES = os.environ.get("SCREENSHOTS")
"""Where to leave pictures of the page; nowhere when it is not set."""
PAGES = ("board", "foreign", "derivatives", "alerts", "status")
HIGH: ViewportSize = {"width": 1440, "height": 1200}
PHONE: ViewportSize = {"width": 360, "height": 780}
_VN30 = """
ACB BCM BID BVH CTG FPT GAS GVR HDB HPG LPB MBB MSN MWG PLX SAB SHB SSB SSI STB TCB TPB VCB VHM VIB VIC VJC VNM VPB VRE
"""
VN30 = _VN30.split()


def paint(market: Any) -> None:
    """Write a whole board: the VN30 in the middle of a morning, the futures, flow, alerts."""
    draw = random.Random(7)
    market.status(phase="continuous", received=48_211)
    for symbol in VN30:
        market.reference(symbol, groups=["VN30"], name=f"{symbol} JSC")
        reference = Price(draw.randrange(200, 1_400) * 100)
        ceiling, floor = limits(reference, Exchange.HOSE)
        step = tick_of(reference, Exchange.HOSE)
        last = min(ceiling, max(floor, reference + draw.randrange(-30, 34) * step))
        last = {"FPT": ceiling, "VIC": floor, "VCB": reference}.get(symbol, last)
        bids = [
            n for level in (1, 2, 3) if last - level * step >= floor for n in (last - level * step, draw.randrange(1, 900) * 100)
        ]
        asks = [
            n
            for level in (0, 1, 2)
            if last + level * step <= ceiling
            for n in (last + level * step, draw.randrange(1, 900) * 100)
        ]
        total = draw.randrange(4_000, 90_000) * 100
        market.price(
            symbol, reference=reference, ceiling=ceiling, floor=floor, last=last, last_volume=draw.randrange(1, 300) * 100,
            change=last - reference, bids=bids, asks=[] if last == ceiling else asks, total_volume=total,
            total_value=total * last, high=max(last, reference), low=min(last, reference), average=(last + reference) // 2,
        )  # fmt: skip
        market.foreign(
            symbol,
            bought=draw.randrange(0, 20_000) * 100,
            sold=draw.randrange(0, 20_000) * 100,
            room=draw.randrange(0, 9_000_000) * 100,
        )
    market.index("VNINDEX", change=1_284, change_pct=0.78, volume=412_300_500, traded_value=11_873_000_000_000,
                 advances=187, ceilings=6, no_changes=58, declines=132, floors=2)  # fmt: skip
    market.index("VN30", value=190_021, prior_value=191_100, change=-1_079, change_pct=-0.56, volume=151_240_000,
                 traded_value=5_902_000_000_000)  # fmt: skip
    movers = [(symbol, draw.randrange(1, 180) * 1_000_000_000, draw.randrange(1, 999) * 1_000) for symbol in VN30]
    buyers = sorted(movers[:12], key=lambda mover: -mover[1])[:10]
    sellers = [(symbol, -value, -volume) for symbol, value, volume in sorted(movers[12:], key=lambda mover: -mover[1])[:10]]
    for scope, bought, sold in (
        ("market", 1_204, 1_533),
        ("HOSE", 1_120, 1_490),
        ("HNX", 50, 31),
        ("UPCOM", 34, 12),
        ("VN30", 902, 1_288),
    ):
        market.flow(scope, bought_value=bought * 10**9, sold_value=sold * 10**9, net_value=(bought - sold) * 10**9,
                    buyers=buyers if scope == "market" else [], sellers=sellers if scope == "market" else [])  # fmt: skip
    for place, (code, month, alias) in enumerate(
        (("41I1GC000", 202612, "F1M"), ("41I1H1000", 202701, "F2M"), ("41I1H3000", 202703, "F1Q"), ("41I1H6000", 202706, "F2Q"))
    ):
        price = 190_350 + 260 * place
        market.price(code, exchange="DER", reference=191_000, ceiling=204_370, floor=177_630, last=price, last_volume=3,
                     change=price - 191_000, bids=[price - 10, 14, price - 20, 31], asks=[price, 22, price + 10, 9],
                     total_volume=93_211 // (place + 1), high=191_400, low=189_900, average=190_500)  # fmt: skip
        market.basis(code, month=month, alias=alias, price=price, index_value=190_021, basis=price - 190_021,
                     basis_pct=round((price - 190_021) / 1_900.21, 4), days_to_expiry=27 + 28 * place)  # fmt: skip
    market.alert(1, symbol="FPT", message="FPT is at its ceiling.", message_vi="FPT chạm giá trần.")
    market.alert(2, symbol="VIC", severity="critical", message="VIC is at its floor and has no bids.", direction="down")
    market.alert(3, symbol="HPG", severity="info", message="HPG traded 5 times the volume of its last minutes.")
    market.flush()


MINUTES = [("VNINDEX", f"2026-11-20 09:{minute:02}:00", 165_000 + 40 * minute) for minute in range(15)]
"""What an archive answers of indices: up to the minute of which the board tells."""


@pytest.fixture
async def page(new_page: Callable[[], Awaitable[Page]]) -> Page:
    """A page on a screen so high that all of the VN30 is in view; there is no archive, but of what indices did."""
    page = await new_page()
    await page.set_viewport_size(HIGH)
    told = {"cols": ["symbol", "minute", "close"], "rows": MINUTES, "next": None}
    await page.route("**/api/v1/index?*", lambda route: route.fulfill(json=told))
    return page


async def picture(page: Page, name: str) -> None:
    if IMAGES:
        await page.screenshot(path=str(Path(IMAGES) / name))


async def test_a_price_is_seen_changes_and_turns_purple_at_its_ceiling(
    market: Any, gateway: Any, page: Page, watched: Callable[[Page], list[str]]
) -> None:
    paint(market)
    market.price("VNM", reference=60_000, ceiling=64_200, floor=55_800, last=61_000, last_volume=500, change=1_000)
    market.flush()
    await gateway.ready()
    complaints = watched(page)
    await page.goto(gateway.url)
    line = page.locator("tr[data-symbol=VNM]")
    last = line.locator(".last")
    await expect(last).to_have_text("61.00")
    await expect(last).to_contain_class("up")
    await expect(line.locator(".change")).to_have_text("▲+1.00")
    await expect(line.locator(".percent")).to_have_text("+1.67")

    market.price("VNM", last=60_000, change=0)
    market.flush()
    await expect(last).to_have_text("60.00")
    await expect(last).to_contain_class("reference")

    market.price("VNM", last=64_200, change=4_200)
    market.flush()
    await expect(last).to_have_text("64.20")
    await expect(last).to_contain_class("ceiling")
    assert await page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ceiling')") == "#e07bff"
    await expect(line.locator(".change")).to_have_text("CE+4.20")

    market.price("VNM", last=55_800, change=-4_200)
    market.flush()
    await expect(last).to_contain_class("floor")
    await expect(line.locator(".change")).to_have_text("FL−4.20")
    market.status()
    market.flush()
    await expect(page.locator("[data-index=VNINDEX] .value")).to_have_text("1,665.50")
    await expect(page.locator("[data-index=VNINDEX] .breadth")).to_contain_text("▲187 (6)")
    await expect(page.locator("[data-index=VNINDEX] .spark")).to_have_attribute("data-minutes", str(len(MINUTES) + 1))
    # The feed says no breadth of it, so its members do.
    await expect(page.locator("[data-index=VN30] .breadth")).to_have_text("–")
    market.breadth("VN30", advances=12, ceilings=2, no_changes=4, declines=11, floors=1, untraded=0)
    market.flush()
    await expect(page.locator("[data-index=VN30] .breadth")).to_have_text(re.compile(r"▲12 \(2\)\s*■4\s*▼11 \(1\)"))
    await picture(page, "dashboard.png")
    assert complaints == []


async def test_a_phone_gets_the_best_level_and_futures_are_in_points(
    market: Any, gateway: Any, page: Page, watched: Callable[[Page], list[str]]
) -> None:
    paint(market)
    await gateway.ready()
    complaints = watched(page)
    await page.set_viewport_size(PHONE)
    await page.goto(gateway.url)
    await page.locator(".sheet").focus()
    await page.keyboard.press("End")
    await expect(page.locator("tr[data-symbol=VCB] .bid1-price")).to_have_count(1)
    await expect(page.locator("tr[data-symbol=VCB] .bid2-price")).to_have_count(0)
    await picture(page, "dashboard-phone.png")

    await page.set_viewport_size(HIGH)
    await page.locator("[data-tab=FUT]").click()
    await expect(page.locator("tbody tr[data-symbol]")).to_have_count(4)
    await expect(page.locator('tr[data-symbol="41I1GC000"] .last')).to_have_text("1,903.5")
    await expect(page.locator('tr[data-symbol="41I1GC000"] .bid2-price')).to_have_text("1,903.3")
    await picture(page, "dashboard-futures.png")
    await expect(page.locator("[data-alert=alert-1] .message")).to_have_text("FPT chạm giá trần.")
    await page.get_by_role("button", name="EN").click()
    await expect(page.locator(".phase")).to_have_text("Continuous")
    await expect(page.locator("[data-alert=alert-1] .message")).to_have_text("FPT is at its ceiling.")
    await page.locator("[data-tab=HOSE]").click()
    await expect(page.locator(".sheet table")).to_have_attribute("aria-rowcount", str(len(VN30) + 2))
    await picture(page, "dashboard-english.png")
    assert complaints == []


async def test_old_data_greys_the_board_and_a_gateway_that_comes_back_is_found_without_a_reload(
    market: Any, kafka: str, topics: str, start_gateway: Callable[..., Any], page: Page
) -> None:
    paint(market)
    first = await (await start_gateway(kafka, topics)).ready()
    await page.goto(first.url)
    last = page.locator("tr[data-symbol=VCB] .last")
    await expect(last).to_contain_class("reference")
    # Its connector said one thing and no more.
    await expect(page.locator("body.stale .banner")).to_contain_text("Nguồn SSI không gửi dữ liệu")
    await picture(page, "dashboard-stale.png")

    first.stop.set()
    await first.task
    await expect(page.locator(".connection.waiting, .connection.connecting")).to_be_visible()
    await expect(page.locator(".feed.unknown")).to_be_visible()
    market.price("VCB", last=99_900, change=1, reference=99_800, ceiling=106_700, floor=92_900)
    market.status()
    market.flush()
    await start_gateway(kafka, topics, port=int(first.url.rsplit(":", 1)[1]))
    await expect(last).to_have_text("99.90")
    await expect(page.locator(".connection.live")).to_be_visible()


async def test_an_auction_shows_its_indicative_price_as_such(market: Any, gateway: Any, page: Page) -> None:
    market.status(phase="ato")
    market.reference("VNM", groups=["VN30"])
    market.price("VNM", phase="ato", expected=61_000, bids=[0, 5_000, 60_900, 100])
    market.flush()
    await gateway.ready()
    await page.goto(gateway.url)
    line = page.locator("tr[data-symbol=VNM]")
    await expect(line.locator(".last")).to_have_text("DK61.00")
    await expect(line.locator(".bid1-price")).to_have_text("ATO")
    await expect(page.locator(".phase")).to_have_text("Khớp lệnh định kỳ mở cửa")


async def test_hostile_text_is_shown_and_not_run(
    market: Any, gateway: Any, page: Page, watched: Callable[[Page], list[str]]
) -> None:
    market.reference("VNM", groups=["VN30"], name="<img src=x onerror=alert(1)>")
    market.price("VNM", last=61_000)
    market.alert(1, message="<script>alert(1)</script><b>bold</b>")
    market.status()
    market.flush()
    await gateway.ready()
    complaints = watched(page)
    await page.goto(gateway.url)
    await expect(page.locator("[data-alert=alert-1] .message")).to_have_text("<script>alert(1)</script><b>bold</b>")
    await expect(page.locator("tr[data-symbol=VNM] th")).to_have_attribute("title", "<img src=x onerror=alert(1)>")
    assert complaints == []


async def test_every_symbol_and_name_is_found_and_the_keyboard_is_enough(
    market: Any, gateway: Any, page: Page, watched: Callable[[Page], list[str]]
) -> None:
    paint(market)
    market.reference("HPG", groups=["VN30"], name="Tập đoàn Hòa Phát")
    market.reference("SHS", exchange="HNX", name="Chứng khoán Sài Gòn Hà Nội")
    market.price("SHS", exchange="HNX", last=61_500)
    market.flush()
    await gateway.ready()
    complaints = watched(page)
    await page.goto(gateway.url)
    lines = page.locator("tbody tr[data-symbol]")
    await expect(page.locator("tr[data-symbol=ACB] .last")).not_to_have_text("")

    # What is not on the tab that is shown is found all the same, by its name and without accents.
    await page.keyboard.press("/")
    await page.keyboard.type("sai gon")
    await expect(lines).to_have_count(1)
    await expect(page.locator("tr[data-symbol=SHS] .last")).to_have_text("61.50")
    await page.keyboard.press("Escape")
    await expect(page.locator("tr[data-symbol=ACB]")).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.type("hoa phat")
    await expect(lines).to_have_count(1)
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("tr[data-symbol=HPG] a")).to_be_focused()
    await page.keyboard.press("/")
    await page.keyboard.press("Escape")

    await page.locator("[data-sort=total]").click()
    await expect(page.locator("th.total")).to_have_attribute("aria-sort", "descending")
    totals = [int(text.replace(",", "")) for text in await page.locator("td.total").all_text_contents()]
    assert len(totals) > 20
    assert totals == sorted(totals, reverse=True)
    await page.locator("[data-sort=total]").click()
    await expect(page.locator("th.total")).to_have_attribute("aria-sort", "ascending")

    # What its user has chosen is there after a reload.
    await page.locator("tr[data-symbol=HPG] .star").click()
    await page.locator(".choice button").click()
    await page.locator("[data-column=ceiling-price]").uncheck()
    await page.reload()
    await page.locator("[data-tab=MINE]").click()
    await expect(lines).to_have_count(1)
    await expect(page.locator("tr[data-symbol=HPG] .last")).not_to_have_text("")
    await expect(page.locator("th.ceiling-price")).to_have_count(0)
    assert complaints == []


async def test_only_the_lines_in_view_are_in_the_document(market: Any, gateway: Any, page: Page) -> None:
    symbols = [f"{a}{b}{c}" for a in "ABCD" for b in "ABCDEFGHIJ" for c in "ABCDEFGHIJ"]
    for symbol in symbols:
        market.price(symbol, last=61_000)
    market.status()
    market.flush()
    await gateway.ready()
    await page.goto(f"{gateway.url}/#board/HOSE")
    sheet, lines = page.locator(".sheet"), page.locator("tbody tr[data-symbol]")
    await expect(page.locator(".sheet table")).to_have_attribute("aria-rowcount", str(len(symbols) + 2))
    assert await lines.count() < 60
    await sheet.focus()
    await page.keyboard.press("End")
    await expect(page.locator(f"tr[data-symbol={symbols[-1]}] a")).to_be_focused()
    await expect(page.locator(f"tr[data-symbol={symbols[-1]}]")).to_be_in_viewport()
    assert await lines.count() < 60
    # A line that is in view again shows what has become of it meanwhile.
    market.price(symbols[0], last=62_000)
    market.flush()
    await page.keyboard.press("Home")
    await expect(page.locator(f"tr[data-symbol={symbols[0]}] .last")).to_have_text("62.00")


async def test_a_gateway_that_hangs_greys_the_page_and_nothing_on_it_stays_green(market: Any, gateway: Any, page: Page) -> None:
    paint(market)
    await gateway.ready()
    frozen: list[bool] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        # Nothing is lost on a connection that hangs: it is only not there yet.
        server.on_message(lambda message: None if frozen else socket.send(message))
        socket.on_message(server.send)

    await page.route_web_socket("**/v1/ws", between)
    await page.goto(gateway.url)
    await expect(page.locator("tr[data-symbol=VCB] .last")).to_contain_class("reference")
    await expect(page.locator(".connection.live")).to_be_visible()
    frozen.append(True)
    # Long before it gives the connection up, which takes it two and a half heartbeats.
    await expect(page.locator(".connection.hung")).to_be_visible()
    await expect(page.locator("body.stale .banner")).to_contain_text("Máy chủ không trả lời")
    await expect(page.locator(".feed.unknown")).to_be_visible()
    green = """() => [...document.querySelectorAll("header *, main *")].filter((element) => {
        const [red, green, blue] = getComputedStyle(element).color.match(/\\d+/g).map(Number);
        return element.textContent !== "" && green > red + 60 && green > blue + 60;
    }).length"""
    assert await page.evaluate(green) == 0
    frozen.clear()
    market.status()
    market.flush()
    await expect(page.locator(".connection.live")).to_be_visible()


async def test_every_page_speaks_vietnamese_fits_a_phone_and_is_accessible(market: Any, gateway: Any, page: Page) -> None:
    paint(market)
    await gateway.ready()
    for theme, size in (("dark", HIGH), ("light", PHONE)):
        await page.set_viewport_size(size)
        for name in PAGES:
            await page.goto(f"{gateway.url}/#{name}")
            await expect(page.locator("[data-index=VNINDEX] .value")).to_be_visible()
            await expect(page.locator(f"[data-page={name}]")).to_have_attribute("aria-current", "page")
            if await page.evaluate("document.documentElement.dataset.theme") != theme:
                await page.locator(".theme").click()
            assert await serious_on(page) == [], f"{name}, {theme}"
            assert await english_on(page) == [], name
            assert await too_wide_on(page) == [], name
            if size is PHONE:
                assert await too_small_on(page) == [], name


PARTS = [
    (0, kind, phase, cause, late, clipped, True, 1_234, 123_456_700)
    for kind, phase, cause, late, clipped in (
        ("print", "continuous", "", False, False), ("print", "continuous", "", True, True),
        ("gap", "", "before_start", False, False), ("gap", "", "unseen", False, False),
        ("fill", "continuous", "", False, False), ("correction", "", "", False, False),
        ("print", "put_through", "", False, False),
    )
]  # fmt: skip
LINES = [
    (0, place, 0, "2026-11-20 10:15:00.000", "2026-11-20 10:14:59.000", kind, 28_350, 1_234_500, side, kind == "fill",
     False, True, "continuous", "unseen" if kind == "gap" else None, 123_456_700)
    for place, (kind, side) in enumerate((("print", "buy"), ("gap", None), ("fill", "sell"), ("correction", None)))
]  # fmt: skip
ARCHIVE = {
    "volume": ("generation kind phase cause late clipped anchored lines volume", PARTS),
    "trades": ("partition offset idx ts since kind price volume side late clipped anchored phase cause total_volume", LINES),
    "foreign": (
        "partition offset idx ts side volume value kind room",
        [(0, place, 0, "2026-11-20 10:15:00.000", side, 1_234_500, 34_998_075_000, "correction", 1_234_567_800)
         for place, side in enumerate(("buy", "sell"))],
    ),
}  # fmt: skip
"""What an archive answers to the drawer of a symbol: columns and rows."""


async def test_every_part_of_the_drawer_fits_a_phone(market: Any, gateway: Any, page: Page) -> None:
    paint(market)
    await gateway.ready()

    async def answer(route: Route) -> None:
        columns, rows = ARCHIVE.get(route.request.url.split("/api/v1/")[1].split("/")[0], ("minute", []))
        await route.fulfill(json={"cols": columns.split(), "rows": rows, "next": None})

    await page.route("**/api/v1/**", answer)
    await page.set_viewport_size(PHONE)
    for view, content in (
        ("why", "[data-part=unseen]"),
        ("tape", ".tape-line.fill"),
        ("foreign", ".tape .flag"),
        ("chart", ".chart"),
    ):
        await page.goto(f"{gateway.url}/#board/VN30/HPG/{view}")
        await expect(page.locator(content).first).to_be_visible()
        assert await too_wide_on(page) == [], view
        assert await too_small_on(page) == [], view
        assert await serious_on(page) == [], view
