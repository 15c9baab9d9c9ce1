"""``stock-tracker fixture``, through the command."""

import json
from pathlib import Path

import chdb
import pytest
from typer.testing import CliRunner, Result

from connectors.fixtures.core.errors import DamagedFixture
from connectors.ssi.simulator.core.errors import UnreadableDay
from stock_tracker.cli import build
from tests.make_days import DAYS

QUIET = DAYS / "quiet.jsonl.zst"


def fixture(*words: object) -> Result:
    return CliRunner().invoke(build(), ["fixture", *map(str, words)])


def test_a_part_is_a_fixture_again(tmp_path: Path) -> None:
    part = tmp_path / "part.jsonl.zst"
    assert fixture("cut", QUIET, "--from", "10:01", "--to", "10:02", "--topics", "ssi.ticks", "-o", part).exit_code == 0
    told = fixture("verify", part)
    assert told.exit_code == 0
    assert "10:01:00 to 10:01:59" in told.stdout
    assert "ssi.ticks                  180 messages" in told.stdout
    assert "ssi.foreign" not in told.stdout


def test_of_a_damaged_file_it_says_what_can_be_read_and_where_that_ends(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.jsonl.zst"
    damaged.write_bytes(QUIET.read_bytes()[:-20_000])
    told = fixture("inspect", damaged)
    assert told.exit_code == 1
    assert "ssi.ticks" in told.stdout
    assert isinstance(told.exception, DamagedFixture)
    assert f"damaged after {told.exception.records} records" in str(told.exception)
    assert told.exception.records > 500


def test_rows_of_a_parquet_file_are_the_lines_that_explode_prints(tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    assert fixture("to-parquet", QUIET, "-o", rows).exit_code == 0
    lines = [json.loads(line) for line in fixture("explode", QUIET).stdout.splitlines()]
    trades = [line["total_volume"] for line in lines if line["kind"] == "trade"]
    counted = chdb.query(f"SELECT count(), sumIf(total_volume, kind = 'trade') FROM file('{rows}')", "JSONCompactEachRow")
    assert list(map(int, json.loads(str(counted)))) == [len(lines), sum(trades)]


@pytest.mark.parametrize("words", [("--from", "noon"), ("--to", "25:00")])
def test_a_time_that_is_none_is_refused(words: tuple[str, str], tmp_path: Path) -> None:
    told = fixture("cut", QUIET, *words, "-o", tmp_path / "x.jsonl")
    assert told.exit_code == 2
    assert "is no time such as 10:14" in told.stderr


@pytest.mark.parametrize("speed", ["max", "20x"])
def test_a_simulated_ssi_sends_what_came_over_its_wire_and_nothing_else(speed: str) -> None:
    told = CliRunner().invoke(build(), ["replay", str(QUIET), "--to", "ssi", "--port", "0", "--speed", speed])
    assert told.exit_code == 1
    assert isinstance(told.exception, UnreadableDay)
    assert "without ssi.wire" in str(told.exception)


def test_a_day_is_moved_and_goes_to_standard_output() -> None:
    told = CliRunner().invoke(build(), ["replay", str(QUIET), "--to", "stdout", "--shift-to", "20261123"])
    assert told.exit_code == 0
    days = {record["trading_day"] for line in told.stdout.splitlines() for record in json.loads(line)["v"]["records"]}
    assert days == {20261123}
