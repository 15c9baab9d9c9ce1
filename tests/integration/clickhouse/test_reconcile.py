"""A day in the archive, as the comparison with SSI reads it."""

from datetime import date

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from connectors.ssi.core.reconcile import ArchivedDay, ForeignSide
from connectors.ssi.settings import SsiSettings
from schemas.units import TradingDay
from stock_tracker.reconcile import archived_days, as_json, reconcile, sentences

pytestmark = pytest.mark.clickhouse
DAY = TradingDay(20261123)
TRADES = [
    # symbol, kind, generation, volume, anchored, phase
    ("VNM", "print", 0, 700, True, "continuous"),
    ("VNM", "gap", 0, 300, True, None),
    ("VNM", "fill", 0, 100, True, None),
    ("VNM", "print", 0, 100, True, "continuous"),
    ("VNM", "correction", 0, -50, True, None),
    ("VNM", "print", 0, 5, False, "odd_lot"),
    ("VNM", "print", 0, 30, False, "continuous"),
    ("VNM", "print", 0, 200, True, "put_through"),
    ("VNM", "fill", 0, 200, True, "put_through"),
    ("SSI", "print", 0, 500, True, "continuous"),
    ("SSI", "reset", 1, 0, True, None),
    ("SSI", "print", 1, 40, True, "continuous"),
]
LEDGER = [
    # symbol, side, generation, volume, ambiguous, kind
    ("VNM", "buy", 0, 400, False, "delta"),
    ("VNM", "buy", 0, -100, True, "correction"),
    ("VNM", "sell", 0, 60, False, "catch_up"),
    ("VNM", "sell", 0, 0, False, "room"),
    ("SSI", "sell", 0, 70, False, "delta"),
    ("SSI", "sell", 1, 8, True, "reset"),
]


@pytest.fixture
def archive(writer: Client, database: str) -> Client:
    """An archive with a day of two symbols in it, and a line of the day before."""
    for _ in migrations.migrate(writer, database):
        pass
    today, yesterday = date(2026, 11, 23), date(2026, 11, 20)
    columns = ["symbol", "kind", "generation", "volume", "anchored", "phase"]
    trades = [[*row, "HOSE", today, offset] for offset, row in enumerate(TRADES)]
    trades.append(["VNM", "print", 0, 9_999, True, "continuous", "HOSE", yesterday, 99])
    writer.insert("trades_state", trades, column_names=[*columns, "exchange", "day", "offset"])
    ledger = [[*row, "HOSE", today, offset] for offset, row in enumerate(LEDGER)]
    columns = ["symbol", "side", "generation", "volume", "ambiguous", "kind", "exchange", "day", "offset"]
    writer.insert("foreign_ledger", ledger, column_names=columns)
    return writer


def test_a_day_of_the_archive_is_summed_up_symbol_by_symbol(archive: Client) -> None:
    assert archived_days(archive, DAY) == {
        "VNM": ArchivedDay(
            "VNM", "HOSE", printed=800, missed=200, corrected=-50, last_generation=950, put_through=200, unanchored=30,
            bought=ForeignSide(300, 300, -100), sold=ForeignSide(60, 60, 0),
        ),
        "SSI": ArchivedDay(
            "SSI", "HOSE", printed=540, last_generation=40, sold=ForeignSide(78, 8, 0),
        ),
    }  # fmt: skip
    assert archived_days(archive, TradingDay(20261124)) == {}


async def test_ssi_is_asked_for_the_day_and_compared_with_the_archive(archive: Client) -> None:
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("AccessToken"):
            return web.json_response({"message": "Success", "status": 200, "data": {"accessToken": "a.b.c"}})
        asked.append(dict(request.query))
        rows = [] if request.query["market"] != "HOSE" else [row("VNM", 750, 200, 400, 60), row("SSI", 541, 0, 0, 8)]
        return web.json_response({"message": "Success", "status": "Success", "data": rows, "totalRecord": len(rows)})

    def row(symbol: str, *totals: int) -> dict[str, str]:
        names = ("TotalMatchVol", "TotalDealVol", "ForeignBuyVolTotal", "ForeignSellVolTotal")
        return {"Symbol": symbol, "TradingDate": "23/11/2026", **dict(zip(names, map(str, totals), strict=True))}

    app = web.Application()
    app.router.add_route("*", "/api/v2/Market/{operation}", answer)
    async with TestServer(app) as server:
        secrets = {"consumer_id": "me", "consumer_secret": "mine"}
        settings = SsiSettings.model_validate({**secrets, "api_url": str(server.make_url("/")), "kafka": {}})
        report = await reconcile(settings, archive, DAY, lambda _: None)
    assert {query["market"] for query in asked} == {"HOSE", "HNX", "UPCOM", "DER"}
    assert all(query["fromDate"] == query["toDate"] == "23/11/2026" for query in asked)

    said = as_json(DAY, report)
    assert (said["equal"], said["explained"], said["different"]) == (0, 1, 1)
    ssi, vnm = said["symbols"]
    assert (ssi["symbol"], ssi["verdict"], ssi["volume"]["why"]) == ("SSI", "different", "+1 unexplained (540 in prints)")
    assert ssi["foreign_sold"]["why"] == "SSI counts since the counter began again"
    assert (vnm["symbol"], vnm["verdict"], vnm["volume"]["ours"]) == ("VNM", "explained", 800)
    assert vnm["foreign_bought"]["why"] == "without -100 in corrections that nobody was sure of"
    assert said["put_through"] == "TotalVol of the stream contains put-through deals"
    lines = sentences(DAY, report)
    assert lines[1].startswith("SSI          volume         different")
    assert lines[-1].startswith("20261123: 2 symbols, 0 equal, 1 explained, 1 different")
