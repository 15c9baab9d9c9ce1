"""SSI's REST API: fetches the access token, and the lists of what is listed."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from connectors.ssi.calls import bearer, call
from connectors.ssi.core.backoff import QUOTA_MIN_S
from connectors.ssi.core.errors import QuotaExceeded, SsiError, TokenRejected
from connectors.ssi.core.pace import CallPace
from connectors.ssi.core.reference import MARKETS, ListName, Page, read_page, rows_of
from connectors.ssi.core.replies import RestAnswer, life_of, read_answer, read_token
from connectors.ssi.keys import Key, KeyFiles
from connectors.ssi.settings import SsiSettings, is_loopback
from schemas.calendar import as_date
from schemas.units import TradingDay

log = logging.getLogger(__name__)

PACE_S: Final = 1.1
"""Seconds between two calls. SSI limits the calls of a key without saying to how many; its users make about one a second."""
RENEW_AGAIN_S: Final = 60.0
"""How long after a token could not be renewed ahead of time it is tried again, in seconds."""
PAGE_SIZE: Final = 1000
MAX_PAGES: Final = 10
"""SSI serves no page after the tenth."""
_QUERIES: Final[dict[str, dict[str, str]]] = {
    "Securities": {"market": "{}"},
    "SecuritiesDetails": {"market": "{}", "symbol": ""},
    "IndexList": {"exchange": "{}"},
    "IndexComponents": {"indexCode": "{}"},
}
"""The parameters of each operation; the market or the index stands for the braces."""


class SsiRest:
    """Makes calls :data:`PACE_S` apart and keeps the token, which the hub takes too.

    When SSI complains of a quota nothing is asked for :data:`~connectors.ssi.core.backoff.QUOTA_MIN_S`, by whomever: its
    quotas hold for all calls of a key.
    """

    def __init__(self, http: aiohttp.ClientSession, settings: SsiSettings) -> None:
        self._http = http
        self._keys = KeyFiles(settings)
        self._used: Key | None = None
        """The key that the last token was got with."""
        self._base = f"{settings.api_url}api/v2/Market/"
        # Only a simulator is on this machine; it limits nobody.
        self._pace = CallPace(0.0 if is_loopback(urlsplit(settings.api_url).hostname or "") else PACE_S)
        self._one_fetch = asyncio.Lock()
        self._token: str | None = None
        self._renew_s = self._good_until_s = 0.0

    async def token(self) -> str:
        """Return the token; fetch a new one first if there is none or it is about to expire.

        Several callers at a time cause one fetch and get the same token. It does not wait for other calls that are under way:
        without a token the stream stands still.

        Raises:
            BadCredentials: SSI refuses them.
            SsiUnavailable: SSI does not answer.
        """
        async with self._one_fetch:
            token = self._token
            if token is None or time.monotonic() >= self._good_until_s:
                return await self._renew()
            if time.monotonic() >= self._renew_s:
                return await self._renew_ahead() or token
            return token

    async def renew(self) -> bool:
        """Fetch a new token ahead of time, and return whether one came. If none does the old one is kept."""
        async with self._one_fetch:
            return await self._renew_ahead() is not None

    def new_key(self) -> Key | None:
        """The key of now, where the last token was got with another one; None where it is the same, or there was none yet."""
        key = self._keys.read()
        return None if self._used in (None, key) else key

    async def take_key(self) -> None:
        """Fetch a token with the key of now. If none comes the old one is kept.

        Raises:
            BadCredentials: SSI refuses the key.
            SsiUnavailable: SSI does not answer.
        """
        async with self._one_fetch:
            await self._renew()

    def forget_token(self) -> None:
        """Note that SSI rejected the token: the next call fetches a new one."""
        self._token = None

    @property
    def pause_s(self) -> float:
        """Seconds until the next call may be made: a moment, or what is left of a pause that SSI asked for."""
        return self._pace.left_s(time.monotonic())

    @property
    def pace_s(self) -> float:
        """Seconds between two calls."""
        return self._pace.pace_s

    async def ask(self, name: ListName) -> Page:
        """Fetch all pages of a list, as one.

        Raises:
            SsiError: A page did not come.
        """
        query = {key: value.format(name.subject) for key, value in _QUERIES[name.operation].items()}
        return await self._pages(name.operation, query, lambda answer: read_page(name.operation, answer.data, answer.total))

    async def daily_prices(self, day: TradingDay) -> list[dict[str, Any]]:
        """Ask for DailyStockPrice of ``day``: the rows of all markets as SSI writes them.

        Raises:
            SsiError: Some of it did not come.
        """
        date = f"{as_date(day):%d/%m/%Y}"
        rows: list[dict[str, Any]] = []
        for market in MARKETS:
            query = {"symbol": "", "fromDate": date, "toDate": date, "market": market}
            page = await self._pages("DailyStockPrice", query, lambda answer: Page(rows_of(answer.data), answer.total))
            rows += page.rows
        return rows

    async def page(self, operation: str, query: dict[str, str], number: int, size: int) -> Page:
        """Fetch one page of an operation whose answers are lists of rows.

        Args:
            operation: ``DailyStockPrice``, ``IntradayOhlc``, ….
            query: Its parameters, without those of the page.
            number: Of the page, from 1.
            size: How many rows a page has.

        Raises:
            SsiError: It did not come.
        """
        answer = await self._get(operation, {**query, "pageIndex": str(number), "pageSize": str(size)})
        return Page(rows_of(answer.data), answer.total)

    async def _pages(self, operation: str, query: dict[str, str], read: Callable[[RestAnswer], Page]) -> Page:
        rows: list[dict[str, Any]] = []
        stated: int | None = None
        for number in range(1, MAX_PAGES + 1):
            page = read(await self._get(operation, {**query, "pageIndex": str(number), "pageSize": str(PAGE_SIZE)}))
            rows += page.rows
            stated = page.stated if page.stated is not None else stated
            if len(page.rows) < PAGE_SIZE:
                break
        return Page(rows, stated)

    async def _get(self, operation: str, query: dict[str, str]) -> RestAnswer:
        """Call ``operation``, once more with a new token if SSI rejects this one."""
        try:
            return await self._get_once(operation, query)
        except TokenRejected:
            self.forget_token()
            return await self._get_once(operation, query)

    async def _get_once(self, operation: str, query: dict[str, str]) -> RestAnswer:
        token = await self.token()
        await self._keep_pace()
        reply = await call(self._http, "GET", self._base + operation, operation, headers=bearer(token), query=query)
        try:
            return read_answer(operation, reply.status, _without(reply.body, token), reply.retry_after)
        except SsiError as error:
            self._heed(error)
            raise

    async def _renew(self) -> str:
        token = await self._fetch_token()
        life = life_of(token, time.time())
        now_s = time.monotonic()
        self._token, self._renew_s, self._good_until_s = token, now_s + life.renew_s, now_s + life.good_s
        log.info("got a token, good for %.1f h", life.good_s / 3600)
        return token

    async def _renew_ahead(self) -> str | None:
        try:
            return await self._renew()
        except SsiError as error:
            log.warning("%s; the token is kept as long as it is good", error)
            self._renew_s = time.monotonic() + RENEW_AGAIN_S
            return None

    async def _fetch_token(self) -> str:
        key = self._keys.read()
        credentials = {"consumerID": key.consumer_id, "consumerSecret": key.secret}
        await self._keep_pace()
        reply = await call(self._http, "POST", f"{self._base}AccessToken", "AccessToken", body=credentials)
        try:
            token = read_token(reply.status, _without(reply.body, key.secret), reply.retry_after)
        except SsiError as error:
            self._heed(error)
            raise
        self._used = key
        return token

    async def _keep_pace(self) -> None:
        """Wait for the next moment at which a call may be made. Whoever comes first takes it."""
        await asyncio.sleep(self._pace.take(time.monotonic()))

    def _heed(self, error: SsiError) -> None:
        if isinstance(error, QuotaExceeded):
            self._pace.pause(time.monotonic(), max(QUOTA_MIN_S, error.retry_after_s or 0.0))


def _without(body: bytes, secret: str) -> bytes:
    """A body without a secret that it may quote: what it says goes into errors, and these into the log."""
    return body.replace(secret.encode(), b"***")
