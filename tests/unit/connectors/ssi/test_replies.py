import base64
import json
from typing import Any

import pytest

from connectors.ssi.core.errors import BadCredentials, QuotaExceeded, SsiUnavailable, TokenRejected
from connectors.ssi.core.replies import expiry_of, life_of, objection, one_line, read_answer, read_token, refusal, said_in


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def jwt(payload: dict[str, Any]) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip('=')}.sig"


@pytest.mark.parametrize("status", [200, "200", "Success"])
def test_success_is_a_number_or_a_word(status: int | str) -> None:
    answer = read_answer("Securities", 200, body(message="Success", status=status, data=[1], totalRecord=1), None)
    assert answer == ([1], 1)


def test_no_data_is_nothing_and_no_error() -> None:
    assert read_answer("IndexComponents", 200, body(message="Success", status="Success", data=None), None).data is None
    assert read_answer("IndexComponents", 200, body(message="NoDataFound", status="Error", data=None), None).data is None


@pytest.mark.parametrize(
    ("http_status", "fields", "error"),
    [
        (200, {"message": "Missing Authorization header", "status": 401}, TokenRejected),
        (200, {"message": "Unauthorized", "status": "401"}, TokenRejected),
        (401, {"message": "Unauthorized"}, TokenRejected),
        (200, {"message": "API calls quota exceeded! maximum admitted 1 per 1 s", "status": "Error"}, QuotaExceeded),
        (429, {"message": "slow down"}, QuotaExceeded),
        (200, {"message": "Size of a page must 10, 20, 50, 100 or 1000", "status": "Error"}, SsiUnavailable),
        (502, {"message": None}, SsiUnavailable),
    ],
)
def test_refusals_come_by_http_status_or_in_the_body(http_status: int, fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(SsiUnavailable) as caught:
        read_answer("Securities", http_status, body(**fields), None)
    assert type(caught.value) is error


@pytest.mark.parametrize("http_status", [200, 403, 500])
@pytest.mark.parametrize("text", [b"API calls quota exceeded! maximum admitted 1 per 1 s", b'"Too many requests"'])
def test_a_quota_may_be_plain_text(http_status: int, text: bytes) -> None:
    with pytest.raises(QuotaExceeded):
        read_answer("Securities", http_status, text, None)


def test_a_word_on_somebody_elses_page_proves_nothing() -> None:
    page = b"<html><body>Your quota of free articles</body></html>"
    with pytest.raises(SsiUnavailable) as caught:
        read_answer("Securities", 200, page, None)
    assert type(caught.value) is SsiUnavailable
    assert said_in("x" * 501 + " quota").words == ""


@pytest.mark.parametrize("text", [b"", b"<html>502</html>", b"[]", b"\xff"])
def test_what_is_no_answer_is_unavailable(text: bytes) -> None:
    with pytest.raises(SsiUnavailable):
        read_answer("Securities", 200, text, None)


def test_the_token_is_in_the_data() -> None:
    assert read_token(200, body(message="Success", status=200, data={"accessToken": "abc"}), None) == "abc"
    assert read_token(200, body(message="Success", status="200", data={"accessToken": "abc"}), None) == "abc"


@pytest.mark.parametrize(
    "fields", [{"message": "The connection is invalid", "status": 400, "data": None}, {"message": "no", "status": 401}]
)
def test_refused_credentials_name_both_variables(fields: dict[str, Any]) -> None:
    with pytest.raises(BadCredentials, match=r"SSI_CONSUMER_ID and SSI_CONSUMER_SECRET"):
        read_token(200, body(**fields), None)


@pytest.mark.parametrize(
    ("http_status", "text"),
    [
        (502, b"<html>"),
        (503, b"{}"),
        (200, b"<html>"),
        (200, b'{"status":200,"data":{}}'),
        # Its own failures, in its envelope; and proxies that stand before it.
        (200, b'{"message":"An error has occurred.","status":500}'),
        (200, b'{"message":"Execution Timeout Expired","status":"Error"}'),
        (408, b""),
        (302, b""),
        (403, b"<html>Request blocked</html>"),
        # ASP.NET's and a gateway's own words, which name no credentials.
        (400, b'{"message":"An error has occurred."}'),
        (400, b'{"Message":"The request is invalid."}'),
        (403, b'{"message":"Forbidden"}'),
        (403, b'{"status":403}'),
        (400, b'{"status":400,"message":null}'),
        (500, b'{"message":"An error occurred while the consumer was read","status":500}'),
        (403, b"<html>no such consumer</html>"),
    ],
)
def test_a_server_that_is_down_says_nothing_about_credentials(http_status: int, text: bytes) -> None:
    with pytest.raises(SsiUnavailable, match="AccessToken"):
        read_token(http_status, text, None)


def test_a_refusal_by_http_status_is_one_in_ssis_envelope() -> None:
    with pytest.raises(BadCredentials):
        read_token(401, body(message="Unauthorized"), None)
    for status in (400, 403):
        with pytest.raises(BadCredentials):
            read_token(status, body(message="Invalid consumerID or consumerSecret"), None)


def test_what_may_be_the_credentials_says_so() -> None:
    with pytest.raises(SsiUnavailable, match="check SSI_CONSUMER_ID and SSI_CONSUMER_SECRET"):
        read_token(403, body(message="Forbidden"), None)


@pytest.mark.parametrize("token", ["two\nlines", "two words", "Tiếng", "\x7f", " ", ""])
def test_a_token_that_no_header_can_hold_is_none(token: str) -> None:
    with pytest.raises(SsiUnavailable, match="accessToken"):
        read_token(200, body(message="Success", status=200, data={"accessToken": token}), None)
    assert read_token(200, body(status=200, data={"accessToken": " abc\r\n"}), None) == "abc"


def test_a_quota_is_no_word_about_credentials_either() -> None:
    with pytest.raises(QuotaExceeded):
        read_token(200, body(message="API calls quota exceeded! maximum admitted 1 per 1 s", status=400), None)


def test_hub_refusals() -> None:
    assert refusal("negotiate", 200, "", None) is None
    for status in (401, 403, 302):
        assert isinstance(refusal("negotiate", status, "", None), TokenRejected)
    quota = refusal("negotiate", 429, "", "30")
    assert isinstance(quota, QuotaExceeded)
    assert quota.retry_after_s == 30
    assert type(refusal("negotiate", 504, "gateway", "soon")) is SsiUnavailable
    assert type(refusal("negotiate", 200, '{"message":"Connection has been blocked"}', None)) is QuotaExceeded
    assert type(refusal("negotiate", 200, '{"status":401}', None)) is TokenRejected
    assert type(refusal("negotiate", 200, '{"status":500,"message":"x"}', None)) is SsiUnavailable
    assert refusal("negotiate", 200, '{"ConnectionToken":"t","ProtocolVersion":"1.5"}', None) is None
    assert refusal("start", 200, '{ "Response": "started" }', None) is None
    assert type(refusal("connect", 400, "Protocol error: Missing connection token.", None)) is SsiUnavailable
    patient = refusal("negotiate", 503, "", "99999999")
    assert isinstance(patient, SsiUnavailable)
    assert patient.retry_after_s == 300


def test_a_token_says_when_it_expires() -> None:
    assert expiry_of(jwt({"exp": 1_795_399_200})) == 1_795_399_200
    assert expiry_of(jwt({"exp": 1_795_399_200.5, "name": "Đỗ???>>>"})) == 1_795_399_200


@pytest.mark.parametrize(
    "token", ["", "opaque", "a.b.c", "a.!!!.c", jwt({}), jwt({"exp": "soon"}), jwt({"exp": -5}), "e30.W10.s"]
)
def test_a_token_may_not_say_when_it_expires(token: str) -> None:
    assert expiry_of(token) is None


def test_a_token_is_replaced_an_hour_ahead_or_half_way_through_a_short_life() -> None:
    assert life_of(jwt({"exp": 100_000}), 80_000.0) == (20_000, 16_400)
    assert life_of(jwt({"exp": 100_000}), 99_000.0) == (1_000, 500)


def test_a_token_that_does_not_say_when_it_expires_is_good_for_eight_hours() -> None:
    assert life_of("opaque", 1_000.0) == (28_800, 25_200)


def test_a_token_that_says_when_it_was_issued_needs_no_clock() -> None:
    assert life_of(jwt({"exp": 120_000, "iat": 100_000}), 7.0) == (20_000, 16_400)


@pytest.mark.parametrize("wall_s", [100_001.0, 400_000.0, 0.0])
def test_a_token_that_was_just_issued_and_is_out_of_date_shows_that_the_clock_is_wrong(wall_s: float) -> None:
    assert life_of(jwt({"exp": 100_000}), wall_s) == (28_800, 25_200)


@pytest.mark.parametrize("text", ["Unauthorized", '{"status":401}', '{"error":"invalid_token"}'])
def test_a_text_on_the_stream_may_object_to_the_token(text: str) -> None:
    assert isinstance(objection(text), TokenRejected)


@pytest.mark.parametrize("text", ["", "going away", '{"status":500}', "{}", "[]", "Missing connection token"])
def test_any_other_text_on_the_stream_objects_to_nothing(text: str) -> None:
    assert objection(text) is None


def test_a_text_for_the_log_holds_no_token() -> None:
    token = jwt({"exp": 100_000}).replace("e30", "eyJhbGciOiJSUzI1NiJ9")
    assert one_line(f"cannot take {token}\n now") == "cannot take *** now"
    assert one_line("got Authorization: bearer abc.def now") == "got Authorization: *** now"
