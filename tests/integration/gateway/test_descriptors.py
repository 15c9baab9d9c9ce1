"""A gateway with few descriptors, as a process of its own; it needs no Kafka for that."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
from pathlib import Path

import aiohttp

from stock_tracker.ports import free_port
from tests.patience import PATIENCE_S, reached

DESCRIPTORS = 200
SILENT = 260


async def is_healthy(url: str) -> bool:
    with contextlib.suppress(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as http, http.get(f"{url}/healthz") as answer:
            return answer.status == 200
    return False


async def test_more_silent_connections_than_descriptors_take_neither_the_gateway_nor_its_log(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "gateway.log"
    environ = {**os.environ, "KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}", "GATEWAY_PORT": str(port)}
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stock_tracker",
            "gateway",
            env=environ,
            stderr=stderr,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),
        )
    silent = []
    url = f"http://127.0.0.1:{port}"
    try:
        await reached(lambda: is_healthy(url), "a gateway that answers")
        # All at once, as far as the gateway can see: the kernel takes them while it stands still.
        process.send_signal(signal.SIGSTOP)
        silent = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) for _ in range(SILENT)]
        process.send_signal(signal.SIGCONT)
        for _ in range(5):
            assert await is_healthy(url)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        for one in silent:
            one.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = log.read_text().splitlines()
    assert any("ulimit -n" in line for line in lines)
    assert len(lines) < 100
