"""CPU of the whole connector, from SSI's socket to Kafka: ``python benchmarks/bench_connector.py``.

Three processes: a hub that replays records of the simulator's market day, made beforehand, at 1,000 and 10,000 records a second
and then as fast as they are taken; the connector, `stock-tracker ssi run`; and a broker. The CPU of each is read from the kernel,
over the same seconds, so that the hub's is told apart. The records are the mix of a market day, an invocation each; those of ten
milliseconds are one hub message.

With --broker HOST:PORT a broker that runs is used, and its CPU is not told.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from multiprocessing import Process, Queue
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import WSMsgType, web

from benchmarks.bench_decode import MIX, arguments_by_type
from schemas.deployment import kafka_config
from stock_tracker.kafka import topics
from stock_tracker.kafka.broker import Broker
from stock_tracker.ports import free_port

SHARDS = 6
STEP_S = 0.01
"""A hub message holds what came in so many seconds."""
MOST_IN_A_MESSAGE = 100
FLAT_OUT = 0
HUB = "FcMarketDataV2Hub"
TICK_HZ = os.sysconf("SC_CLK_TCK")


def invocations() -> list[bytes]:
    """Records of a market day in their mix, each wrapped as SSI wraps it."""
    mixed = arguments_by_type()["mix"]
    Random(2).shuffle(mixed)
    assert set(MIX) <= {"X-TRADE", "X-QUOTE", "R", "MI"}
    return [json.dumps({"H": HUB, "M": "Broadcast", "A": [argument]}, separators=(",", ":")).encode() for argument in mixed]


class ReplayingHub:
    """SSI's servers as far as a connector needs them, with a market that is only sent."""

    def __init__(self, rate: int) -> None:
        self._records = invocations()
        self._rate = rate
        self.sent = 0

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/api/v2/Market/{operation}", self._rest)
        app.router.add_get("/v2.0/signalr/negotiate", self._negotiate)
        app.router.add_get("/v2.0/signalr/start", self._start)
        app.router.add_get("/v2.0/signalr/connect", self._connect)
        app.router.add_get("/sent", self._say)
        return app

    async def _rest(self, request: web.Request) -> web.Response:
        operation = request.match_info["operation"]
        data: Any = {"accessToken": "a.b.c"} if operation == "AccessToken" else [{"Symbol": "VNM", "Market": "HOSE"}]
        return web.json_response({"message": "Success", "status": 200, "data": data})

    async def _negotiate(self, _: web.Request) -> web.Response:
        return web.json_response({"ConnectionToken": "t", "KeepAliveTimeout": 60.0, "TryWebSockets": True})

    async def _start(self, _: web.Request) -> web.Response:
        return web.Response(text='{ "Response": "started" }')

    async def _say(self, _: web.Request) -> web.Response:
        return web.json_response(self.sent)

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await socket.send_str('{"C":"d-1","S":1,"M":[]}')
        async for message in socket:
            if message.type is WSMsgType.TEXT and "SwitchChannels" in message.data:
                await socket.send_str('{"I":"0"}')
                break
        with contextlib.suppress(ConnectionError):
            await self._play(socket)
        return socket

    async def _play(self, socket: web.WebSocketResponse) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not socket.closed:
            due = MOST_IN_A_MESSAGE
            if self._rate != FLAT_OUT:
                due = min(int((loop.time() - began) * self._rate) - self.sent, MOST_IN_A_MESSAGE)
                if due <= 0:
                    await asyncio.sleep(STEP_S)
                    continue
            place = self.sent % (len(self._records) - MOST_IN_A_MESSAGE)
            body = b",".join(self._records[place : place + due])
            await socket.send_str((b'{"C":"d-1","M":[' + body + b"]}").decode())
            self.sent += due
            if self._rate != FLAT_OUT and due < MOST_IN_A_MESSAGE:
                await asyncio.sleep(STEP_S)


