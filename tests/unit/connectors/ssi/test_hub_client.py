import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.core.errors import ChannelsRejected, ConnectionClosed, QuotaExceeded, Reason, SsiUnavailable, TokenRejected
from connectors.ssi.core.hub_client import (
    HANDSHAKE_MS,
    NO_KEEP_ALIVE_MS,
    SHORTEST_SILENCE_MS,
    Action,
    BeginEpoch,
    HubClient,
    Publish,
    Reconnect,
    RejectMessage,
    Send,
    Start,
    Subscribed,
    Warn,
)
from schemas.units import MonotonicMs

CHANNELS = "X-TRADE:ALL,R:ALL"
NEGOTIATED = (
    b'{"Url":"/v2.0/signalr","ConnectionToken":"AQAA+/==tok","ConnectionId":"c0ffee","KeepAliveTimeout":20.0,'
    b'"DisconnectTimeout":30.0,"ConnectionTimeout":110.0,"TryWebSockets":true,"ProtocolVersion":"1.5",'
    b'"TransportConnectTimeout":5.0,"LongPollDelay":0.0}'
)
INIT = '{"C":"d-0A1B2C3D-B,0|C,0|D,1|E,0","S":1,"M":[]}'
KEEP_ALIVE = "{}"
REPLY = '{"I":"0"}'


def at(seconds: float) -> MonotonicMs:
    return MonotonicMs(86_400_000 + int(seconds * 1000))


def a_client() -> HubClient:
    return HubClient("https://fc-datahub.ssi.com.vn/", CHANNELS)


def subscribed() -> HubClient:
    """A client whose channels the hub accepted a second after the connect."""
    client = a_client()
    client.negotiated(NEGOTIATED)
    client.connected(at(0))
    client.receive(INIT, at(0.2))
    client.started(at(0.4))
    assert client.receive(REPLY, at(1)) == [Subscribed()]
    return client


def broadcast(*arguments: str) -> str:
    invocations = [{"H": "FcMarketDataV2Hub", "M": "Broadcast", "A": [argument]} for argument in arguments]
    return json.dumps({"C": "d-0A1B2C3D-B,1", "M": invocations})


def reason_to_go(actions: list[Action]) -> Exception:
    (action,) = actions
    assert isinstance(action, Reconnect)
    return action.error


def test_a_conversation_from_negotiate_to_data() -> None:
    client = a_client()
    negotiate = urlsplit(client.negotiate_url)
    assert negotiate.geturl().startswith("https://fc-datahub.ssi.com.vn/v2.0/signalr/negotiate?")
    assert parse_qs(negotiate.query) == {"connectionData": ['[{"name":"FcMarketDataV2Hub"}]'], "clientProtocol": ["1.5"]}

    connect = urlsplit(client.negotiated(NEGOTIATED))
    assert connect.geturl().startswith("wss://fc-datahub.ssi.com.vn/v2.0/signalr/connect?")
    assert "AQAA%2B%2F%3D%3Dtok" in connect.query
    assert parse_qs(connect.query)["transport"] == ["webSockets"]

    assert client.connected(at(0)) == [BeginEpoch()]
    (start,) = client.receive(INIT, at(0.2))
    assert isinstance(start, Start)
    assert urlsplit(start.url).path == "/v2.0/signalr/start"
    assert parse_qs(urlsplit(start.url).query)["connectionToken"] == ["AQAA+/==tok"]

    (send,) = client.started(at(0.3))
    assert isinstance(send, Send)
    assert json.loads(send.text) == {"H": "FcMarketDataV2Hub", "M": "SwitchChannels", "A": [CHANNELS], "I": 0}
    assert client.receive(REPLY, at(0.5)) == [Subscribed()]
    assert client.receive(KEEP_ALIVE, at(5)) == []
    assert client.receive(broadcast("one", "two"), at(6)) == [Publish(["one", "two"])]


def test_data_ahead_of_the_reply_counts_as_subscribed() -> None:
    client = a_client()
    client.negotiated(NEGOTIATED)
    client.connected(at(0))
    client.receive(INIT, at(0.1))
    client.started(at(0.2))
    assert client.receive(broadcast("one"), at(0.3)) == [Subscribed(), Publish(["one"])]
    assert client.receive(REPLY, at(0.4)) == []


