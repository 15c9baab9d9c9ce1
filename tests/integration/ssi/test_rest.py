"""SSI's REST, asked over a real socket: what is incomplete is said, and does not take the rest with it."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.ssi.core.errors import SsiUnavailable
from connectors.ssi.rest import SsiRest
from connectors.ssi.settings import SsiSettings
from schemas.units import TradingDay

DAY = TradingDay(20261123)
Answer = Callable[[str, web.Request], Any]


def listing(operation: str, request: web.Request) -> Any:
    """One stock on HOSE, which is in VN30."""
    match operation:
        case "AccessToken":
            return {"accessToken": "a.b.c"}
        case "Securities":
            return [{"Market": "HOSE", "Symbol": "VNM", "StockName": "Vinamilk"}] if request.query["market"] == "HOSE" else []
        case "SecuritiesDetails":
            return [{"RepeatedInfo": [{"Symbol": "VNM", "LotSize": "100"}]}] if request.query["market"] == "HOSE" else []
        case _:
            return [{"IndexComponent": [{"StockSymbol": "VNM"}]}] if request.query["indexCode"] == "VN30" else []


@asynccontextmanager
async def ssi(answer: Answer) -> AsyncIterator[tuple[SsiRest, Counter[str]]]:
    """A REST client of a server that answers with ``answer``, and what that server was asked."""
    asked: Counter[str] = Counter()

    async def serve(request: web.Request) -> web.Response:
        operation = request.path.rpartition("/")[2]
        asked[operation] += 1
        data = answer(operation, request)
        if isinstance(data, web.Response):
            return data
        return web.json_response({"message": "Success", "status": 200, "data": data})

    app = web.Application()
    app.router.add_route("*", "/api/v2/Market/{operation}", serve)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        settings = SsiSettings.model_validate(
            {
                "consumer_id": "me",
                "consumer_secret": "mine",
                "api_url": str(server.make_url("/")),
                "kafka": {},
                "topic_prefix": "",
            }
        )
        yield SsiRest(http, settings), asked


async def test_what_is_listed_is_joined_with_its_details_and_groups() -> None:
    async with ssi(listing) as (rest, _):
        (record,), trouble = await rest.reference(DAY)
    assert trouble is None
    assert (record.symbol, record.name, record.lot, record.groups) == ("VNM", "Vinamilk", 100, ["VN30"])


async def test_an_index_that_fails_does_not_take_the_others_with_it() -> None:
    def answer(operation: str, request: web.Request) -> Any:
        fails = operation == "SecuritiesDetails" or request.query.get("indexCode") == "VN100"
        return web.Response(status=504) if fails else listing(operation, request)

    async with ssi(answer) as (rest, asked):
        (record,), trouble = await rest.reference(DAY)
    assert isinstance(trouble, SsiUnavailable)
    assert (record.lot, record.groups) == (None, ["VN30"])
    assert asked["IndexComponents"] == 3


async def test_an_empty_list_is_no_answer() -> None:
    async with ssi(lambda operation, request: listing(operation, request) if operation == "AccessToken" else []) as (rest, _):
        with pytest.raises(SsiUnavailable, match="no instrument is listed"):
            await rest.reference(DAY)


async def test_a_token_that_is_rejected_is_fetched_anew_once() -> None:
    rejected = [True]

    def answer(operation: str, request: web.Request) -> Any:
        if operation == "Securities" and rejected:
            rejected.clear()
            return web.json_response({"message": "Unauthorized", "status": 401})
        return listing(operation, request)

    async with ssi(answer) as (rest, asked):
        records, trouble = await rest.reference(DAY)
    assert (len(records), trouble, asked["AccessToken"]) == (1, None, 2)
