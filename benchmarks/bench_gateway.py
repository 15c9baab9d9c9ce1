"""CPU time of the gateway for each message delivered: ``python benchmarks/bench_gateway.py [clients] [rounds]``.

A real aiohttp server with the gateway's routes and fanout, without Kafka: rows are put onto its board directly. The clients are
plain sockets in processes of their own that only read, and count the messages that they get. The ways to deliver take turns
within one run, so that a noisy machine bothers all alike; compare the lines of one run only. ``send_json`` is what one writes
first, a loop that encodes and awaits for each client: with aiohttp and, where it can be imported, with FastAPI::

    uv pip install --target /tmp/peer fastapi uvicorn websockets
    PYTHONPATH=/tmp/peer python benchmarks/bench_gateway.py

"""

import asyncio
import gc
import json
import multiprocessing
import os
import random
import selectors
import socket
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

from aiohttp import web

from gateway import app as routes
from gateway import metrics
from gateway.app import Gateway, now_ms
from gateway.core.board import Board, Change
from gateway.core.channels import CHANNELS
from gateway.core.events import recents
from gateway.core.limits import ClientLimits
from gateway.core.rows import SOURCES, change_of
from gateway.core.status import Connectors
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from schemas.position import Position
from schemas.states import PriceRow
from schemas.topics import STATE_PRICES, encode
from schemas.units import Exchange, Price, SessionPhase, Shares, Symbol, TradingDay, UnixMs, Vnd

PRICES = next(source for source in SOURCES if source.topic is STATE_PRICES)
SYMBOLS = [f"S{number:04}" for number in range(1_600)]
CHANGED = 400
WATCHED = 30
THROTTLE_MS = 500
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n{more}\r\n"
)

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"


def masked(text: str) -> bytes:
    """A client's WebSocket frame of text, masked with zeros."""
    data = text.encode()
    head = bytes([0x81, 0x80 | len(data)]) if len(data) < 126 else bytes([0x81, 0xFE]) + len(data).to_bytes(2, "big")
    return head + bytes(4) + data


class Frames:
    """Counts the frames of a server's stream, which begins with the answer to the upgrade."""

    def __init__(self) -> None:
        self._left = b""
        self._skip = 0
        self._is_open = False

    def take(self, data: bytes) -> int:
        """Follow the stream; how many frames end in ``data``."""
        data, self._left = self._left + data, b""
        if not self._is_open:
            _, end, rest = data.partition(b"\r\n\r\n")
            if not end:
                self._left = data
                return 0
            self._is_open, data = True, rest
        place, count = 0, 0
        while place < len(data):
            if self._skip:
                step = min(self._skip, len(data) - place)
                self._skip -= step
                place += step
                count += not self._skip
                continue
            size, head = data[place + 1] if place + 1 < len(data) else 0, 2
            head += {126: 2, 127: 8}.get(size, 0)
            if len(data) - place < head or place + 1 >= len(data):
                self._left = data[place:]
                break
            self._skip = int.from_bytes(data[place + 2 : place + head]) if head > 2 else size
            place += head
        return count


def read_forever(port: int, commands: list[tuple[str, str | None]], deaf: int, pipe: Connection, more: str = "") -> None:
    """Connect a client for each command (path, text) and count what comes; the last ``deaf`` read nothing; ``more`` headers."""
    selector = selectors.DefaultSelector()
    kept = []
    for number, (path, text) in enumerate(commands):
        client = socket.socket()
        if number >= len(commands) - deaf:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", port))
        client.sendall(UPGRADE.format(path=path, more=more).encode())
        if text is not None:
            client.sendall(masked(text))
        if number < len(commands) - deaf:
            selector.register(client, selectors.EVENT_READ, Frames())
        kept.append(client)
    selector.register(pipe, selectors.EVENT_READ)
    pipe.send(None)
    count = 0
    while True:
        for key, _ in selector.select():
            if key.fileobj is pipe:
                pipe.recv()
                pipe.send(count)
                continue
            assert isinstance(key.fileobj, socket.socket)
            data = key.fileobj.recv(1 << 20)
            if not data:
                return
            count += key.data.take(data)