def test_any_message_keeps_the_connection_alive_and_silence_ends_it() -> None:
    client = subscribed()
    for second in range(2, 100, 15):
        assert client.receive(KEEP_ALIVE, at(second)) == []
        assert client.tick(at(second + 14)) == []
    error = reason_to_go(client.tick(at(92 + 20)))
    assert isinstance(error, SsiUnavailable)
    assert "nothing came for 20 s" in str(error)


def test_a_hub_without_keep_alives_may_be_silent_for_longer() -> None:
    client = a_client()
    client.negotiated(b'{"ConnectionToken":"t","KeepAliveTimeout":null}')
    client.connected(at(0))
    client.receive(INIT, at(0))
    client.started(at(0))
    client.receive(REPLY, at(1))
    assert client.tick(at(100)) == []
    assert reason_to_go(client.tick(MonotonicMs(at(1) + NO_KEEP_ALIVE_MS)))


def test_a_hub_that_never_says_it_is_ready_is_left() -> None:
    client = a_client()
    client.negotiated(NEGOTIATED)
    client.connected(at(0))
    client.receive(KEEP_ALIVE, at(10))
    assert "the hub's first message" in str(reason_to_go(client.tick(MonotonicMs(at(0) + HANDSHAKE_MS))))


def test_a_hub_that_never_answers_the_subscription_is_left() -> None:
    client = a_client()
    client.negotiated(NEGOTIATED)
    client.connected(at(0))
    client.receive(INIT, at(1))
    client.started(at(2))
    client.receive(KEEP_ALIVE, at(10))
    assert client.tick(at(16)) == []
    assert "the answer to SwitchChannels" in str(reason_to_go(client.tick(MonotonicMs(at(2) + HANDSHAKE_MS))))


def test_rejected_channels_name_the_setting_to_mend() -> None:
    client = a_client()
    client.negotiated(NEGOTIATED)
    client.connected(at(0))
    client.receive(INIT, at(0))
    client.started(at(0))
    text = "There was an error invoking Hub method 'FcMarketDataV2Hub.SwitchChannels'."
    error = reason_to_go(client.receive(json.dumps({"I": "0", "E": text}), at(1)))
    assert isinstance(error, ChannelsRejected)
    assert "SSI_CHANNELS" in str(error)
    assert CHANNELS in str(error)


def test_a_server_that_shuts_down_is_left_after_its_last_data() -> None:
    client = subscribed()
    message = json.dumps({"C": "d-1", "M": json.loads(broadcast("last"))["M"], "T": 1})
    published, reconnect = client.receive(message, at(2))
    assert published == Publish(["last"])
    assert isinstance(reconnect, Reconnect)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Connection has been blocked, quota 5 exceeded by 1", QuotaExceeded),
        ("Unauthorized", TokenRejected),
        ("The remote server returned 504 Gateway Timeout", SsiUnavailable),
    ],
)
def test_the_error_callback_ends_the_connection_where_its_text_says_so(text: str, error: type[Exception]) -> None:
    message = json.dumps({"C": "d-1", "M": [{"H": "FcMarketDataV2Hub", "M": "Error", "A": [text]}]})
    assert type(reason_to_go(subscribed().receive(message, at(2)))) is error


def test_any_other_error_text_is_told_and_the_stream_goes_on() -> None:
    message = json.dumps({"C": "d-1", "M": [{"H": "FcMarketDataV2Hub", "M": "Error", "A": ["odd\nthing"]}]})
    (warn,) = subscribed().receive(message, at(2))
    assert isinstance(warn, Warn)
    assert "\n" not in warn.text


def test_a_method_that_nobody_knows_is_a_dead_letter() -> None:
    message = json.dumps({"C": "d-1", "M": [{"H": "FcMarketDataV2Hub", "M": "Whisper", "A": ["psst"]}]})
    (reject,) = subscribed().receive(message, at(2))
    assert isinstance(reject, RejectMessage)
    assert (reject.reason, reject.payload, reject.idx) == (Reason.UNKNOWN_METHOD, "psst", 0)


