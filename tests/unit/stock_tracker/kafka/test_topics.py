from dataclasses import replace

import pytest

from schemas.topics import SSI_TICKS, STATE_PRICES, TOPICS
from stock_tracker.kafka.topics import ExistingTopic, TopicDifference, compare


def as_made(prefix: str = "", shards: int = 3) -> dict[str, ExistingTopic]:
    return {
        topic.named(prefix): ExistingTopic(topic.partitions(shards), {**topic.config(), "segment.bytes": "1073741824"})
        for topic in TOPICS
    }


@pytest.mark.parametrize("prefix", ["", "t1."])
def test_topics_as_we_make_them_do_not_differ(prefix: str) -> None:
    assert compare(TOPICS, as_made(prefix), prefix, shards=3) == ()


def test_a_topic_that_is_not_there_is_no_difference() -> None:
    assert compare(TOPICS, {}, "", shards=3) == ()


def test_another_partition_count_differs() -> None:
    found = as_made()
    found["ssi.ticks"] = replace(found["ssi.ticks"], partitions=6)
    assert compare(TOPICS, found, "", shards=3) == (TopicDifference("ssi.ticks", "partitions", "3", "6"),)


def test_another_setting_and_a_missing_one_differ() -> None:
    found = as_made()
    config = dict(found["ssi.ticks"].config)
    config["retention.ms"] = "1000"
    del config["message.timestamp.type"]
    found["ssi.ticks"] = replace(found["ssi.ticks"], config=config)
    assert set(compare([SSI_TICKS], found, "", shards=3)) == {
        TopicDifference("ssi.ticks", "retention.ms", "604800000", "1000"),
        TopicDifference("ssi.ticks", "message.timestamp.type", "LogAppendTime", "not set"),
    }


def test_the_prefix_tells_topics_apart() -> None:
    found = as_made("a.")
    found["a.state.prices"] = replace(found["a.state.prices"], partitions=1)
    assert [difference.topic for difference in compare([STATE_PRICES], found, "a.", shards=3)] == ["a.state.prices"]
    assert compare([STATE_PRICES], found, "b.", shards=3) == ()


def test_a_difference_says_both_sides() -> None:
    assert str(TopicDifference("ssi.ticks", "partitions", "3", "6")) == "ssi.ticks: partitions is 6, we would make it 3"
