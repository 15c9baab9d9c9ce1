"""A client of the gateway that trusts nothing: what the tests of a whole gateway see through."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
from pydantic import TypeAdapter

from schemas.stock_v1 import ServerMessage
from tests.patience import PATIENCE_S

_messages: TypeAdapter[Any] = TypeAdapter(ServerMessage)


class Wire:
    """A client over a real socket: checks every message against the schema and its number, and keeps what they brought."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self.shown: dict[str, dict[str, dict[str, Any]]] = {}
        self.cursors: dict[str, str] = {}
        self.alert_ids: list[str] = []
        self.candles: list[dict[str, Any]] = []
        self._columns: dict[str, list[str]] = {}
        self._id = 0

    async def message(self) -> dict[str, Any]:
        """The next message."""
        received = await self.socket.receive(timeout=PATIENCE_S)
        assert received.type is aiohttp.WSMsgType.TEXT, received
        _messages.validate_json(received.data)
        message: dict[str, Any] = msgspec.json.decode(received.data)
        self.messages.append(message)
        assert message["n"] == len(self.messages)
        match message["op"]:
            case "snap" | "delta":
                self._columns[message["ch"]] = columns = message.get("cols") or self._columns[message["ch"]]
                if message["ch"] == "alert":
                    self.alert_ids += [row[0] for row in message["rows"]]
                if message["ch"] == "candle":
                    self.candles += [dict(zip(columns, row, strict=True)) for row in message["rows"]]
                table = self.shown.setdefault(message["ch"], {})
                table.update({row[0]: dict(zip(columns, row, strict=True)) for row in message["rows"]})
            case "event" if message["ch"] == "candle":
                self.candles.append(message["data"])
            case "event":
                self.alert_ids.append(message["data"]["alert_id"])
        if isinstance(message.get("cursor"), str):
            self.cursors[message["ch"]] = message["cursor"]
        return message

    async def until(self, seen: Callable[[], bool]) -> None:
        """Read on until ``seen()``."""
        async with asyncio.timeout(PATIENCE_S):
            while not seen():
                await self.message()

    async def send(self, **command: Any) -> dict[str, Any]:
        """Send a command and read up to its answer."""
        self._id += 1
        await self.socket.send_json({"id": self._id, **command})
        while True:
            message = await self.message()
            if message["op"] in ("ok", "err") and message["id"] == self._id:
                return message

    async def subscribe(self, channel: str, *symbols: str, **options: Any) -> dict[str, Any]:
        """Subscribe and read up to the end of the snapshot; the answer."""
        answer = await self.send(op="sub", ch=channel, sym=list(symbols) or ["*"], **options)
        assert answer["op"] == "ok", answer

        def arrived() -> bool:
            message = self.messages[-1]
            return bool(message["op"] == "snap" and message["ch"] == channel and message["last"])

        await self.until(arrived)
        return answer

    async def closing(self) -> int:
        """Read to the end; the close code."""
        while True:
            received = await self.socket.receive(timeout=PATIENCE_S)
            if received.type is not aiohttp.WSMsgType.TEXT:
                assert self.socket.close_code is not None
                return self.socket.close_code
