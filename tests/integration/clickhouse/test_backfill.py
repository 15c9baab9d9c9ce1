"""What a database lacks comes from another archive, each row once, and with what is made of it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from connectors.clickhouse.backfill import from_archive
from connectors.clickhouse.client import connect
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.intent import Batch
from connectors.clickhouse.core.tables import DLQ, STORED
from connectors.clickhouse.settings import SinkSettings
from connectors.clickhouse.writer import Writer
from schemas import topics
from schemas.position import Partition, Position
from schemas.structs import DailyFrame, LedgerFrame, QuotesFrame, ReferenceMessage, TradesFrame
from stock_tracker.testing.archive import own_database
from tests.builders import a_daily_event, a_ledger_entry, a_quote_event, a_reference, a_trade_event

pytestmark = pytest.mark.clickhouse

TAKEN_MS = 1_795_140_900_123
TERMS = Path(__file__).parents[3] / "schemas" / "examples" / "pipelines.terms" / "another_release.json"
FRAMES: dict[topics.Topic[Any], Any] = {
    topics.MARKET_TRADES: TradesFrame(events=[a_trade_event(), a_trade_event("SSI"), a_trade_event(kind="gap")]),
    topics.MARKET_FOREIGN: LedgerFrame(events=[a_ledger_entry("VNM", TAKEN_MS)]),
    topics.MARKET_QUOTES: QuotesFrame(events=[a_quote_event()]),
    topics.SSI_REFERENCE: ReferenceMessage(record=a_reference(groups=["VN30"])),
    topics.PIPELINES_TERMS: topics.PIPELINES_TERMS.decode(TERMS.read_bytes()),
    topics.MARKET_DAILY: DailyFrame(events=[a_daily_event("VNM", TAKEN_MS, total=5, prints=1)]),
}


def a_client(server: Any, database: str) -> Client:
    return connect(server.url, server.user, server.password, database)


def a_writer(server: Any, database: str) -> Writer:
    settings = {"kafka": {}, "CLICKHOUSE_URL": server.url, "database": database, "user": server.user}
    return Writer(SinkSettings.model_validate({**settings, "password": server.password}))


@pytest.fixture
def other(server: Any) -> Iterator[str]:
    """The database of another archive, with some frames and a message that could not be used."""
    with own_database(server) as name, closing(a_writer(server, name)) as writer:
        writer.open()
        for topic, frame in FRAMES.items():
            for offset in range(3):
                store(writer, topic.name, offset, topics.encode(frame))
        store(writer, topics.MARKET_TRADES.name, 3, b"{}")
        yield name


def store(writer: Writer, topic: str, offset: int, value: bytes) -> None:
    message = rows.decode(Position(topic, 0, offset), TAKEN_MS, value)
    writer.insert(writer.make(Batch(Partition(topic, 0), offset, offset + 1, (message,), replayed=False)), "topic")


def everything(client: Client, database: str) -> dict[str, Any]:
    views = [*(table.view for table in STORED.values()), DLQ, "candles_1m", "candles_5m", "candles_1d", "foreign_1m"]
    return {view: client.query(f"SELECT * FROM {database}.{view} ORDER BY ALL").result_rows for view in views}


def test_a_database_gets_what_it_lacks_of_another_archive(server: Any, writer: Client, database: str, other: str) -> None:
    said: list[str] = []
    with closing(a_writer(server, database)) as sink, closing(a_client(server, other)) as copied:
        # One of the rows is there already, as after a restored backup.
        sink.open()
        store(sink, topics.MARKET_TRADES.name, 1, topics.encode(FRAMES[topics.MARKET_TRADES]))
        for _ in range(2):
            from_archive(copied, sink, 2, said.append)
            assert everything(writer, database) == everything(writer, other)
    assert "trades: 6 rows were lacking and are stored now" in said
    assert "trades: 0 rows were lacking and are stored now" in said
    assert "dlq: 1 rows were lacking and are stored now" in said


def test_an_archive_of_an_earlier_release_may_be_copied(server: Any, writer: Client, database: str) -> None:
    with own_database(server) as old:
        with closing(a_client(server, old)) as copied, closing(a_writer(server, database)) as sink:
            migrations.migrate(copied, old, migrations.load()[:5])
            copied.command(
                "INSERT INTO trades (kind, symbol, day, ts, offset) VALUES ('gap', 'VNM', '2026-11-20', 1795140900, 7)"
            )
            from_archive(copied, sink, 10, lambda _: None)
        found = writer.query("SELECT kind, symbol, offset, ambiguous FROM trades").result_rows
        assert found == [("gap", "VNM", 7, False)]
