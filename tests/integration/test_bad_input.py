"""What an operator gets wrong, each through the real command: one clear message with the remedy, exit code 1, no traceback."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stock_tracker.ports import free_port

NOWHERE = "127.0.0.1:1"
AWAY = f"http://{NOWHERE}"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def stock_tracker(home: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("SSI_", "KAFKA_"))}
    return subprocess.run(
        [sys.executable, "-m", "stock_tracker", *words],
        env={**known, "STOCK_TRACKER_HOME": str(home), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "environ", "remedy"),
    [
        (["run", "prices"], {"KAFKA_BOOTSTRAP": NOWHERE}, "stock-tracker kafka start"),
        (["archive", "sink"], {"KAFKA_BOOTSTRAP": NOWHERE}, "stock-tracker kafka start"),
        (["ssi", "run"], {}, "SSI_CONSUMER_SECRET"),
        (["ssi", "run"], {"SSI_CONSUMER_ID": "x", "SSI_CONSUMER_SECRET": "y", "SSI_CHANNELS": "X-TARDE:ALL"}, "SSI_CHANNELS"),
        (["ssi", "run"], {"SSI_CONSUMER_ID": "x", "SSI_CONSUMER_SECRET": "y", "SSI_API_URL": "http://ssi.example/"}, "https"),
        (["ssi", "simulate", "--date", "20261122"], {}, "trading day"),
        (["gateway"], {"GATEWAY_HOST": "0.0.0.0"}, "GATEWAY_INSECURE"),
        (["up", "--live"], {}, "SSI_CONSUMER_SECRET_FILE"),
        (["verify"], {}, "stock-tracker up"),
        (["status"], {}, "stock-tracker up"),
        (["archive", "status"], {"CLICKHOUSE_URL": AWAY}, "stock-tracker archive serve"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_message_names_the_remedy(tmp_path: Path, words: list[str], environ: dict[str, str], remedy: str) -> None:
    ended = stock_tracker(tmp_path, *words, **environ)
    assert ended.returncode == 1
    assert remedy in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Warning" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (["ssi", "simulate", "--port", "{port}"], {}),
        (["archive", "serve", "--port", "{port}"], {}),
        (["gateway"], {"GATEWAY_PORT": "{port}", "KAFKA_BOOTSTRAP": NOWHERE}),
        (
            ["up"],
            {"GATEWAY_PORT": "{port}", "KAFKA_BOOTSTRAP": NOWHERE, "CLICKHOUSE_URL": AWAY, "SIM_PORT": "{free}"},
        ),
        (["kafka", "start", "--port", "{port}"], {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_port_in_use_is_named(tmp_path: Path, taken_port: int, words: list[str], environ: dict[str, str]) -> None:
    port = str(taken_port)
    ended = stock_tracker(
        tmp_path,
        *(word.replace("{port}", port) for word in words),
        **{name: value.replace("{port}", port).replace("{free}", str(free_port())) for name, value in environ.items()},
    )
    assert ended.returncode == 1
    assert port in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_captured_line_that_is_no_record_says_why(tmp_path: Path) -> None:
    captured = tmp_path / "captured.jsonl"
    captured.write_text('{"DataType":"Z","Content":"{}"}\nnot json\n')
    ended = stock_tracker(tmp_path, "ssi", "decode", str(captured))
    assert ended.returncode == 0
    assert [line[:7] for line in ended.stdout.splitlines()] == ['{"dlq":'] * 2
