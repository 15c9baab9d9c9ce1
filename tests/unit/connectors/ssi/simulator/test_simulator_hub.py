"""The hub without a socket: SignalR's words, SSI's subscriptions, a bounded queue."""

import base64
import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.simulator.core.errors import (
    InvalidConnectionToken,
    InvalidInvocation,
    MissingConnectionToken,
    UnknownChannel,
    UnknownTransport,
)
from connectors.ssi.simulator.core.faults import OddReply, RequestFault, Unanswered
from connectors.ssi.simulator.core.hub import (
    MESSAGE_INVOCATIONS,
    ConnectionTokens,
    Customs,
    HubConnection,
    HubSubscription,
    check_transport,
    negotiated,
)
from connectors.ssi.simulator.core.sent import SentRecord

PYTHON = '{"H": "FcMarketDataV2Hub", "M": "SwitchChannels", "A": ["X-TRADE:ALL"], "I": 0}'
NODE = '{"H":"fcmarketdatav2hub","M":"SwitchChannels","A":["X-QUOTE:ALL"],"I":1}'


def a_connection(most_waiting: int = 1000, customs: Customs | None = None) -> HubConnection:
    return HubConnection(1, "0b9de0c4-5ad2-4f5e-9d28-3f64bd3a7a11", most_waiting, customs)


def texts(connection: HubConnection) -> list[str]:
    messages = []
    while message := connection.next_message():
        messages.append(message.text)
    return messages


@pytest.mark.parametrize(
    ("asked", "answered"), [("1.5", "1.5"), ("1.3", "1.3"), ("2.1", "2.0"), ("1.0", "1.2"), (None, "1.2"), ("x", "1.2")]
)
def test_negotiate_answers_the_protocol_within_bounds(asked: str | None, answered: str) -> None:
    answer = negotiated("id", "token", asked, Customs())
    assert answer["ProtocolVersion"] == answered
    assert list(answer)[:3] == ["Url", "ConnectionToken", "ConnectionId"]
    assert answer["TryWebSockets"] is True


@given(st.uuids(version=4), st.binary(min_size=1))
def test_a_token_needs_escaping_and_proves_its_connection(connection_id: uuid.UUID, key: bytes) -> None:
    tokens = ConnectionTokens(key)
    token = tokens.issue(connection_id)
    assert {"+", "/", "="} <= set(token)
    assert tokens.connection_id(token) == str(connection_id)


@pytest.mark.parametrize("token", ["x", "AQAA+/==", "äöü", " "])
def test_a_garbled_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidConnectionToken):
        ConnectionTokens(b"key").connection_id(token)


def test_a_token_of_another_server_is_refused() -> None:
    token = ConnectionTokens(b"theirs").issue(uuid.uuid4())
    with pytest.raises(InvalidConnectionToken):
        ConnectionTokens(b"ours").connection_id(token)


def test_a_token_must_be_there() -> None:
    with pytest.raises(MissingConnectionToken):
        ConnectionTokens(b"key").connection_id(None)


def test_only_websockets_are_served() -> None:
    check_transport("webSockets")
    with pytest.raises(UnknownTransport):
        check_transport("longPolling")


@pytest.mark.parametrize(
    ("text", "channels", "symbols"),
    [
        ("X-TRADE:ALL", {"X-TRADE"}, None),
        ("X-TRADE:ALL,X-QUOTE:ALL,R:ALL,MI:ALL,F:ALL", {"X-TRADE", "X-QUOTE", "R", "MI", "F"}, None),
        ("F:SSI-PAN", {"F"}, {"SSI", "PAN"}),
        ("MI:VN30-HNXindex", {"MI"}, {"VN30", "HNXINDEX"}),
        ("X-Quote: ALL", {"X-QUOTE"}, None),
        ("B:VCB-TCB,MI:VNINDEX", {"B", "MI"}, {"VCB", "TCB", "VNINDEX"}),
        ("ALL", {"X", "X-QUOTE", "X-TRADE", "R", "MI", "B", "F", "OL"}, None),
    ],
)
def test_a_subscription_is_the_union_of_its_channels_and_of_its_symbols(
    text: str, channels: set[str], symbols: set[str] | None
) -> None:
    subscription = HubSubscription.parse(text)
    assert subscription.channels == channels
    assert subscription.symbols == symbols


@pytest.mark.parametrize("text", ["", "NEWS:ALL", "X-TRADE", "X-TRADE:", ",", "X-TRADE:ALL,NEWS:ALL", "VCB:X-TRADE"])
def test_what_is_no_subscription_is_refused(text: str) -> None:
    with pytest.raises(UnknownChannel):
        HubSubscription.parse(text)


def test_the_first_message_says_that_the_connection_is_up() -> None:
    connection = a_connection()
    connection.open()
    assert texts(connection) == ['{"C":"d-0B9DE0C4-B,0|C,0|D,1|E,0","S":1,"M":[]}']


def test_an_identifier_is_answered_as_a_string() -> None:
    connection = a_connection()
    assert connection.receive(PYTHON) is not None
    assert connection.receive(NODE) is not None
    assert connection.receive(NODE.replace('"I":1', '"I":"x1"')) is not None
    assert texts(connection) == ['{"I":"0"}', '{"I":"1"}', '{"I":"x1"}']


