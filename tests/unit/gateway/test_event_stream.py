"""``/v1/stream``: what the WebSocket sends, as server-sent events, with its limits and its rights."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gateway import event_stream
from gateway.core import sse
from gateway.core.board import Board
from gateway.core.channels import CHANNELS
from gateway.core.errors import Refused
from gateway.core.events import Recent
from gateway.core.subscriber import Close
from schemas.stock_v1 import CloseCode, ErrorCode, ServerMessage
from schemas.topics import encode
from tests.patience import PATIENCE_S, reached
from tests.unit.gateway.served import PAGE, PLACES, Served, ended

_messages: TypeAdapter[Any] = TypeAdapter(ServerMessage)


@pytest.fixture(autouse=True)
def _no_long_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "LOOK_S", 0.05)


class Listener:
    """A client that reads events as a browser does: checks every message against the schema and its number."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.messages: list[dict[str, Any]] = []
        self.last_id = ""
        self.retry_ms = 0

    async def message(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self.answer.content.readline()).decode():
                name, _, value = line.rstrip("\n").partition(": ")
                match name:
                    case "retry":
                        self.retry_ms = int(value)
                    case "id":
                        self.last_id = value
                    case "data":
                        _messages.validate_json(value)
                        message: dict[str, Any] = msgspec.json.decode(value)
                        self.messages.append(message)
                        assert message["n"] == len(self.messages)
                        return message
        raise AssertionError("the stream has ended")

    async def until(self, op: str) -> dict[str, Any]:
        """The next message of a kind."""
        while (message := await self.message())["op"] != op:
            pass
        return message

    async def is_over(self) -> bool:
        """Whether nothing more comes."""
        async with asyncio.timeout(PATIENCE_S):
            return (await self.answer.content.read()).strip() == b""


class Browsers:
    """Who listens to the gateway."""

    def __init__(self, served: Served, stack: AsyncExitStack) -> None:
        self.served, self._stack = served, stack

    async def listen(self, query: str, last_id: str | None = None, **headers: str) -> Listener:
        http = await self._stack.enter_async_context(aiohttp.ClientSession())
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        answer = await http.get(f"{self.served.url}/v1/stream?{query}", headers=headers)
        self._stack.callback(answer.close)
        return Listener(answer)


@pytest_asyncio.fixture
async def browsers(served: Served) -> AsyncIterator[Browsers]:
    async with AsyncExitStack() as stack:
        yield Browsers(served, stack)


def a_row(value: int) -> list[Any]:
    return ["VNM", *[value] * (len(CHANNELS["px"].columns) - 1)]


def put(served: Served, change: Any, value: int) -> None:
    served.fanout.apply([change("VNM", value=value, fragment=encode(a_row(value)))])


async def test_a_listener_gets_the_messages_of_a_websocket(browsers: Browsers, change: Any, alerts: Any) -> None:
    served = browsers.served
    put(served, change, 1)
    wire = await served.connect()
    await wire.subscribe("px", throttle_ms=0)
    listener = await browsers.listen("px=VNM&throttle_ms=0")
    assert listener.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    snapshot = await listener.until("snap")
    assert snapshot["rows"] == [a_row(1)]
    assert [message["op"] for message in listener.messages] == ["hello", "ok", "hb", "snap"]
    assert listener.retry_ms == event_stream.AGAIN_MS
    put(served, change, 2)
    ours, theirs = await listener.message(), await wire.message()
    assert {**ours, "n": 0} == {**theirs, "n": 0}
    assert ours["rows"] == [a_row(2)]


