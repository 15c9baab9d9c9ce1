"""``stock-tracker topics plan|apply --file`` on a real Kafka: what differs is said, altered, and nothing deleted unasked."""

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from stock_tracker.kafka.topics import describe
from tests.command_line import StockTracker
from tests.patience import until

pytestmark = pytest.mark.kafka


def test_a_plan_is_carried_out_and_nothing_is_deleted_unasked(
    kafka: str, topics: str, tmp_path: Path, stock_tracker: StockTracker
) -> None:
    where = {"KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": topics}
    file = tmp_path / "topics.toml"
    file.write_text('[config]\n"min.insync.replicas" = "1"\n[topics."market.trades"]\n"retention.ms" = "1209600000"\n')
    admin = AdminClient({"bootstrap.servers": kafka})
    retired = f"{topics}market.retired"
    for answer in admin.create_topics([NewTopic(retired, 1, 1)], operation_timeout=30).values():
        answer.result()
    for answer in admin.delete_topics([f"{topics}market.flow"], operation_timeout=30).values():
        answer.result()

    def is_so() -> bool:
        there = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=30).topics
        return retired in there and f"{topics}market.flow" not in there

    until(is_so, "the broker to know of both")
    planned = stock_tracker("topics", "plan", "--file", str(file), **where)
    assert planned.code == 1
    assert f"+ {topics}market.flow\n" in planned.out
    assert f"~ {topics}market.trades: retention.ms 604800000 → 1209600000\n" in planned.out
    assert f"- {retired}:" in planned.out
    assert f"{topics}market.flow" not in describe({"bootstrap.servers": kafka}, topics)

    assert stock_tracker("topics", "apply", "--file", str(file), **where).code == 0
    # A broker tells of a change a moment after it was made.
    until(lambda: stock_tracker("topics", "plan", "--file", str(file), **where).code == 0, "nothing left to do")
    found = describe({"bootstrap.servers": kafka}, topics)
    assert found[f"{topics}market.trades"].config["retention.ms"] == "1209600000"
    assert found[f"{topics}market.flow"].partitions == 1
    assert retired in admin.list_topics(timeout=30).topics

    assert stock_tracker("topics", "apply", "--file", str(file), "--delete", **where).code == 0
    until(lambda: retired not in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=30).topics, "its end")


def test_the_number_of_partitions_is_never_changed_in_place(
    kafka: str, topics: str, tmp_path: Path, stock_tracker: StockTracker
) -> None:
    file = tmp_path / "topics.toml"
    file.write_text("shards = 6\n")
    ended = stock_tracker("topics", "apply", "--file", str(file), KAFKA_BOOTSTRAP=kafka, TOPIC_PREFIX=topics)
    assert ended.code == 1
    assert "between two days" in ended.out
    assert describe({"bootstrap.servers": kafka}, topics)[f"{topics}market.trades"].partitions == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [("shards = 0", "shards"), ('[topics."market.x"]\na = "b"', "market.x"), ("=", "toml"), ("depth = 1", "depth")],
)
def test_a_file_that_cannot_be_is_said(text: str, said: str, tmp_path: Path, stock_tracker: StockTracker) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(text)
    ended = stock_tracker("topics", "plan", "--file", str(file), KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert ended.code == 1
    assert said in ended.said
