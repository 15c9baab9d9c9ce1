"""The writer against an engine that is killed between two steps of an insert: rows are stored once, and candles are theirs."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse.client import connect
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.errors import ArchiveError
from connectors.clickhouse.core.intent import Batch
from connectors.clickhouse.core.rows import Decoded
from connectors.clickhouse.settings import SinkSettings
from connectors.clickhouse.writer import Writer
from schemas import topics
from schemas.position import Partition, Position
from schemas.structs import LedgerFrame, TradesFrame
from tests.builders import a_ledger_entry, a_trade_event
from tests.integration.clickhouse.faults import FaultyServer, faulty_server
from tests.proof import PROVING, usually

pytestmark = pytest.mark.clickhouse

OPEN_MS = 1_795_140_900_000  # 2026-11-20 09:15 in Vietnam
FRAMES = 5
TRADES = Partition("market.trades", 0)
FOREIGN = Partition("market.foreign", 0)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyServer]:
    server = faulty_server(tmp_path_factory.mktemp("faulty"))
    server.start()
    yield server
    assert server.stop() == 0, server.log


def a_batch(partition: Partition, first: int, *, replayed: bool = False) -> Batch[Decoded]:
    """Messages of three events each, all of one symbol and two minutes: each batch adds to the candles of those before."""
    messages = []
    for offset in range(first, first + FRAMES):
        at = [(OPEN_MS + (offset * 3 + i) % 120 * 1000, offset * 3 + i) for i in range(3)]
        frame: Any
        if partition is TRADES:
            frame = TradesFrame(events=[a_trade_event("VNM", ts, start=n * 100, volume=100, price=20_000 + n) for ts, n in at])
        else:
            frame = LedgerFrame(events=[a_ledger_entry("VNM", ts, counter_from=n, volume=1, value=n) for ts, n in at])
        messages.append(rows.decode(Position(partition.topic, 0, offset), OPEN_MS, topics.encode(frame)))
    return Batch(partition, first, first + FRAMES, tuple(messages), replayed)


def a_writer(server: FaultyServer, database: str) -> Writer:
    settings = {"kafka": {}, "CLICKHOUSE_URL": server.url, "database": database, "user": server.user}
    return Writer(SinkSettings.model_validate({**settings, "password": server.password}))


def insert(writer: Writer, batch: Batch[Decoded]) -> None:
    writer.open()
    writer.insert(writer.make(batch), "topic")


def assert_stored_once(client: Client, table: str, frames: int) -> None:
    wanted = [(0, offset, idx) for offset in range(frames) for idx in range(3)]
    assert client.query(f"SELECT partition, offset, idx FROM {table} ORDER BY ALL").result_rows == wanted


def assert_minutes_are_those_of_the_rows(client: Client) -> None:
    for made, of_rows in (
        (
            "SELECT symbol, toUnixTimestamp(minute), open, high, low, close, volume, value, active_buy, active_sell, prints"
            " FROM candles_1m",
            "SELECT symbol, intDiv(toUnixTimestamp(ts), 60) * 60 AS t, argMin(price, (ts, offset, idx)), max(price), min(price),"
            " argMax(price, (ts, offset, idx)), sum(volume), sum(value), sumIf(volume, side = 'buy'),"
            " sumIf(volume, side = 'sell'), count() FROM trades GROUP BY symbol, t",
        ),
        (
            "SELECT symbol, toUnixTimestamp(minute), bought, sold, bought_value, sold_value, entries FROM foreign_1m",
            "SELECT symbol, intDiv(toUnixTimestamp(ts), 60) * 60 AS t, sumIf(volume, side = 'buy'), sumIf(volume, side = 'sell'),"
            " sumIf(value, side = 'buy'), sumIf(value, side = 'sell'), count() FROM foreign_ledger GROUP BY symbol, t",
        ),
    ):
        assert client.query(f"{made} ORDER BY ALL").result_rows == client.query(f"{of_rows} ORDER BY ALL").result_rows


def killed_each_time(faulty: FaultyServer, writer: Writer, batch: Batch[Decoded], call: str, counts: Sequence[int]) -> bool:
    """Insert a batch against an engine that dies before the given call of each attempt, but of the one after the last.

    Returns:
        Whether it died each time; not if an attempt has no so many of such calls.
    """
    for count in counts:
        faulty.die_before(call, count, "/tmp_insert_" if call == "rename" else "/store/")
        try:
            insert(writer, batch)
        except ArchiveError:
            writer.close()
            # What answered with an error may not be quite dead yet.
            faulty.kill()
            faulty.start()
        else:
            faulty.spare()
            return False
    insert(writer, batch)
    return True


@pytest.mark.parametrize(("partition", "table"), [(TRADES, "trades"), *usually((), proving=((FOREIGN, "foreign_ledger"),))])
def test_a_batch_is_stored_once_though_the_engine_is_killed_before_its_part_is_in_place(
    faulty: FaultyServer, partition: Partition, table: str
) -> None:
    """Each number is the rename before which the engine dies: 1 is that of the table, 2 that of the one behind its view.

    What is lost comes back by repairs, which move two parts, and by corrections, which move one; those are cut off as well.
    """
    writer = a_writer(faulty, table)
    insert(writer, a_batch(partition, 0))
    stored = FRAMES
    for counts in ((1, 1, 2), (2, 1)):
        assert killed_each_time(faulty, writer, a_batch(partition, stored), "rename", counts)
        stored += FRAMES
        with closing(connect(faulty.url, faulty.user, faulty.password, table)) as client:
            assert_stored_once(client, table, stored)
            assert_minutes_are_those_of_the_rows(client)
    writer.close()


@pytest.mark.skipif(not PROVING, reason="every call is tried by make prove-kills")
@pytest.mark.parametrize("call", ["rename", "fsync", "fdatasync", "unlink", "rmdir", "write"])
def test_a_batch_is_stored_once_wherever_the_engine_is_killed(call: str, tmp_path: Path) -> None:
    faulty = faulty_server(tmp_path, writes=True)
    faulty.start()
    writer = a_writer(faulty, call)
    insert(writer, a_batch(TRADES, 0))
    stored = FRAMES
    with closing(connect(faulty.url, faulty.user, faulty.password, call)) as client:
        # Asked to wait for the disk, the engine makes every kind of call.
        for table in ("trades_state", "candles_1m_state"):
            waiting = "fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 1"
            client.command(f"ALTER TABLE {table} MODIFY SETTING {waiting}")
    for count in itertools.count(1):
        if not killed_each_time(faulty, writer, a_batch(TRADES, stored), call, (count,)):
            break
        stored += FRAMES
        with closing(connect(faulty.url, faulty.user, faulty.password, call)) as client:
            assert_stored_once(client, "trades", stored)
            assert_minutes_are_those_of_the_rows(client)
    writer.close()
    assert faulty.stop() == 0, faulty.log