async def test_a_listener_goes_on_where_it_stopped_in_all_its_channels(
    browsers: Browsers, change: Any, alerts: Any, recent: Recent
) -> None:
    served = browsers.served
    put(served, change, 1)
    first = await browsers.listen("px=*&alert=*&throttle_ms=0")
    await first.until("snap")
    await first.until("snap")
    served.fanout.announce("alert", alerts(1, offset=1))
    assert (await first.message())["data"]["alert_id"] == "a1"
    assert sse.read_id(first.last_id).keys() == {"px", "alert"}
    first.answer.close()
    put(served, change, 2)
    served.fanout.announce("alert", alerts(2, offset=2))
    again = await browsers.listen("px=*&alert=*&throttle_ms=0", last_id=first.last_id)
    rows = {message["ch"]: message["rows"] for message in [await again.until("snap"), await again.until("snap")]}
    assert rows["px"] == [a_row(2)]
    assert [row[0] for row in rows["alert"]] == ["a2"]
    assert [message["recovered"] for message in again.messages if message["op"] == "ok"] == [True, True]
    third = await browsers.listen("px=*&throttle_ms=0", last_id=again.last_id)
    assert (await third.until("snap"))["rows"] == []


@pytest.mark.parametrize("last_id", ["", "px=", "px=nothing of ours", "nowhere=0123abcd.0:1", "px=ffffffff.0:1"])
async def test_an_id_that_says_nothing_brings_everything(browsers: Browsers, change: Any, last_id: str) -> None:
    put(browsers.served, change, 1)
    listener = await browsers.listen("px=VNM", last_id=last_id)
    assert (await listener.until("snap"))["rows"] == [a_row(1)]
    assert [message["recovered"] for message in listener.messages if message["op"] == "ok"] == [False]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, ErrorCode.UNKNOWN_CHANNEL),
        ("throttle_ms=0", 400, ErrorCode.UNKNOWN_CHANNEL),
        ("tape=VNM", 400, ErrorCode.UNKNOWN_CHANNEL),
        ("px=NOSUCH", 404, ErrorCode.UNKNOWN_SYMBOL),
        ("px=VNM&throttle_ms=7", 400, ErrorCode.BAD_THROTTLE),
        ("px=VNM&throttle_ms=-1", 400, ErrorCode.BAD_THROTTLE),
        ("px=" + ",".join(f"@G{number}" for number in range(3)), 404, ErrorCode.UNKNOWN_SYMBOL),
    ],
)
async def test_what_cannot_be_subscribed_to_is_said_by_the_status(
    browsers: Browsers, change: Any, query: str, status: int, code: ErrorCode
) -> None:
    put(browsers.served, change, 1)
    listener = await browsers.listen(query)
    assert listener.answer.status == status
    assert (await listener.answer.json())["code"] == code
    assert not browsers.served.fanout.clients


async def test_a_gateway_that_has_not_read_kafka_says_when_to_come_back(browsers: Browsers, board: Board) -> None:
    board.complete = False
    listener = await browsers.listen("px=*")
    assert listener.answer.status == 200
    assert (await listener.message())["code"] == ErrorCode.NOT_READY
    assert listener.retry_ms == 1_000
    assert await listener.is_over()


async def test_listeners_and_sockets_of_an_address_have_its_places_together(browsers: Browsers, change: Any) -> None:
    served = browsers.served
    put(served, change, 1)
    afar = {"X-Forwarded-For": "203.0.113.7"}
    wire = await served.connect(headers=afar)
    await wire.message()
    first = await browsers.listen("px=*", **afar)
    await first.until("snap")
    refused = await browsers.listen("px=*", **afar)
    assert (await refused.message())["code"] == CloseCode.CONNECTION_LIMIT
    assert refused.retry_ms == event_stream.LATER_MS
    await wire.socket.close()
    await reached(lambda: len(served.fanout.clients) == 1, "a free place")
    assert (await (await browsers.listen("px=*", **afar)).until("snap"))["op"] == "snap"


async def test_a_page_of_another_origin_may_listen_if_it_is_listed(browsers: Browsers, change: Any) -> None:
    put(browsers.served, change, 1)
    assert (await browsers.listen("px=*", Origin="https://evil.example")).answer.status == 403
    listener = await browsers.listen("px=*", Origin=PAGE)
    assert listener.answer.headers["Access-Control-Allow-Origin"] == PAGE
    status, _, headers = await browsers.served.get("/v1/stream?px=*", method="OPTIONS", headers={"Origin": PAGE})
    assert (status, "Last-Event-ID" in headers["Access-Control-Allow-Headers"]) == (204, True)


