"""What the error codes of Kafka and of librdkafka mean to whoever meets one. Every service asks here, so all judge alike.

The numbers are Kafka's own, and below 0 those of librdkafka, the library that talks to it. A code is passed as a number:
``KafkaError.code()`` of confluent-kafka gives it.
"""

from enum import IntEnum
from typing import Final


class KafkaCode(IntEnum):
    """The codes that are asked about here, by the names that confluent-kafka's ``KafkaError`` gives them."""

    _RESOLVE = -193
    """The broker's host name cannot be found."""
    _MSG_TIMED_OUT = -192
    """No broker has taken a message in time."""
    _TRANSPORT = -195
    """The connection to the broker broke, or could not be made."""
    _ALL_BROKERS_DOWN = -187
    """No broker of the cluster is connected."""
    _TIMED_OUT = -185
    """No answer came in time."""
    _WAIT_COORD = -180
    """Which broker looks after the consumer group is not known yet."""
    _FATAL = -150
    """The client cannot go on. Why stands in the error's text only."""
    _FENCED = -144
    """A newer producer has the same transactional id."""
    LEADER_NOT_AVAILABLE = 5
    """The partition has no leader yet: its topic was just made, or its broker has just come."""
    NOT_LEADER_FOR_PARTITION = 6
    """The partition's leader is another broker by now."""
    REQUEST_TIMED_OUT = 7
    """The broker did not get the answers of others in time."""
    COORDINATOR_LOAD_IN_PROGRESS = 14
    """The broker that looks after the consumer group still reads what it has committed."""
    COORDINATOR_NOT_AVAILABLE = 15
    """No broker looks after the consumer group yet."""
    NOT_COORDINATOR = 16
    """Another broker looks after the consumer group by now."""
    ILLEGAL_GENERATION = 22
    """The group's partitions have been given out anew since the consumer got its own."""
    UNKNOWN_MEMBER_ID = 25
    """The consumer is no member of its group any more; it joins again."""
    REBALANCE_IN_PROGRESS = 27
    """The group's partitions are being given out anew."""
    INVALID_PRODUCER_EPOCH = 47
    """A newer producer has the same transactional id, as brokers before 2.7 say it."""
    INVALID_TXN_STATE = 48
    """The producer's transaction has ended already, or has not begun, as far as the broker knows."""
    INVALID_PRODUCER_ID_MAPPING = 49
    """The broker knows another producer by that transactional id, or none."""
    UNKNOWN_PRODUCER_ID = 59
    """The broker knows nothing of that producer any more."""
    FENCED_INSTANCE_ID = 82
    """A newer consumer has the same instance id."""
    PRODUCER_FENCED = 90
    """A newer producer has the same transactional id."""


_AWAY: Final = frozenset(
    {
        KafkaCode._RESOLVE,
        KafkaCode._MSG_TIMED_OUT,
        KafkaCode._TRANSPORT,
        KafkaCode._ALL_BROKERS_DOWN,
        KafkaCode._TIMED_OUT,
        KafkaCode._WAIT_COORD,
        KafkaCode.LEADER_NOT_AVAILABLE,
        KafkaCode.NOT_LEADER_FOR_PARTITION,
        KafkaCode.REQUEST_TIMED_OUT,
        KafkaCode.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaCode.COORDINATOR_NOT_AVAILABLE,
        KafkaCode.NOT_COORDINATOR,
    }
)
_REBALANCING: Final = frozenset({KafkaCode.ILLEGAL_GENERATION, KafkaCode.UNKNOWN_MEMBER_ID, KafkaCode.REBALANCE_IN_PROGRESS})
_FENCED: Final = frozenset(
    {KafkaCode._FENCED, KafkaCode.INVALID_PRODUCER_EPOCH, KafkaCode.FENCED_INSTANCE_ID, KafkaCode.PRODUCER_FENCED}
)
_TRANSACTION_LOST: Final = frozenset(
    {KafkaCode.INVALID_TXN_STATE, KafkaCode.INVALID_PRODUCER_ID_MAPPING, KafkaCode.UNKNOWN_PRODUCER_ID}
)


def is_away(code: int) -> bool:
    """Whether no broker that could answer is there now. One may come: :class:`schemas.errors.KafkaUnavailable` says so."""
    return code in _AWAY


def is_cluster_down(code: int) -> bool:
    """Whether librdkafka says that it has lost every broker. It says so once, apart from messages, and tries on by itself."""
    return code == KafkaCode._ALL_BROKERS_DOWN


def is_rebalancing(code: int) -> bool:
    """Whether the partitions of a consumer group are being given out anew. Once they are, a commit is taken again."""
    return code in _REBALANCING


def is_transaction_lost(code: int) -> bool:
    """Whether Kafka no longer knows what a producer has under way: :class:`schemas.errors.TransactionLost` says what to do."""
    return code in _TRANSACTION_LOST


def is_fenced(code: int, text: str) -> bool:
    """Whether a newer process has taken this one's place: :class:`schemas.errors.InstanceReplaced` says what to do.

    Args:
        code: The error's.
        text: What it says. Between messages librdkafka reports a fenced consumer as ``_FATAL``, with the cause in the text only.
    """
    return code in _FENCED or (code == KafkaCode._FATAL and "group.instance.id" in text)
