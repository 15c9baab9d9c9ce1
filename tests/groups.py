"""What tests ask a broker about consumer groups."""

import time

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

_NOT_YET = frozenset({KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR})
"""What a broker says of a group while it makes itself ready for it."""


def committed(admin: AdminClient, group: str, topic: str) -> int:
    """How many messages of ``topic`` the group has committed. Keep ``admin``: its answers end with it."""
    while True:
        (answer,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
        try:
            places = answer.result().topic_partitions
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET:
                raise
            time.sleep(0.05)
        else:
            return sum(max(place.offset, 0) for place in places if place.topic == topic)
