"""What is wrong with a connector, in one sentence for its operator. Pure."""

from typing import Literal

from connectors.ssi.core.errors import ClockSetBack, ClockUnavailable
from schemas.errors import KafkaUnavailable

FeedState = Literal["connecting", "up", "down", "stopped"]
"""How the connection to SSI is, as ``ssi.status`` says it."""


def what_is_wrong(
    state: FeedState,
    reason: str,
    *,
    clock: ClockUnavailable | ClockSetBack | None,
    undecodable: str,
    kafka: KafkaUnavailable | None,
    waiting: int,
    key: str,
    reference: str,
) -> str:
    """Say what an operator has to see to first, or "" when all is well.

    Of several troubles the one nearest to Kafka is said: while nothing gets through there, mending the others helps nobody.

    Args:
        state: How the connection to SSI is.
        reason: Why it is not up.
        clock: Why a simulator's clock cannot be read, or market time stands still.
        undecodable: What of the feed cannot be used (:class:`~connectors.ssi.core.quality.FeedQuality`); "" when all can.
        kafka: Why nothing gets through to Kafka.
        waiting: How many records wait for it.
        key: Why a new key is not used; empty when none is refused.
        reference: What is wrong with the reference data; empty when nothing is.
    """
    if kafka is not None:
        return f"{kafka}; {waiting} records wait"
    if undecodable:
        return undecodable
    if clock is not None:
        return str(clock)
    return reason if state != "up" else key or reference