async def test_the_gateway_says_why_it_ends_a_stream_and_when_to_come_back(browsers: Browsers, change: Any) -> None:
    served = browsers.served
    put(served, change, 1)
    listener = await browsers.listen("px=*")
    await listener.until("snap")
    served.fanout.say_goodbye(lambda: 1_234, "shutdown")
    assert (await listener.message())["op"] == "goaway"
    assert listener.retry_ms == 1_234
    served.fanout.end_all(Close(CloseCode.SHUTDOWN, "shutdown"))
    last = await listener.message()
    assert (last["op"], last["code"], last["reason"]) == ("close", CloseCode.SHUTDOWN, "shutdown")
    assert await listener.is_over()
    assert not served.fanout.clients


async def test_who_hangs_up_is_forgotten(browsers: Browsers, change: Any) -> None:
    put(browsers.served, change, 1)
    listener = await browsers.listen("px=*")
    await listener.until("snap")
    listener.answer.close()
    await reached(lambda: not browsers.served.fanout.clients, "a gateway that has forgotten it")
    await reached(lambda: len(browsers.served.keeper) == 0, "a free place")


async def test_who_does_not_read_is_owed_the_latest_rows_only(browsers: Browsers, change: Any) -> None:
    served = browsers.served
    wide = {f"S{number:04}": number for number in range(200)}
    request = b"GET /v1/stream?px=*&throttle_ms=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    reader = await served.plain(request)
    await reached(lambda: len(served.fanout.clients) == 1, "a listener")
    (client,) = served.fanout.clients
    value = 0
    # As much as the kernel and the process take; asyncio's reader stops reading when its own buffer is full.
    while client.outlet.writable:
        value += 1
        rows = [change(symbol, value=value, fragment=encode([symbol, *[value] * 40])) for symbol in wide]
        served.fanout.apply(rows)
        await asyncio.sleep(0)
        assert value < 100_000
    for more in range(5):
        served.fanout.apply([change("S0000", value=value + 1 + more, fragment=encode(["S0000", *[value + 1 + more] * 40]))])
    received = b""
    async with asyncio.timeout(PATIENCE_S):
        while b'"con":true' not in received:
            received = received[-100_000:] + await reader.read(65_536)
            client.pump(0)
    assert encode(["S0000", *[value + 5] * 40]) in received
    assert encode(["S0000", *[value + 4] * 40]) not in received


async def test_one_who_asks_in_an_older_http_is_answered_without_chunks(served: Served, change: Any) -> None:
    put(served, change, 1)
    reader = await served.plain(b"GET /v1/stream?px=* HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"chunked" not in head
        assert (await reader.readuntil(b"\n\n")) == b"retry: %d\n\n" % event_stream.AGAIN_MS
        assert (await reader.readuntil(b"\n\n")).startswith(b'data: {"n":1,"op":"hello"')
        served.fanout.end_all(Close(CloseCode.SHUTDOWN, "shutdown"))
        while b'"op":"close"' not in await reader.readuntil(b"\n\n"):
            pass
        assert await ended(reader)


async def test_no_more_listen_than_there_are_places(browsers: Browsers, change: Any) -> None:
    put(browsers.served, change, 1)
    listeners = [await browsers.listen("px=*") for _ in range(PLACES)]
    for listener in listeners:
        await listener.until("snap")
    with pytest.raises(aiohttp.ClientError):
        await browsers.listen("px=*")


@given(st.text())
def test_any_text_may_be_an_id(text: str) -> None:
    assert all(channel in CHANNELS for channel in sse.read_id(text))


@given(st.dictionaries(st.text(), st.text(), max_size=4), st.text())
def test_any_parameters_are_understood_or_refused(query: dict[str, str], last_id: str) -> None:
    with contextlib.suppress(Refused):
        assert {one.ch for one in sse.subscriptions(query, last_id)} == query.keys() - {sse.THROTTLE}
