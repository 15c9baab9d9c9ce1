"""``stock-tracker archive migrate|status`` as an operator runs them."""

import json
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.migration import Migration
from connectors.clickhouse.migrations import load, migrate
from tests.command_line import StockTracker

pytestmark = pytest.mark.clickhouse


@pytest.fixture
def archive(server: Any, database: str, stock_tracker: StockTracker) -> StockTracker:
    """Runs ``stock-tracker archive`` on the test's own database."""
    known = {
        "CLICKHOUSE_URL": server.url,
        "ARCHIVE_USER": server.user,
        "ARCHIVE_PASSWORD": server.password,
        "ARCHIVE_DATABASE": database,
    }
    return lambda *words, **environ: stock_tracker("archive", *words, **(known | environ))


def test_status_names_what_is_lacking_until_it_is_migrated(archive: StockTracker) -> None:
    before = archive("status", "--json")
    assert (before.code, json.loads(before.out)["applied"]) == (1, [])

    migrated = archive("migrate")
    assert migrated.code == 0, migrated.said
    assert migrated.out.count("applied ") == len(load())

    after = archive("status", "--json")
    assert (after.code, json.loads(after.out)["lacking"]) == (0, [])
    assert "are what this version needs" in archive("migrate").out


def test_status_names_a_table_that_is_gone_and_the_command_that_brings_it_back(
    archive: StockTracker, writer: Client, database: str
) -> None:
    migrate(writer, database, [*load(), Migration(99, "note", "ALTER TABLE trades MODIFY COMMENT 'The tape';\n")])
    writer.command("DROP TABLE alerts")
    broken = archive("status")
    assert (broken.code, broken.said) == (1, "")
    assert "099_note.sql is a newer release's" in broken.out
    assert "`stock-tracker archive migrate --again 5`" in broken.out

    assert archive("migrate").code == 1
    assert archive("migrate", "--again", "98").code == 2
    again = archive("migrate", "--again", "5")
    # A later file has given the table another column, and says so next.
    assert (again.code, again.out.splitlines()[0]) == (1, "applied 005_alerts_and_dead_letters.sql")
    assert "alerts has no message_vi" in again.said
    assert "`stock-tracker archive migrate --again 10`" in again.said
    mended = archive("migrate", "--again", "10")
    assert (mended.code, mended.out.splitlines()[0]) == (0, "applied 010_candles_and_alerts.sql")
    assert archive("status").code == 0


def test_a_wrong_password_and_an_archive_that_is_away_name_the_remedy(archive: StockTracker) -> None:
    refused = archive("status", ARCHIVE_PASSWORD="s3cret")
    assert refused.code == 1
    assert "ARCHIVE_PASSWORD" in refused.said
    assert "s3cret" not in refused.said

    away = archive("status", CLICKHOUSE_URL="http://127.0.0.1:1")
    assert away.code == 1
    assert "stock-tracker archive serve" in away.said
    assert "Traceback" not in refused.said + away.said
