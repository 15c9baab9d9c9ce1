"""``stock-tracker ssi``: the commands that look at what SSI sends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stock_tracker import cli

CONTENT = (
    '{"RType":"F","MarketId":"HOSE","TradingDate":"23/11/2026","Time":"13:00:00","Symbol":"SSI","TradingSession":"LO",'
    '"TradingStatus":"N","Exchange":"HOSE"}'
)
ARGUMENT = json.dumps({"DataType": "F", "Content": CONTENT})


def test_decode_reads_standard_input_or_a_file(tmp_path: Path) -> None:
    captured = tmp_path / "captured.jsonl"
    captured.write_bytes(ARGUMENT.encode() + b"\n\xff\n")
    from_input = CliRunner().invoke(cli.build(), ["ssi", "decode", "-"], input=captured.read_bytes())
    from_file = CliRunner().invoke(cli.build(), ["ssi", "decode", str(captured)])
    assert from_input.exit_code == from_file.exit_code == 0, from_input.output
    assert from_input.stdout == from_file.stdout
    record, letter = map(json.loads, from_input.stdout.splitlines())
    assert record["record"]["symbol"] == "SSI"
    assert letter["dlq"] == "bad_json"


def test_decode_is_content_when_its_reader_has_enough(tmp_path: Path) -> None:
    captured = tmp_path / "captured.jsonl"
    captured.write_text(f"{ARGUMENT}\n" * 2_000)
    command = [sys.executable, "-m", "stock_tracker", "ssi", "decode", str(captured)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as decoding:
        assert decoding.stdout is not None
        assert decoding.stderr is not None
        assert b"SSI" in decoding.stdout.readline()
        decoding.stdout.close()
        assert decoding.stderr.read() == b""
    assert decoding.returncode == 0


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01T09:00", ""])
def test_redecode_says_which_time_is_none(moment: str) -> None:
    ran = CliRunner().invoke(cli.build(), ["ssi", "redecode", "--from", moment, "--to", "2026-11-23T09:15"])
    assert ran.exit_code == 2
    assert "is no time" in ran.output


def test_reconcile_says_that_a_day_is_none() -> None:
    ran = CliRunner().invoke(cli.build(), ["ssi", "reconcile", "--day", "20261332"])
    assert ran.exit_code == 2
    assert "20261332 is no date" in ran.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "20261131", "--to", "20261201"), "20261131 is no date"),
        (("--from", "20261120", "--to", "20261119"), "20261120 is after"),
        (("--from", "20261119", "--to", "20261120", "--symbols", ","), "name symbols"),
        (("--from", "20261119", "--to", "20261120", "--only", "ticks"), "'ticks' is not one of"),
    ],
)
def test_backfill_says_what_is_wrong_with_the_command(words: tuple[str, ...], said: str) -> None:
    ran = CliRunner().invoke(cli.build(), ["ssi", "backfill", *words])
    assert ran.exit_code == 2
    assert said in ran.output


def test_backfill_names_the_credentials_that_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSI_CONSUMER_ID", "SSI_CONSUMER_SECRET"):
        monkeypatch.delenv(name, raising=False)
    ran = CliRunner().invoke(cli.build(), ["ssi", "backfill", "--from", "20261119", "--to", "20261120"])
    assert ran.exit_code == 1
    assert "SSI_CONSUMER_ID" in str(ran.exception)
