"""The examples of docs/clients.md, each run in an empty directory against a gateway over a real socket."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from gateway.app import Gateway
from gateway.core.board import Board
from gateway.core.events import Recents
from gateway.core.limits import ClientLimits
from gateway.core.rows import SOURCES, change_of
from gateway.core.status import Connectors
from gateway.core.subscriber import Close
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from schemas.position import Position
from schemas.stock_v1 import CloseCode
from schemas.topics import STATE_PRICES
from stock_tracker.client import DataAge, Disconnected, MarketStream, Rows, Told
from tests.patience import PATIENCE_S, reached
from tests.unit.gateway.test_tokens import a_token, settings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/clients.md").read_text()
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```\w*\n(.*?)```", PAGE, re.DOTALL))
ROW = json.loads(next((ROOT / "schemas/examples/state.prices").glob("*.json")).read_text()) | {"symbol": "VNM", "last": 61_200}


@pytest.fixture
def fanout(board: Board, events: Recents) -> Fanout:
    """A gateway's."""
    return Fanout(board, events, Connectors(), ClientLimits(), lambda: 0, reason=str)


@pytest.fixture(autouse=True)
def put_price(fanout: Fanout) -> Callable[[int], None]:
    """Puts a price of VNM onto its board; one is there."""
    source = next(source for source in SOURCES if source.topic is STATE_PRICES)

    def put(price: int) -> None:
        message = STATE_PRICES.decode(json.dumps(ROW | {"last": price, "src": price}).encode())
        fanout.apply([change_of(source, Position(STATE_PRICES.name, 0, price), message)])

    put(61_200)
    return put


@pytest_asyncio.fixture
async def address(fanout: Fanout) -> AsyncIterator[str]:
    """Where that gateway is."""
    async with TestServer(Gateway(GatewaySettings(kafka={}, topic_prefix=""), fanout, str).application()) as server:
        yield f"127.0.0.1:{server.port}"


