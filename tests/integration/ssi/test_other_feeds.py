"""What a feed that stands by hears on a real Kafka."""

import pytest
from confluent_kafka import Producer

from connectors.ssi.other_feeds import StatusListener
from schemas.topics import SSI_STATUS, encode
from tests.builders import a_feed_status
from tests.patience import until

pytestmark = pytest.mark.kafka


def test_a_feed_that_stands_by_hears_the_others_and_not_itself(kafka: str, topics: str) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    listener = StatusListener({"bootstrap.servers": kafka}, topics, "b")

    def says(feed: str, value: bytes) -> bool | None:
        producer.produce(SSI_STATUS.named(topics), value, feed)
        producer.flush()
        return listener.is_any_up()

    try:
        assert says("b", encode(a_feed_status("b"))) is None
        # It listens from when Kafka has told it where the end is, so it is said again and again, as connectors do.
        until(lambda: says("a", b"none") or says("a", encode(a_feed_status("a"))), "feed a to be heard")
    finally:
        listener.close()