def test_an_argument_that_is_an_object_is_written_as_text() -> None:
    message = '{"C":"d-1","M":[{"H":"h","M":"broadcast","A":[{"DataType":"F","Content":{"a":1}}]}]}'
    assert subscribed().receive(message, at(2)) == [Publish(['{"DataType":"F","Content":{"a":1}}'])]


@pytest.mark.parametrize("bad", ["{}", '{"M":1,"A":[]}', '{"M":"Broadcast"}', "7", "null"])
def test_an_invocation_that_is_none_is_rejected_alone(bad: str) -> None:
    good = '{"H":"h","M":"Broadcast","A":["%s"]}'
    message = f'{{"C":"d-1","M":[{good % "first"},{bad},{good % "last"}]}}'
    reject, publish = subscribed().receive(message, at(2))
    assert isinstance(reject, RejectMessage)
    assert (reject.reason, reject.payload, reject.idx) == (Reason.BAD_MESSAGE, bad, 1)
    assert publish == Publish(["first", "last"])


@pytest.mark.parametrize("message", ["", "{", "5", "[]", '"x"', '{"M":5}', b"\xff\x00"])
def test_what_is_no_message_is_rejected_whole(message: str | bytes) -> None:
    (reject,) = subscribed().receive(message, at(2))
    assert isinstance(reject, RejectMessage)
    assert (reject.reason, reject.payload, reject.idx) == (Reason.BAD_MESSAGE, message, None)


@given(st.binary(max_size=60))
def test_no_bytes_break_a_client(noise: bytes) -> None:
    client = subscribed()
    for action in client.receive(noise, at(2)):
        assert isinstance(action, RejectMessage | Publish | Reconnect | Warn | Start)
    assert client.receive(broadcast("still here"), at(3)) == [Publish(["still here"])]


def test_a_closed_socket_ends_the_conversation() -> None:
    closed = reason_to_go(subscribed().closed(1001, "going away"))
    assert isinstance(closed, ConnectionClosed)
    assert "closed with code 1001: going away" in str(closed)
    assert "broke" in str(reason_to_go(subscribed().closed(None, "")))


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("Connection has been blocked, quota 5 exceeded by 1", QuotaExceeded),
        ("Unauthorized", TokenRejected),
        ("The token has expired", TokenRejected),
        ("", ConnectionClosed),
    ],
)
def test_the_reason_of_a_close_frame_is_heeded(reason: str, error: type[Exception]) -> None:
    assert type(reason_to_go(subscribed().closed(1008, reason))) is error


def awaiting_the_reply() -> HubClient:
    client = a_client()
    client.negotiated(NEGOTIATED)
    client.connected(at(0))
    client.receive(INIT, at(0.2))
    client.started(at(0.4))
    return client


@pytest.mark.parametrize("more", ['"R":null', '"S":{"room":"all"}', '"S":{}', '"R":{"ok":true},"S":{"a":1}', '"S":1', '"D":null'])
def test_an_answer_may_bring_state_along(more: str) -> None:
    assert awaiting_the_reply().receive(f'{{{more},"I":"0"}}', at(1)) == [Subscribed()]


@pytest.mark.parametrize("more", ['"T":"   at Hub.SwitchChannels()"', '"T":1,"H":true', '"S":{"a":1},"D":{"code":5}', '"R":null'])
def test_a_refusal_may_bring_a_stack_trace_along(more: str) -> None:
    error = reason_to_go(awaiting_the_reply().receive(f'{{"I":"0","E":"no such channel",{more}}}', at(1)))
    assert isinstance(error, ChannelsRejected)
    assert "no such channel" in str(error)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Connection has been blocked, quota 5 exceeded by 1", QuotaExceeded),
        ("Caller is not authorized to invoke the SwitchChannels method on FcMarketDataV2Hub.", TokenRejected),
    ],
)
def test_a_refusal_that_is_not_about_the_channels_is_not_taken_for_one(text: str, error: type[Exception]) -> None:
    assert type(reason_to_go(awaiting_the_reply().receive(json.dumps({"I": "0", "E": text}), at(1)))) is error


