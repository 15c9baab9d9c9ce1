"""CPU time of the gateway for each delivered frame: ``python benchmarks/bench_gateway.py [clients] [rounds]``.

A real aiohttp server with the gateway's routes and fanout, without Kafka: rows are put onto its board directly. The clients are
plain sockets in a process of their own that only read. The ways to deliver take turns within one run, so that a noisy machine
bothers all alike; compare the lines of one run only. ``send_json`` is what one writes first: a loop that encodes and awaits for
each client.
"""

import asyncio
import json
import multiprocessing
import random
import selectors
import socket
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

from aiohttp import web

from gateway.alerts import Recent
from gateway.app import Gateway, now_ms
from gateway.board import Board, Change, Channel
from gateway.fanout import Fanout
from gateway.protocol import COLUMNS, Terms
from gateway.settings import GatewaySettings
from gateway.status import Feeds
from schemas.topics import encode

SYMBOLS = [f"S{number:04}" for number in range(1_600)]
CHANGED = 400
WATCHED = 30
THROTTLE_MS = 500
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def masked(text: str) -> bytes:
    """A client's text frame, masked with zeros."""
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
    rows = []
    for symbol in symbols:
        book = [28_350, 1_300, 28_300, 5_200, 28_250, 9_900]
        row = [symbol, 20261120, 1_795_140_900_000, "HOSE", "LO", "N", "continuous", 28_000, 29_950, 26_050, None, 28_350 + src]
        row += [500, 350, None, 28_000, 28_400, 27_900, 1_234_500, 34_567_890_000, 28_150, book, book, 1_795_140_899_000]
        row += [600_000, 500_000, 134_500, 0, None, 812, 0, 0, 0]
        fields = {"channel": "px", "key": symbol, "slot": 0, "offset": src, "day": 1, "src": src, "appended_ms": 0}
        rows.append(Change(**fields, fragment=encode(row), exchange="HOSE", groups=None))
    return rows


async def main(clients: int, rounds: int) -> None:
    draw = random.Random(7)
    board = Board({channel: Channel(columns) for channel, columns in COLUMNS.items() if channel != "alert"})
    board.begin("0123abcd")
    fanout = Fanout(board, Recent(), Feeds(), Terms(), now_ms, str)
    fanout.apply(changes(SYMBOLS, 0))
    fanout.complete()
    settings = GatewaySettings(kafka={}, topic_prefix="", port=0, max_connections=100_000)
    app = Gateway(settings, fanout, str).application()
    plain: list[web.WebSocketResponse] = []

    async def naive(request: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        plain.append(response)
        async for _ in response:
            pass
        return response

    app.router.add_get("/naive", naive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4_096).start()
    port = runner.addresses[0][1]

    def sub(symbols: list[str]) -> str:
        return encode({"op": "sub", "ch": "px", "sym": symbols, "throttle_ms": THROTTLE_MS}).decode()

    watchers = [("/v1/ws", sub(draw.sample(SYMBOLS, WATCHED))) for _ in range(clients)]
    boards = [("/v1/ws", sub(["@HOSE"])) for _ in range(clients)]
    cases: list[tuple[str, list[tuple[str, str | None]], int, Callable[[list[Change]], Awaitable[None]]]] = []

    async def flush(rows: list[Change]) -> None:
        fanout.apply(rows)
        for _ in fanout.flush(THROTTLE_MS):
            await asyncio.sleep(0)

    async def send_json(rows: list[Change]) -> None:
        named = [dict(zip(COLUMNS["px"], json.loads(row.fragment), strict=True)) for row in rows]
        for response in plain:
            await response.send_json(named)

    cases.append(("one group for all, 1 row", list(boards), 1, flush))
    cases.append(("send_json in a loop, 1 row", [("/naive", None)] * clients, 1, send_json))
    cases.append((f"watch-lists of {WATCHED}, {CHANGED} of {len(SYMBOLS)} changed", list(watchers), CHANGED, flush))
    cases.append(("send_json in a loop, 8 rows", [("/naive", None)] * clients, 8, send_json))
    src = 0
    print(f"{clients} clients, {rounds} rounds each; CPU microseconds of the server for a frame delivered, median (lowest)")
    for name, commands, changed, deliver in cases:
        here, there = multiprocessing.Pipe()
        reader = multiprocessing.get_context("spawn").Process(target=read_forever, args=(port, commands, there), daemon=True)
        reader.start()
        await asyncio.to_thread(here.recv)
        await asyncio.sleep(1)
        costs = []
        for _ in range(rounds):
            src += 1
            rows = changes(draw.sample(SYMBOLS, changed), src)
            began = time.process_time()
            await deliver(rows)
            costs.append((time.process_time() - began) * 1e6 / clients)
            await asyncio.sleep(0.2)
        print(f"  {name:<50} {statistics.median(costs):7.1f} ({min(costs):.1f})")
        reader.terminate()
        reader.join()
        plain.clear()
        await asyncio.sleep(0.5)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:3] or ("300", "10"))))
