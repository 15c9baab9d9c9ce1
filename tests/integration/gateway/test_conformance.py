"""Autobahn's test suite for WebSockets against the gateway's way in and out, and beside it against plain aiohttp.

``make conformance`` runs it: some minutes. The suite talks to a server that sends back what it gets, so the gateway's own handler
is replaced by one that does; the door, the check of masks, the upgrade and the framer are the gateway's.
"""

import asyncio
import json
import logging
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import WSMsgType, web

from gateway.app import Gateway
from gateway.core.board import Board
from gateway.core.doorkeeper import Doorkeeper
from gateway.core.events import recents
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.door import Door
from gateway.fanout import Fanout
from gateway.framer import SocketOutlet
from gateway.settings import THIS_MACHINE, GatewaySettings
from tests.proof import PROVING

ROOT = Path(__file__).parents[3]
LEAST: Final = 240
"""How many cases there are at least."""
CASES: Final = [f"{chapter}.*" for chapter in (1, 2, 3, 4, 5, 6, 7, 10)]
"""All but those of limits (9), which measure, and of compression (12, 13), which the gateway does not offer."""
RANK: Final = {"OK": 0, "INFORMATIONAL": 0, "NON-STRICT": 1}
BAD: Final = 2
"""The rank of whatever else the suite calls a case, or the way in which it ended."""


log = logging.getLogger(__name__)


def rank(result: str) -> int:
    """The less, the better."""
    return RANK.get(result, BAD)


class Echo(Gateway):
    """A gateway that sends back what it gets."""

    async def _serve(self, request: web.Request, socket: web.WebSocketResponse) -> web.StreamResponse:
        outlet = SocketOutlet(request, socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                outlet.write([message.data.encode()])
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket


async def plain_echo(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse(compress=False, max_msg_size=1 << 24)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


@asynccontextmanager
async def serving(app: web.Application, door: Door | None = None) -> AsyncIterator[int]:
    """Its port."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    assert runner.server is not None
    try:
        if door is None:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield runner.addresses[0][1]
        else:
            yield (await door.listen("127.0.0.1", 0, runner.server))[1]
            door.close()
    finally:
        await runner.cleanup()


@pytest.fixture
def suite() -> tuple[str, str]:
    """The Python 2 that has Autobahn's suite, and where that is."""
    if not PROVING:
        pytest.skip("it takes minutes: make conformance")
    installed = subprocess.run([str(ROOT / "infra/autobahn/install")], capture_output=True, text=True, check=True)
    if not installed.stdout.strip():
        pytest.skip(installed.stderr.strip())
    python, folder = installed.stdout.split()
    return python, folder


@pytest.mark.timeout(3_600)
async def test_the_gateway_does_no_case_worse_than_aiohttp_itself(suite: tuple[str, str], tmp_path: Path) -> None:
    limits = ClientLimits(message_bytes=1 << 24)
    fanout = Fanout(Board(), recents(), Connectors(), limits, lambda: 0, reason=str)
    settings = GatewaySettings(kafka={}, topic_prefix="")
    gateway = Echo(settings, fanout, str)
    gateway.door = door = Door(Doorkeeper(9, 9), THIS_MACHINE)
    plain = web.Application()
    plain.router.add_get("/v1/ws", plain_echo)
    async with serving(gateway.application(), door) as ours, serving(plain) as theirs:
        servers = [
            {"agent": agent, "url": f"ws://127.0.0.1:{port}/v1/ws"} for agent, port in (("ours", ours), ("aiohttp", theirs))
        ]
        spec = {"outdir": str(tmp_path / "report"), "servers": servers, "cases": CASES, "exclude-cases": [], "options": {}}
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        python, folder = suite
        # What was installed into a folder brings .pth files, which are read only where a folder is said to be one of packages.
        run = f"import site, sys; site.addsitedir({folder!r}); from autobahntestsuite.wstest import run; run()"
        process = await asyncio.create_subprocess_exec(
            python, "-W", "ignore", "-c", run, "-m", "fuzzingclient", "-s", str(tmp_path / "spec.json"),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")[-2_000:]
    results: dict[str, dict[str, Any]] = json.loads((tmp_path / "report/index.json").read_text())
    assert results["ours"].keys() == results["aiohttp"].keys()
    assert len(results["ours"]) > LEAST
    worse = {
        case: (result[what], results["aiohttp"][case][what])
        for case, result in results["ours"].items()
        for what in ("behavior", "behaviorClose")
        if rank(result[what]) > rank(results["aiohttp"][case][what])
    }
    for agent, of_agent in results.items():
        failed = sorted(
            case for case, result in of_agent.items() if BAD in (rank(result["behavior"]), rank(result["behaviorClose"]))
        )
        log.info("%s: %s, failed: %s", agent, dict(Counter(result["behavior"] for result in of_agent.values())), failed)
    assert worse == {}
