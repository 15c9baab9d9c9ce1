"""Where parts stand, by a real Kafka."""

import json
import time

import pytest
from confluent_kafka import Producer, TopicPartition

from schemas.structs import DeadLetter, ShardProgress
from schemas.topics import SSI_DLQ, SSI_TICKS, STATE_PROGRESS, encode
from stock_tracker.stack.drain import Backlog, Unread, consumer_groups
from stock_tracker.stack.standings import Standings
from stock_tracker.testing.patience import until
from tests.command_line import StockTracker

pytestmark = pytest.mark.kafka


def test_lag_waiting_and_age_are_those_of_what_is_on_the_topics(kafka: str, topics: str) -> None:
    settings = {"bootstrap.servers": kafka}
    producer = Producer(settings)
    begin = time.time()
    for _ in range(5):
        producer.produce(SSI_TICKS.named(topics), b"{}", partition=1)
    for partition, age_s in enumerate((2, 30, 1)):
        row = ShardProgress(topic="ssi.ticks", partition=partition, offset=1, recv_us=int((begin - age_s) * 1e6))
        producer.produce(STATE_PROGRESS.named(topics), encode(row), f"ssi.ticks/{partition}")
    letter = DeadLetter(
        source="ssi",
        reason="bad_json",
        detail="",
        feed="a",
        epoch=1,
        topic=None,
        partition=None,
        offset=None,
        idx=None,
        payload="",
    )
    producer.produce(SSI_DLQ.named(topics), encode(letter))
    assert producer.flush(60) == 0
    standings = Standings(settings, topics)
    try:
        found = standings.read()
        assert standings.dead_letters() == 1
    finally:
        standings.close()
    passed_s = time.time() - begin
    assert found["prices"].lag_messages == 5
    assert 0 <= found["prices"].lag_seconds <= passed_s
    assert found["prices"].age_seconds is not None
    assert 30 <= found["prices"].age_seconds <= 30 + passed_s + 0.1
    assert found["foreign"] == (0, 0.0, None)
    # What was put aside is for the archive, too.
    assert found["sink"].lag_messages == 1


def test_the_mark_of_a_transaction_is_nothing_to_read(kafka: str, topics: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{topics}writer"})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(SSI_TICKS.named(topics), b"{}", partition=0)
    producer.commit_transaction(60)
    group = consumer_groups(topics)[0]
    backlog = Backlog({"bootstrap.servers": kafka})
    try:
        until(lambda: backlog.unread(group).messages == 2, "the mark of the transaction")
        asker = backlog._consumer_of(group.name)
        asker.commit(offsets=[TopicPartition(SSI_TICKS.named(topics), 0, 1)], asynchronous=False)
        asker.close()
        assert backlog.unread(group) == Unread(0, None)
    finally:
        backlog.close()


def test_what_is_in_an_open_transaction_is_still_to_be_read(kafka: str, topics: str) -> None:
    """A commit is told to the producer before every partition is marked with it: to a reader that looks like this."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{topics}writer"})
    producer.init_transactions(60)
    group = consumer_groups(topics)[0]
    backlog = Backlog({"bootstrap.servers": kafka})
    try:
        assert not backlog.has_unread(group)
        producer.begin_transaction()
        producer.produce(SSI_TICKS.named(topics), b"{}", partition=0)
        assert producer.flush(60) == 0
        assert backlog.has_unread(group)
        producer.abort_transaction(60)
        until(lambda: not backlog.has_unread(group), "the mark of the transaction that was given up")
    finally:
        backlog.close()


def test_the_partition_that_lags_is_found(kafka: str, topics: str, stock_tracker: StockTracker) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    for _ in range(3):
        producer.produce(SSI_TICKS.named(topics), b"{}", partition=2)
    assert producer.flush(60) == 0
    environ = {"KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": topics}
    lines = stock_tracker("topics", "lag", **environ).out.splitlines()
    assert lines[1].split()[:4] == ["pipelines.prices", SSI_TICKS.named(topics), "2", "3"]
    assert lines[2].startswith("1 of ")
    told = json.loads(stock_tracker("topics", "lag", "--group", "pipelines.prices", "--json", **environ).out)["partitions"]
    ticks = {one["partition"]: one["messages"] for one in told if one["topic"] == SSI_TICKS.named(topics)}
    assert ticks == {0: 0, 1: 0, 2: 3}
    assert {one["group"] for one in told} == {"pipelines.prices"}
