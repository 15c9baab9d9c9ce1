"""What a simulated market costs, and how fast it comes out of the socket: ``python benchmarks/bench_simulator.py [scale]``.

Three things, for a day of ``scale`` (0.1 if not given; 1 is a day of true size):

- *made*: the day from nothing to a kept file, in a process of its own; CPU a record, and the most memory that it took;
- *socket*: the same day, read from that file, to one client that subscribes to all symbols and only reads, flat out; the CPU is
  that of the simulator's process alone;
- *connector*: what our connector does with the very messages of that client, without a socket and without Kafka: unpack, decode,
  put into frames, encode. Kafka's share comes on top of it, so this is more than it can take.

The last line says how many times the connector's rate the simulator has, both as measured in this run, and in CPU a record.
"""

import asyncio
import json
import resource
import socket
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import NamedTuple
from urllib.parse import urlencode

import aiohttp

from connectors.ssi.core.hub_client import HubClient, Publish
from connectors.ssi.core.market_clock import FeedClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.simulator.core.market import MarketSize, generate
from connectors.ssi.simulator.played_day import PlayedDay
from connectors.ssi.simulator.server import simulator
from connectors.ssi.simulator.settings import SimulatorSettings
from schemas.units import MonotonicMs, TradingDay, UnixUs

DAY = TradingDay(20261123)
SEED = 7
CHANNELS = "X-TRADE:ALL,X-QUOTE:ALL,R:ALL,MI:ALL,F:ALL"
SAMPLE_MESSAGES = 4_000
"""Messages that the connector's rate is measured on."""


class Cost(NamedTuple):
    """What some work took."""

    records: int
    cpu_s: float
    wall_s: float
    memory_mb: float

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.records * 1e6

    @property
    def rate(self) -> float:
        return self.records / self.wall_s


def make(scale: float, cache: str, answer: Connection) -> None:
    """Make a day and keep it."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    day = PlayedDay(generate(SEED, DAY, Random, MarketSize.of(scale, None, "index")), Path(cache), keep=True)
    records = 0
    while (block := day.block(day.blocks)) is not None:
        records += len(block)
    answer.send(Cost(records, time.process_time() - cpu_s, time.perf_counter() - began_s, peak_mb()))


def serve(scale: float, cache: str, answer: Connection) -> None:
    """Run the simulator until it is told to stop."""
    settings = SimulatorSettings(
        port=0, seed=SEED, day=DAY, speed="max", scale=scale, cache=Path(cache), wait_for_client=True, most_waiting=20_000
    )

    async def play() -> None:
        async with simulator(settings) as port:
            cpu_s = time.process_time()
            answer.send(port)
            await asyncio.to_thread(answer.recv)
            answer.send((time.process_time() - cpu_s, peak_mb()))

    asyncio.run(play())


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def subscribe(port: int) -> socket.socket:
    """A socket that is subscribed to everything, with nothing read from it."""
    base = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as http:
        body = {"consumerID": "demo", "consumerSecret": "demo"}
        async with http.post(f"{base}/api/v2/Market/AccessToken", json=body) as response:
            token = (await response.json())["data"]["accessToken"]
        headers = {"Authorization": f"Bearer {token}"}
        async with http.get(f"{base}/v2.0/signalr/negotiate", headers=headers) as response:
            negotiated = await response.json()
    query = urlencode({"transport": "webSockets", "connectionToken": negotiated["ConnectionToken"]})
    client = socket.create_connection(("127.0.0.1", port))
    upgrade = (
        f"GET /v2.0/signalr/connect?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Authorization: Bearer {token}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    client.sendall(upgrade.encode())
    while b"\r\n\r\n" not in client.recv(4096, socket.MSG_PEEK):
        pass
    call = json.dumps({"H": "FcMarketDataV2Hub", "M": "SwitchChannels", "A": [CHANNELS], "I": 0}).encode()
    client.sendall(bytes([0x81, 0x80 | len(call)]) + bytes(4) + call)
    return client


def read_all(client: socket.socket, port: int, kept: list[bytes]) -> None:
    """Read until the day is over; keep the first megabytes."""
    client.settimeout(1.0)
    buffer = bytearray(1 << 20)
    room = 30_000_000
    while True:
        try:
            length = client.recv_into(buffer)
        except TimeoutError:
            if asyncio.run(state(port)) == "finished":
                return
            continue
        if room > 0:
            kept.append(bytes(buffer[:length]))
            room -= length


async def state(port: int) -> str:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/sim/clock") as response:
        return str((await response.json())["state"])


async def records_sent(port: int) -> int:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/sim/status") as response:
        return int((await response.json())["records"])


def messages_in(data: bytes) -> list[bytes]:
    """The texts of the server's WebSocket frames after the head of its HTTP response."""
    at = data.index(b"\r\n\r\n") + 4
    texts = []
    while at + 10 < len(data):
        length, at = data[at + 1], at + 2
        size = {126: 2, 127: 8}.get(length, 0)
        if size:
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        texts.append(data[at : at + length])
        at += length
    return texts[:-1]


def connect(messages: list[bytes]) -> Cost:
    """Do the connector's work on hub messages."""
    outbox = Outbox(1_000_000, 1_000_000_000)
    stream = RecordStream("a", 3, FeedClock(), outbox, CHANNELS)
    hub = HubClient("http://127.0.0.1/", CHANNELS)
    now_us = UnixUs(1_790_000_000_000_000)
    stream.begin(now_us)
    began_s, cpu_s = time.perf_counter(), time.process_time()
    for message in messages:
        now_us = UnixUs(now_us + 500)
        stream.keep(message, now_us)
        for action in hub.receive(message, MonotonicMs(now_us // 1000)):
            if isinstance(action, Publish):
                stream.publish(action.arguments, now_us)
        while outbox.take() is not None:
            pass
    return Cost(stream.received, time.process_time() - cpu_s, time.perf_counter() - began_s, peak_mb())


def main() -> None:
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 0.1
    processes = get_context("spawn")
    with tempfile.TemporaryDirectory() as cache:
        here, there = processes.Pipe()
        maker = processes.Process(target=make, args=(scale, cache, there))
        maker.start()
        made: Cost = here.recv()
        maker.join()
        size_mb = sum(path.stat().st_size for path in Path(cache).iterdir()) / 2**20

        server = processes.Process(target=serve, args=(scale, cache, there))
        server.start()
        port: int = here.recv()
        client = asyncio.run(subscribe(port))
        kept: list[bytes] = []
        began_s = time.perf_counter()
        read_all(client, port, kept)
        wall_s = time.perf_counter() - began_s - 1.0
        sent = asyncio.run(records_sent(port))
        here.send("stop")
        cpu_s, memory_mb = here.recv()
        server.join()
    played = Cost(sent, cpu_s, wall_s, memory_mb)
    taken = connect(messages_in(b"".join(kept))[:SAMPLE_MESSAGES])

    print(f"scale {scale:g}: {made.records} records, kept in {size_mb:.0f} MB")
    print(f"{'':10} {'records':>9} {'CPU µs a record':>16} {'records/s':>10} {'peak memory, MB':>16}")
    for name, cost in (("made", made), ("socket", played), ("connector", taken)):
        print(f"{name:10} {cost.records:9} {cost.cpu_us:16.1f} {cost.rate:10.0f} {cost.memory_mb:16.0f}")
    print(f"simulator / connector: {played.rate / taken.rate:.1f} × its records/s, {taken.cpu_us / played.cpu_us:.1f} × by CPU")


if __name__ == "__main__":
    main()