def resident_kib() -> int:
    """The memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def p99(values: list[float]) -> float:
    """What one in a hundred exceeds."""
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def a_row(symbol: str, src: int) -> PriceRow:
    """A row whose figures are its own, as far as the symbols of a market differ: what compresses them must not find twins."""
    draw = random.Random(f"{symbol} {src}")
    reference = draw.randrange(50, 2_000) * 50
    last, volume = reference + draw.randrange(-20, 20) * 50, draw.randrange(1, 50_000_000)
    bids, asks = (
        [figure for level in (1, 2, 3) for figure in (last + way * 50 * level, draw.randrange(1, 900) * 100)] for way in (-1, 1)
    )
    return PriceRow(
        day=TradingDay(20261120), ts_ms=UnixMs(1_795_140_900_000 + src * 500), src=src, symbol=Symbol(symbol),
        exchange=Exchange.HOSE, session="LO", status="N", phase=SessionPhase.CONTINUOUS, reference=Price(reference),
        ceiling=Price(reference * 107 // 100), floor=Price(reference * 93 // 100), previous_close=None, last=Price(last),
        last_volume=Shares(draw.randrange(1, 90) * 100), change=Price(last - reference), expected=None, open=Price(reference),
        high=Price(last + 100), low=Price(last - 250), total_volume=Shares(volume), total_value=Vnd(volume * last),
        average=Price(last - 37), bids=bids, asks=asks, quote_ms=UnixMs(1_795_140_899_000 + src * 500),
        active_buy=Shares(volume // 2), active_sell=Shares(volume // 3), neutral=Shares(volume // 6),
        put_through_volume=Shares(0), candle=None, prints=draw.randrange(9_000), repeats=0, gaps=0, missed_volume=Shares(0),
    )  # fmt: skip


def changes(symbols: list[str], src: int) -> list[Change]:
    return [change_of(PRICES, Position(STATE_PRICES.name, 0, src), a_row(symbol, src)) for symbol in symbols]


class Case:
    """One way to deliver, on a server and a board of its own, with clients of its own."""

    def __init__(
        self, name: str, changed: int, choose: Callable[[], list[str]] | None, *, deaf: int = 0, peer: str = "aiohttp",
        compress: bool = False,
    ) -> None:  # fmt: skip
        """Prepare.

        Args:
            name: What the report calls it.
            changed: How many symbols change between two messages.
            choose: What a client subscribes to; None for the naive server.
            deaf: How many of the clients, the last ones, read nothing.
            peer: Who the naive server is: ``aiohttp`` or ``fastapi``.
            compress: Whether the clients ask for compression, and the gateway takes it up.
        """
        self.name = name
        self.costs: list[float] = []
        self.walls: list[float] = []
        self.kib = 0.0
        """What a connection takes, with its subscription and its snapshot delivered."""
        self.deaf = deaf
        self._peer = peer
        self._compress = compress
        self.bytes = 0
        """What was written by :meth:`deliver`."""
        self.changed = changed
        self._choose = choose
        self._watched: list[set[str]] = []
        """What each client that reads has chosen one by one; empty: everything."""
        self._due = 0
        """How many messages those who read should have got."""
        self._plain: list[Any] = []

    async def start(self, clients: int) -> None:
        """Serve, and connect the clients."""
        self._clients = clients
        board = Board()
        board.begin("0123abcd")
        self._fanout = Fanout(board, recents(), Connectors(), ClientLimits(), now_ms, str)
        self._fanout.apply(changes(SYMBOLS, 0))
        self._fanout.complete()
        settings = GatewaySettings(kafka={}, topic_prefix="", port=0, max_connections=100_000, compress=self._compress)
        app = Gateway(settings, self._fanout, str).application()
        app.router.add_get("/naive", self._naive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=4_096).start()
        port = self._runner.addresses[0][1]
        if self._peer == "fastapi":
            port = await self._serve_fastapi()
        chosen = [self._choose() if self._choose else [] for _ in range(clients)]
        commands = [("/v1/ws", sub(words)) if words else ("/naive", None) for words in chosen]
        self._watched = [{word for word in words if word[0] != "@"} for words in chosen[: clients - self.deaf]]
        self._pipe, there = multiprocessing.Pipe()
        self._reader = multiprocessing.get_context("spawn").Process(
            target=read_forever, args=(port, commands, self.deaf, there, DEFLATE if self._compress else ""), daemon=True
        )
        gc.collect()
        before = resident_kib()
        self._reader.start()
        await asyncio.to_thread(self._pipe.recv)
        pumping = asyncio.create_task(self._fanout.pump_forever())
        while self._settled() < clients - self.deaf:  # noqa: ASYNC110 - nobody tells when a client has its snapshot
            await asyncio.sleep(0.05)
        pumping.cancel()
        gc.collect()
        self.kib = (resident_kib() - before) / clients
        self._first = await self.delivered()

    async def delivered(self) -> int:
        """How many messages the clients have got."""
        seen = -1
        while True:
            self._pipe.send(None)
            count: int = await asyncio.to_thread(self._pipe.recv)
            if count == seen:
                return count
            seen = count
            await asyncio.sleep(0.2)

    async def counted(self) -> tuple[int, int]:
        """How many messages those who read have got since the beginning, and how many they should have."""
        return await self.delivered() - self._first, self._due

    async def _serve_fastapi(self) -> int:
        import fastapi  # type: ignore[import-not-found] # it is no part of the project
        import uvicorn  # type: ignore[import-not-found]

        app = fastapi.FastAPI()

        @app.websocket("/naive")  # type: ignore[untyped-decorator]
        async def naive(websocket: fastapi.WebSocket) -> None:
            await websocket.accept()
            self._plain.append(websocket)
            await websocket.receive_text()

        server = uvicorn.Server(
            uvicorn.Config(app, port=0, log_level="critical", loop="none", ws_ping_interval=None, lifespan="off")
        )
        self._serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        return int(server.servers[0].sockets[0].getsockname()[1])

    def _settled(self) -> int:
        """How many clients are connected and have their snapshot."""
        if self._choose is None:
            return len(self._plain)
        return sum(bool(client.subscriber.subscriptions) and not client.subscriber.waiting for client in self._fanout.clients)

    async def _naive(self, request: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        self._plain.append(response)
        async for _ in response:
            pass
        return response

    def unwritable(self) -> int:
        """How many clients have not read enough to be sent more."""
        return sum(not client.outlet.writable for client in self._fanout.clients)

    async def deliver(self, symbols: list[str], src: int) -> None:
        """Change the rows of ``symbols``, deliver them to every client, and note the CPU time of a delivery."""
        rows = changes(symbols, src)
        self._due += sum(not watched or not watched.isdisjoint(symbols) for watched in self._watched)
        written = metrics.SENT.bytes
        began, since = time.process_time(), time.perf_counter()
        if self._choose is None:
            named = [dict(zip(CHANNELS["px"].columns, json.loads(row.fragment), strict=True)) for row in rows]
            for response in self._plain:
                await response.send_json(named)
        else:
            self._fanout.apply(rows)
            for _ in self._fanout.flush(THROTTLE_MS):
                await asyncio.sleep(0)
        self.costs.append((time.process_time() - began) * 1e6 / self._clients)
        self.walls.append((time.perf_counter() - since) * 1e3)
        self.bytes += metrics.SENT.bytes - written

    async def stop(self) -> None:
        """End the clients, then the server."""
        self._reader.terminate()
        self._reader.join()
        await self._runner.cleanup()


def sub(words: list[str]) -> str:
    """A client's command."""
    return encode({"op": "sub", "ch": "px", "sym": words, "throttle_ms": THROTTLE_MS}).decode()


