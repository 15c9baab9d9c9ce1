from collections.abc import Mapping

import pytest

from connectors.clickhouse.core.access import Access
from connectors.clickhouse.core.errors import StatementRefused
from connectors.clickhouse.core.request import Ask, understand
from connectors.clickhouse.core.statements import Insert


def asked(query: Mapping[str, str] = {}, body: bytes = b"SELECT 1", method: str = "POST", **headers: str) -> Ask | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return understand(method, query, named, body, "sink", Access.WRITE)


def ask(query: Mapping[str, str] = {}, body: bytes = b"SELECT 1", method: str = "POST", **headers: str) -> Ask:
    found = asked(query, body, method, **headers)
    assert found is not None
    return found


def test_a_request_without_a_statement_asks_for_nothing() -> None:
    assert asked(body=b" \n") is None


def test_the_statement_is_the_body_or_begins_in_the_query_string() -> None:
    assert ask().statement == "SELECT 1"
    assert ask({"query": "SELECT 2"}, b"").statement == "SELECT 2\n"
    assert ask({"query": "INSERT INTO t FORMAT TSV"}, b"1\n").statement == Insert("INSERT INTO t", "TSV", b"1\n")


def test_what_is_no_parameter_of_the_transport_is_a_setting_or_a_bind_parameter() -> None:
    found = ask({"database": "market", "max_threads": "2", "param_day": "20261120", "query_id": "x", "no-name": "y"})
    assert (found.database, found.settings, found.params) == ("market", {"max_threads": "2"}, {"day": "20261120"})


def test_the_database_may_be_named_by_a_header() -> None:
    assert ask(X_ClickHouse_Database="market").database == "market"
    assert ask({"database": "other"}, X_ClickHouse_Database="market").database == "other"
    assert ask().database is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_only_reads(method: str) -> None:
    assert ask(method=method).access is Access.READ
    assert ask().access is Access.WRITE


@pytest.mark.parametrize(("said", "seconds"), [("", 60), ("5", 5), ("999999", 3600)])
def test_a_session_is_kept_as_long_as_is_said_up_to_an_hour(said: str, seconds: int) -> None:
    found = ask({"session_id": "mine", "session_timeout": said})
    assert (found.session, found.session_seconds) == ("mine", seconds)


@pytest.mark.parametrize("said", ["soon", "-1", "1.5"])
def test_a_session_timeout_that_is_no_number_is_refused(said: str) -> None:
    with pytest.raises(StatementRefused) as refusal:
        ask({"session_id": "mine", "session_timeout": said})
    assert refusal.value.code == 36


def test_a_statement_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(StatementRefused) as refusal:
        ask(body=b"SELECT '\xff'")
    assert refusal.value.code == 62


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, zstd;q=0.5, lz4", "lz4"), ("zstd", "zstd"), ("gzip, deflate", "gzip"), ("br", None), ("", None)],
)
def test_an_answer_is_compressed_as_the_client_accepts_and_only_if_it_asks(accepted: str, encoding: str | None) -> None:
    assert ask({"enable_http_compression": "1"}, Accept_Encoding=accepted).encoding == encoding
    assert ask(Accept_Encoding=accepted).encoding is None


def test_the_format_may_be_named_by_a_header_as_the_jdbc_driver_does() -> None:
    assert ask(X_ClickHouse_Format="RowBinaryWithNamesAndTypes").default_format == "RowBinaryWithNamesAndTypes"
    assert ask({"default_format": "CSV"}, X_ClickHouse_Format="JSON").default_format == "JSON"
    assert ask({"default_format": "CSV"}).default_format == "CSV"


def test_clickhouses_own_blocks_are_asked_for_apart() -> None:
    assert [ask(query).blocks for query in ({"compress": "1"}, {"compress": "0"}, {})] == [True, False, False]
