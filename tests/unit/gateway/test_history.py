"""REST of the past: every question on the archive's real tables, and what becomes of an archive that does not answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from typing import Any

import aiohttp
import clickhouse_connect
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from connectors.clickhouse import migrations
from gateway.app import Gateway
from gateway.core.history import LIMIT, MOST, QUESTIONS, BadQuestion, page, statement
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.fanout import Fanout
from gateway.history import SHARE, WAITING
from gateway.settings import THIS_MACHINE, GatewaySettings
from tests.patience import reached

EACH = pytest.mark.parametrize("name", QUESTIONS)
VALUES = {
    "UInt16": "0", "UInt64": "7", "Date": "2026-11-20", "String": "VNM", "DateTime('Asia/Ho_Chi_Minh')": "2026-11-20 09:15:00",
    "DateTime64(3, 'Asia/Ho_Chi_Minh')": "2026-11-20 09:15:00.000", "Bool": "True",
}  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[Client]:
    """The archive's tables, in memory."""
    client = clickhouse_connect.get_client(interface="chdb", path=":memory:")
    migrations.migrate(client, "default")
    yield client
    client.close()


def asked_of(name: str, **more: str) -> Any:
    question = QUESTIONS[name]
    days = {"from": "20261101", "to": "20261130"} if question.is_daily else {"day": "20261120"}
    return statement(question, "VNM" if question.has_symbol else None, days | more)


@EACH
def test_every_question_can_be_put_to_the_archive_page_by_page(name: str, engine: Client) -> None:
    question = QUESTIONS[name]
    after = "~".join(VALUES[kind] for _, kind in question.order)
    for more in ({}, {"after": after}, {"after": after, "order": "newest"}, dict.fromkeys(question.filters, "x")):
        asked = asked_of(name, **more)
        sql, parameters = asked.sql.removesuffix(" FORMAT JSONCompact"), dict(asked.parameters)
        assert engine.query(sql, parameters=parameters).result_rows == []
        columns = {row[0] for row in engine.query(f"DESCRIBE TABLE ({sql})", parameters=parameters).result_rows}
        assert {column for column, _ in question.order} <= columns


@pytest.fixture
def tape(engine: Client) -> Iterator[None]:
    """Prints of a symbol, one of them late and one put through, and a gap."""
    lines = [
        "('print', 'HPG', '2026-11-20', '2026-11-20 09:15:00', 300, 'continuous', NULL, false, true, 1)",
        "('gap', 'HPG', '2026-11-20', '2026-11-20 09:15:10', 200, NULL, 'lost', false, true, 2)",
        "('print', 'HPG', '2026-11-20', '2026-11-20 09:15:10', 100, 'continuous', NULL, false, true, 3)",
        "('print', 'HPG', '2026-11-20', '2026-11-20 09:15:20', 50, 'continuous', NULL, true, true, 4)",
        "('print', 'HPG', '2026-11-20', '2026-11-20 09:15:30', 9000, 'put_through', NULL, false, true, 5)",
        "('print', 'FPT', '2026-11-20', '2026-11-20 09:15:30', 70, 'continuous', NULL, false, true, 6)",
    ]
    columns = "kind, symbol, day, ts, volume, phase, cause, late, anchored, offset"
    engine.command(f"INSERT INTO trades_state ({columns}) VALUES {', '.join(lines)}")
    yield
    engine.command("TRUNCATE TABLE trades_state")


def answer_of(engine: Client, name: str, **more: str) -> list[dict[str, Any]]:
    question = QUESTIONS[name]
    asked = statement(question, "HPG" if question.has_symbol else None, {"day": "20261120"} | more)
    found = engine.query(asked.sql.removesuffix(" FORMAT JSONCompact"), parameters=dict(asked.parameters))
    return list(found.named_results())


@pytest.mark.usefixtures("tape")
def test_a_volume_is_told_by_what_its_lines_are(engine: Client) -> None:
    found = {
        (row["kind"], row["phase"], row["cause"], row["late"]): (row["lines"], row["volume"])
        for row in answer_of(engine, "volume")
    }
    assert found == {
        ("print", "continuous", "", False): (2, 400),
        ("print", "continuous", "", True): (1, 50),
        ("print", "put_through", "", False): (1, 9_000),
        ("gap", "", "lost", False): (1, 200),
    }