async def main(clients: int, rounds: int) -> None:
    draw = random.Random(7)

    def watch_list() -> list[str]:
        return draw.sample(SYMBOLS, WATCHED)

    group = Case("one group for all, 1 row", 1, lambda: ["@HOSE"])
    listed = Case(f"watch-lists of {WATCHED}, {CHANGED} of {len(SYMBOLS)} changed", CHANGED, watch_list)
    peers = ["aiohttp", *(["fastapi"] if find_spec("fastapi") and find_spec("uvicorn") else [])]
    naive = {
        (peer, rows): Case(f"send_json of {peer} in a loop, {rows} rows", rows, None, peer=peer)
        for peer in peers
        for rows in (1, 8)
    }
    cases = [group, listed, *naive.values()]
    # The clients only read: they answer no ping, and would be dropped in the middle of a long run.
    routes.PING_S = 86_400.0
    warm = Case("", 1, lambda: ["@HOSE"])
    await warm.start(10)
    await warm.stop()
    for case in cases:
        await case.start(clients)
    # As the gateway's own process does.
    gc.collect()
    gc.freeze()
    for src in range(1, rounds + 1):
        for case in cases:
            await case.deliver(draw.sample(SYMBOLS, case.changed), src)
            await asyncio.sleep(0.1)
    print(f"{clients} clients a way, {rounds} rounds in turn; CPU microseconds of the server for a message delivered")
    print(f"  {'':<50} {'min':>7} {'median':>7} {'max':>7} {'wall p99, ms':>13} {'KiB each':>9} {'delivered':>16}")
    lost = []
    for case in cases:
        got, due = await case.counted()
        costs = f"{min(case.costs):7.1f} {statistics.median(case.costs):7.1f} {max(case.costs):7.1f}"
        print(f"  {case.name:<50} {costs} {p99(case.walls):13.1f} {case.kib:9.1f} {got:>8} of {due}")
        if got != due:
            lost.append(case.name)
    for peer in peers:
        for ours, rows in ((group, 1), (listed, 8)):
            ratio = statistics.median(ours.costs) / statistics.median(naive[peer, rows].costs)
            print(f"  {ours.name}: {ratio:.2f} × send_json of {peer}")
    for case in cases:
        await case.stop()
    if lost:
        sys.exit(f"messages were lost, or came twice: {', '.join(lost)}")


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:3] or ("300", "20"))))
