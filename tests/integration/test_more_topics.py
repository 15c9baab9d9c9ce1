"""A release whose pipeline reads more topics than that of the release before is given all of them, however soon it is started."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from pipelines.application import make_application
from pipelines.catalogue import Pipeline, named
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.shards import shard_keys
from schemas.structs import QuotesFrame, TradesFrame
from schemas.topics import MARKET_QUOTES, MARKET_TRADES, encode
from stock_tracker.stack.drain import Backlog, ConsumerGroup
from tests.builders import a_quote_event, a_trade_event
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.kafka


def test_topics_that_a_release_reads_anew_are_read_though_it_takes_the_place_of_the_one_before_at_once(
    kafka: str, topics: str, tmp_path: Path
) -> None:
    settings = PipelineSettings(kafka={"bootstrap.servers": kafka}, topic_prefix=topics, home=tmp_path)
    alerts = named("alerts")
    before = replace(alerts, topologies=alerts.topologies[:1])
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2"})
    for topic, frame in (
        (MARKET_TRADES, TradesFrame(events=[a_trade_event()])),
        (MARKET_QUOTES, QuotesFrame(events=[a_quote_event()])),
    ):
        for key in shard_keys(3):
            producer.produce(topic.named(topics), encode(frame), key)
    assert producer.flush(PATIENCE_S) == 0

    def fold_all(pipeline: Pipeline) -> None:
        application = make_application(pipeline, pipeline.make_folds(Parameters(settings)), settings)
        group = ConsumerGroup(f"{topics}{pipeline.group}", tuple(source.named(topics) for source in pipeline.sources))
        with ThreadPoolExecutor() as pool, closing(Backlog(settings.kafka)) as backlog:
            running = pool.submit(application.run)
            try:
                until(lambda: running.done() or not backlog.has_unread(group), f"{pipeline.sources[-1].name} to be read")
            finally:
                while not running.done():
                    # An application forgets a stop that came before its loop began.
                    application.stop()
                    time.sleep(0.05)
            running.result()

    fold_all(before)
    fold_all(alerts)
