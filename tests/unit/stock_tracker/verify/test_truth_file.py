"""The simulator's account of its day, laid aside on disk."""

import asyncio
from io import BytesIO

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.ssi.simulator.core.errors import UnreadableTruth
from connectors.ssi.simulator.core.truth import FaultTruth, PrintTruth, SentTruth, TruthHeader, TruthLine, encode_line
from schemas.units import Symbol, UnixMs
from stock_tracker.errors import NoTruth
from stock_tracker.verify.truth import TruthFile, read_fact
from tests.builders import DAY


def a_header(prints: int, sent: int = 0, faults: int = 0) -> TruthHeader:
    return TruthHeader(
        trading_day=DAY, seed=7, state="finished", market_ms=UnixMs(1), stories=[], prints=prints, deals=0, foreign=0,
        generated={}, sent={"X-TRADE": sent}, sent_previous_day=0, sent_without_match=0, malformed=0, faults=faults,
    )  # fmt: skip


def a_print(total: int) -> PrintTruth:
    return PrintTruth(
        symbol=Symbol("VNM"), ts_ms=UnixMs(1), due_ms=UnixMs(1), price=1, last_vol=100, total_vol=total, total_val=100, side=None,
        session="LO", connections=(),
    )  # fmt: skip


WHOLE: list[TruthLine] = [
    a_header(2, sent=5, faults=1),
    a_print(100),
    a_print(200),
    SentTruth(connection=1, stream="records", records=5, runs=[(0, 5)]),
    FaultTruth(id=1, fault="drop", entry=1, ms=UnixMs(1), connections=(1,), requests=0, records={}),
]
BODY = b"".join(map(encode_line, WHOLE))


def test_it_tells_of_records_with_their_text_as_often_as_it_is_asked() -> None:
    told = TruthFile(BytesIO(BODY))
    assert told.header == WHOLE[0]
    for _ in range(2):
        facts = list(told.facts())
        assert [fact for _, fact in facts] == WHOLE[1:3]
        assert [read_fact(text) for text, _ in facts] == WHOLE[1:3]


@pytest.mark.parametrize("left_out", [1, 3, 4])
def test_an_answer_that_was_cut_short_is_not_taken_for_the_whole(left_out: int) -> None:
    lines = [line for number, line in enumerate(WHOLE) if number != left_out]
    with pytest.raises(UnreadableTruth, match="cut short"):
        list(TruthFile(BytesIO(b"".join(map(encode_line, lines)))).facts())


@pytest.mark.parametrize("body", [b"", b"no JSON", encode_line(a_print(100))])
def test_what_does_not_begin_with_a_header_is_no_answer(body: bytes) -> None:
    with pytest.raises(UnreadableTruth):
        _ = TruthFile(BytesIO(body)).header


def test_a_line_about_no_record_is_no_fact() -> None:
    with pytest.raises(UnreadableTruth):
        read_fact(encode_line(WHOLE[3]))


async def test_it_is_asked_of_a_simulator_and_of_nothing_else() -> None:
    async def tell(request: web.Request) -> web.Response:
        return web.Response(body=BODY)

    application = web.Application()
    application.router.add_get("/sim/truth", tell)
    async with TestServer(application) as server:
        url = str(server.make_url(""))
        told = await asyncio.to_thread(TruthFile.ask, url)
    assert [fact for _, fact in told.facts()] == WHOLE[1:3]
    told.close()
    with pytest.raises(NoTruth):
        await asyncio.to_thread(TruthFile.ask, url)
    async with TestServer(web.Application()) as other:
        with pytest.raises(NoTruth, match="answered 404"):
            await asyncio.to_thread(TruthFile.ask, str(other.make_url("")))
