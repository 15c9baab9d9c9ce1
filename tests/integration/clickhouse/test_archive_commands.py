"""``stock-tracker archive migrate|status|query|coverage`` as an operator runs them."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse.client import connect
from connectors.clickhouse.core.migration import Migration
from connectors.clickhouse.core.tables import DLQ, STORED
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
    migrate(writer, database, [*load(), Migration(99, "note", "ALTER TABLE trades_state MODIFY COMMENT 'The tape';\n")])
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


def test_a_query_is_printed_or_written(archive: StockTracker, writer: Client, tmp_path: Path) -> None:
    assert writer.database
    ask = "SELECT number AS n, toString(number) AS s FROM numbers(3)"
    printed = archive("query", ask)
    assert printed.code == 0, printed.said
    assert "│ 2 │ 2 │" in printed.out.replace("3. ", "")
    assert archive("query", ask, "--format", "csv").out.splitlines() == ['"n","s"', '0,"0"', '1,"1"', '2,"2"']
    assert [json.loads(line)["s"] for line in archive("query", ask, "--format", "json").out.splitlines()] == ["0", "1", "2"]
    for format_, begins in (("parquet", b"PAR1"), ("arrow", b"ARROW1")):
        file = tmp_path / f"answer.{format_}"
        written = archive("query", ask, "--format", format_, "--to", str(file))
        assert (written.code, written.out) == (0, ""), written.said
        assert file.read_bytes().startswith(begins)
    assert [file.name for file in sorted(tmp_path.glob("*answer*"))] == ["answer.arrow", "answer.parquet"]


def test_a_query_that_fails_writes_no_file(archive: StockTracker, writer: Client, tmp_path: Path) -> None:
    assert writer.database
    failed = archive("query", "SELECT nothing", "--format", "parquet", "--to", str(tmp_path / "answer"))
    assert failed.code == 1
    assert "nothing" in failed.said
    assert "Traceback" not in failed.said
    assert not (tmp_path / "answer").exists()


def test_coverage_names_the_trading_days_that_are_lacking(archive: StockTracker, writer: Client, database: str) -> None:
    migrate(writer, database)
    writer.command(
        "INSERT INTO trades_state (kind, symbol, day, volume, cause, offset) VALUES ('print', 'VNM', '2026-11-20', 100, NULL, 1),"
        " ('gap', 'SSI', '2026-11-20', 30, 'lost', 2), ('gap', 'SSI', '2026-11-20', 7, 'unseen', 3)"
    )
    covered = archive("coverage", "--from", "20261119", "--to", "20261123")
    # The 21st and 22nd are a Saturday and a Sunday.
    assert covered.out.splitlines() == [
        "2026-11-19  nothing",
        "2026-11-20  2 symbols, 1 prints, 0 final summaries, 0 foreign entries; 30 shares lost",
        "2026-11-23  nothing",
    ]
    assert covered.code == 1
    assert archive("coverage", "--from", "20261120", "--to", "20261120").code == 0
    assert archive("coverage", "--from", "20261131", "--to", "20261120").code == 2


def test_coverage_says_where_a_symbols_days_come_from(archive: StockTracker, writer: Client, database: str) -> None:
    migrate(writer, database)
    writer.command(
        "INSERT INTO prices_daily_state (symbol, exchange, day, total_volume) VALUES ('VNM', 'HOSE', '2026-11-20', 100)"
    )
    writer.command(
        "INSERT INTO history_days (symbol, exchange, day, volume) VALUES ('VNM', 'HOSE', '2026-11-17', 9),"
        " ('VNM', 'HOSE', '2026-11-18', 5), ('VNM', 'HOSE', '2026-11-19', 5), ('VNM', 'HOSE', '2026-11-20', 5)"
    )
    writer.command(
        "INSERT INTO history_asked (what, subject, day, rows, volume) VALUES ('minutes', 'VNM', '2026-11-18', 2, 5),"
        " ('minutes', 'VNM', '2026-11-19', 2, 4), ('days', 'HOSE', '2026-11-16', 0, 0)"
    )
    covered = archive("coverage", "--from", "20261113", "--to", "20261123", "--symbols", "vnm")
    assert covered.out.splitlines() == [
        "VNM          2026-11-13                   1  missing",
        "VNM          2026-11-16                   1  nothing, nor has SSI",
        "VNM          2026-11-17                   1  history, minutes are missing",
        "VNM          2026-11-18                   1  history, with minutes",
        "VNM          2026-11-19                   1  history, with minutes that do not add up to the day's volume",
        "VNM          2026-11-20                   1  stream",
        "VNM          2026-11-23                   1  missing",
    ]
    assert covered.code == 1
    told = archive("coverage", "--from", "20261118", "--to", "20261120", "--symbols", "VNM", "--json")
    assert told.code == 0
    said = json.loads(told.out)
    assert (said["lacks"], said["symbols"][0]["source"]) == (False, "history, with minutes")
    days = json.loads(archive("coverage", "--from", "20261116", "--to", "20261118", "--json").out)["days"]
    assert [(day["history"], day["history_minutes"], day["asked"]) for day in days] == [
        (0, 0, True),
        (1, 0, False),
        (1, 1, False),
    ]


def test_a_day_is_exported_table_by_table_and_again_only_what_is_not_there(
    archive: StockTracker, writer: Client, database: str, tmp_path: Path
) -> None:
    migrate(writer, database)
    prints = [f"('print', 'VNM', '2026-11-{day}', 100, 60000, 6000000, {offset})" for day in (19, 20) for offset in range(300)]
    writer.command(f"INSERT INTO trades_state (kind, symbol, day, volume, price, value, offset) VALUES {', '.join(prints)}")
    for asked_at in (1, 2):
        writer.command(
            "INSERT INTO history_days (symbol, day, volume, asked_at)"
            f" VALUES ('FPT', '2026-11-20', {asked_at}, fromUnixTimestamp64Milli({asked_at}))"
        )
    exported = archive("export", "--day", "20261120", "--out", str(tmp_path))
    assert exported.code == 0, exported.said
    folder = tmp_path / "2026-11-20"
    names = {*(table.view for table in STORED.values()), DLQ, "history_days", "history_minutes", "history_indices"}
    assert {file.name for file in folder.iterdir()} == {f"{name}.parquet" for name in names}
    tape = pq.read_table(folder / "trades.parquet")
    assert (tape.num_rows, tape["offset"].to_pylist(), set(tape["value"].to_pylist())) == (300, list(range(300)), {6_000_000})
    assert pq.read_table(folder / "history_days.parquet")["volume"].to_pylist() == [2]
    # One that was cut off, and one that has come to have more rows, are written again; the others stay.
    (folder / "quotes.parquet").write_bytes((folder / "quotes.parquet").read_bytes()[:-3])
    writer.command("INSERT INTO foreign_ledger (kind, symbol, day, offset) VALUES ('delta', 'VNM', '2026-11-20', 9)")
    again = archive("export", "--day", "20261120", "--out", str(tmp_path))
    assert again.code == 0, again.said
    new = {line.split()[0] for line in again.out.splitlines() if not line.endswith("was there")}
    assert new == {"quotes", "foreign_ledger"}
    assert archive("export", "--day", "20261131", "--out", str(tmp_path)).code == 2


def test_a_backup_brings_the_archive_back(archive: StockTracker, embedded: Any, writer: Client, database: str) -> None:
    where = {
        "STOCK_TRACKER_HOME": str(embedded.home),
        "CLICKHOUSE_URL": embedded.url,
        "ARCHIVE_USER": embedded.user,
        "ARCHIVE_PASSWORD": embedded.password,
    }
    archive("migrate", **where)
    client = connect(embedded.url, embedded.user, embedded.password, database)
    print_ = "('print', 'VNM', '2026-11-20', 1795140900, 60000, 100, true, 'continuous', 1)"
    client.command(f"INSERT INTO trades_state (kind, symbol, day, ts, price, volume, anchored, phase, offset) VALUES {print_}")
    made = archive("backup", database, **where)
    assert made.code == 0, made.said
    assert (embedded.home / "archive" / "backups" / f"{database}.tar.zst").exists()

    there = archive("restore", database, **where)
    assert (there.code, "is there already" in there.said) == (1, True)
    client.command(f"DROP DATABASE {database} SYNC", use_database=False)
    back = archive("restore", database, **where)
    assert back.code == 0, back.said
    assert "archive backfill" in back.out
    assert client.query("SELECT symbol, close, prints FROM candles_1m").result_rows == [("VNM", 60_000, 1)]
    # Its views go on where they were.
    client.command(f"INSERT INTO trades_state (kind, symbol, day, ts, price, volume, anchored, phase, offset) VALUES {print_}")
    assert client.query("SELECT sum(prints) FROM candles_1m").result_rows == [(2,)]
    client.close()
    assert archive("backup", "../out", **where).code == 2
    assert archive("restore", "nothing", ARCHIVE_DATABASE=f"{database}_x", **where).code == 1
