"""Asks SSI's REST for days that are over: whole windows, page by page, and again where SSI was away or asked for a pause."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from connectors.ssi.client import monotonic_ms
from connectors.ssi.core import history
from connectors.ssi.core.backoff import SsiBackoff
from connectors.ssi.core.errors import HistoryInterrupted, PageSizeRefused, SsiUnavailable, TooManyRows, UnknownSymbols
from connectors.ssi.core.history import DateWindow, ReadRows
from connectors.ssi.core.reference import MARKETS, ListName
from connectors.ssi.rest import MAX_PAGES, PAGE_SIZE, SsiRest
from schemas.history import HistoryDay, HistoryIndex, HistoryMinute
from schemas.units import Exchange, Symbol

log = logging.getLogger(__name__)

LARGE_PAGE: Final = 10_000
"""What IntradayOhlc takes where SSI is as generous as its clients expect; a window of minutes is one call then, not six."""
TRIES: Final = 10
"""How often a window is asked for before the load ends; with growing pauses between, and minutes where SSI speaks of a quota."""
_INDEX_MARKETS: Final = ("HOSE", "HNX")

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]


class _Incomplete(SsiUnavailable):
    """Fewer rows came than SSI said that there are."""


class _Crowded(Exception):
    """A window has more rows than pages hold."""

    def __init__(self, rows: int, most: int) -> None:
        super().__init__(rows, most)
        self.rows = rows
        self.most = most


class Listed(NamedTuple):
    """What SSI lists."""

    exchanges: dict[Symbol, Exchange]
    """Of every instrument."""
    indices: tuple[Symbol, ...]


class SsiHistory:
    """SSI's history, window by window."""

    def __init__(self, rest: SsiRest, chance: Callable[[], float], sleep: Sleep = asyncio.sleep) -> None:
        """Ask over ``rest``, which paces the calls and keeps the token.

        Args:
            rest: Makes the calls.
            chance: Gives a number in [0, 1): pauses after failures are spread by it.
            sleep: Waits for a number of seconds.
        """
        self._rest = rest
        self._chance = chance
        self._sleep = sleep
        self._minutes_page = LARGE_PAGE

    async def listed(self) -> Listed:
        """The instruments and indices that SSI lists now.

        Raises:
            SsiError: SSI does not say.
        """
        exchanges: dict[Symbol, Exchange] = {}
        for market, exchange in MARKETS.items():
            for row in await self._list(ListName("Securities", market)):
                symbol = str(row.get("Symbol") or "").strip().upper()
                if symbol:
                    exchanges[Symbol(symbol)] = exchange
        indices = [
            str(row.get("IndexCode") or "").strip().upper()
            for market in _INDEX_MARKETS
            for row in await self._list(ListName("IndexList", market))
        ]
        return Listed(exchanges, tuple(Symbol(index) for index in indices if index))

    async def market_days(self, exchange: Exchange, window: DateWindow) -> ReadRows[HistoryDay]:
        """All days of a market's instruments in ``window``, by DailyStockPrice; it has none of derivatives.

        Raises:
            TooManyRows: One day alone has more rows than SSI gives.
            HistoryInterrupted: SSI is away for too long.
            SsiError: SSI refuses.
        """
        rows = await self._rows("DailyStockPrice", exchange.value, {"symbol": "", "market": exchange.value}, window)
        return history.stock_days(rows, exchange, window)

    async def days(self, symbol: Symbol, exchange: Exchange, window: DateWindow) -> ReadRows[HistoryDay]:
        """The days of an instrument: by DailyStockPrice, of derivatives, which that does not list, by DailyOhlc.

        Raises:
            HistoryInterrupted: SSI is away for too long.
            SsiError: SSI refuses.
        """
        if exchange is Exchange.DER:
            rows = await self._rows("DailyOhlc", symbol, {"symbol": symbol, "ascending": "True"}, window)
            return history.bar_days(rows, exchange, window)
        rows = await self._rows("DailyStockPrice", symbol, {"symbol": symbol, "market": exchange.value}, window)
        return history.stock_days([row for row in rows if str(row.get("Symbol")).upper() == symbol], exchange, window)

    async def minutes(self, symbol: Symbol, exchange: Exchange, window: DateWindow) -> ReadRows[HistoryMinute]:
        """The minutes of an instrument, by IntradayOhlc.

        Raises:
            HistoryInterrupted: SSI is away for too long.
            SsiError: SSI refuses.
        """
        query = {"symbol": symbol, "resolution": "1", "ascending": "True"}
        try:
            rows = await self._rows("IntradayOhlc", symbol, query, window, self._minutes_page)
        except PageSizeRefused:
            if self._minutes_page == PAGE_SIZE:
                raise
            self._minutes_page = PAGE_SIZE
            rows = await self._rows("IntradayOhlc", symbol, query, window)
        return history.minutes(rows, exchange, window)

    async def index_days(self, index: Symbol, window: DateWindow) -> ReadRows[HistoryIndex]:
        """The days of an index, by DailyIndex.

        Raises:
            HistoryInterrupted: SSI is away for too long.
            SsiError: SSI refuses.
        """
        rows = await self._rows("DailyIndex", index, {"requestId": "", "indexId": index, "orderBy": "", "order": ""}, window)
        return history.index_days([row for row in rows if str(row.get("IndexId")).upper() == index], window)

    async def _list(self, name: ListName) -> list[dict[str, Any]]:
        return (await self._patiently(str(name), lambda: self._rest.ask(name))).rows

    async def _rows(
        self, operation: str, subject: str, query: dict[str, str], window: DateWindow, size: int = PAGE_SIZE
    ) -> list[dict[str, Any]]:
        """All rows of a window; in halves where they are more than SSI's pages hold."""

        async def ask() -> list[dict[str, Any]]:
            try:
                return await self._whole(operation, {**query, **window.query}, size)
            except SsiUnavailable as error:
                known = history.classified(error, window)
                if known is error:
                    raise
                raise known from None

        try:
            return await self._patiently(f"{operation} of {subject}, {window}", ask)
        except _Crowded as crowded:
            if window.halves is None:
                raise TooManyRows(operation, subject, window.first, crowded.rows, crowded.most) from None
            halves = [await self._rows(operation, subject, query, half, size) for half in window.halves]
            return halves[0] + halves[1]

    async def _whole(self, operation: str, query: dict[str, str], size: int) -> list[dict[str, Any]]:
        """All pages of one query."""
        rows: list[dict[str, Any]] = []
        for number in range(1, MAX_PAGES + 1):
            page = await self._rest.page(operation, query, number, size)
            stated = page.stated
            if stated is not None and stated > size * MAX_PAGES:
                raise _Crowded(stated, size * MAX_PAGES)
            rows += page.rows
            if len(page.rows) >= size:
                # There may be more, whatever it states: of some answers that is the number of rows on the page.
                continue
            if stated is None or len(rows) >= stated:
                return rows
            if size > PAGE_SIZE:
                raise PageSizeRefused(operation, f"{len(page.rows)} rows came on a page of {size}")
            raise _Incomplete(operation, f"{len(rows)} rows came of {stated}")
        if stated is None:
            raise _Crowded(len(rows) + 1, size * MAX_PAGES)
        return rows

    async def _patiently(self, part: str, ask: Callable[[], Awaitable[T]]) -> T:
        backoff = SsiBackoff(self._chance)
        for attempt in range(1, TRIES + 1):
            try:
                return await ask()
            except SsiUnavailable as error:
                if attempt == TRIES:
                    raise HistoryInterrupted(part, TRIES, error.why) from error
                pause_s = backoff.failed(error, monotonic_ms())
                log.warning("%s: %s; asking again in %.0f s", part, error.why, pause_s)
                await self._sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")


def chosen(listed: Listed, symbols: Sequence[str]) -> list[Symbol]:
    """The symbols that are meant: instruments or indices that SSI lists.

    Raises:
        UnknownSymbols: It lists some of them not.
    """
    wanted = list(dict.fromkeys(Symbol(symbol.strip().upper()) for symbol in symbols if symbol.strip()))
    known = {*listed.exchanges, *listed.indices}
    if unknown := tuple(symbol for symbol in wanted if symbol not in known):
        raise UnknownSymbols(unknown)
    return wanted
