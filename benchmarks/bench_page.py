"""How smoothly the dashboard draws a busy market: ``python benchmarks/bench_page.py [seconds] [minutes of memory] [page…]``.

The gateway's own routes and fanout, without Kafka, in a process of their own: rows of a market of true size, 1,900 symbols, are
put onto its board, 1,000 changes a second, all of them of symbols of the tab that is shown. Debian's Chromium draws the page
headless, by software. Each page is measured for so many seconds in three rounds, before each of these an empty page in the same
browser, whose frame rate is what the page's is compared with: of the three ratios the middle one counts, so that what else the
machine does in between decides nothing. Words after the figures are pages, to measure only these.

Long tasks are those of the main thread above 50 ms, by the browser's own PerformanceObserver, once the page stands. CPU is of one
core: that of the page's process, and that of all processes of the browser. Memory is the heap after a collection, minute by
minute, on the tab with the most rows. ``--serve`` only serves the market, to be looked at.
"""

import asyncio
import multiprocessing
import random
import shutil
import sys
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, CDPSession, Page, async_playwright

from connectors.ssi.simulator.core.universe import Listing, universe_of
from gateway.app import Gateway, now_ms
from gateway.core.board import Board, Change
from gateway.core.events import events_of, recents
from gateway.core.limits import ClientLimits
from gateway.core.rows import SOURCES, Source, change_of
from gateway.core.status import Connectors
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from schemas.instruments import contract_of
from schemas.position import Position
from schemas.structs import (
    AlertEvent,
    AlertsFrame,
    BasisRow,
    Candle,
    FeedStatus,
    FlowRow,
    ForeignRow,
    IndexRow,
    Mover,
    PhaseSum,
    PriceRow,
    ReferenceMessage,
    ReferenceRecord,
    ShardProgress,
)
from schemas.topics import (
    MARKET_ALERTS,
    RECORD_TOPICS,
    SSI_REFERENCE,
    STATE_BASIS,
    STATE_FLOW,
    STATE_FOREIGN,
    STATE_INDICES,
    STATE_PRICES,
    Topic,
)
from schemas.units import SessionPhase, Shares, Symbol, TradingDay, UnixMs, Vnd

DAY = TradingDay(20261120)
OPEN_MS = 1_795_140_900_000
SYMBOLS = 1_900
UPDATES_A_SECOND = 1_000
STEPS_A_SECOND = 20
FLOW_UPDATES_A_SECOND = 100
SECTORS = ("Banks", "Real Estate", "Financial Services", "Basic Resources", "Food and Beverage", "Retail", "Technology")
PAGES = {
    "VN30": "#board/VN30", "HOSE": "#board/HOSE", "HNX": "#board/HNX", "UPCOM": "#board/UPCOM", "ETF": "#board/ETF",
    "CW": "#board/CW", "futures": "#board/FUT", "deals": "#board/DEALS", "odd lots": "#board/ODD", "foreign": "#foreign",
    "derivatives": "#derivatives", "alerts": "#alerts", "status": "#status",
}  # fmt: skip
"""What is measured, and where it is."""
BOARDS = frozenset({"VN30", "HOSE", "HNX", "ETF", "CW", "futures"})
"""Of these most lines in view change while a round lasts."""
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
SETTLE_S = 2.0
ROUNDS = 3

_COUNT = """
(seconds) => new Promise((done) => {
  const tasks = [];
  const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration)));
  observer.observe({ type: "longtask" });
  let frames = 0, longest = 0, last = performance.now();
  const began = last;
  const frame = (now) => {
    frames += 1;
    longest = Math.max(longest, now - last);
    last = now;
    if (now - began < seconds * 1000) return requestAnimationFrame(frame);
    observer.disconnect();
    done({ rate: (frames * 1000) / (now - began), longest, tasks });
  };
  requestAnimationFrame(frame);
})
"""


_TOTALS = """() => Object.fromEntries([...document.querySelectorAll("tr[data-symbol]")].map((line) => [
  line.dataset.symbol, line.querySelector(".total").textContent]))"""