def serve(rate: int, port: int, ready: "Queue[int]") -> None:
    async def run() -> None:
        runner = web.AppRunner(ReplayingHub(rate).application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        ready.put(os.getpid())
        await asyncio.Event().wait()

    asyncio.run(run())


def cpu_s(pid: int) -> float:
    """CPU time of a process, in user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK_HZ


def metric(port: int, name: str) -> float:
    """The sum of a metric of the connector over all its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
        lines = reply.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@contextlib.contextmanager
def a_broker(named: str | None, home: Path) -> Iterator[tuple[str, int | None]]:
    """The broker that was named, else one of our own: its address, and its pid if it is ours."""
    if named:
        yield named, None
        return
    broker = Broker(home / "kafka", {**os.environ, "STOCK_TRACKER_HOME": str(home)})
    running = broker.start(free_port(), lambda line: print(line, file=sys.stderr))
    try:
        yield running.bootstrap, running.pid
    finally:
        broker.stop(lambda line: print(line, file=sys.stderr))


def measure(rate: int, seconds: float, bootstrap: str, broker: int | None, prefix: str) -> str:
    """One line of the table: what a record costs at ``rate`` records a second."""
    hub_port, health_port = free_port(), free_port()
    ready: Queue[int] = Queue()
    hub = Process(target=serve, args=(rate, hub_port, ready), daemon=True)
    hub.start()
    hub_pid = ready.get()
    base = f"http://127.0.0.1:{hub_port}/"
    environ = {
        **os.environ, "SSI_CONSUMER_ID": "me", "SSI_CONSUMER_SECRET": "mine", "SSI_API_URL": base, "SSI_STREAM_URL": base,
        "KAFKA_BOOTSTRAP": bootstrap, "TOPIC_PREFIX": prefix,
    }  # fmt: skip
    command = [sys.executable, "-m", "stock_tracker", "ssi", "run", "--port", str(health_port)]
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as connector:
        try:
            return watch(rate, seconds, health_port, {"hub": hub_pid, "connector": connector.pid, "broker": broker})
        finally:
            connector.terminate()
            connector.wait()
            hub.terminate()
            hub.join()


def watch(rate: int, seconds: float, health_port: int, pids: dict[str, int | None]) -> str:
    def records() -> float:
        return metric(health_port, "stock_tracker_ssi_records_total")

    def used() -> dict[str, float]:
        return {name: cpu_s(pid) for name, pid in pids.items() if pid is not None}

    while True:
        with contextlib.suppress(OSError):
            if records() > 2_000:
                break
        time.sleep(0.2)
    began, before, cpu_before = time.monotonic(), records(), used()
    time.sleep(seconds)
    taken, cpu = records() - before, used()
    lasted = time.monotonic() - began
    each = {name: (cpu[name] - cpu_before[name]) / taken * 1e6 for name in cpu}
    dropped = metric(health_port, "stock_tracker_ssi_dropped_records_total")
    letters = metric(health_port, "stock_tracker_ssi_dead_letters_total")
    core = (cpu["connector"] - cpu_before["connector"]) / lasted * 100
    broker = f"{each['broker']:8.1f}" if "broker" in each else f"{'':8}"
    name = "flat out" if rate == FLAT_OUT else f"{rate:,}/s"
    return (
        f"{name:>9} {taken / lasted:10,.0f} {each['connector']:10.1f} {core:7.0f} % {each['hub']:8.1f} {broker}"
        f" {dropped:9,.0f} {letters:8,.0f}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--rates", type=int, nargs="*", default=[1_000, 10_000, FLAT_OUT], help="0 is flat out")
    options.add_argument("--broker", help="host:port of one that runs")
    chosen = options.parse_args()
    print("µs CPU a record")
    titles = f"{'connector':>10} {'of a core':>9} {'hub':>8} {'broker':>8} {'dropped':>9} {'letters':>8}"
    print(f"{'offered':>9} {'records/s':>10} {titles}")
    with tempfile.TemporaryDirectory() as home, a_broker(chosen.broker, Path(home)) as (bootstrap, broker):
        for rate in chosen.rates:
            prefix = f"bench{rate}."
            topics.apply(kafka_config({"KAFKA_BOOTSTRAP": bootstrap}), prefix, SHARDS, replication=1)
            print(measure(rate, chosen.seconds, bootstrap, broker, prefix), flush=True)


if __name__ == "__main__":
    main()
