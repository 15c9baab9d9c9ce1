"""A client of the gateway that subscribes to everything, counts the messages, and checks that none is missing.

By it ``up`` knows that what it started can be watched, and how many messages a watcher gets.
"""

import asyncio
import contextlib
import json

import aiohttp

CHANNELS = ("px", "index", "flow", "basis", "alert", "status")
_PAUSE_S = 0.5


class Watcher:
    """Counts the messages from ``url`` until it is cancelled; connects again when the connection breaks."""

    def __init__(self, url: str, throttle_ms: int = 500) -> None:
        self.url = url
        self.throttle_ms = throttle_ms
        self.messages = 0
        """Messages received over all connections."""
        self.holes = 0
        """Message numbers that were skipped or repeated within a connection. By the protocol there are none."""

    async def run(self) -> None:
        """Watch for ever."""
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with session.ws_connect(self.url, max_msg_size=0) as socket:
                        await self._watch(socket)
                await asyncio.sleep(_PAUSE_S)

    async def _watch(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        for number, channel in enumerate(CHANNELS, 1):
            await socket.send_json({"op": "sub", "id": number, "ch": channel, "sym": ["*"], "throttle_ms": self.throttle_ms})
        expected = 1
        async for received in socket:
            if received.type is not aiohttp.WSMsgType.TEXT:
                continue
            message = json.loads(received.data)
            self.messages += 1
            self.holes += message["n"] != expected
            expected = message["n"] + 1
