"""SSI's own Python client, unmodified, against the simulator: through every call and every channel, by URL alone.

``infra/ssi-client/install`` puts the client into an environment of its own. Where that is not there, these tests are skipped.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import SSI_WIRE
from tests.days_made_once import make_days_once
from tests.patience import PATIENCE_S
from tests.simulator_client import ALL, Client, running

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("official_client.py")
TODAY = "23/11/2026"
EIGHT = {"X", "X-QUOTE", "X-TRADE", "R", "MI", "B", "F", "OL"}


@pytest.fixture(autouse=True)
def _days_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A market day is immutable: the simulators of all tests share theirs."""
    make_days_once(monkeypatch)


@pytest.fixture(scope="module")
def python() -> str:
    """The Python that has SSI's client."""
    installed = subprocess.run([str(ROOT / "infra/ssi-client/install")], cwd=ROOT, capture_output=True, text=True, check=True)
    if not installed.stdout.strip():
        pytest.skip(installed.stderr.strip() or "SSI's Python client could not be installed")
    return installed.stdout.strip()


class Official:
    """The official client, running, and what it has told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.answers: dict[str, Any] = {}
        self.records: list[dict[str, str]] = []

    async def read(self) -> None:
        """Take in the next thing that it tells."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
        assert line, f"it ended: {await self._complaint()}"
        if not line.startswith(b'{"'):
            return
        ((what, said),) = json.loads(line).items()
        if what == "record":
            self.records.append(said)
        else:
            self.answers[what] = said

    async def _complaint(self) -> str:
        assert self._process.stderr is not None
        return (await self._process.stderr.read()).decode()

    async def read_all(self, client: Client) -> None:
        """Take in everything that the simulator sends it."""
        while not self.records:
            await self.read()
        while not await client.finished():
            await self.read()
        (connection,) = (await client.status())["connections"]
        while len(self.records) < connection["records"] + connection["malformed"]:
            await self.read()


@asynccontextmanager
async def official(python: str, base: str, channels: str) -> AsyncIterator[Official]:
    process = await asyncio.create_subprocess_exec(
        python, str(SCRIPT), f"{base}/", TODAY, channels,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    try:
        yield Official(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def spoken(record: dict[str, str]) -> str:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)


async def test_it_gets_every_answer_of_rest_and_every_record_of_the_stream(python: str) -> None:
    async with running() as a_client:
        client = a_client()
        async with official(python, client.base, ALL) as theirs:
            await theirs.read_all(client)
            sent, status = await client.sent(1), await client.status()

    token = theirs.answers.pop("access_token")
    assert (token["status"], list(token["data"])) == (200, ["accessToken"])
    assert theirs.answers.pop("backtest")["message"] == "Not support"
    rows = {call: answer["data"] for call, answer in theirs.answers.items()}
    assert {call: answer["status"] for call, answer in theirs.answers.items()} == dict.fromkeys(rows, "Success")
    assert [row["Symbol"] for row in rows["securities"]][:3] == ["HPG", "SSI", "SHB"]
    assert rows["securities_details"][0]["RepeatedInfo"][0]["Symbol"] == "HPG"
    assert len(rows["index_components"][0]["IndexComponent"]) == 30
    assert [row["IndexCode"] for row in rows["index_list"]] == ["VNINDEX", "VN30"]
    assert len(rows["daily_ohlc"]) == 15
    assert rows["daily_index"][0]["IndexId"] == "VNINDEX"
    assert rows["daily_stock_price"][0]["Symbol"] == "HPG"
    assert set(rows) == {
        "securities", "securities_details", "index_components", "index_list", "daily_ohlc", "intraday_ohlc", "daily_index",
        "daily_stock_price",
    }  # fmt: skip

    # The stream, record by record, in order; python never calls start, and is served all the same.
    assert [spoken(record) for record in theirs.records] == [line.argument for line in sent]
    assert len(sent) == status["connections"][0]["records"] > 500


async def test_it_gets_all_eight_channels_as_they_were_captured(python: str, tmp_path: Path) -> None:
    examples = (ROOT / "schemas" / "examples" / SSI_WIRE.name / "every_data_type.json").read_text()
    arguments = [argument for invocation in json.loads(examples)["M"] for argument in invocation["A"]]
    path = tmp_path / "day.jsonl"
    path.write_text("\n".join(arguments))
    async with running(day=None, recording=path, start=None, end=None) as a_client:
        client = a_client()
        async with official(python, client.base, ",".join(f"{channel}:ALL" for channel in sorted(EIGHT))) as theirs:
            await theirs.read_all(client)
    assert {record["DataType"] for record in theirs.records} >= EIGHT
    assert theirs.records == [json.loads(argument) for argument in arguments]


def test_the_client_is_not_of_our_own_environment(python: str) -> None:
    assert Path(python) != Path(sys.executable)
