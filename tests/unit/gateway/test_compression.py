"""What groups share, compressed once: every client inflates to what it would have been sent, whatever it has been sent before."""

import json
import zlib
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from gateway import framer
from gateway.app import Gateway
from gateway.core import shared, wire
from gateway.core.board import Board
from gateway.core.channels import CHANNELS
from gateway.core.events import Recents
from gateway.core.limits import ClientLimits
from gateway.core.shared import LEAST, SharedBody
from gateway.core.status import Connectors
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from schemas.topics import encode
from tests.patience import reached
from tests.wire_client import Wire

THROTTLE_MS = 500
SYNC = b"\x00\x00\xff\xff"
bodies = st.one_of(st.binary(max_size=3_000), st.text(max_size=200).map(lambda text: text.encode() * 20))


@given(st.lists(st.tuples(st.integers(1, 10**9), bodies), max_size=8))
def test_messages_inflate_to_what_they_are_for_who_remembers_all_and_for_who_remembers_nothing(messages: Any) -> None:
    remembers = zlib.decompressobj(-15)
    for n, body in messages:
        payload = shared.deflated(wire.head(n), SharedBody(body)) + SYNC
        assert remembers.decompress(payload) == wire.numbered(n, body)
        assert zlib.decompressobj(-15).decompress(payload) == wire.numbered(n, body)


def test_a_body_is_compressed_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    compressobj = zlib.compressobj

    def noted(*arguments: Any) -> Any:
        made.append(arguments)
        return compressobj(*arguments)

    monkeypatch.setattr(zlib, "compressobj", noted)
    body = SharedBody(b"x" * 1_000)
    frames = {framer.numbered_frame(n, body, inflates=True) for n in range(1, 100)}
    assert (len(made), len(frames)) == (1, 99)


def a_row(symbol: str, value: int) -> list[Any]:
    return [symbol, *[value] * (len(CHANNELS["px"].columns) - 1)]


SYMBOLS = [f"S{number:02}" for number in range(20)]


def put(fanout: Fanout, change: Any, value: int, symbols: list[str] = SYMBOLS) -> None:
    fanout.apply([change(symbol, value=value, fragment=encode(a_row(symbol, value))) for symbol in symbols])


def flush(fanout: Fanout) -> None:
    for _ in fanout.flush(THROTTLE_MS):
        pass


class Compressing:
    """A gateway that compresses, and clients over real sockets."""

    def __init__(self, board: Board, events: Recents, **settings: Any) -> None:
        self.fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: 0, reason=str)
        options: dict[str, Any] = {"kafka": {}, "topic_prefix": "", "compress": True} | settings
        self.app: web.Application = Gateway(GatewaySettings(**options), self.fanout, str).application()


def noted_frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes the first byte of every frame from now on."""
    kinds: list[int] = []
    frame_head = framer.frame_head

    def noted(size: int, kind: int) -> bytes:
        kinds.append(kind)
        return frame_head(size, kind)

    monkeypatch.setattr(framer, "frame_head", noted)
    return kinds


async def until_answered(wire_: Wire) -> dict[str, Any]:
    while (message := await wire_.message())["op"] != "ok":
        pass
    return message


async def test_who_asks_for_it_gets_groups_compressed_and_all_see_the_same(
    board: Board, events: Recents, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Compressing(board, events)
    put(gateway.fanout, change, 1)
    async with TestServer(gateway.app) as server, aiohttp.ClientSession() as http:
        url = server.make_url("/v1/ws")
        async with (
            http.ws_connect(url, compress=15) as asks,
            http.ws_connect(url) as does_not,
            http.ws_connect(url, compress=10) as narrow,
        ):
            extensions = asks._response.headers["Sec-WebSocket-Extensions"]
            assert extensions == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            wires = [Wire(asks), Wire(does_not), Wire(narrow)]
            for wire_ in wires:
                await wire_.subscribe("px", "@HOSE", throttle_ms=THROTTLE_MS)
            flush(gateway.fanout)
            kinds = noted_frames(monkeypatch)
            for value in (2, 3):
                put(gateway.fanout, change, value)
                flush(gateway.fanout)
                for wire_ in wires:
                    delta = await wire_.message()
                    assert sorted(delta["rows"]) == [a_row(symbol, value) for symbol in SYMBOLS]
            # The one whose window is smaller than ours, and the one who did not ask, get them as they are.
            assert sorted(kinds) == [0x81] * 4 + [0xC1] * 2
            put(gateway.fanout, change, 4, SYMBOLS[:1])
            flush(gateway.fanout)
            assert [(await wire_.message())["rows"] for wire_ in wires] == [[a_row("S00", 4)]] * 3
            assert len(encode(a_row("S00", 4))) < LEAST
            assert kinds[6:] == [0x81] * 3


async def test_a_client_may_compress_what_it_says_and_what_grows_too_large_ends_it(
    board: Board, events: Recents, change: Any
) -> None:
    gateway = Compressing(board, events)
    put(gateway.fanout, change, 1)
    async with TestServer(gateway.app) as server, aiohttp.ClientSession() as http:
        async with http.ws_connect(server.make_url("/v1/ws"), compress=15) as socket:
            wire_ = Wire(socket)
            await socket.send_str(json.dumps({"op": "ping", "id": 7}), compress=15)
            assert (await until_answered(wire_))["id"] == 7
            await socket.send_str(json.dumps({"op": "ping", "id": 7, "pad": "x" * 1_000_000}), compress=15)
            assert await wire_.closing() == 1009
        await reached(lambda: not gateway.fanout.clients, "a gateway that has forgotten it")


async def test_nothing_is_compressed_unless_the_gateway_is_told_to(board: Board, events: Recents, change: Any) -> None:
    gateway = Compressing(board, events, compress=False)
    put(gateway.fanout, change, 1)
    async with (
        TestServer(gateway.app) as server,
        aiohttp.ClientSession() as http,
        http.ws_connect(server.make_url("/v1/ws"), compress=15) as socket,
    ):
        assert "Sec-WebSocket-Extensions" not in socket._response.headers
        assert (await socket.receive()).type is WSMsgType.TEXT
