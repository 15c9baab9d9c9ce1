"""SSI's REST API: fetches the access token, and the reference data of all instruments."""

import asyncio
import logging
import time
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from connectors.ssi.calls import bearer, call
from connectors.ssi.core.errors import SsiError, SsiUnavailable, TokenRejected
from connectors.ssi.core.reference import GROUPS, MARKETS, details, members, reference_records, securities
from connectors.ssi.core.replies import read_answer, read_token, times_of
from connectors.ssi.settings import SsiSettings, is_loopback
from schemas.calendar import as_date
from schemas.structs import ReferenceRecord
from schemas.units import TradingDay

log = logging.getLogger(__name__)

PACE_S: Final = 1.1
"""Seconds between two calls. SSI limits the calls of a key without saying to how many; its users make about one a second."""
PAGE_SIZE: Final = 1000
MAX_PAGES: Final = 10
"""SSI serves no page after the tenth."""


class SsiRest:
    """Makes one call at a time, :data:`PACE_S` apart, and keeps the token, which the hub takes too."""

    def __init__(self, http: aiohttp.ClientSession, settings: SsiSettings) -> None:
        self._http = http
        self._settings = settings
        self._base = f"{settings.api_url}api/v2/Market/"
        # Only a simulator is on this machine; it limits nobody.
        self._pace_s = 0.0 if is_loopback(urlsplit(settings.api_url).hostname or "") else PACE_S
        self._one_call = asyncio.Lock()
        self._one_fetch = asyncio.Lock()
        self._next_call_s = 0.0
        self._token: str | None = None
        self._renew_s = 0.0

    async def token(self) -> str:
        """Return the token; fetch a new one first if there is none or it is about to expire.

        Several callers at a time cause one fetch and get the same token.

        Raises:
            BadCredentials: SSI refuses them.
            SsiUnavailable: SSI does not answer.
        """
        async with self._one_fetch:
            if self._token is None or time.time() >= self._renew_s:
                self._token = await self._fetch_token()
                now_s = time.time()
                expires_s, self._renew_s = times_of(self._token, now_s)
                log.info("got a token, good for %.1f h", (expires_s - now_s) / 3600)
            return self._token

    def forget_token(self) -> None:
        """Note that SSI rejected the token: the next call fetches a new one."""
        self._token = None

    async def reference(self, day: TradingDay) -> tuple[list[ReferenceRecord], SsiError | None]:
        """Ask what is listed on all markets, and for the details and index members.

        Returns:
            The records for ``day``, and an error if they are incomplete: where details could not be fetched, records have no
            lot and no last trading day; where the members of an index could not, none has that group.

        Raises:
            SsiError: Not even the list of instruments came.
        """
        listed = [(market, row) for market in MARKETS for row in await self._pages("Securities", securities, market=market)]
        if not listed:
            # SSI answers so for a while each night. Taken for the truth, it would leave the day without any reference data.
            raise SsiUnavailable("Securities", "no instrument is listed on any market")
        trouble: SsiError | None = None
        detailed: list[dict[str, Any]] = []
        groups: dict[str, list[str]] = {}
        for market in MARKETS:
            try:
                detailed += await self._pages("SecuritiesDetails", details, market=market, symbol="")
            except SsiError as error:
                trouble = trouble or error
        for index in GROUPS:
            try:
                answer = await self._get("IndexComponents", indexCode=index, pageIndex="1", pageSize=str(PAGE_SIZE))
            except SsiError as error:
                trouble = trouble or error
            else:
                groups[index] = members(answer)
        return reference_records(day, listed, detailed, groups), trouble

    async def daily_prices(self, day: TradingDay) -> list[dict[str, Any]]:
        """Ask for DailyStockPrice of ``day``: the rows of all markets as SSI writes them.

        Raises:
            SsiError: Some of it did not come.
        """
        date = f"{as_date(day):%d/%m/%Y}"
        rows: list[dict[str, Any]] = []
        for market in MARKETS:
            rows += await self._pages("DailyStockPrice", securities, symbol="", fromDate=date, toDate=date, market=market)
        return rows

    async def _pages(self, operation: str, rows_of: Any, **query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for page in range(1, MAX_PAGES + 1):
            data = await self._get(operation, **query, pageIndex=str(page), pageSize=str(PAGE_SIZE))
            got = rows_of(data)
            rows += got
            if len(got) < PAGE_SIZE:
                break
        return rows

    async def _get(self, operation: str, **query: str) -> Any:
        """Call ``operation``, once more with a new token if SSI rejects this one."""
        try:
            return await self._get_once(operation, query)
        except TokenRejected:
            self.forget_token()
            return await self._get_once(operation, query)

    async def _get_once(self, operation: str, query: dict[str, str]) -> Any:
        token = await self.token()
        async with self._one_call:
            await self._keep_pace()
            reply = await call(self._http, "GET", self._base + operation, operation, headers=bearer(token), query=query)
        return read_answer(operation, reply.status, reply.body, reply.retry_after)

    async def _fetch_token(self) -> str:
        credentials = {
            "consumerID": self._settings.consumer_id.get_secret_value(),
            "consumerSecret": self._settings.consumer_secret.get_secret_value(),
        }
        async with self._one_call:
            await self._keep_pace()
            reply = await call(self._http, "POST", f"{self._base}AccessToken", "AccessToken", body=credentials)
        return read_token(reply.status, reply.body, reply.retry_after)

    async def _keep_pace(self) -> None:
        await asyncio.sleep(max(0.0, self._next_call_s - time.monotonic()))
        self._next_call_s = time.monotonic() + self._pace_s
