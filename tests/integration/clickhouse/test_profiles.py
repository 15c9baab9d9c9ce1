"""What symbols usually trade, from an archive of several days, as an operator has it written."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from schemas.calendar import at
from schemas.profiles import DayProfiles, step_begins_ms, step_of, usual
from schemas.units import Symbol, TradingDay

pytestmark = pytest.mark.clickhouse

DAYS = [TradingDay(day) for day in (20261117, 20261118, 20261119, 20261120)]
MONDAY = TradingDay(20261123)


def a_row(symbol: str, day: TradingDay, hour: int, minute: int, volume: int, total: int) -> dict[str, Any]:
    return {
        "kind": "print",
        "symbol": symbol,
        "day": f"{day // 10_000}-{day // 100 % 100:02d}-{day % 100:02d}",
        "ts": at(day, hour, minute),
        "volume": volume,
        "price": 60_000,
        "phase": "continuous",
        "anchored": 1,
        "offset": total,
    }


def test_the_mean_of_the_days_before_is_written_for_each_five_minutes(
    server: Any, writer: Client, database: str, tmp_path: Path
) -> None:
    migrations.migrate(writer, database)
    rows = [
        *(a_row("VNM", day, 9, 15, 1_000, n) for n, day in enumerate(DAYS)),
        *(a_row("VNM", day, 9, 19, 3_000, 10 + n) for n, day in enumerate(DAYS)),
        a_row("VNM", DAYS[0], 14, 45, 8_000, 20),
        # Listed on the third day, and not traded on the last.
        a_row("NEW", DAYS[2], 9, 20, 500, 30),
        # The day itself is not one of those before.
        a_row("VNM", MONDAY, 9, 15, 77_777, 40),
    ]
    for row in rows:
        values = ", ".join(f"fromUnixTimestamp64Milli({value})" if name == "ts" else repr(value) for name, value in row.items())
        writer.command(f"INSERT INTO trades_state ({', '.join(row)}) SELECT {values}")
    file = tmp_path / "profiles.json"
    known = {
        "CLICKHOUSE_URL": server.url,
        "ARCHIVE_USER": server.user,
        "ARCHIVE_PASSWORD": server.password,
        "ARCHIVE_DATABASE": database,
    }
    command = [sys.executable, "-m", "stock_tracker", "archive", "profiles", "--day", str(MONDAY), "--to", str(file)]
    ended = subprocess.run(command, env={**os.environ, **known}, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{file} says what 2 symbols usually trade on {MONDAY}\n"
    made = DayProfiles.model_validate_json(file.read_bytes())
    vnm, new = made.profiles[Symbol("VNM")], made.profiles[Symbol("NEW")]
    assert (made.day, vnm.days, new.days) == (MONDAY, 4, 2)
    assert usual(vnm.volumes, MONDAY, at(MONDAY, 9, 15)) == usual(vnm.volumes, MONDAY, at(MONDAY, 9, 19)) == 4_000
    assert usual(vnm.volumes, MONDAY, at(MONDAY, 14, 47)) == 2_000
    assert usual(vnm.volumes, MONDAY, at(MONDAY, 9, 20)) == 0
    assert usual(new.volumes, MONDAY, at(MONDAY, 9, 24)) == 250


def test_steps_are_five_minutes_from_a_quarter_to_nine() -> None:
    step = step_of(MONDAY, at(MONDAY, 9, 19))
    assert (step, step_begins_ms(MONDAY, step)) == (6, at(MONDAY, 9, 15))
    assert usual([1, 2], MONDAY, at(MONDAY, 8, 44)) is None
    assert usual([1, 2], MONDAY, at(MONDAY, 8, 55)) is None
