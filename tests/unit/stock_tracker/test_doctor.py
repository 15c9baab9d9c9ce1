"""What ``stock-tracker doctor`` finds, each with a remedy."""

import json
import os
import shutil
import socket
from collections import namedtuple
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from stock_tracker.doctor import CheckFinding, CheckState, examine
from tests.command_line import StockTracker

NOBODY = "http://127.0.0.1:1/"


@pytest.fixture
async def long_ago() -> AsyncIterator[str]:
    """A server whose clock stands in another year."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(headers={"Date": "Mon, 01 Jan 2024 00:00:00 GMT"})

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def found(home: Path, **environ: str) -> dict[str, list[CheckFinding]]:
    """What it finds, by check; it asks nobody outside of this machine."""
    here = {"STOCK_TRACKER_HOME": str(home), "KAFKA_BOOTSTRAP": "127.0.0.1:1", "SSI_API_URL": NOBODY, "SSI_STREAM_URL": NOBODY}
    findings = await examine({"CLICKHOUSE_URL": NOBODY, "PATH": os.environ["PATH"], **here, **environ})
    assert all(finding.remedy for finding in findings if finding.state is not CheckState.OK)
    return {name: [finding for finding in findings if finding.check == name] for name in {one.check for one in findings}}


async def test_a_home_with_a_space_in_its_name_is_as_good_as_any(tmp_path: Path) -> None:
    findings = await found(tmp_path / "a home")
    assert [one.state for one in findings["home"] + findings["versions"]] == [CheckState.OK, CheckState.OK]


async def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (one,) = (await found(tmp_path / "file" / "home"))["home"]
    assert one.state is CheckState.BAD
    assert "STOCK_TRACKER_HOME" in one.remedy


async def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    for free, state in ((10**8, CheckState.BAD), (10**9, CheckState.NOTE), (10**11, CheckState.OK)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(10**12, 0, free))
        assert [one.state for one in (await found(tmp_path))["disk"]] == [state]


async def test_a_port_that_is_taken_is_named_with_its_holder(tmp_path: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = str(listening.getsockname()[1])
        (one,) = [one for one in (await found(tmp_path, GATEWAY_PORT=port))["ports"] if port in one.said]
    assert f"(pid {os.getpid()})" in one.said


async def test_a_wrong_clock_is_said_whoever_tells(tmp_path: Path, long_ago: str) -> None:
    findings = await found(tmp_path, SSI_API_URL=long_ago, CLICKHOUSE_URL=long_ago)
    assert [one.state for one in findings["clock"]] == [CheckState.BAD, CheckState.BAD]
    assert "ahead of" in findings["clock"][0].said


async def test_who_is_named_and_away_is_bad_and_who_is_not_named_is_a_note(tmp_path: Path) -> None:
    findings = await found(tmp_path)
    assert [one.state for one in findings["kafka"] + findings["archive"]] == [CheckState.BAD, CheckState.BAD]


async def test_a_secret_that_others_may_read_is_said(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    (one,) = (await found(tmp_path, SSI_CONSUMER_ID="x", SSI_CONSUMER_SECRET_FILE=str(secret)))["credentials"]
    assert one.remedy == f"chmod 600 {secret}"


def test_the_command_ends_with_1_where_something_is_bad(stock_tracker: StockTracker) -> None:
    ended = stock_tracker("doctor", "--json", KAFKA_BOOTSTRAP="127.0.0.1:1", SSI_API_URL=NOBODY, SSI_STREAM_URL=NOBODY)
    assert ended.code == 1
    assert {"check", "state", "said", "remedy"} == set(json.loads(ended.out)[0])
