"""The sink while something goes away and comes back: its own process, stopped for longer than its session; Kafka's broker."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.clickhouse.client import connect
from stock_tracker.home import Home
from stock_tracker.kafka import topics
from stock_tracker.kafka.broker import Broker
from stock_tracker.ports import free_port
from tests.integration.clickhouse.sinks import (
    PARTITIONS,
    SHARDS,
    Drain,
    Market,
    SinkProcess,
    assert_archive_equals_topics,
    sinks_on,
    trading,
)
from tests.patience import until
from tests.proof import usually

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]

SESSION_S = "6"
"""The shortest that Kafka lets a member have."""
STEPS = ("declared", "inserting", "between_blocks", "inserted", "before_declaring")


@pytest.mark.parametrize("step", ["sending", *usually((), proving=STEPS)])
def test_every_event_is_stored_once_though_a_sink_is_stopped_past_its_session(
    step: str, market: Market, embedded: Any, database: str, a_sink: Callable[..., SinkProcess], drain: Drain
) -> None:
    """Another one takes its partitions and finishes what it had declared; then it wakes, with that insert in hand."""
    settings = {"ARCHIVE_DATABASE": database, "SINK_SESSION_SECONDS": SESSION_S}
    stopped = a_sink(embedded, ARCHIVE_INSTANCE="stopped", **settings)
    other = a_sink(embedded, ARCHIVE_INSTANCE="other", **settings)
    with trading(market, frames=4):
        stopped.start(step, "4", "stop")
        stopped.wait_for_its_stop()
        other.start()
        until(lambda: other.said(f"reading {PARTITIONS} partitions"), "the end of the session")
    drain.wait()
    stopped.go_on()
    until(lambda: stopped.said("another sink reads them now"), "its word that it has lost its partitions")
    market.write(frames=10)
    drain.wait()
    assert (stopped.stop(), other.stop()) == (0, 0)
    with closing(connect(embedded.url, embedded.user, embedded.password, database)) as client:
        assert_archive_equals_topics(client, market)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of a test's own, to be killed."""
    environ = {**os.environ, "STOCK_TRACKER_HOME": str(tmp_path)}
    broker = Broker(Home(tmp_path).kafka, environ)
    yield broker
    broker.stop(print)


def test_every_event_is_stored_once_though_the_broker_restarts(
    broker: Broker, embedded: Any, database: str, tmp_path: Path
) -> None:
    chance = random.Random(5)
    running = broker.start(free_port(), print)
    port = int(running.bootstrap.rpartition(":")[2])
    topics.apply({"bootstrap.servers": running.bootstrap}, "", SHARDS, replication=1)
    market = Market(running.bootstrap, "", seed=11)

    def restart() -> None:
        found = broker.running()
        assert found is not None
        os.kill(found.pid, signal.SIGKILL)
        until(lambda: broker.running() is None, "the broker's death")
        broker.start(port, print)

    with sinks_on(running.bootstrap, "", tmp_path) as a_sink, closing(Drain(running.bootstrap, "")) as drain:
        sink = a_sink(embedded, ARCHIVE_DATABASE=database)

        def drained() -> bool:
            if sink.has_ended():
                # A broker that is killed may forget who joined last, and fences it. Its supervisor starts it again.
                assert sink.said("InstanceReplaced"), sink.log.read_text()
                sink.start()
            return drain.is_over()

        for step in usually(("sending",), proving=("sending", *STEPS)):
            # What it has in hand was declared to a broker that is no more.
            sink.start(step, "2", "stop")
            market.write(frames=20)
            market.write(frames=20)
            sink.wait_for_its_stop()
            restart()
            sink.go_on()
            market.write(frames=5)
            until(drained, "the drain", look_s=0.2)
            assert sink.stop() == 0
        sink.start()
        for _ in range(usually(0, proving=5)):
            market.write(frames=20)
            time.sleep(chance.uniform(0.0, 1.0))  # the instant of the kill is the point
            restart()
        market.write(frames=5)
        until(drained, "the drain", look_s=0.2)
        assert sink.stop() == 0
        with closing(connect(embedded.url, embedded.user, embedded.password, database)) as client:
            assert_archive_equals_topics(client, market)
