"""A client of the gateway that counts: it subscribes to everything and checks that no frame is missing.

It is how ``up`` knows that what it started can be watched, and how many frames a watcher got.
"""

import asyncio
import contextlib
import json

import aiohttp

CHANNELS = ("px", "index", "flow", "basis", "alert", "status")
_PAUSE_S = 0.5


class Watcher:
    """Counts the frames of ``url`` until cancelled; comes back when the connection breaks."""

    def __init__(self, url: str, throttle_ms: int = 500) -> None:
        self.url = url
        self.throttle_ms = throttle_ms
        self.frames = 0
        """Frames received over all connections."""
        self.holes = 0
        """Frame numbers that were skipped or repeated within a connection: the protocol says never."""

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
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            self.frames += 1
            self.holes += frame["n"] != expected
            expected = frame["n"] + 1
