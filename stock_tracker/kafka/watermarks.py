"""Where a partition begins and where it ends."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

_PAUSE_S = 0.05
_WITHOUT_A_LEADER = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)


def watermarks(consumer: Consumer, place: TopicPartition, timeout_s: float) -> tuple[int, int]:
    """The offset of a partition's first message and the one after its last: committed or not, as ``consumer`` is set to read.

    A partition has no leader for a moment after its topic was made or a broker came back. Kafka answers that, and the leader is
    waited for.

    Raises:
        KafkaException: Kafka did not answer, or the partition had no leader, for ``timeout_s``.
    """
    begin = time.monotonic()
    while True:
        left_s = max(begin + timeout_s - time.monotonic(), 0.0)
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=max(left_s, _PAUSE_S))
            return int(low), int(high)
        except KafkaException as error:
            if error.args[0].code() not in _WITHOUT_A_LEADER or left_s == 0:
                raise
            time.sleep(_PAUSE_S)