class MarketOfPage:
    """Rows of a market of true size, put onto a board as the followers of Kafka would."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._draw = random.Random(7)
        self._src = 0
        universe = universe_of(DAY, SYMBOLS)
        self._listings = {listing.symbol: listing for listing in universe.listings}
        self._indices = universe.indices
        self._vn30 = {listing.symbol for listing in universe.vn30()}
        self._prices: dict[Symbol, dict[str, Any]] = {}
        self._flows: dict[Symbol, dict[str, Any]] = {}
        self._market_ms = OPEN_MS
        self._watched = sorted(self._listings)

    def watch(self, tab: str) -> None:
        """Let what changes be of the symbols of ``tab``; all of them if it is no tab of the board."""
        self._watched = sorted(symbol for symbol, listing in self._listings.items() if self._is_on(tab, listing))

    def _is_on(self, tab: str, listing: Listing) -> bool:
        match tab:
            case "VN30":
                return listing.symbol in self._vn30
            case "HOSE" | "HNX" | "UPCOM":
                return listing.kind == "stock" and listing.exchange == tab
            case "ETF" | "CW" | "futures":
                return listing.kind == {"ETF": "etf", "CW": "warrant", "futures": "future"}[tab]
            case _:
                return True

    def open(self) -> None:
        """Put a row of everything onto the board."""
        changes = []
        for place, (symbol, listing) in enumerate(self._listings.items()):
            groups = ["VN30"] if symbol in self._vn30 else []
            sector = SECTORS[place % len(SECTORS)] if listing.kind == "stock" else None
            record = ReferenceRecord(
                symbol=symbol, trading_day=DAY, exchange=listing.exchange, name=listing.name, groups=groups, sector=sector,
                lot=None, underlying=listing.underlying, last_trading_day=None,
            )  # fmt: skip
            changes.append(self._change(SSI_REFERENCE, ReferenceMessage(record=record)))
            changes.append(self._price(symbol))
            if not listing.is_future:
                changes.append(self._foreign(symbol))
        self._fanout.apply([*changes, *self._sums(), *self._levels()])

    def step(self, updates: int, flows: int) -> None:
        """Let ``updates`` prices and ``flows`` foreign rows change."""
        changed = [self._price(symbol) for symbol in self._draw.choices(self._watched, k=updates)]
        stocks = [symbol for symbol in self._watched if not self._listings[symbol].is_future]
        changed += [self._foreign(symbol) for symbol in self._draw.choices(stocks, k=flows if stocks else 0)]
        self._fanout.apply(changed)

    def second(self) -> None:
        """Let a second pass: the connector's word, how far the pipelines are, indices, basis, sums of flow."""
        self._market_ms += 1_000
        told = FeedStatus(
            feed="a", epoch=OPEN_MS, state="up", reason="", ts_us=time.time_ns() // 1_000, market_ms=self._market_ms,
            trading_day=DAY, phase=SessionPhase.CONTINUOUS, received=self._src, dead_letters=0, dropped=0, connects=1,
        )  # fmt: skip
        self._fanout.reach(
            ShardProgress(topic=topic.name, partition=number, offset=0, recv_us=time.time_ns() // 1_000)
            for topic in RECORD_TOPICS
            for number in range(3)
        )
        self._fanout.hear(told, now_ms())
        self._fanout.apply([*self._sums(), *self._levels()])
        symbol = self._draw.choice(self._watched)
        alert = AlertEvent(
            alert_id=f"{self._src}", rule="price-limit", kind="price_limit", severity="warning", symbol=symbol, direction="up",
            day=DAY, ts_ms=UnixMs(self._market_ms), message=f"{symbol} is at its ceiling.",
            message_vi=f"{symbol} chạm giá trần.", data={},
        )  # fmt: skip
        self._src += 1
        position = Position(MARKET_ALERTS.name, 0, self._src)
        self._fanout.announce("alert", events_of("alert", position, AlertsFrame(events=[alert])))

    def _change(self, topic: Topic[Any], message: Any) -> Change:
        self._src += 1
        return change_of(_SOURCE_OF[topic.name], Position(topic.name, 0, self._src), message)

    def _price(self, symbol: Symbol) -> Change:
        listing, draw = self._listings[symbol], self._draw
        ladder = listing.ladder
        known = self._prices.setdefault(
            symbol, {"place": len(ladder) // 2, "high": listing.reference, "low": listing.reference, "volume": 0, "value": 0}
        )
        known["place"] = place = min(len(ladder) - 1, max(0, known["place"] + draw.choice((-1, 0, 0, 1))))
        last = ladder[place]
        volume = draw.randrange(1, 90) * (1 if listing.is_future else 100)
        known["high"], known["low"] = max(known["high"], last), min(known["low"], last)
        known["volume"] += volume
        known["value"] += volume * last
        bids = [n for level in range(1, 4) if place - level >= 0 for n in (ladder[place - level], draw.randrange(1, 900) * 100)]
        asks = [
            n for level in range(3) if place + level < len(ladder) for n in (ladder[place + level], draw.randrange(1, 900) * 100)
        ]
        candle = Candle(minute_ms=self._market_ms // 60_000 * 60_000, open=last, high=last, low=last, close=last, volume=volume)
        odd = PhaseSum(
            phase="odd_lot", buy=Shares(known["volume"]), buy_value=Vnd(known["value"]), sell=Shares(0), sell_value=Vnd(0),
            neutral=Shares(0), neutral_value=Vnd(0),
        )  # fmt: skip
        return self._change(
            STATE_PRICES,
            PriceRow(
                day=DAY, src=self._src, ts_ms=self._market_ms, symbol=symbol, exchange=listing.exchange, session="LO", status="N",
                phase=SessionPhase.CONTINUOUS, reference=listing.reference, ceiling=listing.ceiling, floor=listing.floor,
                previous_close=None, last=last, last_volume=volume, change=last - listing.reference, expected=None,
                open=listing.reference, high=known["high"], low=known["low"], total_volume=known["volume"],
                total_value=known["value"], average=known["value"] // known["volume"], bids=bids, asks=asks,
                quote_ms=self._market_ms, active_buy=known["volume"] // 2, active_sell=known["volume"] // 2, neutral=0,
                put_through_volume=known["volume"], candle=candle, prints=1, repeats=0, gaps=0, missed_volume=0, phases=[odd],
            ),
        )  # fmt: skip

    def _foreign(self, symbol: Symbol) -> Change:
        listing, draw = self._listings[symbol], self._draw
        known = self._flows.setdefault(symbol, {"bought": 0, "sold": 0})
        known[draw.choice(("bought", "sold"))] += draw.randrange(1, 90) * 100
        bought, sold = known["bought"], known["sold"]
        return self._change(
            STATE_FOREIGN,
            ForeignRow(
                day=DAY, src=self._src, ts_ms=self._market_ms, symbol=symbol, exchange=listing.exchange, bought=bought, sold=sold,
                bought_value=bought * listing.reference, sold_value=sold * listing.reference, net_volume=bought - sold,
                net_value=(bought - sold) * listing.reference, room=listing.room, total_room=listing.total_room, buy_speed_1m=0,
                sell_speed_1m=0, buy_speed_5m=0, sell_speed_5m=0, acceleration=0, stale=0, suspects=0, unresolved=0,
            ),
        )  # fmt: skip

    def _sums(self) -> list[Change]:
        nets = {
            symbol: (flow["bought"] - flow["sold"]) * self._listings[symbol].reference for symbol, flow in self._flows.items()
        }
        order = sorted(nets, key=lambda symbol: nets[symbol])
        movers = [Mover(symbol=symbol, net_value=nets[symbol], net_volume=1) for symbol in order]
        bought = sum(flow["bought"] * self._listings[symbol].reference for symbol, flow in self._flows.items())
        scopes = ["market", "HOSE", "HNX", "UPCOM", "VN30", *(f"sector:{name}" for name in SECTORS)]
        return [
            self._change(
                STATE_FLOW,
                FlowRow(
                    day=DAY, src=self._src, ts_ms=self._market_ms, scope=scope, bought=1, sold=1, bought_value=bought // place,
                    sold_value=bought // place - sum(nets.values()) // place, net_value=sum(nets.values()) // place,
                    buyers=movers[:-11:-1], sellers=movers[:10],
                ),
            )
            for place, scope in enumerate(scopes, 1)
        ]  # fmt: skip

    def _levels(self) -> list[Change]:
        changes, values = [], {}
        for index in self._indices:
            values[index.symbol] = value = index.prior + self._draw.randrange(-900, 900)
            row = IndexRow(
                day=DAY, src=self._src, ts_ms=self._market_ms, symbol=index.symbol, session="LO", value=value,
                prior_value=index.prior, change=value - index.prior,
                change_pct=round((value - index.prior) / index.prior * 100, 2), volume=412_300_500,
                traded_value=11_873_000_000_000, put_through_volume=0, put_through_value=0, advances=187, no_changes=58,
                declines=132, ceilings=6, floors=2,
            )  # fmt: skip
            changes.append(self._change(STATE_INDICES, row))
        futures = [listing for listing in self._listings.values() if listing.is_future]
        for place, listing in enumerate(futures):
            assert listing.underlying is not None
            contract = contract_of(listing.symbol)
            assert contract is not None
            price, value = listing.ladder[self._prices[listing.symbol]["place"]], values[listing.underlying]
            basis = BasisRow(
                day=DAY, src=self._src, ts_ms=self._market_ms, symbol=listing.symbol, underlying=listing.underlying,
                month=contract.month, alias=("F1M", "F2M", "F1Q", "F2Q")[place % 4], price=price, index_value=value,
                basis=price - value, basis_pct=round((price - value) / value * 100, 4), days_to_expiry=27 + 28 * (place % 4),
                stale=False,
            )  # fmt: skip
            changes.append(self._change(STATE_BASIS, basis))
        return changes


_SOURCE_OF: dict[str, Source] = {source.topic.name: source for source in SOURCES}


async def serve(pipe: Connection | None, port: int) -> None:
    """Serve the dashboard and a market until the other end of ``pipe`` is closed; it names tabs, and is told the port."""
    board, connectors = Board(), Connectors()
    fanout = Fanout(board, recents(), connectors, ClientLimits(), now_ms, str)
    fanout.begin("0123abcd", 3)
    fanout.begin_events("4567cdef", {channel: {0: 0} for channel in fanout.recents})
    for recent in fanout.recents.values():
        recent.settle()
    market = MarketOfPage(fanout)
    market.open()
    market.second()
    fanout.complete()
    runner = web.AppRunner(
        Gateway(GatewaySettings(kafka={}, topic_prefix="", port=0), fanout, str).application(), access_log=None
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    for throttle_ms in ClientLimits().classes:
        if throttle_ms:
            _RUNNING.add(asyncio.create_task(fanout.flush_forever(throttle_ms)))
    _RUNNING.update((asyncio.create_task(fanout.pump_forever()), asyncio.create_task(fanout.watch_forever())))
    if pipe is not None:
        pipe.send(runner.addresses[0][1])
        asyncio.get_running_loop().add_reader(pipe.fileno(), lambda: _take_tab(pipe, market))
    step = 0
    due = asyncio.get_running_loop().time()
    while True:
        due = max(due + 1 / STEPS_A_SECOND, asyncio.get_running_loop().time())
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        market.step(UPDATES_A_SECOND // STEPS_A_SECOND, FLOW_UPDATES_A_SECOND // STEPS_A_SECOND)
        step += 1
        if step % STEPS_A_SECOND == 0:
            market.second()


_RUNNING: set[asyncio.Task[None]] = set()


def _take_tab(pipe: Connection, market: MarketOfPage) -> None:
    try:
        market.watch(pipe.recv())
    except EOFError:
        sys.exit()


def serve_apart(pipe: Connection) -> None:
    """Serve, in a process of its own."""
    asyncio.run(serve(pipe, 0))


@dataclass
class Measured:
    """What was seen of a page."""

    name: str
    frames_s: float
    empty_frames_s: float
    longest_ms: float
    """Between two frames."""
    tasks_ms: list[float]
    """The long ones."""
    page_cpu: float
    browser_cpu: float
    nodes: int

    def __str__(self) -> str:
        ratio = self.frames_s / self.empty_frames_s
        return (
            f"  {self.name:<12} {self.frames_s:8.1f} {self.empty_frames_s:8.1f} {ratio:7.2f} {self.longest_ms:10.0f} "
            f"{len(self.tasks_ms):6} {max(self.tasks_ms, default=0):9.0f} {self.page_cpu:9.0%} {self.browser_cpu:9.0%} "
            f"{self.nodes:8,}"
        )


class Watcher:
    """Measures pages of one browser."""

    def __init__(self, browser: Browser, cdp: CDPSession, pipe: Connection, url: str) -> None:
        self._browser = browser
        self._cdp = cdp
        self._pipe = pipe
        self._url = url

    async def _cpu_s(self) -> tuple[float, float]:
        """What the busiest page's process has used, and all processes together, in seconds."""
        processes = (await self._cdp.send("SystemInfo.getProcessInfo"))["processInfo"]
        times = [process["cpuTime"] for process in processes if process["type"] == "renderer"]
        return sum(times), sum(process["cpuTime"] for process in processes)

    async def rate(self, page: Page, seconds: float) -> dict[str, Any]:
        seen: dict[str, Any] = await page.evaluate(_COUNT, seconds)
        return seen

    async def measure(self, name: str, seconds: float) -> Measured:
        """Of :data:`ROUNDS` rounds the one with the middle ratio, with the longest gap and all the long tasks of any."""
        rounds = [await self._round(name, seconds / ROUNDS) for _ in range(ROUNDS)]
        middle = sorted(rounds, key=lambda seen: seen.frames_s / seen.empty_frames_s)[ROUNDS // 2]
        tasks = [task for seen in rounds for task in seen.tasks_ms]
        return replace(middle, longest_ms=max(seen.longest_ms for seen in rounds), tasks_ms=tasks)

    async def _round(self, name: str, seconds: float) -> Measured:
        empty = await self._browser.new_page(viewport={"width": 1440, "height": 900})
        before = await self.rate(empty, seconds / 2)
        await empty.close()
        page = await self.open(name)
        totals = await page.evaluate(_TOTALS)
        (page_s, all_s), began = await self._cpu_s(), time.perf_counter()
        seen = await self.rate(page, seconds)
        (page_end_s, all_end_s), took_s = await self._cpu_s(), time.perf_counter() - began
        after = await page.evaluate(_TOTALS)
        if name in BOARDS:
            # What is measured is a board that moves: with all of its lines, or as many as are in view.
            moved = sum(1 for symbol, total in after.items() if totals.get(symbol) != total)
            assert moved > len(after) // 2 > 0, f"{name}: only {moved} of {len(after)} lines moved"
        nodes = await page.evaluate("document.querySelectorAll('*').length")
        await page.close()
        return Measured(
            name, seen["rate"], before["rate"], seen["longest"], seen["tasks"], (page_end_s - page_s) / took_s,
            (all_end_s - all_s) / took_s, nodes,
        )  # fmt: skip

    async def open(self, name: str) -> Page:
        self._pipe.send(name)
        page = await self._browser.new_page(viewport={"width": 1440, "height": 900})
        await page.goto(f"{self._url}/{PAGES[name]}")
        await page.wait_for_selector("[data-index=VNINDEX] .value")
        await asyncio.sleep(SETTLE_S)
        return page

    async def memory(self, minutes: float) -> None:
        page = await self.open("UPCOM")
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable")
        first = None
        for minute in range(int(minutes) + 1):
            await session.send("HeapProfiler.collectGarbage")
            metrics = {metric["name"]: metric["value"] for metric in (await session.send("Performance.getMetrics"))["metrics"]}
            heap = metrics["JSHeapUsedSize"] / 1e6
            first = first or heap
            print(f"  minute {minute:2}: heap {heap:6.2f} MB ({heap / first:.2f} ×), {metrics['Nodes']:,.0f} nodes, "
                  f"{metrics['JSEventListeners']:,.0f} listeners", flush=True)  # fmt: skip
            if minute < minutes:
                await asyncio.sleep(60)
        await page.close()


async def main(names: list[str], seconds: float, minutes: float) -> None:
    pipe, there = multiprocessing.Pipe()
    serving = multiprocessing.get_context("spawn").Process(target=serve_apart, args=(there,), daemon=True)
    serving.start()
    port = await asyncio.to_thread(pipe.recv)
    path = next(filter(None, map(shutil.which, CHROMIUMS)))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        watcher = Watcher(browser, await browser.new_browser_cdp_session(), pipe, f"http://127.0.0.1:{port}")
        print(f"{SYMBOLS} symbols, {UPDATES_A_SECOND} updates/s of those of the page; {seconds:g} s each, flash on")
        print(
            f"  {'page':<12} {'frames/s':>8} {'empty':>8} {'ratio':>7} {'gap, ms':>10} {'> 50 ms':>6} {'longest':>8} "
            f"{'page CPU':>9} {'all CPU':>9} {'nodes':>8}"
        )
        ratios = []
        for name in names or PAGES:
            measured = await watcher.measure(name, seconds)
            ratios.append(measured.frames_s / measured.empty_frames_s)
            print(measured, flush=True)
        print(f"the slowest page: {min(ratios):.2f} × the empty one (goal: 0.5)")
        if minutes:
            print(f"memory over {minutes:g} minutes, UPCOM:")
            await watcher.memory(minutes)
        await browser.close()
    serving.terminate()
    serving.join()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(None, int(sys.argv[2]) if len(sys.argv) > 2 else 8099))
    else:
        asyncio.run(main(sys.argv[3:], *(float(argument) for argument in sys.argv[1:3] or ("15", "10"))))
