"""The sink's writer on tables that another release has made, older and newer than its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from connectors.clickhouse import migrations
from connectors.clickhouse.client import connect
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.errors import ArchiveError, ColumnsUnknown, InsertStillRuns, MigrationsNotAllowed, NewerTables
from connectors.clickhouse.core.intent import Batch
from connectors.clickhouse.core.migration import Migration
from connectors.clickhouse.core.rows import Decoded
from connectors.clickhouse.settings import SinkSettings
from connectors.clickhouse.writer import Writer
from schemas import topics
from schemas.position import Partition, Position
from schemas.structs import DailyFrame, QuotesFrame, TradesFrame
from tests.builders import a_daily_event, a_quote_event, a_trade_event
from tests.patience import until

pytestmark = pytest.mark.clickhouse

TAKEN_MS = 1_795_140_900_123
FRAME = topics.encode(TradesFrame(events=[a_trade_event(), a_trade_event(kind="gap")]))
VENUE = Migration(
    99,
    "venue",
    "ALTER TABLE trades_state ADD COLUMN IF NOT EXISTS venue LowCardinality(String) DEFAULT 'main' COMMENT 'V' AFTER epoch;\n"
    "ALTER TABLE trades_state ADD COLUMN IF NOT EXISTS desk Nullable(String) COMMENT 'D' AFTER venue;\n"
    "ALTER TABLE trades_state MODIFY COLUMN IF EXISTS generation UInt32 COMMENT 'G';\n",
)


@pytest.fixture
def sink(server: Any, database: str) -> Iterator[Writer]:
    """A writer of this release."""
    settings = SinkSettings.model_validate(
        {"kafka": {}, "CLICKHOUSE_URL": server.url, "database": database, "user": server.user, "password": server.password}
    )
    writer = Writer(settings)
    yield writer
    writer.close()


def a_batch(first: int, *values: bytes, replayed: bool = False) -> Batch[Decoded]:
    messages = tuple(rows.decode(Position("market.trades", 0, first + n), TAKEN_MS, value) for n, value in enumerate(values))
    return Batch(Partition("market.trades", 0), first, first + len(values), messages, replayed)


def insert(sink: Writer, offset: int = 0) -> None:
    """A message of a print and a gap."""
    sink.insert(sink.make(a_batch(offset, FRAME)), "topic")


def test_it_brings_the_tables_of_an_older_release_up_to_date(sink: Writer, writer: Client, database: str) -> None:
    migrations.migrate(writer, database, migrations.load()[:5])
    sink.open()
    assert migrations.pending(writer, database) == ()
    insert(sink)
    assert writer.command("SELECT count() FROM trades") == 2


def test_it_writes_into_the_tables_of_a_newer_release(sink: Writer, writer: Client, database: str) -> None:
    migrations.migrate(writer, database, [*migrations.load(), VENUE])
    sink.open()
    insert(sink)
    found = writer.query("SELECT kind, venue, desk FROM trades_state ORDER BY idx").result_rows
    assert found == [("print", "main", None), ("gap", "main", None)]
    assert writer.command("SELECT sum(prints) FROM candles_1d") == 1


def test_it_goes_on_while_a_newer_release_changes_the_tables(sink: Writer, writer: Client, database: str) -> None:
    sink.open()
    insert(sink, 0)
    migrations.migrate(writer, database, [*migrations.load(), VENUE])
    insert(sink, 1)
    # What it has inserted before is still a repeat.
    insert(sink, 0)
    assert writer.query("SELECT offset, venue FROM trades_state ORDER BY offset, idx").result_rows == [
        (0, "main"), (0, "main"), (1, "main"), (1, "main"),
    ]  # fmt: skip


def test_it_does_not_write_where_a_newer_release_did_more_than_add(sink: Writer, writer: Client, database: str) -> None:
    newer = Migration(99, "lots", "-- not additive: volumes are in lots\nALTER TABLE trades_state MODIFY COMMENT 'In lots';\n")
    migrations.migrate(writer, database, [*migrations.load(), newer])
    with pytest.raises(NewerTables, match="volumes are in lots"):
        sink.open()


def test_it_does_not_leave_empty_what_it_does_not_know(sink: Writer, writer: Client, database: str) -> None:
    migrations.migrate(writer, database)
    writer.command("ALTER TABLE trades_state ADD COLUMN desk String")
    with pytest.raises(ColumnsUnknown, match=r"trades_state\.desk.*upgrade this program"):
        sink.open()


def test_where_it_may_not_change_tables_it_names_what_to_run(embedded: Any, database: str) -> None:
    settings = {"kafka": {}, "CLICKHOUSE_URL": embedded.url, "database": database, "user": "default", "password": ""}
    with pytest.raises(MigrationsNotAllowed, match=r"001_trades\.sql.*`stock-tracker archive migrate`"):
        Writer(SinkSettings.model_validate(settings)).open()


def test_what_fails_for_longer_than_tables_remember_is_stored_once(sink: Writer, writer: Client) -> None:
    sink.open()
    writer.command("ALTER TABLE trades_state MODIFY SETTING non_replicated_deduplication_window = 2")
    # A print and a dead letter: the one's table takes it, the other's is not there.
    made = sink.make(a_batch(0, FRAME, b"{}"))
    writer.command("RENAME TABLE dlq TO elsewhere")
    with pytest.raises(ArchiveError):
        sink.insert(made, "topic")
    for offset in range(2, 8):
        insert(sink, offset)
    writer.command("RENAME TABLE elsewhere TO dlq")
    sink.insert(made, "topic")
    assert writer.query("SELECT offset, count() FROM trades GROUP BY offset ORDER BY offset").result_rows == [
        (offset, 2) for offset in (0, *range(2, 8))
    ]
    assert writer.query("SELECT offset FROM dlq").result_rows == [(1,)]
    assert writer.command("SELECT sum(prints) FROM candles_1m") == 7


def test_what_an_insert_that_still_runs_may_yet_bring_is_not_put_back(
    sink: Writer, writer: Client, server: Any, database: str
) -> None:
    sink.open()
    token = "topic-0-0-1-trades_state-202611"
    writer.command("CREATE TABLE slow (n UInt8) ENGINE = MergeTree ORDER BY n")
    running = connect(server.url, server.user, server.password, database)
    # The insert of a sink that was stopped in the middle of it: for as long as it likes.
    never_ends = "INSERT INTO slow SELECT sleepEachRow(3) FROM numbers(100)"
    settings = {"insert_deduplication_token": token, "max_block_size": 1, "function_sleep_max_microseconds_per_block": 10**9}
    thread = threading.Thread(target=lambda: suppressed(running.command, never_ends, settings=settings))
    thread.start()
    try:
        tokens = "SELECT Settings['insert_deduplication_token'] FROM system.processes"
        until(lambda: (token,) in writer.query(tokens).result_rows, "an insert under that token")
        with pytest.raises(InsertStillRuns, match=token):
            sink.insert(sink.make(a_batch(0, FRAME, replayed=True)), "topic")
    finally:
        writer.command(f"KILL QUERY WHERE Settings['insert_deduplication_token'] = '{token}' SYNC")
        thread.join()
        running.close()
    assert writer.command("SELECT count() FROM trades") == 0
    sink.insert(sink.make(a_batch(0, FRAME, replayed=True)), "topic")
    assert writer.command("SELECT count() FROM trades") == 2


def suppressed(ask: Callable[..., object], sql: str, settings: dict[str, Any]) -> None:
    with suppress(ClickHouseError):
        ask(sql, settings=settings)


def test_rows_that_are_too_old_to_be_kept_are_not_missed(sink: Writer, writer: Client) -> None:
    sink.open()
    old = a_quote_event(ts=1_577_934_000_000, day=20200102)
    message = rows.decode(Position("market.quotes", 0, 0), TAKEN_MS, topics.encode(QuotesFrame(events=[old])))
    made = sink.make(Batch(Partition("market.quotes", 0), 0, 1, (message,), replayed=True))
    sink.insert(made, "topic")
    writer.command("OPTIMIZE TABLE quotes FINAL")
    assert writer.command("SELECT count() FROM quotes") == 0
    sink.insert(made, "topic")


def test_a_summary_may_be_inserted_again(sink: Writer, writer: Client) -> None:
    sink.open()
    event = a_daily_event("VNM", TAKEN_MS, total=5, prints=1)
    message = rows.decode(Position("market.daily", 0, 0), TAKEN_MS, topics.encode(DailyFrame(events=[event])))
    for _ in range(2):
        sink.insert(sink.make(Batch(Partition("market.daily", 0), 0, 1, (message,), replayed=True)), "topic")
    assert writer.query("SELECT symbol, prints FROM prices_daily").result_rows == [("VNM", 1)]