def test_a_second_subscription_replaces_the_first() -> None:
    connection = a_connection()
    connection.receive(PYTHON)
    connection.receive(NODE)
    assert connection.subscription is not None
    assert connection.subscription.channels == {"X-QUOTE"}


def test_a_second_subscription_adds_to_the_first_where_the_hub_is_so() -> None:
    connection = a_connection(customs=Customs(second_subscription="adds"))
    connection.receive(PYTHON.replace("X-TRADE:ALL", "X-TRADE:SSI"))
    connection.receive(NODE.replace("X-QUOTE:ALL", "X-QUOTE:HPG"))
    # No cross product of the two: SSI's trades and HPG's quotes, as they were asked for.
    asked = [(subscription.channels, subscription.symbols) for subscription in connection.subscriptions]
    assert asked == [(frozenset({"X-TRADE"}), frozenset({"SSI"})), (frozenset({"X-QUOTE"}), frozenset({"HPG"}))]


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (OddReply(error="no", trace="   at F()"), {"I": "0", "E": "no", "T": "   at F()"}),
        (OddReply(state={"filter": {}}), {"I": "0", "S": {"filter": {}}}),
        (Unanswered(step="subscribe"), None),
    ],
)
def test_a_fault_answers_a_subscription_as_signalr_may(fault: RequestFault, answer: dict[str, Any] | None) -> None:
    connection = a_connection()
    subscription = connection.receive(PYTHON, lambda: fault)
    assert [json.loads(text) for text in texts(connection)] == ([answer] if answer else [])
    assert (subscription is not None) is (answer is not None and "E" not in answer)


def test_a_whole_message_of_a_captured_day_stands_alone() -> None:
    connection = a_connection()
    whole = base64.b64encode(b"not JSON\xff").decode()
    for sent in (
        SentRecord(0, '"a"', "good"),
        SentRecord(1, whole, "message"),
        SentRecord(2, '"b"', "good"),
        SentRecord(3, '"c"', "garbled"),
    ):
        connection.offer(sent)
    first, alone, last = (message.bytes for _ in range(3) if (message := connection.next_message()))
    assert (json.loads(first)["M"], alone, json.loads(last)["M"]) == (["a"], b"not JSON\xff", ["b", "c"])
    assert connection.malformed == 2


def test_an_unknown_channel_is_an_error_and_changes_nothing() -> None:
    connection = a_connection()
    connection.receive(PYTHON)
    assert connection.receive(PYTHON.replace("X-TRADE", "NEWS")) is None
    assert connection.subscription is not None
    assert connection.subscription.channels == {"X-TRADE"}
    error = "There was an error invoking Hub method 'FcMarketDataV2Hub.SwitchChannels'."
    assert texts(connection)[-1] == f'{{"I":"0","E":"{error}"}}'


@pytest.mark.parametrize(
    "text", [PYTHON.replace("SwitchChannels", "Sell"), PYTHON.replace("FcM", "Xx"), PYTHON.replace('["X-TRADE:ALL"]', "[1]")]
)
def test_an_unknown_method_is_an_error(text: str) -> None:
    connection = a_connection()
    assert connection.receive(text) is None
    assert "method could not be resolved" in json.loads(texts(connection)[0])["E"]


@given(st.text())
def test_text_that_is_no_invocation_is_refused(text: str) -> None:
    with pytest.raises(InvalidInvocation):
        a_connection().receive(text)


@given(st.lists(st.integers(1, 120), max_size=30), st.integers(1, 200))
def test_a_queue_keeps_the_newest_in_order_and_counts_the_rest(bursts: list[int], most_waiting: int) -> None:
    connection, offered, received = a_connection(most_waiting), 0, []
    for burst in bursts:
        for _ in range(burst):
            connection.offer(SentRecord(offered, f'"{offered}"', "good"))
            offered += 1
        if message := connection.next_message():
            received += [sent.place for sent in message.records]
            assert len(message.records) <= MESSAGE_INVOCATIONS
            assert json.loads(message.text)["M"] == [str(sent.place) for sent in message.records]
        assert connection.waiting <= most_waiting
    while message := connection.next_message():
        received += [sent.place for sent in message.records]
    assert received == sorted(received)
    assert len(received) + connection.skipped == offered
    assert not received or received[-1] == offered - 1


def test_a_keep_alive_is_sent_when_nothing_else_is() -> None:
    connection = a_connection()
    connection.keep_alive()
    connection.keep_alive()
    assert texts(connection) == ["{}"]
    connection.offer(SentRecord(0, '""', "good"))
    connection.keep_alive()
    assert "{}" not in texts(connection)


def test_each_message_moves_the_cursor() -> None:
    connection = a_connection()
    for place in range(MESSAGE_INVOCATIONS + 1):
        connection.offer(SentRecord(place, '""', "good"))
    cursors = [json.loads(text)["C"] for text in texts(connection)]
    assert cursors == ["d-0B9DE0C4-B,32|C,0|D,1|E,0", "d-0B9DE0C4-B,33|C,0|D,1|E,0"]


def test_garbage_is_a_message_that_ends_in_the_middle_and_a_type_that_does_not_exist() -> None:
    connection = a_connection()
    connection.garble()
    broken, unknown = texts(connection)
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken)
    assert json.loads(json.loads(unknown)["M"][0]["A"][0])["DataType"] == "Z-UNKNOWN"
    assert connection.malformed == 2
