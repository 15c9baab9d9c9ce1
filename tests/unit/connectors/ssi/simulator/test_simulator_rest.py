"""SSI's REST answers: envelopes, paging, spellings, refusals."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.simulator.core import rest
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.tokens import LIFETIME_S, issue_token, owner_of
from schemas.calendar import at
from schemas.units import TradingDay
from tests.played import PlayedSoFar, played

DAY = TradingDay(20261123)
KEY = b"a key"
NOW_S = 1_795_400_000


@pytest.fixture(scope="module")
def reference(market: MarketDay) -> Iterator[PlayedSoFar]:
    with played(market, at(DAY, 8)) as so_far:
        yield so_far


def answer(reference: PlayedSoFar, operation: str, **query: str) -> dict[str, Any]:
    return reference.ask(operation, **query)


def symbols(answered: dict[str, Any]) -> list[str]:
    return [row["Symbol"] for row in answered["data"]]


def test_securities_are_paged_and_all_values_are_strings(reference: PlayedSoFar) -> None:
    pages = [answer(reference, "Securities", market="HOSE", pageIndex=str(n), pageSize="50") for n in (1, 2, 3)]
    assert [page["totalRecord"] for page in pages] == [89, 89, 89]
    assert [len(page["data"]) for page in pages] == [50, 39, 0]
    assert pages[2]["message"] == "NoDataFound"
    assert list(pages[0]) == ["data", "message", "status", "totalRecord"]
    assert pages[0]["status"] == "Success"
    assert all(isinstance(value, str) for row in pages[0]["data"] for value in row.values())
    assert len(set(symbols(pages[0])) | set(symbols(pages[1]))) == 89


def test_without_a_page_it_is_the_first_ten_of_every_market(reference: PlayedSoFar) -> None:
    answered = answer(reference, "securities", market="", symbol="")
    assert len(answered["data"]) == 10
    assert answered["totalRecord"] == 134


@pytest.mark.parametrize("name", ["symbol", "Symbol", "lookupRequest.symbol"])
def test_a_parameter_may_be_spelt_in_three_ways(reference: PlayedSoFar, name: str) -> None:
    assert symbols(answer(reference, "SECURITIES", **{name: "vcb"})) == ["VCB"]


def test_a_page_of_another_size_is_refused_in_ssis_words(reference: PlayedSoFar) -> None:
    answered = answer(reference, "Securities", pageSize="30")
    assert answered["status"] == "Error"
    assert answered["message"] == "Size of a page must 10, 20, 50, 100 or 1000"
    assert answered["data"] is None


@pytest.mark.parametrize("index", ["0", "11", "x"])
def test_a_page_that_cannot_be_is_refused(reference: PlayedSoFar, index: str) -> None:
    assert answer(reference, "Securities", pageIndex=index)["status"] == "Error"


def test_futures_say_when_they_expire_and_on_what(reference: PlayedSoFar) -> None:
    report = answer(reference, "SecuritiesDetails", market="DER", pageSize="100")["data"][0]
    assert list(report) == ["RType", "ReportDate", "TotalNoSym", "RepeatedInfo"]
    assert (report["ReportDate"], report["TotalNoSym"]) == ("23/11/2026", "4")
    front = report["RepeatedInfo"][0]
    assert (front["Symbol"], front["Underlying"], front["LastTradingDate"]) == ("41I1GC000", "VN30", "17/12/2026")
    assert (front["LotSize"], front["ContractMultiplier"], front["TickIncrement1"]) == ("1", "100000", "0.1")


def test_details_have_ssis_keys_and_the_ticks_of_the_exchange(reference: PlayedSoFar) -> None:
    detail = answer(reference, "SecuritiesDetails", symbol="HPG")["data"][0]["RepeatedInfo"][0]
    assert list(detail)[:8] == ["Isin", "Symbol", "SymbolName", "SymbolEngName", "SecType", "MarketId", "Exchange", "Issuer"]
    assert "ExcerciseRatio" in detail
    assert [detail[f"TickIncrement{n}"] for n in (1, 2, 3, 4)] == ["10", "50", "100", None]
    assert [detail[f"TickPrice{n}"] for n in (1, 2, 3)] == ["0", "10000", "50000"]


def test_an_index_is_one_row_with_its_members_nested(reference: PlayedSoFar) -> None:
    answered = answer(reference, "IndexComponents", indexCode="vn30")
    assert answered["totalRecord"] == 1
    row = answered["data"][0]
    assert (row["IndexCode"], row["TotalSymbolNo"], len(row["IndexComponent"])) == ("VN30", "30", 30)
    assert row["IndexComponent"][0] == {"Isin": "ACB", "StockSymbol": "ACB"}


def test_an_unknown_index_has_no_data(reference: PlayedSoFar) -> None:
    assert answer(reference, "IndexComponents", indexCode="VN31")["data"] == []


def test_indices_are_listed_by_exchange(reference: PlayedSoFar) -> None:
    assert [row["IndexCode"] for row in answer(reference, "IndexList", exchange="HOSE")["data"]] == ["VNINDEX", "VN30"]


def test_what_is_not_there_is_answered_as_aspnet_does() -> None:
    assert "intradaybytick" not in rest.OPERATIONS
    assert rest.no_resource("http://here/x", "x") == {
        "Message": "No HTTP resource was found that matches the request URI 'http://here/x'.",
        "MessageDetail": "No action was found on the controller 'Market' that matches the name 'x'.",
    }


def test_a_grant_has_exactly_the_keys_that_the_official_client_takes() -> None:
    assert rest.token_granted("t") == {"message": "Success", "status": 200, "data": {"accessToken": "t"}}
    assert rest.token_refused() == {"message": "The connection is invalid", "status": 400, "data": None}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"consumerID":"demo"}', b'{"consumerID":1,"consumerSecret":"x"}', b"\xff"])
def test_a_body_without_credentials_has_none(body: bytes) -> None:
    assert rest.read_credentials(body) is None


def test_credentials_are_read_as_the_python_client_sends_them() -> None:
    assert rest.read_credentials(b'{"consumerID": "demo", "consumerSecret": "s"}') == ("demo", "s")


@given(st.text(max_size=40))
def test_a_token_is_read_with_plain_base64_and_holds_for_eight_hours(consumer_id: str) -> None:
    token = issue_token(KEY, consumer_id, NOW_S)
    header, payload, signature = token.split(".")
    assert not {"-", "_"} & set(payload)
    assert json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4)))["exp"] == NOW_S + LIFETIME_S
    assert json.loads(base64.b64decode(header + "=" * (-len(header) % 4))) == {"alg": "RS256", "typ": "JWT"}
    assert len(signature) == 342
    assert owner_of(KEY, token, NOW_S + LIFETIME_S - 1) == owner_of(KEY, token, NOW_S)
    assert owner_of(KEY, token, NOW_S + LIFETIME_S) is None
    assert owner_of(b"another key", token, NOW_S) is None


@pytest.mark.parametrize("token", ["", "a.b.c", "Bearer", "..", "é.é.é"])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert owner_of(KEY, token, NOW_S) is None
