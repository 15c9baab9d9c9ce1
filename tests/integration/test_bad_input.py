"""What an operator gets wrong, each through the real command: one clear message with the remedy, exit code 1, no traceback."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stock_tracker.ports import free_port
from tests.command_line import Command, StockTracker

NOWHERE = "127.0.0.1:1"
AWAY = f"http://{NOWHERE}"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.fixture
def apart(tmp_path: Path) -> StockTracker:
    """Runs a command in a process of its own."""

    def run(*words: str, **environ: str) -> Command:
        ended = subprocess.run(
            [sys.executable, "-m", "stock_tracker", *words],
            env={**os.environ, "STOCK_TRACKER_HOME": str(tmp_path), **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        return Command(ended.returncode, ended.stdout, ended.stderr)

    return run


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
def test_the_message_names_the_remedy(
    stock_tracker: StockTracker, words: list[str], environ: dict[str, str], remedy: str
) -> None:
    ended = stock_tracker(*words, **environ)
    assert ended.code == 1
    assert remedy in ended.said
    assert "Traceback" not in ended.said
    assert ended.out == ""


def test_a_process_of_its_own_says_no_more(stock_tracker: StockTracker, apart: StockTracker) -> None:
    """Neither warnings, which fail a test where they appear within its process, nor what is said as Python ends."""
    words, environ = ("run", "prices"), {"KAFKA_BOOTSTRAP": NOWHERE}
    assert apart(*words, **environ) == stock_tracker(*words, **environ)


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
def test_a_port_in_use_is_named(stock_tracker: StockTracker, taken_port: int, words: list[str], environ: dict[str, str]) -> None:
    port = str(taken_port)
    ended = stock_tracker(
        *(word.replace("{port}", port) for word in words),
        **{name: value.replace("{port}", port).replace("{free}", str(free_port())) for name, value in environ.items()},
    )
    assert ended.code == 1
    assert port in ended.said
    assert "Traceback" not in ended.said


def test_a_captured_line_that_is_no_record_says_why(stock_tracker: StockTracker, tmp_path: Path) -> None:
    captured = tmp_path / "captured.jsonl"
    captured.write_text('{"DataType":"Z","Content":"{}"}\nnot json\n')
    ended = stock_tracker("ssi", "decode", str(captured))
    assert ended.code == 0
    assert [line[:7] for line in ended.out.splitlines()] == ['{"dlq":'] * 2