@pytest.mark.usefixtures("tape")
def test_the_last_lines_come_first_if_that_is_asked_and_the_page_after_them_is_older(engine: Client) -> None:
    assert [row["offset"] for row in answer_of(engine, "trades", order="newest")] == [5, 4, 3, 2, 1]
    assert [row["offset"] for row in answer_of(engine, "trades", order="newest", after="0~3~0")] == [2, 1]
    assert [row["offset"] for row in answer_of(engine, "trades", after="0~3~0")] == [4, 5]


@pytest.mark.usefixtures("tape")
def test_deals_are_those_of_every_symbol_that_were_put_through(engine: Client) -> None:
    assert [(row["symbol"], row["volume"]) for row in answer_of(engine, "deals")] == [("HPG", 9_000)]


@pytest.fixture
def foreigners(engine: Client) -> Iterator[None]:
    """Two minutes of a symbol, and one of another, as the ledger's entries make them."""
    engine.command(
        "INSERT INTO foreign_1m_state VALUES ('HPG', '2026-11-20 09:15:00', 300, 100, 9000, 3000, 2),"
        " ('HPG', '2026-11-20 09:16:00', 50, 0, 1500, 0, 1), ('FPT', '2026-11-20 09:15:00', 0, 70, 0, 7000, 1),"
        " ('FPT', '2026-11-19 09:15:00', 5, 5, 500, 500, 1)"
    )
    yield
    engine.command("TRUNCATE TABLE foreign_1m_state")


@pytest.mark.usefixtures("foreigners")
def test_what_foreigners_traded_on_a_day_is_told_of_each_symbol(engine: Client) -> None:
    names = ("symbol", "bought", "sold", "bought_vnd", "sold_vnd", "net_vnd", "source")
    assert [tuple(row[name] for name in names) for row in answer_of(engine, "foreign/daily")] == [
        ("FPT", 0, 70, 0, 7_000, -7_000, "stream"),
        ("HPG", 350, 100, 10_500, 3_000, 7_500, "stream"),
    ]


@EACH
def test_no_text_of_a_client_becomes_a_part_of_a_statement(name: str) -> None:
    hostile = "x' OR 1=1; DROP TABLE trades --"
    question = QUESTIONS[name]
    more = dict.fromkeys(question.filters, hostile) | {"after": "~".join([hostile] * len(question.order))}
    assert hostile not in asked_of(name, **more).sql


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "day"),
        ({"day": "2026-11-20"}, "20261120"),
        ({"day": "20261345"}, "20261120"),
        ({"day": "20261120", "limit": "0"}, str(MOST)),
        ({"day": "20261120", "limit": "1" * 400}, str(MOST)),
        ({"day": "20261120", "limit": "²"}, str(MOST)),
        ({"day": "20261120", "after": "1"}, "next"),
        ({"day": "20261120", "order": "oldest"}, "order: newest"),
        ({"day": "20261120", "sort": "1"}, "parameters are"),
    ],
)
def test_what_cannot_be_used_is_said(asked: dict[str, str], said: str) -> None:
    with pytest.raises(BadQuestion, match=said):
        statement(QUESTIONS["trades"], "VNM", asked)


@given(st.integers(0, 30), st.integers(1, 7))
def test_pages_one_after_the_other_are_the_whole_answer(count: int, limit: int) -> None:
    rows = [[0, number, 0] for number in range(count)]
    question, columns, found = QUESTIONS["trades"], ["partition", "offset", "idx"], []
    begin = 0
    while True:
        answer = page(question, limit, columns, rows[begin : begin + limit + 1])
        found += answer["rows"]
        if answer["next"] is None:
            break
        begin = int(answer["next"].split("~")[1]) + 1
    assert found == rows


