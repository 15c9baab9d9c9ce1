"""``stock-tracker archive migrate|status`` as an operator runs them."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.migration import Migration
from connectors.clickhouse.migrations import load, migrate

pytestmark = pytest.mark.clickhouse


def archive(server: Any, database: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    known = {
        "CLICKHOUSE_URL": server.url,
        "ARCHIVE_USER": server.user,
        "ARCHIVE_PASSWORD": server.password,
        "ARCHIVE_DATABASE": database,
    }
    return subprocess.run(
        [sys.executable, "-m", "stock_tracker", "archive", *words],
        env={**os.environ, **known, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_status_names_what_is_lacking_until_it_is_migrated(server: Any, database: str) -> None:
    before = archive(server, database, "status", "--json")
    assert (before.returncode, json.loads(before.stdout)["applied"]) == (1, [])

    migrated = archive(server, database, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert migrated.stdout.count("applied ") == len(load())

    after = archive(server, database, "status", "--json")
    assert (after.returncode, json.loads(after.stdout)["lacking"]) == (0, [])
    assert "are what this version needs" in archive(server, database, "migrate").stdout


def test_status_names_a_table_that_is_gone_and_the_command_that_brings_it_back(
    server: Any, writer: Client, database: str
) -> None:
    migrate(writer, database, [*load(), Migration(99, "note", "ALTER TABLE trades MODIFY COMMENT 'The tape';\n")])
    writer.command("DROP TABLE alerts")
    broken = archive(server, database, "status")
    assert (broken.returncode, broken.stderr) == (1, "")
    assert "099_note.sql is a newer release's" in broken.stdout
    assert "`stock-tracker archive migrate --again 5`" in broken.stdout

    assert archive(server, database, "migrate").returncode == 1
    assert archive(server, database, "migrate", "--again", "98").returncode == 2
    again = archive(server, database, "migrate", "--again", "5")
    # A later file has given the table another column, and says so next.
    assert (again.returncode, again.stdout.splitlines()[0]) == (1, "applied 005_alerts_and_dead_letters.sql")
    assert "alerts has no message_vi" in again.stderr
    assert "`stock-tracker archive migrate --again 10`" in again.stderr
    mended = archive(server, database, "migrate", "--again", "10")
    assert (mended.returncode, mended.stdout.splitlines()[0]) == (0, "applied 010_candles_and_alerts.sql")
    assert archive(server, database, "status").returncode == 0


def test_a_wrong_password_and_an_archive_that_is_away_name_the_remedy(server: Any, database: str) -> None:
    refused = archive(server, database, "status", ARCHIVE_PASSWORD="wrong")
    assert refused.returncode == 1
    assert "ARCHIVE_PASSWORD" in refused.stderr
    assert "wrong" not in refused.stderr

    away = archive(server, database, "status", CLICKHOUSE_URL="http://127.0.0.1:1")
    assert away.returncode == 1
    assert "stock-tracker archive serve" in away.stderr
    assert "Traceback" not in refused.stderr + away.stderr
