"""Whether each page of the dashboard shows what the gateway's REST says.

The market must stand: then both say the same, and what is late arrives.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import aiohttp
from playwright.async_api import Page, expect

from schemas.calendar import ICT
from tests.e2e.board_numbers import (
    Cells,
    Row,
    besides_of,
    billions,
    count,
    foreign_cells,
    line_of,
    percent,
    points,
    price,
    short,
    signed,
)
from tests.patience import reached

_LINES = """
() => Object.fromEntries([...document.querySelectorAll("tbody tr[data-symbol]")].map((line) => {
  const own = (cell) => [...cell.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join("");
  const cells = [...line.querySelectorAll("td")].map((cell) => [cell.classList[0], own(cell)]);
  return [line.dataset.symbol, Object.fromEntries(cells)];
}))
"""
"""The cells of each line that is in the document, without the signs that stand beside their text."""
_STRIP = """
() => Object.fromEntries([...document.querySelectorAll("[data-index]")].map((card) => {
  const texts = [".value", ".move", ".traded"].map((part) => card.querySelector(part).textContent);
  return [card.dataset.index, texts.map((text) => text.replace(/^\\S+ (?=[+−0-9])/, ""))];
}))
"""
"""Value, change without its sign, and turnover of each index."""
_LINES_OF_THE_DAY = """
() => Object.fromEntries([...document.querySelectorAll("[data-index]")].map((card) => [
  card.dataset.index, Number(card.querySelector(".spark").dataset.minutes),
]))
"""
"""Of how many minutes the line of each index is."""
_TEXTS = """
([selector, key]) => Object.fromEntries([...document.querySelectorAll(selector)].map((element) => [
  element.dataset[key], [...element.children].map((child) => child.textContent.replace(/\\s+/g, " ").trim()),
]))
"""
"""The text of each child of the elements that ``selector`` finds, by their attribute ``data-<key>``."""


class Rest:
    """Asks a gateway for rows."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def rows(self, path: str) -> list[Row]:
        """The rows of an answer, as objects."""
        async with aiohttp.ClientSession() as http, http.get(f"{self._url}api/v1/{path}") as answer:
            assert answer.status == 200, await answer.text()
            body = await answer.json()
            return [dict(zip(body["cols"], row, strict=True)) for row in body["rows"]]

    async def snapshot(self, channel: str, **query: str) -> dict[str, Row]:
        """The rows of a channel by their keys."""
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        rows = await self.rows(f"snapshot/{channel}?{asked}")
        return {next(iter(row.values())): row for row in rows}


class Pages:
    """A page, beside what REST says."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self.rest = Rest(url)

    async def come_to(self, what: str, expected: object, shown: Any) -> None:
        """Wait until the page shows what it has to; ``shown`` reads it."""
        seen: list[Any] = [None]

        async def agrees() -> bool:
            seen[0] = await shown()
            return bool(seen[0] == expected)

        try:
            await reached(agrees, what)
        except Exception as error:
            raise AssertionError(f"{what}: the page shows {seen[0]}, REST says {expected}") from error

    async def _texts(self, selector: str, key: str) -> dict[str, list[str]]:
        texts: dict[str, list[str]] = await self._page.evaluate(_TEXTS, [selector, key])
        return texts

    async def shows_the_time(self) -> None:
        """The market's clock is that of REST."""
        feeds = await self.rest.snapshot("status")
        shown_at = max(datetime.fromtimestamp(feed["market_ms"] / 1_000, ICT) for feed in feeds.values())
        await self.come_to("the time", f"{shown_at:%H:%M:%S}", self._page.locator(".clock time").text_content)

    async def shows_the_strip(self) -> None:
        """Each index: value, change, turnover, and a line with every minute of the archive."""
        rows = await self.rest.snapshot("index")

        async def shown() -> dict[str, list[str]]:
            found: dict[str, list[str]] = await self._page.evaluate(_STRIP)
            return found

        expected = {
            symbol: [
                points(row["value"]),
                f"{signed(row['change'], points(abs(row['change'])))} ({percent(row['change_pct'])}%)",
                f"{billions(row['traded_value'], sign=False)} tỷ",
            ]
            for symbol, row in rows.items()
        }
        assert len(expected) >= 3
        await self.come_to("the strip", expected, shown)
        day = next(iter(rows.values()))["day"]
        minutes: dict[str, set[str]] = {symbol: set() for symbol in rows}
        for minute in await self.rest.rows(f"index?day={day}&limit=5000"):
            minutes[minute["symbol"]].add(minute["minute"])
        assert min(len(told) for told in minutes.values()) > 10

        async def lacking() -> dict[str, tuple[int, int]]:
            found: dict[str, int] = await self._page.evaluate(_LINES_OF_THE_DAY)
            # The board may tell of a minute in which nothing moved, which the archive has not.
            return {symbol: (found[symbol], len(told)) for symbol, told in minutes.items() if found[symbol] < len(told)}

        await self.come_to("the lines of the strip", {}, lacking)

    async def shows_the_board(self, tab: str, word: str) -> int:
        """Each line of ``tab`` that is in the document, cell by cell; how many there are."""
        await self._page.locator("[data-page=board]").click()
        await self._page.locator(f"[data-tab={tab}]").click()
        prices = await self.rest.snapshot("px", sym=word)
        flows, bases = await self.rest.snapshot("flow"), await self.rest.snapshot("basis")
        wanted = {symbol: line_of(row, flows.get(symbol), bases.get(symbol)) for symbol, row in prices.items()}
        if tab in ("DEALS", "ODD"):
            phase, prefix = {"DEALS": ("put_through", "deal"), "ODD": ("odd_lot", "odd")}[tab]
            wanted = {
                symbol: wanted[symbol] | besides for symbol, row in prices.items() if (besides := besides_of(row, phase, prefix))
            }
        lines: dict[str, Cells] = {}

        async def differing() -> Mapping[str, object]:
            lines.clear()
            lines.update(await self._page.evaluate(_LINES))
            compared = {
                f"{symbol} {name}": (text, wanted[symbol][name])
                for symbol, cells in lines.items()
                if symbol in wanted
                for name, text in cells.items()
                if name in wanted[symbol] and text != wanted[symbol][name]
            }
            rows = await self._page.locator(".sheet table").get_attribute("aria-rowcount")
            if rows != f"{len(wanted) + 2}":
                compared["lines"] = (rows or "", f"{len(wanted) + 2}")
            # The table tells its length a frame before it has its lines.
            if wanted and not lines:
                compared["lines in the document"] = ("none", "some")
            return compared | dict.fromkeys(lines.keys() - wanted.keys(), ("a line", "none"))

        await self.come_to(f"the board of {tab}", {}, differing)
        return len(lines)

    async def shows_foreigners(self) -> None:
        """Net, scopes, movers, sectors, and the lines of the table."""
        await self._page.locator("[data-page=foreign]").click()
        flows = await self.rest.snapshot("flow")
        market = flows["#market"]

        async def net() -> str | None:
            return await self._page.locator("[data-net]").get_attribute("data-net")

        await self.come_to("the net", str(market["net_value"]), net)
        scopes = {
            key: [billions(row["bought_value"], sign=False), billions(row["sold_value"], sign=False), billions(row["net_value"])]
            for key in ("#market", "#HOSE", "#HNX", "#UPCOM", "#VN30")
            if (row := flows.get(key)) is not None
        }

        async def shown_scopes() -> dict[str, list[str]]:
            texts = await self._texts("[data-scope]", "scope")
            return {key: [cell.split(" ")[-1] for cell in cells[1:]] for key, cells in texts.items()}

        await self.come_to("the scopes", scopes, shown_scopes)
        for side, colour in (("sellers", "down"), ("buyers", "up")):
            movers = [[mover["symbol"], billions(mover["net_value"])] for mover in market[side]]

            async def shown_movers(colour: str = colour) -> list[list[str]]:
                texts = await self._texts(f".foreign-page .movers.{colour} [data-mover]", "mover")
                return [[cells[0], cells[-1]] for cells in texts.values()]

            await self.come_to(f"the {side}", movers, shown_movers)

        async def shown_sectors() -> dict[str, str]:
            texts = await self._texts("[data-sector]", "sector")
            return {name: cells[-1].split(" ")[-1] for name, cells in texts.items()}

        sectors = {key.removeprefix("#sector:"): billions(row["net_value"]) for key, row in flows.items() if "sector:" in key}
        await self.come_to("the sectors", sectors, shown_sectors)

        async def differing() -> dict[str, object]:
            texts = await self._texts("[data-flow]", "flow")
            assert texts
            return {
                symbol: (cells[1:], wanted)
                for symbol, cells in texts.items()
                if [cell.split(" ")[-1] for cell in cells[1:]] != (wanted := foreign_cells(flows[symbol]))
            }

        await self.come_to("the table of foreign flow", {}, differing)

        async def tiles() -> int:
            return await self._page.locator("[data-tile]").count()

        moved = sum(1 for key, row in flows.items() if not key.startswith("#") and row["net_value"])
        await self.come_to("the map", min(60, moved), tiles)

    async def shows_futures(self) -> None:
        """Each contract: price, index, basis, days."""
        await self._page.locator("[data-page=derivatives]").click()
        bases, prices = await self.rest.snapshot("basis"), await self.rest.snapshot("px", sym="@FUT")
        expected = {
            symbol: [
                price(row["price"], "DER"), points(row["index_value"]), signed(row["basis"], points(abs(row["basis"]))),
                percent(row["basis_pct"]), count(prices[symbol]["total_volume"]),
            ]
            for symbol, row in bases.items()
        }  # fmt: skip

        async def shown() -> dict[str, list[str]]:
            texts = await self._texts(".contracts [data-contract]", "contract")
            return {key: [cells[1], cells[3], cells[4].split(" ")[1], cells[5], cells[7]] for key, cells in texts.items()}

        await self.come_to("the contracts", expected, shown)

    async def shows_alerts(self) -> None:
        """Every alert that the gateway keeps, newest first."""
        await self._page.locator("[data-page=alerts]").click()
        alerts = sorted(await self.rest.rows("snapshot/alert"), key=lambda alert: -alert["ts_ms"])
        told = {alert["alert_id"]: alert["message_vi"] or alert["message"] for alert in alerts[:100]}

        async def shown() -> dict[str, str]:
            texts = await self._texts(".alerts-page [data-alert]", "alert")
            return {key: cells[3] for key, cells in texts.items()}

        await self.come_to("the alerts", told, shown)
        heading = self._page.locator(".alerts-page h2 small").first
        await self.come_to("the number of alerts", f"{len(alerts)} / {len(alerts)}", heading.text_content)

    async def shows_the_status(self) -> None:
        """Feeds, rows by channel, gaps, suspects."""
        await self._page.locator("[data-page=status]").click()
        feeds = await self.rest.snapshot("status")
        counts = ("received", "dead_letters", "dropped", "connects")
        expected = {feed: [f"{row[name]:,}" for name in counts] for feed, row in feeds.items()}

        async def shown() -> dict[str, list[str]]:
            return {feed: cells[3:] for feed, cells in (await self._texts("[data-feed]", "feed")).items()}

        await self.come_to("the feeds", expected, shown)
        prices, flows = await self.rest.snapshot("px"), await self.rest.snapshot("flow")
        sizes = {"px": len(prices), "flow": len(flows)}
        sizes |= {channel: len(await self.rest.snapshot(channel)) for channel in ("index", "breadth", "basis")}

        async def shown_sizes() -> dict[str, int]:
            texts = await self._texts("[data-channel]", "channel")
            # Of events, alerts and closed minutes, the page has no table, and a dash for their number.
            return {channel: int(cells[3].replace(",", "")) for channel, cells in texts.items() if cells[3] != "–"}

        await self.come_to("the rows of each channel", sizes, shown_sizes)
        for name, of in (("gaps", "gaps"), ("missed", "missed_volume")):
            figure = self._page.locator(f"[data-{name}]")
            await self.come_to(name, f"{sum(row[of] for row in prices.values()):,}", figure.text_content)

        async def suspects() -> int:
            return await self._page.locator("[data-suspect]").count()

        doubtful = sum(1 for row in flows.values() if row.get("suspects") or row.get("unresolved"))
        await self.come_to("the figures in doubt", min(20, doubtful), suspects)

    async def shows_all_of(self, symbol: str) -> None:
        """The drawer of a symbol: its facts, the bar that runs, what its volume is made of, tape, foreign trade."""
        page = self._page
        await page.keyboard.press("/")
        await expect(page.locator("input[type=search]")).to_be_focused()
        await page.keyboard.type(symbol)
        await page.locator(f"tr[data-symbol={symbol}] .last").click()
        (row,) = await self.rest.rows(f"snapshot/px?sym={symbol}")
        (flow,) = await self.rest.rows(f"snapshot/flow?sym={symbol}")
        exchange = row["exchange"]
        names = ("ceiling", "reference", "floor", "open", "high", "low", "average")
        wanted = [price(row[name] or None, exchange) or "–" for name in names]
        wanted += [count(row["total_volume"]) or "–", f"{billions(row['total_value'], sign=False)} tỷ"]
        wanted += [f"{billions(flow['net_value'])} tỷ", short(flow["room"])]
        facts = page.locator(".drawer > .facts dd")
        await self.come_to(f"the facts of {symbol}", wanted, facts.all_text_contents)
        last_bar = page.locator(".symbol-chart")

        async def bar() -> str | None:
            return await last_bar.get_attribute("data-last-bar")

        await self.come_to("the bar that runs", str(row["last"]), bar)
        await self._shows_overlays()
        day = row["day"]
        await page.locator("[data-view=why]").click()

        async def total() -> str | None:
            return await page.locator(".why").get_attribute("data-total")

        await self.come_to("the sum of a volume", str(row["total_volume"]), total)
        assert await page.locator(".why .agrees").is_visible()
        for view, path, of in (("tape", "trades", "tr.tape-line"), ("foreign", "foreign", ".tape tbody tr")):
            await page.locator(f"[data-view={view}]").click()
            lines = await self.rest.rows(f"{path}/{symbol}?day={day}&order=newest&limit=200")
            volumes = [count(abs(line["volume"])) if line["kind"] != "status" else "" for line in lines]

            async def shown(of: str = of) -> list[str]:
                cells = await page.locator(f"{of} > td:nth-child(3)").all_text_contents()
                return [cell.removeprefix("−") for cell in cells]

            await self.come_to(f"the {view}", volumes, shown)
        await page.locator(".drawer .close").click()
        await page.keyboard.press("/")
        await page.keyboard.press("Escape")

    async def _shows_overlays(self) -> None:
        """What a chart shows beside a symbol: the last value of VN30, and of the basis of the next future to expire."""
        (index,) = [row for row in (await self.rest.snapshot("index")).values() if row["symbol"] == "VN30"]
        bases = (await self.rest.snapshot("basis")).values()
        front = min((row for row in bases if row["underlying"] == "VN30"), key=lambda row: row["month"])
        wanted = {
            "vn30": f"VN30 {points(index['value'])}",
            "basis": f"VN30{front['alias']} − VN30 {signed(front['basis'], points(abs(front['basis'])))}",
        }
        for name, text in wanted.items():
            await self._page.locator(f"[data-overlay={name}]").click()
            await self.come_to(f"beside the chart, {name}", text, self._page.locator(f"[data-overlay-value={name}]").text_content)
            await self._page.locator(f"[data-overlay={name}]").click()