class FakeArchive:
    """Answers as ClickHouse's HTTP interface does."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.status = 200
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((await request.text(), dict(request.query)))
        await self.goes_on.wait()
        if self.status != 200:
            return web.Response(status=self.status, text="Code: 60. DB::Exception: Table market.trades does not exist")
        meta = [{"name": name, "type": "x"} for name in ("partition", "offset", "idx", "price")]
        return web.json_response({"meta": meta, "data": [[0, 5, 0, 61_200], [0, 6, 0, 61_300]]})


@pytest_asyncio.fixture
async def archive() -> AsyncIterator[tuple[FakeArchive, str]]:
    fake, app = FakeArchive(), web.Application()
    app.router.add_post("/", fake.answer)
    async with TestServer(app) as server:
        yield fake, str(server.make_url("/"))


async def ask(board: Any, events: Any, archive_url: str, path: str) -> tuple[int, Any]:
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: 0, reason=str)
    settings = GatewaySettings(kafka={}, topic_prefix="", archive_url=archive_url)
    async with (
        TestServer(Gateway(settings, fanout, str).application()) as server,
        aiohttp.ClientSession() as http,
        http.get(server.make_url(path)) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_page_has_columns_rows_and_where_the_next_begins(board: Any, events: Any, archive: Any) -> None:
    fake, url = archive
    status, body = await ask(board, events, url, "/api/v1/trades/VNM?day=20261120&limit=1")
    assert (status, body) == (
        200,
        {"cols": ["partition", "offset", "idx", "price"], "rows": [[0, 5, 0, 61_200]], "next": "0~5~0"},
    )
    ((sql, parameters),) = fake.asked
    assert (parameters["param_symbol"], parameters["readonly"], "LIMIT 2" in sql) == ("VNM", "1", True)


async def test_an_archive_that_is_away_or_fails_is_503_with_what_to_do(board: Any, events: Any, archive: Any) -> None:
    fake, url = archive
    fake.status = 404
    for where in (url, "http://127.0.0.1:1/"):
        status, body = await ask(board, events, where, "/api/v1/alerts?day=20261120")
        assert (status, "stock-tracker status" in body["error"], "DB::" in body["error"]) == (503, True, False)


async def test_who_asks_a_lot_keeps_nobody_else_from_asking(board: Any, events: Any, archive: Any) -> None:
    fake, url = archive
    fake.goes_on.clear()
    settings = GatewaySettings(kafka={}, topic_prefix="", archive_url=url, proxies=THIS_MACHINE)
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: 0, reason=str)
    async with TestServer(Gateway(settings, fanout, str).application()) as server, aiohttp.ClientSession() as http:

        async def asked_by(address: str, symbol: str) -> int:
            path = server.make_url(f"/api/v1/trades/{symbol}?day=20261120")
            async with http.get(path, headers={"X-Forwarded-For": address}) as answer:
                return answer.status

        dear = [asyncio.create_task(asked_by("203.0.113.7", "DEAR")) for _ in range(WAITING + 1)]
        (refused,), waiting = await asyncio.wait(dear, return_when=asyncio.FIRST_COMPLETED)
        assert (refused.result(), len(waiting)) == (429, WAITING)
        other = asyncio.create_task(asked_by("203.0.113.8", "VNM"))
        await reached(lambda: len(fake.asked) == SHARE + 1, "two questions of who asks a lot, and the other's")
        assert sorted(parameters["param_symbol"] for _, parameters in fake.asked) == ["DEAR", "DEAR", "VNM"]
        fake.goes_on.set()
        assert await asyncio.gather(other, *waiting) == [200] * (1 + WAITING)
        assert await asked_by("203.0.113.7", "DEAR") == 200


async def test_who_gets_no_turn_in_time_is_told_so(
    board: Any, events: Any, archive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, url = archive
    monkeypatch.setattr("gateway.history.AT_ONCE", 0)
    monkeypatch.setattr("gateway.history.ANSWER_S", 0.01)
    status, body = await ask(board, events, url, "/api/v1/trades/VNM?day=20261120")
    assert (status, "ask again later" in body["error"], fake.asked) == (503, True, [])


async def test_a_question_that_cannot_be_put_is_400(board: Any, events: Any, archive: Any) -> None:
    fake, url = archive
    status, body = await ask(board, events, url, "/api/v1/basis")
    assert (status, "day" in body["error"], fake.asked) == (400, True, [])


async def test_symbols_are_those_of_the_reference_data(board: Any, events: Any, put: Any) -> None:
    put("VNM", channel="ref", groups=("VN30",), day=0)
    status, body = await ask(board, events, "http://127.0.0.1:1/", "/api/v1/symbols")
    assert (status, body["rows"], body["ch"]) == (200, [["VNM", 1]], "ref")


async def test_a_gateway_says_which_release_it_is(board: Any, events: Any) -> None:
    status, body = await ask(board, events, "http://127.0.0.1:1/", "/api/v1/about")
    assert (status, body) == (200, {"release": version("stock-tracker"), "protocol": "stock.v1"})


def test_a_page_is_a_thousand_rows_unless_it_is_said_otherwise() -> None:
    assert f"LIMIT {LIMIT + 1}" in asked_of("trades").sql
