"""Several gateways behind one port, as processes; they need no Kafka for that. ``PROVE=1`` connects two thousand clients."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from stock_tracker.ports import free_port, is_free
from tests.patience import PATIENCE_S, reached
from tests.proof import usually

CLIENTS = usually(300, proving=2_000)
APART = usually(0.3, proving=0.1)
"""How far from its half a worker's part may be: with few clients chance alone makes it larger."""
UPGRADE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
_COMMAND = b'{"op":"sub","ch":"px"}'
SUBSCRIBE = bytes([0x81, 0x80 | len(_COMMAND)]) + bytes(4) + _COMMAND


def free_ports(count: int) -> int:
    """The first of ``count`` ports in a row on which nobody listens."""
    while True:
        port = free_port()
        if all(is_free(port + number) for number in range(1, count)):
            return port


async def asked(port: int, path: str) -> tuple[int, str]:
    """Status and text; status 0 where nobody answers."""
    with contextlib.suppress(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.text()
    return 0, ""


async def connections(port: int) -> int:
    """Of the worker that listens at ``port``."""
    _, text = await asked(port, "/metrics")
    found = re.search(r"^stock_tracker_gateway_connections (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else -1


def answering(*ports: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return all([(await asked(port, "/healthz"))[0] == 200 for port in ports])

    return check


@asynccontextmanager
async def two_workers() -> AsyncIterator[tuple[Process, int]]:
    port = free_ports(3)
    environ = {**os.environ, "KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}", "GATEWAY_PORT": str(port)}
    command = [sys.executable, "-m", "stock_tracker", "gateway", "--workers", "2"]
    process = await asyncio.create_subprocess_exec(*command, env=environ, stderr=DEVNULL)
    try:
        await reached(answering(port + 1, port + 2), "two workers")
        yield process, port
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def child_of(process: Process) -> int:
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the kernel shares connections out evenly on Linux only")
async def test_two_workers_share_the_connections_evenly_and_send_all_away_together() -> None:
    async with two_workers() as (process, port), asyncio.timeout(4 * PATIENCE_S):
        clients = []
        for _ in range(CLIENTS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(UPGRADE + SUBSCRIBE)
            clients.append((reader, writer))

        async def all_there() -> bool:
            return sum([await connections(port + number) for number in (1, 2)]) == CLIENTS

        await reached(all_there, "all clients")
        for number in (1, 2):
            assert await connections(port + number) == pytest.approx(CLIENTS / 2, rel=APART)
        # Of whichever worker the answer came it would say half of the truth.
        assert (await asked(port, "/metrics"))[0] == 421
        process.terminate()
        for reader, writer in clients:
            assert b'"op":"goaway"' in await reader.read()
            writer.close()
        assert await process.wait() == 0
        await reached(lambda: is_free(port), "a port that nobody listens at")


async def test_a_worker_that_dies_ends_the_others_so_that_all_start_again_together() -> None:
    async with two_workers() as (process, port), asyncio.timeout(4 * PATIENCE_S):
        os.kill(child_of(process), signal.SIGKILL)
        assert await process.wait() == 1
        await reached(lambda: is_free(port), "a port that nobody listens at")


async def test_no_worker_outlives_the_first() -> None:
    async with two_workers() as (process, port), asyncio.timeout(4 * PATIENCE_S):
        process.kill()
        await process.wait()
        await reached(lambda: is_free(port), "a port that nobody listens at")


async def test_workers_at_a_port_that_is_taken_name_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environ = {**os.environ, "GATEWAY_PORT": str(port), "KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}"}
        command = [sys.executable, "-m", "stock_tracker", "gateway", "--workers", "2"]
        process = await asyncio.create_subprocess_exec(*command, env=environ, stderr=asyncio.subprocess.PIPE)
        _, said = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (process.returncode, str(port).encode() in said, b"GATEWAY_PORT" in said) == (1, True, True)
