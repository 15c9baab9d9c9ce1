"""CPU time of the gateway for each message delivered: ``python benchmarks/bench_gateway.py [clients] [rounds]``.

A real aiohttp server with the gateway's routes and fanout, without Kafka: rows are put onto its board directly. The clients are
plain sockets in processes of their own that only read. The ways to deliver take turns within one run, so that a noisy machine
bothers all alike; compare the lines of one run only. ``send_json`` is what one writes first: a loop that encodes and awaits for
each client.
"""

import asyncio
import gc
import json
import multiprocessing
import random
import selectors
import socket
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from aiohttp import web

from gateway import app as routes
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
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def masked(text: str) -> bytes:
    """A client's WebSocket frame of text, masked with zeros."""
    data = text.encode()
    head = bytes([0x81, 0x80 | len(data)]) if len(data) < 126 else bytes([0x81, 0xFE]) + len(data).to_bytes(2, "big")
    return head + bytes(4) + data


def read_forever(port: int, commands: list[tuple[str, str | None]], ready: Connection) -> None:
    """Connect a client for each command (path, text) and read whatever comes."""
    selector = selectors.DefaultSelector()
    for path, text in commands:
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(UPGRADE.format(path=path).encode())
        if text is not None:
            client.sendall(masked(text))
        selector.register(client, selectors.EVENT_READ)
    ready.send(None)
    while True:
        for key, _ in selector.select():
            assert isinstance(key.fileobj, socket.socket)
            if not key.fileobj.recv(1 << 20):
                return


def changes(symbols: list[str], src: int) -> list[Change]:
    book = [28_350, 1_300, 28_300, 5_200, 28_250, 9_900]
    rows = [
        PriceRow(
            day=TradingDay(20261120), ts_ms=UnixMs(1_795_140_900_000), src=src, symbol=Symbol(symbol), exchange=Exchange.HOSE,
            session="LO", status="N", phase=SessionPhase.CONTINUOUS, reference=Price(28_000), ceiling=Price(29_950),
            floor=Price(26_050), previous_close=None, last=Price(28_350 + src), last_volume=Shares(500), change=Price(350),
            expected=None, open=Price(28_000), high=Price(28_400), low=Price(27_900), total_volume=Shares(1_234_500),
            total_value=Vnd(34_567_890_000), average=Price(28_150), bids=book, asks=book, quote_ms=UnixMs(1_795_140_899_000),
            active_buy=Shares(600_000), active_sell=Shares(500_000), neutral=Shares(134_500), put_through_volume=Shares(0),
            candle=None, prints=812, repeats=0, gaps=0, missed_volume=Shares(0),
        )
        for symbol in symbols
    ]  # fmt: skip
    return [change_of(PRICES, Position(STATE_PRICES.name, 0, src), row) for row in rows]


class Case:
    """One way to deliver, on a server and a board of its own, with clients of its own."""

    def __init__(self, name: str, changed: int, command: Callable[[], str] | None) -> None:
        """``changed`` symbols change between two messages; ``command`` makes a client's text, None that of the naive server."""
        self.name = name
        self.costs: list[float] = []
        self._changed = changed
        self._command = command
        self._plain: list[web.WebSocketResponse] = []

    async def start(self, clients: int) -> None:
        """Serve, and connect the clients."""
        self._clients = clients
        board = Board()
        board.begin("0123abcd")
        self._fanout = Fanout(board, recents(), Connectors(), ClientLimits(), now_ms, str)
        self._fanout.apply(changes(SYMBOLS, 0))
        self._fanout.complete()
        settings = GatewaySettings(kafka={}, topic_prefix="", port=0, max_connections=100_000)
        app = Gateway(settings, self._fanout, str).application()
        app.router.add_get("/naive", self._naive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=4_096).start()
        commands = [("/v1/ws", self._command()) if self._command else ("/naive", None) for _ in range(clients)]
        here, there = multiprocessing.Pipe()
        port = self._runner.addresses[0][1]
        self._reader = multiprocessing.get_context("spawn").Process(
            target=read_forever, args=(port, commands, there), daemon=True
        )
        self._reader.start()
        await asyncio.to_thread(here.recv)
        pumping = asyncio.create_task(self._fanout.pump_forever())
        while self._settled() < clients:  # noqa: ASYNC110 - nobody tells when a client has its snapshot
            await asyncio.sleep(0.05)
        pumping.cancel()

    def _settled(self) -> int:
        """How many clients are connected and have their snapshot."""
        if self._command is None:
            return len(self._plain)
        return sum(bool(client.subscriber.subscriptions) and not client.subscriber.waiting for client in self._fanout.clients)

    async def _naive(self, request: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        self._plain.append(response)
        async for _ in response:
            pass
        return response

    async def deliver(self, draw: random.Random, src: int) -> None:
        """Change rows, deliver them to every client, and note the CPU time of a delivery."""
        rows = changes(draw.sample(SYMBOLS, self._changed), src)
        began = time.process_time()
        if self._command is None:
            named = [dict(zip(CHANNELS["px"].columns, json.loads(row.fragment), strict=True)) for row in rows]
            for response in self._plain:
                await response.send_json(named)
        else:
            self._fanout.apply(rows)
            for _ in self._fanout.flush(THROTTLE_MS):
                await asyncio.sleep(0)
        self.costs.append((time.process_time() - began) * 1e6 / self._clients)

    async def stop(self) -> None:
        """End the clients, then the server."""
        self._reader.terminate()
        self._reader.join()
        await self._runner.cleanup()


async def main(clients: int, rounds: int) -> None:
    draw = random.Random(7)

    def sub(symbols: list[str]) -> str:
        return encode({"op": "sub", "ch": "px", "sym": symbols, "throttle_ms": THROTTLE_MS}).decode()

    cases = [
        Case("one group for all, 1 row", 1, lambda: sub(["@HOSE"])),
        Case("send_json in a loop, 1 row", 1, None),
        Case(
            f"watch-lists of {WATCHED}, {CHANGED} of {len(SYMBOLS)} changed", CHANGED, lambda: sub(draw.sample(SYMBOLS, WATCHED))
        ),
        Case("send_json in a loop, 8 rows", 8, None),
    ]
    # The clients only read: they answer no ping, and would be dropped in the middle of a long run.
    routes.PING_S = 86_400.0
    for case in cases:
        await case.start(clients)
    # As the gateway's own process does.
    gc.collect()
    gc.freeze()
    for src in range(1, rounds + 1):
        for case in cases:
            await case.deliver(draw, src)
            await asyncio.sleep(0.1)
    print(f"{clients} clients a way, {rounds} rounds in turn; CPU microseconds of the server for a message delivered")
    print(f"  {'':<50} {'min':>7} {'median':>7} {'max':>7}")
    for case in cases:
        print(f"  {case.name:<50} {min(case.costs):7.1f} {statistics.median(case.costs):7.1f} {max(case.costs):7.1f}")
        await case.stop()


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:3] or ("300", "20"))))
