from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stock_tracker.kafka.watermarks import watermarks
from stock_tracker.testing.patience import PATIENCE_S

PLACE = TopicPartition("market.trades", 0)


class Answers:
    """A consumer whose broker gives these answers, one after the other."""

    def __init__(self, *answers: int | tuple[int, int]) -> None:
        self.left = list(answers)

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        assert place == PLACE
        answer = self.left.pop(0)
        if isinstance(answer, int):
            raise KafkaException(KafkaError(answer))
        return answer

    def read(self, timeout_s: float = PATIENCE_S) -> tuple[int, int]:
        return watermarks(cast(Consumer, self), PLACE, timeout_s)


def test_a_partition_that_has_no_leader_yet_is_asked_again() -> None:
    answers = Answers(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, (3, 8))
    assert answers.read() == (3, 8)


def test_what_else_is_wrong_is_told_at_once() -> None:
    answers = Answers(KafkaError._TRANSPORT, (3, 8))
    with pytest.raises(KafkaException):
        answers.read()
    assert answers.left == [(3, 8)]


def test_a_partition_without_a_leader_is_not_waited_for_without_end() -> None:
    answers = Answers(KafkaError.NOT_LEADER_FOR_PARTITION, (3, 8))
    with pytest.raises(KafkaException):
        answers.read(timeout_s=0)