def test_a_client_says_what_it_waits_for() -> None:
    client = a_client()
    awaited = [client.awaited]
    client.negotiated(NEGOTIATED)
    awaited.append(client.awaited)
    client.connected(at(0))
    awaited.append(client.awaited)
    client.receive(INIT, at(0))
    awaited.append(client.awaited)
    client.started(at(0))
    awaited.append(client.awaited)
    client.receive(REPLY, at(0))
    assert awaited == [
        "the reply to negotiate", "the upgrade to a WebSocket", "the hub's first message", "the reply to start",
        "the answer to SwitchChannels",
    ]  # fmt: skip
    assert client.awaited == ""


FOREIGN = [
    '{"message":"Unknown"}', '{"c":"d-1","m":[{"h":"h","m":"Broadcast","a":["x"]}]}', '{"type":6}', '{"type":6}\x1e',
    '{"m":null}', '{"Message":"An error has occurred."}', '{"s":1}', b'{"x":"\xff"}',
]  # fmt: skip


@pytest.mark.parametrize("message", FOREIGN)
def test_an_object_that_is_no_message_of_signalr_is_counted_and_no_sign_of_life(message: str | bytes) -> None:
    client = subscribed()
    for second in range(2, 20, 5):
        (reject,) = client.receive(message, at(second))
        assert isinstance(reject, RejectMessage)
        assert (reject.reason, reject.payload, reject.idx) == (Reason.BAD_MESSAGE, message, None)
    assert "nothing came for" in str(reason_to_go(client.tick(at(1 + 20))))


@pytest.mark.parametrize(
    "message", ["{}", " { } ", b"{}", '{"C":"d-1"}', '{"C":"d-1","G":"g","M":[]}', '{"L":1}', '{"M":[]}', '{"R":1,"I":"7"}']
)
def test_a_message_that_says_nothing_is_a_sign_of_life(message: str | bytes) -> None:
    client = subscribed()
    assert client.receive(message, at(15)) == []
    assert client.tick(at(30)) == []


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ('{"message":"Unauthorized"}', TokenRejected),
        ('{"status":401}', TokenRejected),
        ('{"status":"401","message":"no"}', TokenRejected),
        ('{"message":"API calls quota exceeded! maximum admitted 1 per 1 s"}', QuotaExceeded),
        ("Connection has been blocked, quota 5 exceeded by 1", QuotaExceeded),
    ],
)
def test_what_is_no_message_may_say_why_we_are_not_served(message: str, error: type[Exception]) -> None:
    reject, reconnect = subscribed().receive(message, at(2))
    assert isinstance(reject, RejectMessage)
    assert isinstance(reconnect, Reconnect)
    assert type(reconnect.error) is error


@pytest.mark.parametrize(
    ("promised", "silence_ms"),
    [
        ("20.0", 20_000), ('"20"', 20_000), ("0.001", SHORTEST_SILENCE_MS),
        *((odd, NO_KEEP_ALIVE_MS) for odd in ("null", "0", "-5", "1e308", '"NaN"', '"inf"', '"-Infinity"', "{}", '"soon"')),
        ("9" * 400, NO_KEEP_ALIVE_MS),
    ],
)  # fmt: skip
def test_how_long_a_hub_may_be_silent_is_what_it_promises_within_reason(promised: str, silence_ms: int) -> None:
    client = a_client()
    client.negotiated(f'{{"ConnectionToken":"t","KeepAliveTimeout":{promised}}}'.encode())
    client.connected(at(0))
    client.receive(INIT, at(0))
    client.started(at(0))
    client.receive(REPLY, at(0))
    assert client.tick(MonotonicMs(at(0) + silence_ms - 1)) == []
    assert reason_to_go(client.tick(MonotonicMs(at(0) + silence_ms)))


@pytest.mark.parametrize(
    "reply", [b"", b"<html>", b"[]", b"{}", b'{"ConnectionToken":""}', b'{"ConnectionToken":"t","TryWebSockets":false}']
)
def test_a_negotiation_without_a_websocket_is_unavailable(reply: bytes) -> None:
    with pytest.raises(SsiUnavailable):
        a_client().negotiated(reply)
