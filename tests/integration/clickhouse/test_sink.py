"""The sink against a real Kafka and a real ClickHouse: every event once, whatever dies."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.clickhouse.client import connect
from schemas import topics as t
from schemas.dead_letters import FEW
from schemas.errors import HALTED
from schemas.structs import LedgerFrame, ReferenceMessage
from tests.builders import a_future
from tests.integration.clickhouse.sinks import (
    BAD,
    ENOUGH,
    PARTITIONS,
    Drain,
    Market,
    SinkProcess,
    an_entry,
    assert_archive_equals_topics,
    intents,
    places,
    trading,
)
from tests.patience import PATIENCE_S, until
from tests.proof import usually

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]

JUNK = 300
"""More bad messages than the dead-letter limit looks at."""


def test_every_event_is_stored_once_whatever_dies(
    market: Market, own_server: Any, a_sink: Callable[..., SinkProcess], drain: Drain
) -> None:
    sink = a_sink(own_server, ARCHIVE_DATABASE="kill")
    chance = random.Random(3)
    with trading(market, frames=6):
        for step, count in (
            ("declared", 3),
            ("inserting", 4),
            ("between_blocks", 6),
            ("inserted", 3),
            ("before_declaring", 4),
        ):
            sink.start(step, str(count))
            sink.wait_for_death()
        for _ in range(usually(1, proving=20)):
            sink.start()
            until(lambda: sink.said("reading"), "an assignment")
            time.sleep(chance.uniform(0.0, 1.0))  # the instant of the kill is the point
            own_server.kill()
            sink.kill()
            own_server.start()
        sink.start()
        until(lambda: sink.said("reading"), "an assignment")
        time.sleep(chance.uniform(0.0, 1.0))
        own_server.kill()
        until(lambda: sink.said("does not answer"), "the sink's word that ClickHouse is away")
        own_server.start()
        until(lambda: market.n >= ENOUGH, "a market of some size")
    drain.wait()
    assert sink.stop() == 0
    client = connect(own_server.url, "sink", own_server.password, "kill")
    assert client.query("SELECT count() > 1500 FROM trades").first_item
    assert_archive_equals_topics(client, market)
    client.close()


def test_a_sink_that_must_read_more_again_than_it_may_hold_goes_on(
    market: Market,
    embedded: Any,
    database: str,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    market.write(frames=60)
    market.send(t.SSI_REFERENCE, t.encode(ReferenceMessage(record=a_future("41I1GC000", trading_day=20261120))))
    dying = a_sink(embedded, ARCHIVE_DATABASE=database)
    dying.start("declared", "1")
    dying.wait_for_death()
    sink = a_sink(embedded, ARCHIVE_DATABASE=database, ARCHIVE_BUFFER_ROWS="1")
    sink.start()
    drain.wait()
    assert sink.stop() == 0
    client = connect(embedded.url, "sink", embedded.password, database)
    assert_archive_equals_topics(client, market)
    listed = client.query("SELECT symbol, toString(day), month, toString(expiry) FROM instruments").result_rows
    assert listed == [("41I1GC000", "2026-11-20", 202612, "2026-12-17")]
    client.close()


def test_two_sinks_share_the_partitions_and_another_process_takes_the_place_of_one_that_says_so(
    market: Market,
    embedded: Any,
    database: str,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    first = a_sink(embedded, ARCHIVE_DATABASE=database, ARCHIVE_INSTANCE="first")
    second = a_sink(embedded, ARCHIVE_DATABASE=database, ARCHIVE_INSTANCE="second")
    with trading(market, frames=4):
        first.start()
        until(lambda: first.said(f"reading {PARTITIONS} partitions"), "the first sink alone")
        second.start()
        until(lambda: second.said("reading"), "a rebalance to the second")
        until(lambda: any(first.said(f"reading {n} partitions") for n in range(1, PARTITIONS)), "a rebalance of the first")
        successor = a_sink(embedded, ARCHIVE_DATABASE=database, ARCHIVE_INSTANCE="first")
        successor.start()
        assert first.process is not None
        first.process.wait(PATIENCE_S)
        assert first.said("another process runs the archive as instance 'first'")
    drain.wait()
    assert (successor.stop(), second.stop()) == (0, 0)
    client = connect(embedded.url, embedded.user, embedded.password, database)
    assert_archive_equals_topics(client, market)
    client.close()


def test_a_sink_waits_for_clickhouse_and_says_what_to_do(
    market: Market,
    own_server: Any,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    own_server.stop()
    sink = a_sink(own_server)
    sink.start()
    until(lambda: sink.said("health: ClickHouse does not answer"), "the sink's word that ClickHouse is away")
    assert sink.said("stock-tracker archive serve")
    market.write(frames=20)
    own_server.start()
    drain.wait()
    market.write(frames=20)
    drain.wait()
    client = connect(own_server.url, "sink", own_server.password, "market")
    assert_archive_equals_topics(client, market)
    client.close()


def test_a_sink_stops_at_what_it_must_not_put_aside_and_goes_on_there_once_it_may(
    market: Market,
    kafka: str,
    topics: str,
    embedded: Any,
    database: str,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    market.write(frames=5)
    market.send(t.MARKET_TRADES, BAD, JUNK)
    sink = a_sink(embedded, ARCHIVE_DATABASE=database)
    client = connect(embedded.url, embedded.user, embedded.password, database)

    def put_aside() -> int:
        return int(str(client.command("SELECT count() FROM dlq WHERE topic = 'market.trades'")))

    assert sink.command() == HALTED
    assert sink.said("the archive could not use")
    # A few may be put aside, beside as many good ones.
    few = put_aside()
    assert few < FEW
    assert intents(kafka, topics, t.MARKET_TRADES) == []

    # A release that lets them be put aside declares them, and dies: this one does not go on with that.
    lets_them = {"DEAD_LETTER_LIMIT_PERCENT": "100"}
    dying = a_sink(embedded, ARCHIVE_DATABASE=database, ARCHIVE_BATCH_ROWS="50000", **lets_them)
    declared: list[int] = []
    while max(declared, default=0) < JUNK:
        # Kafka may hand out the good ones first: they are declared, and stored at the next start, without the others.
        dying.start("declared", "1")
        dying.wait_for_death()
        declared = intents(kafka, topics, t.MARKET_TRADES)
        assert declared
    assert sink.command() == HALTED
    assert put_aside() == few
    assert intents(kafka, topics, t.MARKET_TRADES) == declared

    # An operator has looked at them, and lets them be put aside.
    going_on = a_sink(embedded, ARCHIVE_DATABASE=database, **lets_them)
    going_on.start()
    drain.wait()
    assert going_on.stop() == 0
    assert put_aside() == JUNK
    assert_archive_equals_topics(client, market)
    client.close()


def test_a_sink_makes_no_dead_letter_of_what_a_newer_release_wrote(
    market: Market, kafka: str, topics: str, embedded: Any, database: str, a_sink: Callable[..., SinkProcess], drain: Drain
) -> None:
    sink = a_sink(embedded, ARCHIVE_DATABASE=database)
    market.send(t.MARKET_FOREIGN, t.encode(LedgerFrame(events=[an_entry("VNM", 1)])), 3)
    market.send(t.MARKET_FOREIGN, t.encode(LedgerFrame(events=[an_entry("VNM", 2)], schema_=3)))
    assert sink.command() == HALTED
    assert sink.said("a newer release writes market.foreign (version 3, this one reads up to 2): upgrade this process first")
    client = connect(embedded.url, embedded.user, embedded.password, database)
    # What came before it is in the archive; a later release goes on right behind that.
    assert client.command("SELECT count() FROM foreign_ledger") == 3
    assert client.command("SELECT count() FROM dlq") == 0
    client.close()
    assert intents(kafka, topics, t.MARKET_FOREIGN) == []
    assert not drain.is_over()


def test_without_topics_the_sink_names_the_remedy(kafka: str, embedded: Any, a_sink: Callable[..., SinkProcess]) -> None:
    sink = a_sink(embedded, TOPIC_PREFIX="no.such.")
    sink.start()
    assert sink.process is not None
    assert sink.process.wait(PATIENCE_S) == 1
    assert sink.said("stock-tracker topics apply")


def test_what_kafka_deleted_before_it_was_read_is_told(
    market: Market,
    kafka: str,
    topics: str,
    embedded: Any,
    database: str,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    foreign = t.MARKET_FOREIGN.named(topics)
    sink = a_sink(embedded, ARCHIVE_DATABASE=database)
    sink.start()
    market.send(t.MARKET_FOREIGN, t.encode(LedgerFrame(events=[an_entry("VNM", 1)])), 4)
    drain.wait()
    assert sink.stop() == 0
    shard = next(iter(market.log(t.MARKET_FOREIGN)))[0]

    # Four messages and the mark of a transaction; of five more the first three are gone when the sink is back.
    market.send(t.MARKET_FOREIGN, t.encode(LedgerFrame(events=[an_entry("VNM", 2)])), 5)
    # A client that is let go answers nobody.
    admin = AdminClient({"bootstrap.servers": kafka})
    (gone,) = admin.delete_records([TopicPartition(foreign, shard, 8)]).values()
    gone.result(PATIENCE_S)
    sink.start()
    drain.wait()
    assert sink.said(f"{foreign}[{shard}]: Kafka deleted 3 offsets before they were archived")
    assert sink.stop() == 0
    client = connect(embedded.url, embedded.user, embedded.password, database)
    assert [offset for _, offset, _ in places(client, "foreign_ledger")] == [0, 1, 2, 3, 8, 9]
    client.close()


def test_what_is_stored_in_another_database_is_not_taken_for_stored_in_this_one(
    market: Market,
    embedded: Any,
    database: str,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    market.write(frames=20)
    sink = a_sink(embedded, ARCHIVE_DATABASE=database)
    sink.start()
    drain.wait()
    assert sink.stop() == 0
    moved = f"{database}_moved"
    client = connect(embedded.url, embedded.user, embedded.password, moved)
    try:
        assert sink.command(ARCHIVE_DATABASE=moved) == HALTED
        assert sink.said(f"database {moved} is not the one that the archive's commits in Kafka speak of")
        assert client.command("SELECT count() FROM trades") == 0
        environ = sink.environ | {"ARCHIVE_DATABASE": moved}
        backfill = [sys.executable, "-m", "stock_tracker", "archive", "backfill"]
        done = subprocess.run(backfill, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert client.query("SELECT count() > 100 FROM trades").first_item
        assert f"{t.MARKET_TRADES.named(market.prefix)}: 0 rows were lacking" not in done.stdout
        # From here on the sink goes on with this one.
        market.write(frames=5)
        going_on = a_sink(embedded, ARCHIVE_DATABASE=moved)
        going_on.start()
        drain.wait()
        assert going_on.stop() == 0
        assert_archive_equals_topics(client, market)
    finally:
        client.command(f"DROP DATABASE IF EXISTS {moved}", use_database=False)
        client.close()