async def first_line(folder: Path, *command: str) -> str:
    """What a program prints first."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environ, stdout=pipe, stderr=pipe)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = (await process.stdout.readline()).decode().strip()
            return line or (await process.stderr.read()).decode()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is missing: its example would go untested", pytrace=False)
        pytest.skip(f"{name} is missing")
    return found


def node_version(node: str) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return int(said[1:].split(".")[0])


def test_the_page_has_an_example_for_each_language() -> None:
    assert set(EXAMPLES) == {"curl", "events", "python", "node", "page", "listener"}


async def test_the_example_in_python_shows_a_price(address: str, tmp_path: Path) -> None:
    (tmp_path / "watch.py").write_text(EXAMPLES["python"].replace("127.0.0.1:8080", address))
    assert await first_line(tmp_path, sys.executable, "watch.py") == "VNM 61200"


async def test_the_example_for_node_and_browsers_shows_a_price(address: str, tmp_path: Path) -> None:
    node = tool("node")
    # From 22 on WebSocket is there without being asked for.
    flags = [] if node_version(node) >= 22 else ["--experimental-websocket", "--no-warnings"]
    async with aiohttp.ClientSession() as http:
        for name in ("stream.js", "client.js"):
            async with http.get(f"http://{address}/js/{name}") as answer:
                (tmp_path / name).write_text(await answer.text())
    (tmp_path / "package.json").write_text('{"type":"module"}')
    (tmp_path / "watch.js").write_text(EXAMPLES["node"].replace("127.0.0.1:8080", address))
    assert await first_line(tmp_path, node, *flags, "watch.js") == "VNM 61200"


@pytest.mark.browser
@pytest.mark.parametrize(("example", "asked_for"), [("page", "stream.js"), ("listener", "/v1/stream")])
async def test_the_example_for_a_page_shows_a_price_where_its_origin_is_listed_and_nothing_elsewhere(
    example: str, asked_for: str, fanout: Fanout, tmp_path: Path, new_page: Callable[[], Awaitable[Page]]
) -> None:
    files = web.Application()
    files.router.add_static("/", tmp_path)
    async with TestServer(files) as listed, TestServer(files) as foreign:
        origin = f"http://127.0.0.1:{listed.port}"
        settings = GatewaySettings(kafka={}, topic_prefix="", origins=[origin])
        async with TestServer(Gateway(settings, fanout, str).application()) as server:
            (tmp_path / "index.html").write_text(EXAMPLES[example].replace("127.0.0.1:8080", f"127.0.0.1:{server.port}"))
            page = await new_page()
            await page.goto(f"{origin}/index.html")
            await expect(page.locator("#price")).to_have_text("VNM 61200", timeout=PATIENCE_S * 1_000)
            refused: list[str] = []
            page.on("requestfailed", lambda request: refused.append(request.url))
            await page.goto(f"http://127.0.0.1:{foreign.port}/index.html")
            await reached(lambda: any(asked_for in url for url in refused), "a module that is not given out")
            await expect(page.locator("#price")).to_have_text("waiting")


async def test_the_example_for_curl_gives_the_row(address: str, tmp_path: Path) -> None:
    command = EXAMPLES["curl"].strip().replace("127.0.0.1:8080", address)
    tool("curl")
    body = json.loads(await first_line(tmp_path, "/bin/sh", "-c", command))
    assert dict(zip(body["cols"], body["rows"][0], strict=True))["last"] == 61_200


async def test_the_example_for_events_gives_a_snapshot_and_then_what_changes(
    address: str, fanout: Fanout, tmp_path: Path, put_price: Callable[[int], None]
) -> None:
    tool("curl")
    command = EXAMPLES["events"].strip().replace("127.0.0.1:8080", address)
    shell = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"exec {command}", cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
    assert shell.stdout is not None

    async def next_price() -> int:
        while line := (await shell.stdout.readline()).decode():  # type: ignore[union-attr]
            message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
            columns.extend(message.get("cols", ()))
            if message.get("rows"):
                return int(dict(zip(columns, message["rows"][0], strict=True))["last"])
        raise AssertionError("the stream has ended")

    columns: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await next_price() == 61_200
            put_price(61_300)
            for _ in fanout.flush(250):
                pass
            assert await next_price() == 61_300
    finally:
        shell.kill()
        await shell.communicate()


async def test_a_stream_comes_back_by_itself_with_its_cursor(address: str, fanout: Fanout) -> None:
    told: list[Told] = []
    async with MarketStream(f"ws://{address}/v1/ws") as stream, asyncio.timeout(PATIENCE_S):
        await stream.subscribe("px", "VNM")
        async for one in stream:
            if not isinstance(one, DataAge):
                told.append(one)
            if len(told) == 1 and stream.is_up_to_date:
                fanout.end_all(Close(CloseCode.SHUTDOWN, "shutdown"))
            if len(told) == 3:
                break
    first, lost, again = told
    assert isinstance(first, Rows)
    assert first.rows["VNM"]["last"] == 61_200
    assert isinstance(lost, Disconnected)
    # It came with its cursor, so nothing had to be sent again.
    assert again == Rows("px", {}, is_snapshot=True)


async def test_watch_prints_a_line_for_each_row(address: str, tmp_path: Path) -> None:
    url = f"ws://{address}/v1/ws"
    line = await first_line(
        tmp_path, sys.executable, "-m", "stock_tracker", "watch", "px", "VNM", "--url", url, "--columns", "symbol,last", "--once"
    )
    assert line == "symbol=VNM  last=61,200"


async def test_watch_names_itself_by_a_token_in_a_file(fanout: Fanout, tmp_path: Path) -> None:
    async with TestServer(Gateway(settings(), fanout, str).application()) as server:
        url = f"ws://127.0.0.1:{server.port}/v1/ws"
        command = [sys.executable, "-m", "stock_tracker", "watch", "px", "--url", url, "--columns", "symbol,last", "--once"]
        token = tmp_path / "token"
        token.write_text(f"{a_token()}\n")
        assert await first_line(tmp_path, *command, "--token-file", str(token)) == "symbol=VNM  last=61,200"
        assert "1401" in await first_line(tmp_path, *command)
