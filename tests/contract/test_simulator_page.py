"""``docs/simulator.md``: its clients run as they stand there, and it names every fault."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from connectors.ssi.simulator.core.faults import Fault, Schedule
from tests.simulator_client import Client, running

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()


def block(language: str) -> str:
    """The first code block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


async def run(*command: str, url: str) -> list[str]:
    """Run a client of the page; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "SSI_URL": url}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return printed.decode().splitlines()


def shows_the_snapshot(printed: list[str], client: Client) -> None:
    first, *records = printed
    assert first == "HOSE lists 89"
    assert len(records) >= 5
    assert all(re.fullmatch(r"X-TRADE [A-Z0-9]+ [0-9.]+ [0-9.]+", record) for record in records)
    assert records[0].startswith("X-TRADE HPG ")


async def test_the_client_in_python_runs(tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(block("python"))
    async with running() as a_client:
        client = a_client()
        shows_the_snapshot(await run(sys.executable, str(script), url=f"{client.base}/"), client)


async def test_the_client_in_node_runs(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node here")
    script = tmp_path / "client.mjs"
    script.write_text(block("javascript"))
    async with running() as a_client:
        client = a_client()
        flags = ("--experimental-websocket", "--no-warnings")
        shows_the_snapshot(await run(node, *flags, str(script), url=f"{client.base}/"), client)


def test_the_schedule_of_the_page_can_be_read() -> None:
    assert len(Schedule.parse(block("toml"), "docs/simulator.md").entries) == 3


def test_every_fault_is_on_the_page() -> None:
    names = {str(kind.__struct_config__.tag) for kind in Fault.__args__}
    assert {name for name in names if f"| `{name}` |" not in PAGE} == set()
