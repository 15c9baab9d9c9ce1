"""Listens on ``ssi.status`` to how the other feeds are, for a feed that stands by."""

import logging
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from connectors.ssi.client import monotonic_ms
from connectors.ssi.core.evictions import OtherFeeds
from schemas.errors import InvalidMessage
from schemas.topics import SSI_STATUS

log = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 100
"""Messages that are taken at one look; each feed writes one a second."""


class StatusListener:
    """Reads what the feeds say of themselves from now on."""

    def __init__(self, kafka: dict[str, str], topic_prefix: str, feed: str) -> None:
        self._others = OtherFeeds(feed)
        self._consumer = Consumer(
            {**kafka, "group.id": "stock-tracker-ssi-standby", "enable.auto.commit": False, "log.connection.close": False},
            logger=logging.getLogger(f"{__name__}.librdkafka"),
        )
        self._consumer.assign([TopicPartition(SSI_STATUS.named(topic_prefix), 0, OFFSET_END)])

    def is_any_up(self) -> bool | None:
        """Whether another feed is up; None while that is not known. It does not wait."""
        for message in self._consumer.consume(MOST_AT_ONCE, timeout=0):
            # Without the right to read, or without a broker, nothing is known; librdkafka's own log says why.
            if message.error() is None:
                try:
                    self._others.hear(SSI_STATUS.decode(message.value() or b""), monotonic_ms())
                except InvalidMessage as error:
                    log.warning("a status of another feed cannot be read: %s", error)
        return self._others.is_any_up(monotonic_ms())

    def close(self) -> None:
        """Stop listening."""
        self._consumer.close()
