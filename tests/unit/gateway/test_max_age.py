"""A connection lasts as long as it may: then its client is told, and comes back with its cursors, to any instance."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from gateway import fanout as fanouts
from gateway.app import AT_ONCE_MS, Gateway, now_ms
from gateway.core.board import Board
from gateway.core.channels import CHANNELS
from gateway.core.events import Recents
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from schemas.stock_v1 import CloseCode
from schemas.topics import encode
from tests.patience import PATIENCE_S
from tests.wire_client import Wire

MAX_AGE_S = 3_600
"""Longer than the slowest machine takes for the test."""


async def test_who_has_been_connected_for_long_is_told_and_comes_back(
    board: Board, events: Recents, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanouts, "_WATCH_S", 0.001)
    put("VNM", fragment=encode(["VNM", *[7] * (len(CHANNELS["px"].columns) - 1)]))
    later_ms = 0
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: now_ms() + later_ms, reason=str)
    settings = GatewaySettings(kafka={}, topic_prefix="", max_age_s=MAX_AGE_S)
    async with (
        TestServer(Gateway(settings, fanout, str).application()) as server,
        aiohttp.ClientSession() as http,
        http.ws_connect(server.make_url("/v1/ws")) as socket,
        http.get(server.make_url("/v1/stream?px=*")) as stream,
        asyncio.timeout(PATIENCE_S),
    ):
        wire = Wire(socket)
        await wire.subscribe("px")
        later_ms = int(MAX_AGE_S * 1_000 * 0.8)
        watching = asyncio.create_task(fanout.watch_forever())
        # Heartbeats come, and nobody is sent away.
        for _ in range(2):
            later_ms += ClientLimits().heartbeat_ms
            while (message := await wire.message())["op"] != "hb":
                pass
        assert len(fanout.clients) == 2
        later_ms = MAX_AGE_S * 1_000 + 1
        while (message := await wire.message())["op"] != "goaway":
            pass
        assert 0 <= message["retry_ms"] < AT_ONCE_MS
        assert await wire.closing() == CloseCode.SHUTDOWN
        told = await stream.content.read()
        assert b'"op":"goaway"' in told
        assert b'"op":"close","code":4001' in told
        watching.cancel()
        again = Wire(await http.ws_connect(server.make_url("/v1/ws")))
        answer = await again.subscribe("px", cursor=wire.cursors["px"])
        assert answer["recovered"] is True


def test_no_connection_ends_before_it_has_begun() -> None:
    with pytest.raises(ValidationError, match="60"):
        GatewaySettings(kafka={}, topic_prefix="", max_age_s=1)
